"""Messages that no gateway sends come through the queues of a loaded exchange."""

import random
import struct
import time
import zlib

import numpy as np
import pytest

from nextrade import COMMAND_DTYPE, CommandKind, OrderType, Side
from nextrade.domain.protocol.frames import Verdict, commands_frame, identity_of
from nextrade.domain.protocol.ids import Ids
from nextrade.domain.protocol.judging import identity_of_bytes
from nextrade.service.gateway.opening import Bus
from nextrade.service.topology import DELIVERY_LIMIT

from .checks import check, heard, verdicts_of
from .harness import Exchange
from .load import Load


def sealed(version: int, kind: int, partition: int, count: int, body: bytes) -> bytes:
    """A message with a right checksum, whatever it says."""
    head = struct.pack("<4sHHIIQI", b"NXTF", version, kind, partition, count, 77, len(body))
    return head + struct.pack("<I", zlib.crc32(body, zlib.crc32(head))) + body


def no_frames(dice: random.Random, good: bytes) -> list[tuple[int, bytes]]:
    """Messages that are no frames of the partition they are sent to."""
    body = good[32:]
    made = [b"", b"NXTF", good[:31], good[:32], good + b"x", good + good, bytes(2_000_000)]
    made += [sealed(2, 1, 0, 3, body), sealed(0, 1, 0, 3, body), sealed(1, 9, 0, 3, body)]
    made += [sealed(1, 1, 0, 2, body), sealed(1, 1, 0, 0, b""), sealed(1, 2, 0, 3, body)]
    made += [sealed(1, 3, 0, 1, body), sealed(1, 3, 0, 1, b"x"), sealed(1, 4, 0, 0, b"")]
    made += [sealed(1, 1, 0, 65_537, bytes(65_537 * COMMAND_DTYPE.itemsize))]
    made += [good[: dice.randrange(len(good))] for _ in range(10)]
    for _ in range(30):
        flipped = bytearray(good)
        flipped[dice.randrange(len(good))] ^= 1 << dice.randrange(8)
        made.append(bytes(flipped))
    made += [dice.randbytes(dice.randint(1, 300)) for _ in range(20)]
    return [(0, one) for one in made] + [(1, good)]


def absurd_frames(dice: random.Random, ids: Ids) -> list[tuple[int, bytes]]:
    """Frames in order, whose commands are not."""
    made = []
    for _ in range(20):
        noise = np.frombuffer(dice.randbytes(5 * COMMAND_DTYPE.itemsize), COMMAND_DTYPE)
        made.append(noise)
    fields = dict(COMMAND_DTYPE.fields or {})
    for name in set(fields) - {"order_id", "kind"}:
        bits = 8 * fields[name][0].itemsize - (fields[name][0].kind == "i")
        for value in (2**bits - 1, 2 ** (bits - 1), -(2**bits) if bits in (31, 63) else 0):
            some = np.zeros(3, COMMAND_DTYPE)
            some["kind"], some["owner"] = CommandKind.PLACE, 1
            some["order_type"] = [OrderType.LIMIT, OrderType.MARKET, OrderType.STOP_LIMIT]
            some["qty_lots"], some["price_ticks"] = 1000, 300_000
            some["order_id"], some[name] = list(ids.take(3)), value
            made.append(some)
    for kind in (*CommandKind, 0, 99, 255):  # of somebody who is nobody's owner or operator
        some = np.zeros(4, COMMAND_DTYPE)
        some["kind"], some["owner"], some["order_id"] = kind, [9_999, 1, 1, 1], 5
        some["qty_lots"], some["market"] = [0, -1, 2**63 - 1, 7], [0, 0, 77, 2**32 - 1]
        made.append(some)
    for kind in (CommandKind.CANCEL, CommandKind.PLACE):
        large = np.zeros(65_536, COMMAND_DTYPE)
        large["kind"], large["order_id"], large["owner"] = kind, 5, 9_999
        made.append(large)
    return [(0, commands_frame(0, ids.one(), some)) for some in made]


@pytest.mark.full
def test_garbage_ends_as_dead_letters_and_absurdity_as_refusals(exchange: Exchange) -> None:
    """The workers live, the queue drains, everything is accounted for."""
    dice, ids = random.Random(1), Ids(1000, lambda: time.time_ns() // 1_000_000)
    some = np.zeros(3, COMMAND_DTYPE)
    some["kind"], some["owner"], some["qty_lots"], some["price_ticks"] = 1, 1, 1000, 300_000
    some["order_id"] = list(ids.take(3))
    bad = no_frames(dice, commands_frame(0, ids.one(), some))
    absurd = absurd_frames(dice, ids)
    mixed = bad + absurd
    dice.shuffle(mixed)
    with Load(exchange) as load:
        time.sleep(1)
        exchange.publish_raw(mixed)
        time.sleep(1)
    check(exchange, [load], dead_letters=None)  # a message that comes twice has two letters
    verdicts = verdicts_of(heard(exchange))
    buried = set()
    for number in exchange.partitions:
        with Bus(exchange.settings).dead_letters(number) as visit:
            buried |= {(number, letter.body) for letter in visit.items(1000, 1 << 30)}

    assert buried == set(bad)
    for partition, body in bad:
        expected = Verdict.WRONG_PARTITION if partition else Verdict.UNDECODABLE
        assert verdicts[identity_of_bytes(body)] == [expected]
    for _, body in absurd:
        assert verdicts[identity_of(body)] == [Verdict.RUN]


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
    for worker in exchange.workers.copy():
        exchange.kill(worker)
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
        if exchange.workers[0].process.poll() is not None:
            exchange.workers.pop()
            deaths += 1
        elif verdicts_of(heard(exchange)).get(identity_of(healthy)):
            break
    check(exchange, [], dead_letters=1)
    verdicts = verdicts_of(heard(exchange))

    assert deaths == DELIVERY_LIMIT + 1
    assert verdicts[identity_of(sick)] == [Verdict.DEAD_LETTERED]
    assert verdicts[identity_of(healthy)] == [Verdict.RUN]
