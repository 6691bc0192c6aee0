"""Processes of a loaded exchange die at any moment, and garbage comes through the queues."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nextrade import COMMAND_DTYPE, CommandKind, OrderType, Side
from nextrade.domain.protocol.frames import Verdict, commands_frame, identity_of
from nextrade.domain.protocol.ids import Ids

from ...rabbit_here import need_rabbit
from ...redis_here import need_redis
from .harness import Exchange, Load, judge


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    """A running exchange with two workers of every partition."""
    need_redis()
    need_rabbit()
    one = Exchange(tmp_path, seed=7)
    try:
        one.start()
        yield one
    finally:
        one.stop()


def garbage(dice: random.Random) -> list[tuple[int, bytes]]:
    """Messages that are no frames of the partition they are sent to, or absurd ones."""
    ids = Ids(1000, lambda: time.time_ns() // 1_000_000)
    some = np.zeros(3, COMMAND_DTYPE)
    some["kind"], some["owner"], some["qty_lots"], some["price_ticks"] = 1, 1, 1000, 300_000
    some["order_id"] = list(ids.take(3))
    good = commands_frame(0, ids.one(), some)
    made: list[tuple[int, bytes]] = [(0, b""), (0, b"NXTF"), (1, good), (0, bytes(2_000_000))]
    made += [(0, good[: dice.randrange(len(good))]) for _ in range(10)]
    made += [(0, good + bytes(dice.randint(1, 9)))]
    for _ in range(30):
        flipped = bytearray(good)
        flipped[dice.randrange(len(good))] ^= 1 << dice.randrange(8)
        made.append((0, bytes(flipped)))
    made += [(0, dice.randbytes(dice.randint(1, 300))) for _ in range(20)]
    for _ in range(20):  # frames of a right form, whose commands are noise
        noise = np.frombuffer(dice.randbytes(5 * COMMAND_DTYPE.itemsize), COMMAND_DTYPE)
        made.append((0, commands_frame(0, ids.one(), noise)))
    for field, value in (("market", 77), ("owner", 0), ("owner", 4_000_000_000), ("kind", 99)):
        odd = some.copy()
        odd[field] = value
        odd["order_id"] = list(ids.take(3))
        made.append((0, commands_frame(0, ids.one(), odd)))
    large = np.zeros(65_536, COMMAND_DTYPE)
    large["kind"], large["order_id"], large["owner"] = CommandKind.CANCEL, 5, 1
    made.append((0, commands_frame(0, ids.one(), large)))
    dice.shuffle(made)
    return made


@pytest.mark.full
def test_garbage_ends_as_dead_letters_or_refusals(exchange: Exchange) -> None:
    """The worker lives, the queue drains, everything is accounted for."""
    messages = garbage(random.Random(1))
    with Load(exchange) as load:
        time.sleep(1)
        exchange.publish_raw(messages)
        time.sleep(1)
    exchange.wait_until_quiet()
    exchange.verify()
    judge(exchange, [load])
    verdicts = exchange.verdicts()

    assert all(worker.poll() is None for worker in exchange.workers)
    codes = {code for found in verdicts.values() for code in found}
    assert {Verdict.RUN, Verdict.UNDECODABLE, Verdict.WRONG_PARTITION} <= codes
    told = exchange.nextrade("dlq", "list", "--json")
    assert told.returncode == 0, told.stderr
    undecodable = {
        identity for identity, found in verdicts.items() if found == [Verdict.UNDECODABLE]
    }
    sent = {identity_of(body) for _, body in messages}
    assert undecodable <= sent


@pytest.mark.full
@pytest.mark.parametrize("what", ["kill_worker", "kill_shard", "kill_broker", "pause_worker"])
def test_whatever_dies_nothing_is_lost(exchange: Exchange, what: str) -> None:
    """A few times each; ``python -m tests.faults.distributed`` does it for long."""
    with Load(exchange) as load:
        for _ in range(3):
            time.sleep(exchange.dice.uniform(0.2, 1.0))
            getattr(exchange, what)()
        time.sleep(1)
    exchange.wait_until_quiet()
    exchange.verify()
    judge(exchange, [load])


@pytest.mark.full
def test_a_frame_that_kills_its_worker_becomes_a_dead_letter(exchange: Exchange) -> None:
    """Whoever works is killed while it is given out; what it held comes back, others run."""
    buy = np.zeros(1, COMMAND_DTYPE)
    buy["kind"], buy["owner"], buy["side"] = CommandKind.PLACE, 1, Side.BUY
    buy["order_type"], buy["qty_lots"], buy["price_ticks"] = OrderType.LIMIT, 1000, 1000
    ids = Ids(1001, lambda: time.time_ns() // 1_000_000)
    poison, neighbour = ids.take(2)
    buy["order_id"] = poison
    sick = commands_frame(0, ids.one(), buy)
    buy["order_id"] = neighbour
    healthy = commands_frame(0, ids.one(), buy)
    # Not the worker but what it imports dies: the engine of a process that is told an order id.
    for worker in exchange.workers:
        worker.kill()
        worker.wait()
    exchange.workers.clear()
    trap = exchange.folder / "trap"
    trap.mkdir()
    (trap / "sitecustomize.py").write_text(
        "import os\n"
        "from nextrade.domain.partition import Partition\n"
        "run = Partition.process\n"
        "def process(self, commands, *rest, **words):\n"
        f"    if {poison} in commands['order_id']:\n"
        "        os._exit(9)\n"
        "    return run(self, commands, *rest, **words)\n"
        "Partition.process = process\n"
    )
    path = exchange.environment.get("PYTHONPATH", "")
    exchange.environment["PYTHONPATH"] = f"{trap}:{path}" if path else str(trap)
    exchange.publish_raw([(0, sick), (0, healthy)])
    end = time.monotonic() + 240
    deaths = 0
    while time.monotonic() < end:
        if not exchange.workers:
            exchange.start_worker()
        if exchange.workers[0].poll() is not None:
            exchange.workers.pop()
            deaths += 1
        elif exchange.verdicts().get(identity_of(healthy)):
            break
    exchange.wait_until_quiet()
    verdicts = exchange.verdicts()
    exchange.verify()

    assert deaths > 10
    assert verdicts[identity_of(sick)] == [Verdict.DEAD_LETTERED]
    assert verdicts[identity_of(healthy)] == [Verdict.RUN]
