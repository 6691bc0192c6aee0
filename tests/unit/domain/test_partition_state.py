"""State of a partition: hash, snapshot, restore, and where a stream is cut into batches."""

import hashlib

import numpy as np
import pytest

from nextrade import COMMAND_DTYPE
from nextrade.domain import partition_snapshot
from nextrade.domain.listings import Fees, Listings
from nextrade.domain.partition import ORDER_HOLD_DTYPE, Partition
from nextrade.errors import InvariantError, SnapshotError

from .partition_tables import (
    BTC,
    ETH,
    USDT,
    Desk,
    commands,
    listed,
    one_market,
    refusals,
    three_markets,
)
from .random_commands import random_commands

OPEN = (
    "1 sell #1 5 @ 100 show=2",
    "2 buy #2 2 @ 90 tier=1",
    "3 buy #3 2 @ 110 stop_market trigger=105",
    "4 sell #4 2 @ 80 market=2 tif=gtd expires=50",
)

VERSION_1 = (
    "4e58542d5041525401000000000000007501000000000000000000000100000000000000000000000100000000",
    "00000064000000000000000300000000000000f9000000000000004e58542d424f4f4b0100000000000000d100",
    "000000000000000000000000000000000000000000000000000000000000000100000000000000010000000000",
    "00000000000000000000020000000000000000000000000000005a000000000000000200000000000000000000",
    "000000000000000000000000000000000000000000000000000000000002000000000000000000000000000000",
    "010000000000000000000000000000006400000000000000020000000000000003000000000000000200000000",
    "0000000000000000000000000000000000000001000000000100000000000000000000db47d8519b6560e88e55",
    "932676952410010000000000000001000000000000000000000001000000000000000000f40100000000000002",
    "0000000000000002000000000000000100000000015a000000000000001c020000000000002c21dd54b3ff0109",
    "2cbeef2e06e3fd5c",
)
"""A snapshot of the first two of these orders, in hexadecimal, that version 1 wrote."""


def busy() -> Desk:
    """Three markets with a resting iceberg, a bid, a stop and an order that will expire."""
    desk = Desk(three_markets())
    desk.run(commands(*OPEN), [0, 1, 0, 0])
    return desk


def test_open_orders_say_what_is_held() -> None:
    """One record for each open order, ascending by market and id."""
    rows = busy().partition.open_orders()

    assert rows.dtype == ORDER_HOLD_DTYPE
    assert rows.tolist() == [
        (1, 1, 0, 0, 1, 0, 0, 500),
        (2, 2, 0, 1, 0, 1, 90, 540),
        (3, 3, 0, 1, 0, 0, 110, 660),
        (4, 4, 2, 2, 1, 0, 0, 200),
    ]


def test_restored_partition_goes_on_the_same() -> None:
    """The same batch on a partition and on its restored copy gives the same bytes and state."""
    desk = busy()
    snapshot = desk.partition.snapshot()
    copy = Partition.restore(desk.listings, 0, snapshot)
    assert copy.state_hash() == desk.partition.state_hash()
    assert copy.snapshot() == snapshot
    batch = commands(
        "5 buy #5 3 @ 106",
        "2 replace #2 buy 4 @ 100",
        "0 expire market=2 time=60",
        "1 mass_cancel",
    )
    asked = copy.reservations(batch)

    ours = desk.partition.process(batch, np.zeros(4, np.uint8), asked.amount)
    theirs = copy.process(batch, np.zeros(4, np.uint8), asked.amount)

    assert [part.tobytes() for part in ours] == [part.tobytes() for part in theirs]
    assert copy.state_hash() == desk.partition.state_hash()
    copy.check_invariants()


def test_state_hash_tells_states_apart() -> None:
    """Another tier of one order, which no book knows, is another state."""
    desk, other = Desk(three_markets()), Desk(three_markets())
    desk.run(commands(*OPEN), [0, 1, 0, 0])
    other.run(commands(*OPEN), [0, 0, 0, 0])

    assert desk.partition.state_hash() == busy().partition.state_hash()
    assert desk.partition.state_hash() != other.partition.state_hash()


