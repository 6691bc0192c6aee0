"""A stream read from any place in it, as it grows, over lost connections too.

A stream keeps its messages, so a reader takes nothing away: it gets what lies behind an offset,
with the offset of each message, and asks from the next one on when the connection is back.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple, Self

from ...errors import BusLost, BusRefused
from .connection import RabbitConnection, said

__all__ = ["Entry", "StreamReader"]

_REFUSALS: Final = (403, 404, 406)
"""Answers that trying again does not change: no right to it, no such queue, no stream."""

_REOPEN_S: Final = 0.2


class Entry(NamedTuple):
    """One message of a stream."""

    offset: int
    body: bytes


class StreamReader:
    """Reads one stream over a connection that may have other tenants.

    ``start`` is the offset to begin at: a number, "first" for what is left of the oldest, "last"
    for the last piece that the broker stored, or "next" for what comes from now on (if the
    connection is lost before anything came, a second or two from before may come with it). At
    most ``prefetch`` messages are here and not yet taken. After ``patience_s`` without a
    connection ``read`` gives up.

    Raises BusRefused if there is no such stream, or no right to read it, and BusLost if the
    broker does not answer.
    """

    def __init__(
        self,
        connection: RabbitConnection,
        queue: str,
        start: int | Literal["first", "last", "next"],
        *,
        prefetch: int = 64,
        patience_s: float = 30.0,
    ) -> None:
        self._connection = connection
        self._queue = queue
        self._start = start
        self._prefetch = prefetch
        self._patience_s = patience_s
        self._next_offset = start if isinstance(start, int) else None
        self._began: datetime | None = None
        self._channel: Any = None
        self._channels = 0
        self._entries: deque[tuple[Entry, int, int]] = deque()
        self._changed = threading.Condition()
        self._fault: BusLost | BusRefused | None = None
        self._lost_at: float | None = time.monotonic()
        self._closing = False
        connection.wait_open(patience_s)
        connection.add(self)
        with self._changed:
            self._changed.wait_for(lambda: self._lost_at is None or self._fault, patience_s)
            if self._fault is None and self._lost_at is not None:
                self._fault = BusLost(f"stream {queue}: RabbitMQ does not answer")
        if self._fault is not None:
            self.close()
            raise self._fault

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def read(self, timeout_s: float) -> list[Entry]:
        """What has come, in order; waits for it at most so long, and may return nothing.

        Raises BusLost once there was no connection for too long, and BusRefused if the stream is
        gone; what had come before is returned first.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._entries or self._fault, timeout_s)
            taken = list(self._entries)
            self._entries.clear()
            lost_at = self._lost_at
        if taken:
            _, tag, channels = taken[-1]
            # What is acknowledged makes room for as much: so whoever reads sets the pace.
            self._connection.call(lambda: self._acknowledge(tag, channels))
        elif self._fault is not None:
            raise self._fault
        elif lost_at is not None and time.monotonic() - lost_at > self._patience_s:
            raise BusLost(f"stream {self._queue}: no connection for {self._patience_s:g} s")
        return [entry for entry, _, _ in taken]

    def close(self) -> None:
        """Stop reading; the connection stays."""
        self._closing = True
        self._connection.call(self._leave)

    # --- on the connection's thread: a tenant --------------------------------------------------

    def connected(self, connection: Any) -> None:
        """Go on where the reading stood."""
        if not self._closing and self._fault is None:
            connection.channel(on_open_callback=self._opened)

    def lost(self, error: BusLost) -> None:  # noqa: ARG002 - patience says what is too long
        """What is here stays; the rest comes once there is a connection again."""
        with self._changed:
            if self._lost_at is None:
                self._lost_at = time.monotonic()
            self._channel = None

    def eased(self) -> None:
        """A reader publishes nothing."""

    def _opened(self, channel: Any) -> None:
        self._channel = channel
        self._channels += 1
        channel.add_on_close_callback(self._closed)
        # The broker cancels when the stream moves to another node, or is deleted: ask anew.
        channel.add_on_cancel_callback(lambda _: channel.close())
        channel.basic_qos(prefetch_count=self._prefetch, callback=lambda _: self._consume(channel))

    def _consume(self, channel: Any) -> None:
        offset: int | str | datetime = self._start
        if self._next_offset is not None:
            offset = self._next_offset
        elif self._start == "next" and self._began is not None:
            offset = self._began  # nothing had come: what did since the first time counts
        self._began = self._began or datetime.now(UTC)
        channels = self._channels
        channel.basic_consume(
            self._queue,
            lambda _, method, properties, body: self._delivered(method, properties, body, channels),
            arguments={"x-stream-offset": offset},
            callback=lambda _: self._reading(),
        )

    def _reading(self) -> None:
        with self._changed:
            self._lost_at = None
            self._changed.notify_all()

    def _delivered(self, method: Any, properties: Any, body: bytes, channels: int) -> None:
        offset = int((properties.headers or {}).get("x-stream-offset", 0))
        tag = int(method.delivery_tag)
        if self._next_offset is not None and offset < self._next_offset:
            # A stream is read by whole chunks: the one asked for may begin before the offset.
            self._acknowledge(tag, channels)
            return
        self._next_offset = offset + 1
        with self._changed:
            self._entries.append((Entry(offset, bytes(body)), tag, channels))
            self._changed.notify_all()

    def _acknowledge(self, tag: int, channels: int) -> None:
        channel = self._channel
        if channels == self._channels and channel is not None and channel.is_open:
            channel.basic_ack(tag, multiple=True)

    def _closed(self, channel: Any, error: Exception) -> None:
        """The broker closed the channel, or the whole connection is going."""
        if channel is not self._channel or self._closing:
            return
        with self._changed:
            self._channel, self._lost_at = None, time.monotonic()
            if getattr(error, "reply_code", 0) in _REFUSALS:
                self._fault = BusRefused(f"stream {self._queue}: {said(error)}")
                self._changed.notify_all()
        connection = channel.connection
        if connection.is_open:
            connection.ioloop.call_later(_REOPEN_S, lambda: self._reopen(connection))

    def _reopen(self, connection: Any) -> None:
        if connection.is_open and self._channel is None:
            self.connected(connection)

    def _leave(self) -> None:
        if (channel := self._channel) is not None and channel.is_open:
            channel.close()
        self._channel = None
