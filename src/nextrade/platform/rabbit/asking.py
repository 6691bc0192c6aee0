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
_BLOCKED_S = 2.0
"""How long a visit waits for a broker that says that it takes no messages."""


class Asking:
    """A connection for a few questions. Raises BusRefused or BusLost if there is none."""

    def __init__(self, target: RabbitTarget, name: str) -> None:
        refused: BusRefused | None = None
        last: BaseException | None = None
        for parameters in target.parameters(name):
            parameters.blocked_connection_timeout = _BLOCKED_S
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
        found = self._look(name)
        return None if found is None else int(found.message_count)

    def consumers(self, name: str) -> int:
        """How many take messages of a queue, or stand by to; none if there is no such queue."""
        found = self._look(name)
        return 0 if found is None else int(found.consumer_count)

    def takes_messages(self) -> bool:
        """Whether the broker takes messages; it does not while it is short of memory or disk."""
        try:
            channel = self._connection.channel()
            channel.confirm_delivery()
            # To a queue that nobody has: it is confirmed and dropped.
            channel.basic_publish("", "nextrade.nobody", b"")
            channel.close()
        except pika.exceptions.ConnectionBlockedTimeout:
            return False
        except (pika.exceptions.AMQPError, OSError) as error:
            raise BusLost(f"RabbitMQ: {said(error)}") from error
        return True

    def _look(self, name: str) -> Any:
        try:
            return self._ask(lambda one: one.queue_declare(name, passive=True)).method
        except BusRefused as error:
            if str(error).startswith(str(_NOT_FOUND)):
                return None
            raise

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
