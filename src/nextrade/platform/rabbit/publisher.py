"""Confirmed publishing: a message counts as sent when the broker says that it has it.

At most ``window`` messages are on their way; further ones wait here. When the connection is
lost, all of them fail in their order: whether the broker had those on their way is unknown,
and whoever sends them again keeps their ids.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, Final, NamedTuple

from ...errors import BusLost, BusRefused, MissingExtra
from .connection import RabbitConnection, said

try:
    import pika
    import pika.exceptions
except ImportError as error:
    raise MissingExtra("RabbitMQ needs its client: pip install nextrade[rabbit]") from error

__all__ = ["MOST_BYTES", "Publisher"]

MOST_BYTES: Final = 1 << 27
"""The longest message that a broker takes unless it is set otherwise."""

_REOPEN_S: Final = 0.2
_PERSISTENT: Final = 2


class _Message(NamedTuple):
    queue: str
    body: bytes
    properties: Any
    future: Future[None]


class Publisher:
    """Publishes to queues by name, from any thread."""

    def __init__(self, connection: RabbitConnection, *, window: int = 1000) -> None:
        self._connection = connection
        self._window = window
        self._waiting: deque[_Message] = deque()
        self._on_their_way: dict[int, _Message] = {}
        self._returned: dict[int, str] = {}
        self._next_tag = 1
        self._channel: Any = None
        self._ready = False
        self._error = BusLost(f"{connection.name}: not connected yet")
        self._changed = threading.Condition()
        self._flush_asked = False
        connection.add(self)

    @property
    def is_ready(self) -> bool:
        """Whether messages can be sent at the moment."""
        return self._ready

    @property
    def is_held(self) -> bool:
        """Whether the broker is short of memory or disk, and takes nothing at the moment."""
        return self._connection.is_blocked

    def disconnect(self, why: str) -> None:
        """Give the connection up and make a new one: all that is not confirmed fails."""
        self._connection.disconnect(why)

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until messages can be sent; raises BusRefused or BusLost as the connection does."""
        self._connection.wait_open(timeout_s)
        with self._changed:
            if not self._changed.wait_for(lambda: self._ready, timeout_s):
                raise self._error

    def send(
        self, queue: str, body: bytes, message_id: str, headers: Mapping[str, Any] | None = None
    ) -> Future[None]:
        """Publish a persistent message; messages of one thread go in its order.

        The future ends when the broker has confirmed it, on the connection's thread. It fails
        with BusLost if that cannot be known, at once if there is no connection; and with
        BusRefused if there is no such queue, or the message is too long. It cannot be cancelled.
        Raises ValueError for names and headers that AMQP has no form for.
        """
        properties = pika.BasicProperties(
            message_id=message_id,
            delivery_mode=_PERSISTENT,
            headers=None if headers is None else dict(headers),
        )
        # Once a message is counted it must go out, or all later confirmations would be misread.
        try:
            properties.encode()
            pika.spec.Basic.Publish(routing_key=queue).encode()
        except (pika.exceptions.AMQPError, AssertionError, ValueError) as error:
            raise ValueError(f"message {message_id} to {queue}: {said(error)}") from error
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()
        if len(body) > MOST_BYTES:
            future.set_exception(
                BusRefused(f"message {message_id}: {len(body):,} bytes; {MOST_BYTES:,} at most")
            )
            return future
        with self._changed:
            lost = None if self._ready else self._error
            ask = lost is None and not self._flush_asked
            if lost is None:
                self._waiting.append(_Message(queue, body, properties, future))
                self._flush_asked = True
        if lost is not None:
            future.set_exception(lost)
        elif ask:
            self._connection.call(self._flush)
        return future

    # --- on the connection's thread: a tenant --------------------------------------------------

    def connected(self, connection: Any) -> None:
        """Open a channel that confirms."""
        connection.channel(on_open_callback=self._opened)

    def lost(self, error: BusLost) -> None:
        """Fail what was not confirmed."""
        with self._changed:
            self._ready = False
            self._error = error
            self._flush_asked = False
            failed = [*self._on_their_way.values(), *self._waiting]
            self._on_their_way.clear()
            self._waiting.clear()
            self._returned.clear()
            self._channel = None
        for message in failed:
            message.future.set_exception(error)

    def eased(self) -> None:
        """Go on after the broker was short of room."""
        self._flush()

    def _opened(self, channel: Any) -> None:
        self._channel = channel
        channel.add_on_close_callback(self._closed)
        channel.add_on_return_callback(self._came_back)
        channel.confirm_delivery(self._answered, callback=lambda _: self._confirming(channel))

    def _confirming(self, channel: Any) -> None:
        if channel is not self._channel:
            return
        with self._changed:
            self._next_tag = 1
            self._ready = True
            self._changed.notify_all()

    def _closed(self, channel: Any, error: Exception) -> None:
        """The broker closed the channel alone, for a message that it finds wrong."""
        if channel is not self._channel:
            return
        self.lost(BusLost(f"{self._connection.name}: {said(error)}"))
        connection = channel.connection
        if connection.is_open:
            connection.ioloop.call_later(_REOPEN_S, lambda: self._reopen(connection))

    def _reopen(self, connection: Any) -> None:
        if connection.is_open and self._channel is None:
            self.connected(connection)

    def _flush(self) -> None:
        """Publish what is waiting, as far as the window and the broker allow."""
        with self._changed:
            self._flush_asked = False
        channel = self._channel
        while self._ready and not self._connection.is_blocked:
            with self._changed:
                if not self._waiting or len(self._on_their_way) >= self._window:
                    return
                message = self._waiting.popleft()
                self._on_their_way[self._next_tag] = message
                self._next_tag += 1
            try:
                channel.basic_publish(
                    "", message.queue, message.body, message.properties, mandatory=True
                )
            except pika.exceptions.AMQPError:
                return  # it is closing: lost() follows, and fails this message with the others

    def _came_back(self, _channel: Any, method: Any, properties: Any, _body: bytes) -> None:
        """No queue took a message; its confirmation comes right behind."""
        for tag, message in self._on_their_way.items():
            same = message.properties.message_id == properties.message_id
            if same and message.queue == method.routing_key and tag not in self._returned:
                self._returned[tag] = f"{method.reply_code} {method.reply_text}"
                return

    def _answered(self, frame: Any) -> None:
        method = frame.method
        is_ack = isinstance(method, pika.spec.Basic.Ack)
        tags = [method.delivery_tag]
        if method.multiple:  # tags ascend, and so does the dictionary
            tags = []
            for tag in self._on_their_way:
                if tag > method.delivery_tag:
                    break
                tags.append(tag)
        for tag in tags:
            with self._changed:
                message = self._on_their_way.pop(tag, None)
            if message is None:
                continue
            name = f"message {message.properties.message_id}"
            if (back := self._returned.pop(tag, None)) is not None:
                message.future.set_exception(
                    BusRefused(f"{name}: no queue {message.queue} ({back})")
                )
            elif is_ack:
                message.future.set_result(None)
            else:
                message.future.set_exception(
                    BusLost(f"{name}: queue {message.queue} did not take it")
                )
        self._flush()
