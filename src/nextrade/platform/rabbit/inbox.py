"""A queue looked through by hand: messages are shown, some taken out, the rest goes back.

What was fetched and not removed returns to the queue when the inbox is closed, or when the process
dies, so an inbox that is interrupted loses nothing. It is made for a person's pace: one message
a time, no consumer, short visits (no heartbeat is answered between calls).

An inbox may be kept to one visitor at a time: what one has fetched another does not see, and would
decide without it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from ...errors import BusLost, BusRefused, MissingExtra
from .connection import said
from .target import RabbitTarget

try:
    import pika
    import pika.exceptions
except ImportError as error:
    raise MissingExtra("RabbitMQ needs its client: pip install nextrade[rabbit]") from error

__all__ = ["Inbox", "Item"]

_REFUSALS = (
    pika.exceptions.ProbableAuthenticationError,
    pika.exceptions.ProbableAccessDeniedError,
)


_LOCKED: Final = 405
_PAUSE_S: Final = 0.1


class Item(NamedTuple):
    """One message of the queue."""

    tag: int
    """By which this inbox removes it."""
    body: bytes
    message_id: str
    headers: Mapping[str, Any]


class Inbox:
    """A visit to one queue.

    Raises BusLost if the broker cannot be reached or hangs up, BusRefused if it does not let us
    in or has no such queue.
    """

    def __init__(
        self, target: RabbitTarget, queue: str, *, sign: str = "", wait_s: float = 5.0
    ) -> None:
        """Come in; with a ``sign`` alone.

        The sign is a queue that the visitor has to itself, so it goes with its connection. Who
        meets it waits for ``wait_s``, then BusRefused.
        """
        self._queue = queue
        with self._translated():
            # Given all addresses of a cluster, the client takes the first that answers.
            self._connection = pika.BlockingConnection(target.parameters(f"inbox {queue}"))
            try:
                self._channel = self._connection.channel()
                if sign:
                    self._hang_out(sign, time.monotonic() + wait_s)
            except BaseException:
                self.close()
                raise

    def _hang_out(self, sign: str, end: float) -> None:
        """Put up the sign that somebody is in."""
        while True:
            try:
                self._channel.queue_declare(sign, exclusive=True, auto_delete=True)
                return
            except pika.exceptions.ChannelClosedByBroker as error:
                if error.reply_code != _LOCKED:
                    raise
            if time.monotonic() >= end:
                raise BusRefused(
                    f"queue {self._queue}: somebody else is looking through it; try again later"
                )
            self._connection.sleep(_PAUSE_S)
            self._channel = self._connection.channel()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (*_REFUSALS, pika.exceptions.ChannelClosedByBroker) as error:
            raise BusRefused(f"queue {self._queue}: {said(error)}") from error
        except (pika.exceptions.AMQPError, OSError) as error:
            raise BusLost(f"queue {self._queue}: {said(error)}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """How many messages wait in the queue, those that this visit has fetched not counted."""
        with self._translated():
            answer = self._channel.queue_declare(self._queue, passive=True)
        return int(answer.method.message_count)

    def items(self, most: int, most_bytes: int) -> Iterator[Item]:
        """The messages of the queue in order, at most so many and about so many bytes.

        Each is kept from everybody else until it is removed or the inbox is closed.
        """
        taken_bytes = 0
        for _ in range(most):
            with self._translated():
                method, properties, body = self._channel.basic_get(self._queue, auto_ack=False)
            if method is None or body is None or properties is None:
                return
            yield Item(
                int(method.delivery_tag),
                bytes(body),
                properties.message_id or "",
                properties.headers or {},
            )
            taken_bytes += len(body)
            if taken_bytes >= most_bytes:
                return

    def remove(self, tag: int) -> None:
        """Take a message out for good."""
        with self._translated():
            self._channel.basic_ack(tag)

    def close(self) -> None:
        """End the visit; what was not removed is in the queue again."""
        if self._connection.is_open:
            # The broker answers in order: once it has, what was removed is out.
            with self._translated():
                self._connection.close()
