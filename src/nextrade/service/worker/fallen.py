"""Brings frames that were delivered too often back to their partition, as verdicts.

Only the active worker may end a frame, for it alone knows what the frame has reserved. So the
relay does not judge: it puts the fallen message into a verdict frame and sends that through
the queue of orders. A verdict that falls itself would go round for ever; it becomes a dead
letter. Any number of relays may run: a verdict that comes twice ends the frame once.
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Any, Final

from ...domain.protocol.frames import FrameKind, Verdict, decode, identity_of, verdict_frame
from ...domain.protocol.judging import REASONS
from ...errors import BadFrame, BusLost
from ...platform.rabbit.connection import RabbitConnection, close_channel
from ...platform.rabbit.publisher import Publisher
from ..topology import Topology

__all__ = ["FallenRelay"]

_PREFETCH: Final = 16
_REOPEN_S: Final = 1.0


class FallenRelay:
    """Works on its connections' threads from when it is made until it is closed."""

    def __init__(
        self,
        reading: RabbitConnection,
        publisher: Publisher,
        topology: Topology,
        partition: int,
    ) -> None:
        """``publisher`` must be on another connection than ``reading``."""
        self._reading = reading
        self._publisher = publisher
        self._topology = topology
        self._partition = partition
        self._channel: Any = None
        self._closed = False
        self.passed_on = 0
        """Messages that went on, confirmed."""
        reading.add(self)

    def close(self) -> None:
        """Stop; what is not passed on goes back to its queue."""
        self._closed = True
        self._reading.call(self._hang_up)

    # --- on the thread of the connection that reads: a tenant -----------------------------------

    def connected(self, connection: Any) -> None:
        """Open a channel and consume."""
        if not self._closed:
            connection.channel(on_open_callback=self._opened)

    def lost(self, error: BusLost) -> None:  # noqa: ARG002 - a reconnect follows by itself
        """What was brought goes back to the queue by itself."""
        self._channel = None

    def eased(self) -> None:
        """Nothing is published here."""

    def _opened(self, channel: Any) -> None:
        self._channel = channel
        channel.add_on_close_callback(lambda *_: self._channel_closed(channel))
        channel.add_on_cancel_callback(lambda _: self._hang_up())
        channel.basic_qos(prefetch_count=_PREFETCH)
        channel.basic_consume(self._topology.fallen(self._partition), self._fell)

    def _fell(self, channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        tag = int(method.delivery_tag)
        sent = self._pass_on(bytes(body))
        if sent is None:
            channel.basic_ack(tag)
            return
        sent.add_done_callback(
            lambda done: self._reading.call(lambda: self._passed(channel, tag, done))
        )

    def _pass_on(self, message: bytes) -> Future[None] | None:
        """Send a message on; None if it has nothing to say to anybody."""
        identity = identity_of(message)
        try:
            frame = decode(message)
        except BadFrame:
            frame = None
        if frame is not None and frame.kind == FrameKind.KNOCK:
            return None
        if frame is not None and frame.kind == FrameKind.VERDICT:
            reason = f"a verdict that was delivered too often: {REASONS[frame.verdict]}"
            headers = {"reason": reason, "frame": str(identity), "time_ns": time.time_ns()}
            dead = self._topology.dead(self._partition)
            return self._publisher.send(dead, message, str(identity), headers)
        verdict = verdict_frame(self._partition, Verdict.DEAD_LETTERED, message)
        return self._publisher.send(self._topology.orders(self._partition), verdict, str(identity))

    def _passed(self, channel: Any, tag: int, done: Future[None]) -> None:
        if channel is not self._channel or not channel.is_open:
            return
        if done.exception() is None:
            self.passed_on += 1
            channel.basic_ack(tag)
        else:  # begin anew after a pause; what was not passed on comes again
            self._hang_up()

    def _hang_up(self) -> None:
        if self._channel is not None:
            close_channel(self._channel)

    def _channel_closed(self, channel: Any) -> None:
        self._channel = None
        connection = channel.connection
        if connection.is_open and not self._closed:
            connection.ioloop.call_later(_REOPEN_S, lambda: self._reopen(connection))

    def _reopen(self, connection: Any) -> None:
        if connection.is_open and self._channel is None:
            self.connected(connection)