@pytest.mark.parametrize("seed", range(12))
def test_batch_boundaries_do_not_matter(seed: int) -> None:
    """A stream cut anywhere gives the same events, postings in sum, and state."""
    stream, tiers = random_commands(seed, 400)
    cuts = np.sort(np.random.default_rng(seed).integers(0, 400, 25))
    whole, parts = Desk(three_markets()), Desk(three_markets())

    together = whole.run(stream, tiers.tolist())
    events, markets = [], []
    for batch, given in zip(np.split(stream, cuts), np.split(tiers, cuts), strict=True):
        outcome = parts.run(batch, given.tolist())
        events.append(outcome.events)
        markets.append(outcome.markets)

    one, many = together.events.copy(), np.concatenate(events)
    one["command"] = many["command"] = 0
    assert one.tobytes() == many.tobytes()
    assert together.markets.tobytes() == np.concatenate(markets).tobytes()
    assert whole.partition.state_hash() == parts.partition.state_hash()
    assert {k: v for k, v in whole.available.items() if v} == {
        k: v for k, v in parts.available.items() if v
    }


def test_markets_listed_since_begin_empty() -> None:
    """A snapshot of one market is restored under listings that have more."""
    desk = Desk(one_market())
    desk.run(commands(OPEN[0]))
    restored = Partition.restore(three_markets(), 0, desk.partition.snapshot())

    assert restored.open_orders().tolist() == desk.partition.open_orders().tolist()
    assert len(restored.book(2)) == 0


def test_snapshot_needs_the_same_units() -> None:
    """Listings by which the holds would mean other amounts are refused; other fees are not."""
    desk = Desk(one_market())
    desk.run(commands(OPEN[0]))
    snapshot = desk.partition.snapshot()
    Partition.restore(one_market(tiers=(Fees(1, 1),), min_qty_lots=5), 0, snapshot)
    swapped = Listings((USDT, BTC), (listed(BTC, USDT),))
    gone = Listings((BTC, USDT, ETH), (listed(BTC, USDT, partition=1), listed(ETH, USDT)))

    for listings in (swapped, gone):
        with pytest.raises(SnapshotError, match="market 0 of the snapshot is listed with other"):
            Partition.restore(listings, 0, snapshot)
    with pytest.raises(SnapshotError, match="of partition 0, not of 1"):
        Partition.restore(gone, 1, snapshot)


def test_damage_anywhere_is_refused() -> None:
    """A snapshot with any byte changed, or cut anywhere, is refused, never misread."""
    desk = busy()
    snapshot = desk.partition.snapshot()
    for at in range(0, len(snapshot), 7):
        damaged = bytearray(snapshot)
        damaged[at] ^= 0x41
        with pytest.raises(SnapshotError):
            Partition.restore(desk.listings, 0, bytes(damaged))
        with pytest.raises(SnapshotError):
            Partition.restore(desk.listings, 0, snapshot[:at])
    with pytest.raises(SnapshotError):
        Partition.restore(desk.listings, 0, snapshot + b"x")
    with pytest.raises(TypeError, match="a snapshot is bytes"):
        Partition.restore(desk.listings, 0, "text")  # type: ignore[arg-type]


def forged(snapshot: bytes, holds: np.ndarray) -> bytes:
    """The same books with other holds, and a checksum that fits."""
    contents = partition_snapshot.unpack(snapshot, ORDER_HOLD_DTYPE)
    return partition_snapshot.pack(contents._replace(holds=holds))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("held", 499),
        ("held", -500),
        ("account", 9),
        ("account", 0),
        ("side", 0),
        ("side", 7),
        ("tier", 2),
        ("order_id", 77),
        ("order_id", 0),
        ("order_id", 2),
        ("market", 1),
        ("market", 99),
        ("hold_price", 5),
    ],
)
def test_holds_that_contradict_the_books_are_refused(field: str, value: int) -> None:
    """A snapshot whose holds are not those of its open orders is refused for that."""
    desk = busy()
    holds = desk.partition.open_orders()
    holds[field][0] = value

    with pytest.raises(SnapshotError, match="contradicts itself"):
        Partition.restore(desk.listings, 0, forged(desk.partition.snapshot(), holds))


def test_a_hold_too_few_or_too_many() -> None:
    """Open orders without a hold, and holds without an open order, are refused."""
    desk = busy()
    holds = desk.partition.open_orders()
    more = np.concatenate([holds, holds[-1:]])
    more["order_id"][-1] = 99

    for wrong in (holds[1:], more):
        with pytest.raises(SnapshotError, match="are not those that hold something"):
            Partition.restore(desk.listings, 0, forged(desk.partition.snapshot(), wrong))


