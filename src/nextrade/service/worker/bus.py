"""The queue of one partition and its stream of events, over RabbitMQ.

Frames come in on one connection and events go out on another: a broker that runs short of
memory or disk reads no more from a connection that publishes, and so would not hear our
acknowledgements either.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import Final, Self

from ...domain.protocol.frames import knock_frame
from ...domain.protocol.ports import Delivery
from ...errors import BusLost, BusRefused
from ...platform.rabbit.connection import RabbitConnection
from ...platform.rabbit.publisher import Publisher
from ...platform.rabbit.target import RabbitTarget
from ..topology import Topology
from .intake import Intake

__all__ = ["RabbitBus", "connect_bus"]

_TAKE_S: Final = 0.25
"""How long take() waits: then its caller looks after other things."""

_CONFIRM_S: Final = 60.0
"""A broker that is not short of room and confirms nothing for so long is given up."""

_STOPPING_S: Final = 10.0
_STEP_S: Final = 0.5


class RabbitBus:
    """A Bus (domain/protocol/ports.py). One thread calls; the connections may be shared.

    Each new channel knocks: it sends the queue a frame that only wants to be delivered, so that
    whoever is active takes over, and finishes what a worker before left undone.
    """

    def __init__(
        self,
        reading: RabbitConnection,
        publisher: Publisher,
        topology: Topology,
        partition: int,
        *,
        prefetch: int = 64,
        patience_s: float = 30.0,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """``publisher`` must be on another connection than ``reading``.

        Once ``stopping`` says so, a confirmation is waited for ten seconds more at most. A
        queue that the broker refuses is an error only after ``patience_s``.
        """
        self._stopping = stopping
        self._topology = topology
        self._partition = partition
        self._publisher = publisher
        self._published: deque[Future[None]] = deque()
        self._owned: tuple[RabbitConnection, ...] = ()
        self._closed = False
        self._intake = Intake(
            reading,
            topology.orders(partition),
            prefetch=prefetch,
            patience_s=patience_s,
            on_channel=self._knock,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self, most: int, most_bytes: int, *, wait: bool) -> list[Delivery]:
        """The messages that are waiting here; see Bus.

        Raises BusRefused if the broker has no such queue.
        """
        return self._intake.take(most, most_bytes, _TAKE_S if wait else 0.0)

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """These are done; see Bus."""
        self._intake.acknowledge(deliveries)

    def publish(self, name: str, messages: Sequence[bytes]) -> None:
        """Send the messages of a batch to the stream of events; see Bus."""
        stream = self._topology.events(self._partition)
        for index, message in enumerate(messages):
            last = self._published[-1] if self._published else None
            if last is not None and last.done() and last.exception() is not None:
                # What comes behind a lost message must not reach the stream before it does.
                self._published.append(last)
                continue
            self._published.append(self._publisher.send(stream, message, f"{name}/{index}"))

    def confirm(self) -> None:
        """Wait until all that was published is confirmed; see Bus."""
        error: BaseException | None = None
        while self._published:
            failed = self._outcome(self._published[0])
            self._published.popleft()
            error = error or failed
        if error is not None:
            raise error

    def bury(self, message: bytes, reason: str, identity: int) -> None:
        """Put a message with a reason into the queue of dead letters; see Bus."""
        headers = {"reason": reason, "frame": str(identity), "time_ns": time.time_ns()}
        dead = self._topology.dead(self._partition)
        if error := self._outcome(self._publisher.send(dead, message, str(identity), headers)):
            raise error

    def ask(self, message: bytes) -> None:
        """Put a frame of the worker's own into the queue; see Bus."""
        self._publisher.send(self._topology.orders(self._partition), message, "own")

    def drop_channel(self) -> None:
        """Give the queue up; see Bus."""
        self._intake.drop()

    def close(self) -> None:
        """Give the queue up for good; who waits for a confirmation gets BusLost."""
        self._closed = True
        self._intake.close()
        for connection in self._owned:
            connection.close()

    def _knock(self) -> None:
        # Nobody waits for it: if it is lost, so is the connection, and the next channel knocks.
        orders = self._topology.orders(self._partition)
        self._publisher.send(orders, knock_frame(self._partition), "knock")

    def _outcome(self, sent: Future[None]) -> BaseException | None:
        """What became of a message. A broker that is short of room is waited for.

        A stream or queue that is not there counts as lost: for a moment after its start a
        broker knows none, so to send again is right.
        """
        error = self._end_of(sent)
        return BusLost(str(error)) if isinstance(error, BusRefused) else error

    def _end_of(self, sent: Future[None]) -> BaseException | None:
        waited_s = stopping_s = 0.0
        while True:
            try:
                return sent.exception(_STEP_S)
            except NotYet:
                waited_s = 0.0 if self._publisher.is_held else waited_s + _STEP_S
                stopping_s += _STEP_S if self._stopping() else 0.0
            if self._closed or stopping_s > _STOPPING_S:
                return BusLost("told to stop while waiting for a confirmation")
            if waited_s > _CONFIRM_S:
                self._publisher.disconnect(f"no confirmation for {_CONFIRM_S:g} s")
                waited_s = 0.0


def connect_bus(
    target: RabbitTarget,
    topology: Topology,
    partition: int,
    *,
    prefetch: int = 64,
    patience_s: float = 30.0,
    stopping: Callable[[], bool] = lambda: False,
    timeout_s: float = 30.0,
) -> RabbitBus:
    """A bus with two connections of its own, which it closes.

    Raises BusRefused if the broker does not let us in, BusLost if there is none in time.
    """
    reading = RabbitConnection(target, f"partition {partition}, frames in")
    writing = RabbitConnection(target, f"partition {partition}, events out")
    try:
        publisher = Publisher(writing)
        publisher.wait_ready(timeout_s)
        reading.wait_open(timeout_s)
        bus = RabbitBus(
            reading,
            publisher,
            topology,
            partition,
            prefetch=prefetch,
            patience_s=patience_s,
            stopping=stopping,
        )
    except BaseException:
        reading.close()
        writing.close()
        raise
    bus._owned = (reading, writing)
    return bus
