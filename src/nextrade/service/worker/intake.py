"""Messages of one queue, brought by the broker and waiting to be taken; and their acknowledgement.

The queue has one active consumer at a time, and every channel that is lost counts against all
messages that were delivered on it. So that a message which kills its worker does not drag its
neighbours along, each new channel has two consumers: a careful one, which is given one message
at a time, and right behind it a full one. While messages come that were delivered before, the
careful one is active and each of them is alone. When a message that never was delivered before
is acknowledged, the careful consumer is cancelled, and the full one of the same channel is
next, before the standby of any other worker. (Should another worker register between the two,
the queue goes over to it once more: the fence of the ledger holds, only time is lost.)

Everything but ``take``, ``acknowledge`` and ``drop`` runs on the connection's thread.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from ...domain.protocol.ports import Delivery
from ...errors import BusLost, BusRefused
from ...platform.rabbit.connection import RabbitConnection, close_channel, said

__all__ = ["Intake"]

_REOPEN_S: Final = 0.2
_REFUSALS: Final = (403, 404, 405, 406)
"""Answers of the broker that trying again does not change until somebody mends something."""


class _Channel:
    """One channel of the intake: what it has brought that is not acknowledged yet."""

    def __init__(self, number: int, channel: Any) -> None:
        self.number = number
        self.channel = channel
        self.careful = ""
        """The tag of the careful consumer, empty once it is cancelled."""
        self.is_complete = False
        """Whether both consumers are registered; until then the client holds a cancel back."""
        self.unacknowledged: dict[int, bool] = {}
        """Delivery tags in their order, and whether each was redelivered."""


class Intake:
    """The messages of one queue; a tenant of a connection that should not publish."""

    def __init__(
        self,
        connection: RabbitConnection,
        queue: str,
        *,
        prefetch: int = 64,
        patience_s: float = 30.0,
        on_channel: Callable[[], None] = lambda: None,
    ) -> None:
        """``on_channel`` is called on the connection's thread when consumers are registered."""
        self._patience_s = patience_s
        self._refused_at = 0.0
        self._connection = connection
        self._queue = queue
        self._prefetch = prefetch
        self._on_channel = on_channel
        self._deliveries: deque[Delivery] = deque()
        self._current: _Channel | None = None
        self._channels = 0
        self._closed = False
        self._error: BusRefused | None = None
        self._changed = threading.Condition()
        connection.add(self)

    @property
    def channels(self) -> int:
        """How many channels there were so far."""
        return self._channels

    def take(self, most: int, most_bytes: int, wait_s: float) -> list[Delivery]:
        """What is waiting, oldest first; waits for the first message at most so long.

        Raises BusRefused if the broker has refused the queue for longer than the patience, for
        example because it is not there. (For a moment after its start it has none of them.)
        """
        with self._changed:
            if not self._deliveries and wait_s > 0:
                self._changed.wait_for(lambda: self._deliveries, wait_s)
            since = time.monotonic() - self._refused_at
            if not self._deliveries and self._error is not None and since > self._patience_s:
                raise self._error
            taken: list[Delivery] = []
            size = 0
            while self._deliveries and len(taken) < most:
                size += len(self._deliveries[0].body)
                if taken and size > most_bytes:
                    break
                taken.append(self._deliveries.popleft())
            return taken

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """These are done; nothing happens for those of a channel that is gone."""
        current = self._current
        tags = [one.tag for one in deliveries if current and one.channel == current.number]
        if current is not None and tags:
            channel = current
            self._connection.call(lambda: self._acknowledge(channel, tags))

    def drop(self) -> None:
        """Give the channel up, and with it all that is not acknowledged; a new one follows."""
        with self._changed:
            dropped, self._current = self._current, None
            self._deliveries.clear()
        if dropped is not None:
            self._connection.call(lambda: self._hang_up(dropped))

    def close(self) -> None:
        """Take nothing any more; what is not acknowledged goes back to the queue."""
        self._closed = True
        self.drop()

    # --- on the connection's thread: a tenant --------------------------------------------------

    def connected(self, connection: Any) -> None:
        """Open a channel and consume."""
        if not self._closed:
            connection.channel(on_open_callback=self._opened)

    def lost(self, error: BusLost) -> None:  # noqa: ARG002 - a reconnect follows by itself
        """What was brought goes back to the queue by itself."""
        with self._changed:
            self._current = None
            self._deliveries.clear()

    def eased(self) -> None:
        """Nothing is published here."""

    def _opened(self, channel: Any) -> None:
        if self._closed:
            close_channel(channel)
            return
        with self._changed:
            self._channels += 1
            mine = self._current = _Channel(self._channels, channel)
            self._deliveries.clear()

        def brought(_: Any, method: Any, _properties: Any, body: bytes) -> None:
            self._brought(mine, int(method.delivery_tag), bool(method.redelivered), bytes(body))

        channel.add_on_close_callback(lambda _, error: self._channel_closed(mine, error))
        channel.add_on_cancel_callback(lambda _: self._hang_up(mine))
        # One after the other without waiting, so that nobody else gets in between the two.
        channel.basic_qos(prefetch_count=1)
        mine.careful = channel.basic_consume(self._queue, brought)
        channel.basic_qos(prefetch_count=self._prefetch)
        channel.basic_consume(self._queue, brought, callback=lambda _: self._consuming(mine))

    def _consuming(self, mine: _Channel) -> None:
        with self._changed:
            if mine is not self._current:
                return
            self._error = None
            mine.is_complete = True
        self._on_channel()

    def _brought(self, mine: _Channel, tag: int, redelivered: bool, body: bytes) -> None:
        with self._changed:
            if mine is self._current:
                mine.unacknowledged[tag] = redelivered
                self._deliveries.append(Delivery(mine.number, tag, body, redelivered))
                self._changed.notify_all()

    def _acknowledge(self, mine: _Channel, tags: list[int]) -> None:
        if not mine.channel.is_open:
            return
        done = set(tags) & mine.unacknowledged.keys()
        is_new = any(not mine.unacknowledged[tag] for tag in done)
        if is_new and mine.careful and mine.is_complete:
            # Before the acknowledgement, which would have the broker give it another message:
            # what arrives for a consumer that is being cancelled loses its place in the queue.
            mine.channel.basic_cancel(mine.careful)
            mine.careful = ""
        upto = 0
        for tag in mine.unacknowledged:  # in the order of delivery
            if tag not in done:
                break
            upto = tag
        if upto:
            mine.channel.basic_ack(upto, multiple=True)
        for tag in sorted(done):
            del mine.unacknowledged[tag]
            if tag > upto:
                mine.channel.basic_ack(tag)

    def _hang_up(self, mine: _Channel) -> None:
        close_channel(mine.channel)

    def _channel_closed(self, mine: _Channel, error: Exception) -> None:
        with self._changed:
            if self._current is mine:
                self._current = None
                self._deliveries.clear()
            if getattr(error, "reply_code", 0) in _REFUSALS:
                if self._error is None:
                    self._refused_at = time.monotonic()
                self._error = BusRefused(f"queue {self._queue}: {said(error)}")
        connection = mine.channel.connection
        if connection.is_open and not self._closed:
            pause = _REOPEN_S if self._error is not None else 0.0
            connection.ioloop.call_later(pause, lambda: self._reopen(connection))

    def _reopen(self, connection: Any) -> None:
        if connection.is_open and self._current is None:
            self.connected(connection)
