"""A short visit to RabbitMQ: declare, count and delete queues, one question after the other."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from ...errors import BusLost, BusRefused, MissingExtra
from .connection import is_refusal, said
from .target import RabbitTarget

try:
    import pika
    import pika.exceptions
except ImportError as error:
    raise MissingExtra("RabbitMQ needs its client: pip install nextrade[rabbit]") from error

__all__ = ["Asking"]

_NOT_FOUND = 404


class Asking:
    """A connection for a few questions. Raises BusRefused or BusLost if there is none."""

    def __init__(self, target: RabbitTarget, name: str) -> None:
        refused: BusRefused | None = None
        last: BaseException | None = None
        for parameters in target.parameters(name):
            try:
                self._connection = pika.BlockingConnection(parameters)
            except (pika.exceptions.AMQPError, OSError) as error:
                where = f"{name}: RabbitMQ at {parameters.host}:{parameters.port}"
                if is_refusal(error):
                    refused = BusRefused(f"{where} refuses {target.username!r}: {said(error)}")
                last = BusLost(f"{where}: {said(error)}")
                continue
            self._channel: Any = None
            return
        raise refused or last or BusLost(f"{name}: no address of RabbitMQ is known")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._connection.is_open:
            try:
                self._connection.close()
            except (pika.exceptions.AMQPError, OSError):
                return  # it is gone: that is all we wanted

    @property
    def version(self) -> str:
        """What the broker says of its own version."""
        properties: Mapping[str, Any] = self._connection._impl.server_properties or {}
        version = properties.get("version", "")
        return version.decode() if isinstance(version, bytes) else str(version)

    def declare(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Make a durable queue; BusRefused if there is another one of that name."""
        self._ask(lambda one: one.queue_declare(name, durable=True, arguments=dict(arguments)))

    def count(self, name: str) -> int | None:
        """Messages that are ready in a queue; None if there is no such queue."""
        try:
            answer = self._ask(lambda one: one.queue_declare(name, passive=True))
        except BusRefused as error:
            if str(error).startswith(str(_NOT_FOUND)):
                return None
            raise
        return int(answer.method.message_count)

    def delete(self, name: str) -> None:
        """Delete a queue, whatever is in it; one that is not there is no error."""
        self._ask(lambda one: one.queue_delete(name))

    def _ask(self, question: Any) -> Any:
        """Ask on a channel; the broker closes it when it answers with a refusal."""
        try:
            if self._channel is None or not self._channel.is_open:
                self._channel = self._connection.channel()
            return question(self._channel)
        except pika.exceptions.ChannelClosedByBroker as error:
            raise BusRefused(said(error)) from error
        except (pika.exceptions.AMQPError, OSError) as error:
            raise BusLost(f"RabbitMQ: {said(error)}") from error
