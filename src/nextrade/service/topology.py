"""The queues and streams of an exchange in one table, and whether a broker has them so.

    PREFIX.orders.P   quorum queue   frames for partition P; one consumer at a time is active
    PREFIX.fallen.P   quorum queue   frames that were delivered too often, on their way back
    PREFIX.dead.P     quorum queue   dead letters, for people
    PREFIX.events.P   stream         what happened in partition P
    PREFIX.ledger     stream         what happened to balances outside batches

A frame falls from orders to fallen without a moment in which it is in neither (at-least-once
dead-lettering, which needs reject-publish). Nothing is bound anywhere: who publishes names
the queue.

A limit of RabbitMQ 3.10: where its process is killed (not stopped) within the first minutes
after the very first stream was declared, it does not find its streams again. Stop and start
a new broker once after ``declare``, or let it run for some minutes before it must be relied on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from ..errors import BusRefused
from ..platform.rabbit.asking import Asking
from ..platform.rabbit.target import RabbitTarget

__all__ = ["DELIVERY_LIMIT", "Queue", "Topology"]

DELIVERY_LIMIT: Final = 20
"""How often a frame is delivered again before it falls."""

_SEGMENT_BYTES: Final = 100_000_000
_STREAM: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "x-queue-type": "stream",
        "x-max-length-bytes": 20_000_000_000,
        "x-max-age": "30D",
        "x-stream-max-segment-size-bytes": _SEGMENT_BYTES,
    }
)

_QUORUM: Final[Mapping[str, Any]] = MappingProxyType({"x-queue-type": "quorum"})
_KEEPING: Final[Mapping[str, Any]] = MappingProxyType({**_QUORUM, "x-delivery-limit": 2**31 - 1})
"""Who looks at dead letters gives them back, and each time counts. RabbitMQ 4 limits a queue
that names no limit to 20, and would drop them then."""


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue or stream, always durable, and the arguments that it is declared with."""

    name: str
    arguments: Mapping[str, Any]


class Topology:
    """The names of a prefix's queues, and what they are."""

    def __init__(self, prefix: str = "nextrade") -> None:
        self.prefix = prefix

    def orders(self, partition: int) -> str:
        """The queue of a partition's frames."""
        return f"{self.prefix}.orders.{partition}"

    def fallen(self, partition: int) -> str:
        """The queue of frames that were delivered too often."""
        return f"{self.prefix}.fallen.{partition}"

    def dead(self, partition: int) -> str:
        """The queue of dead letters."""
        return f"{self.prefix}.dead.{partition}"

    def sign(self, partition: int) -> str:
        """The queue that is there while somebody looks through the dead letters."""
        return f"{self.prefix}.dead.{partition}.sign"

    def events(self, partition: int) -> str:
        """The stream of a partition's events."""
        return f"{self.prefix}.events.{partition}"

    @property
    def ledger(self) -> str:
        """The stream of deposits, withdrawals and transfers."""
        return f"{self.prefix}.ledger"

    def queues(self, partition: int) -> tuple[Queue, ...]:
        """All of a partition, in the order in which they are declared."""
        orders = {
            "x-single-active-consumer": True,
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": self.fallen(partition),
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
        return (
            Queue(self.dead(partition), _KEEPING),
            Queue(self.fallen(partition), _KEEPING),
            Queue(self.events(partition), _STREAM),
            Queue(self.orders(partition), MappingProxyType({**_QUORUM, **orders})),
        )

    def declare(self, target: RabbitTarget, partitions: Iterable[int]) -> None:
        """Make what is missing; what is there stays as it is.

        Raises BusRefused if something is there and otherwise than in the table, and BusLost if
        the broker cannot be reached.
        """
        with Asking(target, "declaring queues") as broker:
            for queue in self._all(partitions):
                broker.declare(queue.name, queue.arguments)

    def check(self, target: RabbitTarget, partitions: Iterable[int]) -> list[str]:
        """What differs from the table, a sentence each; empty if nothing does.

        Makes nothing. Raises BusRefused and BusLost if the broker cannot be asked.
        """
        wrong = []
        with Asking(target, "looking at queues") as broker:
            for queue in self._all(partitions):
                if broker.count(queue.name) is None:
                    wrong.append(f"{queue.name} is not there")
                    continue
                try:
                    # It is there, so this makes nothing: it compares.
                    broker.declare(queue.name, queue.arguments)
                except BusRefused as error:
                    wrong.append(str(error))
        return wrong

    def depths(self, target: RabbitTarget, partitions: Iterable[int]) -> dict[str, int | None]:
        """How many messages wait in each queue, by its name; None for one that is not there."""
        with Asking(target, "counting messages") as broker:
            names = [queue.name for queue in self._all(partitions)]
            return {name: broker.count(name) for name in names}

    def delete(self, target: RabbitTarget, partitions: Iterable[int]) -> None:
        """Delete the partitions' queues with all that is in them; the ledger's stream stays."""
        with Asking(target, "deleting queues") as broker:
            for partition in partitions:
                for queue in self.queues(partition):
                    broker.delete(queue.name)

    def _all(self, partitions: Iterable[int]) -> list[Queue]:
        of_partitions = [queue for partition in partitions for queue in self.queues(partition)]
        return [*of_partitions, Queue(self.ledger, _STREAM)]