def test_unknown_version_is_named() -> None:
    """A snapshot of a later version is refused with both versions."""
    snapshot = bytearray(busy().partition.snapshot())
    snapshot[8] = 4
    body = bytes(snapshot[:-16])
    later = body + hashlib.blake2b(body, digest_size=16).digest()

    with pytest.raises(SnapshotError, match=r"version 4 is unknown .* reads versions 1 to 3"):
        Partition.restore(three_markets(), 0, later)


def test_the_version_before_is_read() -> None:
    """Bytes that version 1 wrote give the state that they were made of."""
    desk = Desk(one_market())
    desk.run(commands(*OPEN[:2]), [0, 1])
    old = Partition.restore(one_market(), 0, bytes.fromhex("".join(VERSION_1)))

    assert old.state_hash() == desk.partition.state_hash() == 1320877278320069130
    assert old.pending == 0
    assert old.snapshot() == desk.partition.snapshot()


def waiting() -> Desk:
    """Two slices wait: a sale has come, and of the buy that takes it nothing was told yet."""
    desk = Desk(one_market(), event_limit=1)
    batch = commands("1 sell #1 5 @ 100", "2 buy #2 3 @ 100")
    asked = desk.partition.reservations(batch)
    desk.partition.process(batch, np.zeros(2, np.uint8), asked.amount)
    return desk


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda postings: postings["available"].__setitem__(0, 1), "do not add up"),
        (lambda postings: postings["available"].__setitem__(0, -1), "takes what is available"),
        (lambda postings: postings["held"].__setitem__(0, 1), "takes what is available, or holds"),
        (lambda postings: postings["account"].__setitem__(0, 9), "out of order"),
        (lambda postings: postings["asset"].__setitem__(-1, 7), "out of order"),
    ],
)
def test_slices_that_contradict_themselves_are_refused(wrong, message: str) -> None:
    """A snapshot whose slices would make money, or take it from somebody, is refused for that."""
    contents = partition_snapshot.unpack(waiting().partition.snapshot(), ORDER_HOLD_DTYPE)
    wrong(contents.pending[1][2])

    with pytest.raises(SnapshotError, match=f"contradicts itself: slice 1: .*{message}"):
        Partition.restore(one_market(), 0, partition_snapshot.pack(contents))


def test_slices_that_end_early_are_refused() -> None:
    """A snapshot that names more slices, events or orders than it has is refused."""
    body_at = 24
    snapshot = waiting().partition.snapshot()
    contents = partition_snapshot.unpack(snapshot, ORDER_HOLD_DTYPE)
    body = snapshot[body_at:-16]
    for shorter in (body[:-1], body + b"x", body[: -len(contents.pending[1][2].tobytes())]):
        head = snapshot[:16] + len(shorter).to_bytes(8, "little")
        digest = hashlib.blake2b(head + shorter, digest_size=16).digest()
        with pytest.raises(SnapshotError, match="contradicts itself"):
            Partition.restore(one_market(), 0, head + shorter + digest)


def test_check_finds_a_book_that_was_changed_from_outside() -> None:
    """Whoever cancels in a book behind the partition's back is found out."""
    desk = busy()
    desk.partition.book(0).cancel(1)

    with pytest.raises(InvariantError, match="BTC-USDT: the open orders are not those that hold"):
        desk.partition.check_invariants()


def test_events_that_contradict_the_holds_stop_the_partition() -> None:
    """An order that a book has and no hold knows is a defect: found, and nothing goes on."""
    desk = busy()
    desk.partition.book(0).limit(50, 1, 95, 1, owner=7)
    batch = commands("2 buy #51 1 @ 95")
    asked = desk.partition.reservations(batch)

    with pytest.raises(InvariantError, match="contradict the holds"):
        desk.partition.process(batch, np.zeros(1, np.uint8), asked.amount)
    with pytest.raises(RuntimeError, match="restore it from a snapshot"):
        desk.partition.process(batch, np.zeros(1, np.uint8), asked.amount)


def test_memory_follows_open_orders() -> None:
    """Orders that came and went leave nothing behind in what is kept."""
    desk = Desk(one_market())
    batch = np.zeros(2000, COMMAND_DTYPE)
    batch["kind"], batch["owner"] = 1, 1
    batch["side"], batch["price_ticks"], batch["qty_lots"] = 1, 100, 1
    empty = len(desk.partition.snapshot())
    for start in range(1, 20_001, 2000):
        batch["order_id"] = np.arange(start, start + 2000)
        desk.run(batch)
        canceled = batch.copy()
        canceled["kind"] = 2
        assert not refusals(desk.run(canceled))

    assert len(desk.partition.snapshot()) == empty
