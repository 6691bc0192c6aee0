"""The consumers of one partition's queue, on the connection's own thread.

A poisonous frame must not take innocent ones with it: whatever a lost channel had not
acknowledged counts as delivered once more. So a worker begins on each new channel with a careful
consumer, which gets one message at a time. A second one, which gets many, is registered right
behind it; the queue serves one consumer at a time and in this order, so it comes to life when the
careful one is cancelled: when a message that never was delivered before has been acknowledged,
and so all that were are through.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

import pika.exceptions

from ...domain.protocol.ports import Delivery
from ...errors import BusLost
from ...platform.rabbit.connection import RabbitConnection, said

__all__ = ["Consumer"]

_REOPEN_S: Final = 0.2
_log = logging.getLogger("nextrade.worker")


class Consumer:
    """Takes deliveries into a queue of its own, for a worker on another thread."""

    def __init__(
        self,
        connection: RabbitConnection,
        queue: str,
        *,
        prefetch: int = 64,
        greet: Callable[[], None] = lambda: None,
    ) -> None:
        """``greet`` is called, on the connection's thread, on each channel that consumes."""
        self._connection = connection
        self._queue = queue
        self._prefetch = prefetch
        self._greet = greet
        self._changed = threading.Condition()
        self._waiting: deque[Delivery] = deque()
        self._number = 0
        self._channel: Any = None
        self._careful_tag: str | None = None
        self._closed_for_good = False
        # Tags given out and not acknowledged, in order; True when the worker is done with it.
        self._out: dict[int, bool] = {}
        self._fresh: set[int] = set()
        connection.add(self)

    # --- on the worker's thread ----------------------------------------------------------------

    def take(self, most: int, most_bytes: int, timeout_s: float) -> list[Delivery]:
        """What is waiting, all of one channel; waits for the first one at most so long."""
        taken: list[Delivery] = []
        size = 0
        with self._changed:
            if timeout_s:
                self._changed.wait_for(lambda: self._waiting, timeout_s)
            while self._waiting and len(taken) < most:
                size += len(self._waiting[0].body)
                if taken and size > most_bytes:
                    break
                taken.append(self._waiting.popleft())
        return taken

    def acknowledge(self, deliveries: Iterable[Delivery]) -> None:
        """These are done; nothing happens for those of another channel than the present one."""
        done = [(one.channel, one.tag) for one in deliveries]
        self._connection.call(lambda: self._acknowledge(done))

    def drop(self) -> None:
        """Give back all that is not acknowledged, and begin anew on another channel."""
        with self._changed:
            self._waiting.clear()
            number = self._number
        self._connection.call(lambda: self._drop(number))

    def close(self) -> None:
        """Consume no more."""
        self._closed_for_good = True
        self.drop()
        self._connection.remove(self)

    # --- on the connection's thread ------------------------------------------------------------

    def connected(self, connection: Any) -> None:
        """Open a channel."""
        if not self._closed_for_good:
            connection.channel(on_open_callback=self._opened)

    def lost(self, _error: BusLost) -> None:
        """The channel is gone, and what it brought will come again."""
        self._forget()

    def eased(self) -> None:
        """Nothing here is published."""

    def _forget(self) -> None:
        with self._changed:
            self._waiting.clear()
        self._channel = None
        self._careful_tag = None
        self._out.clear()
        self._fresh.clear()

    def _opened(self, channel: Any) -> None:
        self._channel = channel
        with self._changed:
            self._number += 1
        channel.add_on_close_callback(self._channel_closed)
        channel.add_on_cancel_callback(lambda _: channel.close())
        channel.basic_qos(prefetch_count=1, callback=lambda _: self._consume_carefully(channel))

    def _consume_carefully(self, channel: Any) -> None:
        self._careful_tag = channel.basic_consume(
            self._queue, self._came, callback=lambda _: self._stand_behind(channel)
        )

    def _stand_behind(self, channel: Any) -> None:
        def consume(_: Any) -> None:
            channel.basic_consume(self._queue, self._came, callback=lambda _: self._greet())

        channel.basic_qos(prefetch_count=self._prefetch, callback=consume)

    def _came(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        if channel is not self._channel:
            return
        tag = method.delivery_tag
        count = (properties.headers or {}).get("x-delivery-count", 0)
        redelivered = bool(method.redelivered or count)
        self._out[tag] = False
        if not redelivered:
            self._fresh.add(tag)
        with self._changed:
            self._waiting.append(Delivery(self._number, tag, body, redelivered))
            self._changed.notify()

    def _acknowledge(self, done: list[tuple[int, int]]) -> None:
        channel = self._channel
        if channel is None or not channel.is_open:
            return
        fresh = False
        for number, tag in done:
            if number == self._number and tag in self._out:
                self._out[tag] = True
                fresh |= tag in self._fresh
        last = 0
        for tag, ended in self._out.items():
            if not ended:
                break
            last = tag
        if last:
            channel.basic_ack(last, multiple=True)
            for tag in [tag for tag in self._out if tag <= last]:
                del self._out[tag]
                self._fresh.discard(tag)
        if fresh and self._careful_tag is not None:
            careful, self._careful_tag = self._careful_tag, None
            channel.basic_cancel(careful)

    def _drop(self, number: int) -> None:
        channel = self._channel
        if channel is not None and number == self._number and channel.is_open:
            self._forget()
            channel.close()

    def _channel_closed(self, channel: Any, error: Exception) -> None:
        if self._channel is not None and channel is not self._channel:
            return
        self._forget()
        connection = channel.connection
        if self._closed_for_good or not connection.is_open:
            return
        if not isinstance(error, pika.exceptions.ChannelClosedByClient):
            _log.warning("the channel of %s was closed: %s", self._queue, said(error))
        connection.ioloop.call_later(_REOPEN_S, lambda: self._reopen(connection))

    def _reopen(self, connection: Any) -> None:
        if connection.is_open and self._channel is None:
            self.connected(connection)
