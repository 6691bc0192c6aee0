"""Every queue of the exchange, in one table.

For each partition, with the prefix of the settings before and its number behind:

| queue      | kind   | what is in it                                                       |
|------------|--------|---------------------------------------------------------------------|
| ``orders`` | quorum | frames of gateways; one consumer at a time, the others stand by     |
| ``fallen`` | quorum | frames that were delivered too often, on their way to a verdict     |
| ``dead``   | quorum | dead letters, for a person: ``nextrade dlq``                        |
| ``events`` | stream | what every batch did, to be read from any place again and again     |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from ..platform.rabbit.connection import RabbitConnection
from ..platform.rabbit.errand import Operation, errand

__all__ = ["DELIVERY_LIMIT", "Topology"]

DELIVERY_LIMIT: Final = 20
"""A frame that was given out once more than this without an end falls."""

_EVENT_BYTES: Final = 20_000_000_000
_SEGMENT_BYTES: Final = 100_000_000


class Topology:
    """The names of queues, by partition, and what each is declared with."""

    def __init__(self, prefix: str = "nextrade") -> None:
        self.prefix = prefix

    def orders(self, partition: int) -> str:
        """The queue that takes a partition's frames."""
        return f"{self.prefix}.orders.{partition}"

    def fallen(self, partition: int) -> str:
        """The queue of what was delivered too often."""
        return f"{self.prefix}.fallen.{partition}"

    def dead(self, partition: int) -> str:
        """The queue of a partition's dead letters."""
        return f"{self.prefix}.dead.{partition}"

    def events(self, partition: int) -> str:
        """The stream of a partition's events."""
        return f"{self.prefix}.events.{partition}"

    def queues(self, partition: int) -> dict[str, dict[str, Any]]:
        """Each queue of a partition, and the arguments it is declared with."""
        return {
            self.dead(partition): {"x-queue-type": "quorum"},
            self.fallen(partition): {"x-queue-type": "quorum"},
            self.events(partition): {
                "x-queue-type": "stream",
                # The oldest segments go first. `verify` and new readers need what came since the
                # last snapshot of the book store.
                "x-max-length-bytes": _EVENT_BYTES,
                "x-stream-max-segment-size-bytes": _SEGMENT_BYTES,
            },
            self.orders(partition): {
                "x-queue-type": "quorum",
                "x-single-active-consumer": True,
                # With a limit a frame that is given back also keeps its place.
                "x-delivery-limit": DELIVERY_LIMIT,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": self.fallen(partition),
                # A frame leaves this queue only when the other one has it.
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            },
        }

    def declare(self, connection: RabbitConnection, partitions: Sequence[int]) -> None:
        """Make the queues of these partitions; what is there is left as it is.

        Raises BusRefused if one is there with other arguments, or may not be made.
        """
        errand(
            connection,
            [
                _declaring(name, arguments)
                for partition in partitions
                for name, arguments in self.queues(partition).items()
            ],
        )

    def lengths(self, connection: RabbitConnection, partitions: Sequence[int]) -> dict[str, int]:
        """How many messages wait in each queue that can tell; BusRefused if one is not there."""
        names = [
            name
            for partition in partitions
            for name in (self.orders(partition), self.fallen(partition), self.dead(partition))
        ]
        answers = errand(connection, [_asking(name) for name in names])
        return {
            name: int(answer.method.message_count)
            for name, answer in zip(names, answers, strict=True)
        }

    def consumers(self, connection: RabbitConnection, partitions: Sequence[int]) -> dict[int, int]:
        """How many consumers each partition's queue of orders has; BusRefused as above."""
        operations = [_asking(self.orders(partition)) for partition in partitions]
        answers = errand(connection, operations)
        return {
            partition: int(answer.method.consumer_count)
            for partition, answer in zip(partitions, answers, strict=True)
        }

    def delete(self, connection: RabbitConnection, partitions: Sequence[int]) -> None:
        """Remove the queues and all that is in them."""
        errand(
            connection,
            [_deleting(name) for partition in partitions for name in self.queues(partition)],
        )


def _declaring(name: str, arguments: dict[str, Any]) -> Operation:
    def declare(channel: Any, answered: Callable[[Any], None]) -> None:
        channel.queue_declare(name, durable=True, arguments=arguments, callback=answered)

    return declare


def _asking(name: str) -> Operation:
    def ask(channel: Any, answered: Callable[[Any], None]) -> None:
        channel.queue_declare(name, passive=True, callback=answered)

    return ask


def _deleting(name: str) -> Operation:
    def delete(channel: Any, answered: Callable[[Any], None]) -> None:
        channel.queue_delete(name, callback=answered)

    return delete
