"""Processes of a loaded exchange die, stand still or run out of room at any moment."""

import sys
import time
from pathlib import Path

import pytest

from ...rabbit_here import need_rabbit
from ...redis_here import need_redis
from .cashier import Cashier
from .checks import check
from .harness import Exchange
from .load import Load
from .ways import WAYS, kill_shard, kill_worker

TIMES = {"slow-shard": 1, "alarm": 1, "stop": 2, "broker": 2, "starved": 2}


def test_a_worker_and_a_shard_die_and_nothing_is_lost(tmp_path: Path) -> None:
    """The short form: what was confirmed ran once, and everything is accounted for."""
    need_redis()
    need_rabbit()
    exchange = Exchange(tmp_path, seed=5)
    try:
        exchange.start(broker_dies=False)
        with Load(exchange) as load, Cashier(exchange, "cash"):
            time.sleep(0.5)
            kill_worker(exchange)
            kill_shard(exchange)
            kill_worker(exchange)
            time.sleep(0.5)
        said = check(exchange, [load])
    finally:
        exchange.stop()

    assert exchange.epoch(0) > 1, said


@pytest.mark.full
@pytest.mark.parametrize("what", WAYS)
def test_whatever_happens_nothing_is_lost(exchange: Exchange, what: str) -> None:
    """A few times each; ``python -m tests.faults.distributed`` does it for long."""
    if what == "full" and not sys.platform.startswith("linux"):
        pytest.skip("only Linux limits the files of another process")
    with Load(exchange) as load, Cashier(exchange, "cash"):
        for _ in range(TIMES.get(what, 3)):
            time.sleep(exchange.dice.uniform(0.2, 1.0))
            WAYS[what](exchange)
        time.sleep(1)

    assert "confirmed frames" in check(exchange, [load])
