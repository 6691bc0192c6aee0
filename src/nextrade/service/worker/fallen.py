"""Carries what was delivered too often back to its partition, as a request for a verdict.

Nothing is decided here: only the active worker, in its order, may say that a frame has ended. Any
number of relays may run; what one of them dies over comes again, and a second request is harmless.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Final

from ...domain.protocol.frames import FrameKind, Verdict, decode, identity_of, verdict_frame
from ...errors import BadFrame, BusLost
from ...platform.rabbit.connection import RabbitConnection
from ...platform.rabbit.publisher import Publisher
from ..topology import Topology

__all__ = ["FallenRelay"]

_PREFETCH: Final = 16
_REST_S: Final = 1.0
_log = logging.getLogger("nextrade.worker")


class FallenRelay:
    """Relays for some partitions, on one connection; closing the connection ends it."""

    def __init__(
        self, connection: RabbitConnection, topology: Topology, partitions: Sequence[int]
    ) -> None:
        self._topology = topology
        self._partitions = tuple(partitions)
        self._publisher = Publisher(connection)
        self._channel: Any = None
        connection.add(self)

    # --- on the connection's thread ------------------------------------------------------------

    def connected(self, connection: Any) -> None:
        """Open a channel."""
        connection.channel(on_open_callback=self._opened)

    def lost(self, _error: BusLost) -> None:
        """What was not acknowledged comes again."""
        self._channel = None

    def eased(self) -> None:
        """The publisher goes on by itself."""

    def _opened(self, channel: Any) -> None:
        self._channel = channel
        channel.add_on_close_callback(self._closed)

        def consume(_: Any) -> None:
            for number in self._partitions:
                channel.basic_consume(self._topology.fallen(number), partial(self._fell, number))

        channel.basic_qos(prefetch_count=_PREFETCH, callback=consume)

    def _closed(self, channel: Any, _error: Exception) -> None:
        connection = channel.connection
        if channel is self._channel:
            self._channel = None
        if connection.is_open:
            connection.ioloop.call_later(_REST_S, lambda: self._again(connection))

    def _again(self, connection: Any) -> None:
        if connection.is_open and self._channel is None:
            self.connected(connection)

    def _fell(self, number: int, channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        future = self._carry(number, body)
        if future is None:
            channel.basic_ack(method.delivery_tag)
            return
        future.add_done_callback(partial(self._carried, channel, method.delivery_tag))

    def _carry(self, number: int, body: bytes) -> Future[None] | None:
        """Send on what fell; None if there is nothing to send."""
        try:
            frame = decode(body)
        except BadFrame:
            frame = None
        if frame is not None and frame.kind == FrameKind.KNOCK:
            return None
        if frame is None or frame.kind != FrameKind.VERDICT:
            _log.warning("partition %d: frame %d fell", number, identity_of(body))
            request = verdict_frame(number, Verdict.DEAD_LETTERED, body)
            return self._publisher.send(
                self._topology.orders(number), request, f"verdict {identity_of(body)}"
            )
        # Even the verdict kills workers. What the frame holds is given back when it is given up.
        headers = {
            "reason": "it was delivered too often, and so was the request to end it",
            "frame": str(frame.identity),
            "time_ns": time.time_ns(),
        }
        return self._publisher.send(
            self._topology.dead(number), frame.about, str(frame.identity), headers
        )

    def _carried(self, channel: Any, tag: int, future: Future[None]) -> None:
        error = future.exception()
        if not channel.is_open:
            return
        if error is None:
            channel.basic_ack(tag)
        else:
            _log.error("what fell cannot be carried back: %s", error)
            channel.connection.ioloop.call_later(
                _REST_S, lambda: channel.is_open and channel.basic_nack(tag)
            )
