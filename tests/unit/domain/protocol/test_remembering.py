"""Ids, the frames that are remembered, and a replica that is made again from bytes."""

import numpy as np
import pytest

from nextrade import COMMAND_DTYPE, CommandKind
from nextrade.domain.assets import Asset
from nextrade.domain.listings import Listing, Listings
from nextrade.domain.markets import Market
from nextrade.domain.protocol.frames import Verdict
from nextrade.domain.protocol.ids import (
    EPOCH_MS,
    SCHEDULER,
    Ids,
    gateway_of,
    milliseconds_of,
    scheduled_id,
)
from nextrade.domain.protocol.judging import frame_record
from nextrade.domain.protocol.limits import Limits
from nextrade.domain.protocol.remembered import Remembered
from nextrade.domain.protocol.replica import Replica
from nextrade.domain.protocol.replica_snapshot import restore_replica, snapshot_replica
from nextrade.errors import StoreError

GOLD, DOLLAR = Asset("GOLD", 0), Asset("DOLLAR", 0)
LISTINGS = Listings((GOLD, DOLLAR), (Listing(Market("GOLD", GOLD, DOLLAR, "1", "1")),))
BUCKETS = 4


def test_ids_rise_whatever_the_clock_does() -> None:
    """Each id is higher than the one before, names its gateway, and has one of 62 bits."""
    times = iter([EPOCH_MS + 5, EPOCH_MS + 5, EPOCH_MS + 1, EPOCH_MS + 9])
    ids = Ids(7, lambda: next(times))
    given = [*ids.take(3), *ids.take(5000), ids.one(), ids.one()]

    assert given == sorted(set(given))
    assert {gateway_of(one) for one in given} == {7}
    assert milliseconds_of(given[0]) == EPOCH_MS + 5
    assert milliseconds_of(given[-1]) == EPOCH_MS + 9
    assert max(given) < 1 << 62
    assert not ids.take(0)


def test_ids_that_there_are_not() -> None:
    """Gateways and schedules have numbers in range."""
    for gateway in (-1, SCHEDULER):
        with pytest.raises(ValueError, match="a gateway has a number"):
            Ids(gateway, lambda: 0)
    for place, kind, due in ((128, 0, EPOCH_MS), (0, 16, EPOCH_MS), (0, 0, EPOCH_MS - 1)):
        with pytest.raises(ValueError, match="nothing is scheduled"):
            scheduled_id(due, place, kind)
    assert gateway_of(scheduled_id(EPOCH_MS, 127, 15)) == SCHEDULER


def identity(milliseconds: int) -> int:
    """An id of this time."""
    return Ids(1, lambda: EPOCH_MS + milliseconds).one()


def test_remembered_frames() -> None:
    """The oldest are forgotten, and what is no newer can no longer be told from them."""
    remembered = Remembered(most=2)
    for milliseconds in (5, 3, 9):
        remembered.add(frame_record(identity(milliseconds), milliseconds, 1, Verdict.RUN))

    assert remembered.find(identity(3)) is None
    assert remembered.find(identity(5)) == (5, Verdict.RUN)
    assert remembered.ran(identity(9))
    assert not remembered.ran(identity(4))
    assert [remembered.too_old(identity(ms)) for ms in (2, 3, 4)] == [True, True, False]
    remembered.add(frame_record(1 << 63 | 1, 0, 0, Verdict.UNDECODABLE))
    assert not remembered.too_old(1 << 63)
    again = Remembered(most=2)
    again.add(remembered.records())
    assert again.records().tobytes() == remembered.records().tobytes()
    assert len(again) == 3


def placed(replica: Replica, number: int) -> bytes:
    """A batch of one order; returns its entry."""
    command = np.zeros(1, COMMAND_DTYPE)
    command["kind"], command["order_id"], command["owner"] = CommandKind.PLACE, number, 1 + number
    command["qty_lots"], command["price_ticks"], command["side"] = 2, 3, number % 2
    table = frame_record(identity(number), number, 1, Verdict.RUN)
    plan = replica.plan(table, command, 1000 - number)
    answers = [[b"\1" for _ in reserve.frames] for reserve in plan.reserves]
    return replica.run(plan, answers).entry


def new() -> Replica:
    """A replica that has seen nothing."""
    return Replica(LISTINGS, 0, BUCKETS, Limits())


def test_replay_gives_the_same_bytes() -> None:
    """Entries, settlements and messages of a replay are those of the first time."""
    first, second = new(), new()
    for number in range(1, 9):
        entry = placed(first, number)
        done = second.replay(entry)
        assert done.entry == entry
        assert snapshot_replica(first) == snapshot_replica(second)
    assert first.time_ns == 999

    with pytest.raises(StoreError, match="follows batch 8"):
        second.replay(entry)


def test_replay_by_other_rules() -> None:
    """An entry whose outcome is another now is not taken."""
    first, second = new(), new()
    placed(first, 1)
    placed(second, 3)
    with pytest.raises(StoreError, match="has another outcome now"):
        second.replay(placed(first, 2))


def test_snapshot_goes_on_as_the_original() -> None:
    """What was restored does the next batch as the original does."""
    first = new()
    for number in range(1, 5):
        placed(first, number)
    snapshot = snapshot_replica(first)
    second = restore_replica(LISTINGS, 0, BUCKETS, snapshot, Limits())

    assert snapshot_replica(second) == snapshot
    assert placed(first, 5) == placed(second, 5)
    assert snapshot_replica(second) == snapshot_replica(first)


def test_snapshots_of_something_else() -> None:
    """What is cut off, of another partition or another ledger is no snapshot of this one."""
    first = new()
    placed(first, 1)
    snapshot = snapshot_replica(first)
    for length in range(1, len(snapshot)):
        with pytest.raises(StoreError):
            restore_replica(LISTINGS, 0, BUCKETS, snapshot[:length], Limits())
    for number, buckets in ((1, BUCKETS), (0, BUCKETS + 1)):
        with pytest.raises(StoreError, match="is stored for partition"):
            restore_replica(LISTINGS, number, buckets, snapshot, Limits())
    with pytest.raises(StoreError, match="version"):
        restore_replica(LISTINGS, 0, BUCKETS, snapshot[:4] + b"\xff" + snapshot[5:], Limits())
    assert restore_replica(LISTINGS, 0, BUCKETS, b"", Limits()).batch == 0
