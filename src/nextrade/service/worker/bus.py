"""One partition's queue and its stream of events, as the batch protocol wants them."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from typing import Final

from ...domain.protocol.frames import knock_frame
from ...domain.protocol.ports import Delivery
from ...errors import BusLost, BusRefused
from ...platform.rabbit.connection import RabbitConnection
from ...platform.rabbit.publisher import Publisher
from ..topology import Topology
from .consumer import Consumer

__all__ = ["RabbitBus"]

_TAKE_S: Final = 1.0
_CONFIRM_S: Final = 15.0
_log = logging.getLogger("nextrade.worker")


class RabbitBus:
    """A Bus over RabbitMQ, with a connection of its own, whose thread keeps it alive."""

    def __init__(self, connection: RabbitConnection, topology: Topology, partition: int) -> None:
        self._connection = connection
        self._partition = partition
        self._orders = topology.orders(partition)
        self._events = topology.events(partition)
        self._dead = topology.dead(partition)
        self._publisher = Publisher(connection)
        self._unconfirmed: list[Future[None]] = []
        self._consumer = Consumer(connection, self._orders, greet=self._knock)

    def close(self) -> None:
        """Give the queue and the connection up."""
        self._consumer.close()
        self._connection.close()

    def _knock(self) -> None:
        """Not waited for: if it is lost, so is the channel, and the next one knocks again."""
        future = self._publisher.send(self._orders, knock_frame(self._partition), "knock")
        future.add_done_callback(lambda done: done.exception())

    def take(self, most: int, most_bytes: int, *, wait: bool) -> list[Delivery]:
        """The messages that are waiting here, oldest first; waits a second for the first one."""
        return self._consumer.take(most, most_bytes, _TAKE_S if wait else 0.0)

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """These are done."""
        self._consumer.acknowledge(deliveries)

    def publish(self, name: str, messages: Sequence[bytes]) -> None:
        """Send the messages of a batch to the stream; does not wait."""
        self._unconfirmed += [
            self._publisher.send(self._events, body, f"{name}/{index}")
            for index, body in enumerate(messages)
        ]

    def confirm(self) -> None:
        """Wait until all that was published is confirmed; BusLost if that cannot be known."""
        futures, self._unconfirmed = self._unconfirmed, []
        for future in futures:
            _outcome(future)

    def bury(self, message: bytes, reason: str, identity: int) -> None:
        """Put a message with a reason into the queue of dead letters, confirmed."""
        headers = {"reason": reason, "frame": str(identity), "time_ns": time.time_ns()}
        _outcome(self._publisher.send(self._dead, message, str(identity), headers))

    def drop_channel(self) -> None:
        """Give the queue up, and with it all that is not acknowledged."""
        self._consumer.drop()


def _outcome(future: Future[None]) -> None:
    """Wait for a confirmation; whatever is wrong, sending it again is the way on."""
    try:
        future.result(_CONFIRM_S)
    except TooLate as error:
        raise BusLost(f"no confirmation within {_CONFIRM_S:g} s") from error
    except BusRefused as error:
        _log.error("RabbitMQ does not take what a batch has to say: %s", error)
        raise BusLost(str(error)) from error
