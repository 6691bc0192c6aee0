"""One worker process: a lane for each of its partitions, connected as the settings say."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from ...errors import BusLost
from ...platform.rabbit.connection import RabbitConnection
from ...platform.rabbit.publisher import Publisher
from ...platform.rabbit.target import RabbitTarget, target_of
from ...platform.settings import Settings
from ..home.listed import stored_listings
from ..home.opening import open_ledger
from ..home.stores import open_store
from ..ledger.redis import RedisLedger
from ..ledger.redis.batches import BucketBatches
from ..ledger.redis.outboxes import Outboxes
from ..listings_file import listings_of
from ..store.founding import check_same, open_founding
from ..topology import Topology
from .bus import connect_bus
from .fallen import FallenRelay
from .lane import Lane, Ports
from .ledger_chores import PATIENCE_S, LedgerChores
from .relay import LedgerRelay

__all__ = ["connector", "serve"]

_LOOK_S = 0.2
_REST_S = 1.0
_log = logging.getLogger("nextrade.worker")


def serve(settings: Settings, partitions: Sequence[int], stop: threading.Event) -> bool:
    """Run these partitions until told to stop; True if one ended with a contradiction."""
    topology = Topology(settings.rabbit.prefix)
    target = target_of(settings)
    _declare(topology, target, partitions, stop)
    with ExitStack() as stack:
        reading = stack.enter_context(RabbitConnection(target, "fallen frames, in"))
        writing = stack.enter_context(RabbitConnection(target, "fallen frames, back"))
        publisher = Publisher(writing)
        for number in partitions:
            relay = FallenRelay(reading, publisher, topology, number)
            stack.callback(relay.close)
        chores = LedgerChores(
            lambda: open_ledger(settings, PATIENCE_S),
            lambda ledger: _relay(ledger, publisher, topology),
            lambda: topology.declare(target, partitions),
            stop,
        )
        chores.start()
        connect = connector(settings, topology, stop)
        lanes = [Lane(number, connect, stop) for number in partitions]
        for lane in lanes:
            lane.start()
        _log.info("running partitions %s", ", ".join(map(str, partitions)))
        while not stop.is_set() and any(lane.is_alive for lane in lanes):
            stop.wait(_LOOK_S)
        for lane in lanes:
            lane.join()
        stop.set()
        chores.join()
        _log.info("ended")
    return any(lane.failure is not None for lane in lanes)


def _relay(ledger: RedisLedger, publisher: Publisher, topology: Topology) -> LedgerRelay:
    return LedgerRelay(
        Outboxes(ledger.shards), lambda body, name: publisher.send(topology.ledger, body, name)
    )


def _declare(
    topology: Topology, target: RabbitTarget, partitions: Sequence[int], stop: threading.Event
) -> None:
    """Make the queues, as soon as there is a broker; raises BusRefused if it does not let us."""
    while not stop.is_set():
        try:
            topology.declare(target, partitions)
            return
        except BusLost as error:
            _log.warning("%s; trying again", error)
            stop.wait(_REST_S)


def connector(
    settings: Settings, topology: Topology, stop: threading.Event
) -> Callable[[int], Ports]:
    """Makes the ports of a partition: connections of its own, terms from its book store."""
    listings = listings_of(settings)
    target = target_of(settings)

    def connect(number: int) -> Ports:
        with ExitStack() as stack:
            store = open_store(settings)
            stack.callback(store.close)
            founding = open_founding(store.look(number).founding)
            current = stored_listings(store, founding.listings)
            check_same(founding.listings, current, listings, number)
            ledger = open_ledger(settings)
            stack.callback(ledger.close)
            bus = connect_bus(target, topology, number, stopping=stop.is_set)
            stack.callback(bus.close)
            close = stack.pop_all().close
        batches = BucketBatches(ledger.shards)
        return Ports(founding.listings, bus, batches, store, founding.limits(), close)

    return connect
