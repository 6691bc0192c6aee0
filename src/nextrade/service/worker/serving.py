"""One worker process: a lane for each of its partitions, connected as the settings say."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import ExitStack

from ...platform.rabbit.connection import RabbitConnection
from ...platform.rabbit.target import target_of
from ...platform.settings import Settings
from ..topology import Topology
from .fallen import FallenRelay
from .lane import Lane

__all__ = ["serve"]

_LOOK_S = 0.2
_log = logging.getLogger("nextrade.worker")


def serve(settings: Settings, partitions: Sequence[int], stop: threading.Event) -> bool:
    """Run these partitions until told to stop; True if one ended with a contradiction."""
    topology = Topology(settings.rabbit.prefix)
    with ExitStack() as stack:
        connection = stack.enter_context(RabbitConnection(target_of(settings), "nextrade relay"))
        topology.declare(connection, partitions)
        relay = FallenRelay(connection, topology, partitions)
        stack.callback(relay.close)
        connect = _connector(settings, topology)
        lanes = [Lane(number, connect, stop) for number in partitions]
        for lane in lanes:
            lane.start()
        _log.info("running partitions %s", ", ".join(map(str, partitions)))
        while not stop.is_set() and any(lane.is_alive for lane in lanes):
            stop.wait(_LOOK_S)
        for lane in lanes:
            lane.join()
        _log.info("ended")
    return any(lane.failure is not None for lane in lanes)
