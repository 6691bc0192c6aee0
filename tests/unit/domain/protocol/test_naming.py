"""Client order ids through a replica and a sweep: asked for, refused, told, forgotten."""

from typing import Any

import numpy as np
import pytest

from nextrade import COMMAND_DTYPE, CommandKind, Side
from nextrade.domain.assets import Asset
from nextrade.domain.listings import Listing, Listings
from nextrade.domain.markets import Market
from nextrade.domain.postings import KEPT_ID_DTYPE, NAMED_REQUEST_DTYPE
from nextrade.domain.protocol.entries import read_entry
from nextrade.domain.protocol.frames import NAME_DTYPE, named_frame
from nextrade.domain.protocol.ids import first_id
from nextrade.domain.protocol.limits import Limits
from nextrade.domain.protocol.messages import FRAME_ENTRY_DTYPE, read_message
from nextrade.domain.protocol.ports import Acquired, Granted, Mark
from nextrade.domain.protocol.replica import Done, Plan, Replica
from nextrade.domain.protocol.replica_snapshot import snapshot_replica
from nextrade.domain.protocol.sweep import Sweep
from nextrade.domain.protocol.takeover import missing_settles, replayed
from nextrade.domain.refusals import Refusal

GOLD, DOLLAR = Asset("GOLD", 0), Asset("DOLLAR", 0)
LISTED = Listings((GOLD, DOLLAR), (Listing(Market("GOLD-DOLLAR", GOLD, DOLLAR, "1", "1")),))
NOW_MS = 1_900_000_000_000
FRAME = first_id(NOW_MS)
LIMITS = Limits()


def replica() -> Replica:
    """One market, one bucket, nothing done."""
    return Replica(LISTED, 0, 1, LIMITS)


def plan(one: Replica, *texts: bytes) -> Plan:
    """A frame of a buy for each text, with that name if it is not empty."""
    commands = np.zeros(len(texts), COMMAND_DTYPE)
    commands["kind"], commands["owner"], commands["side"] = CommandKind.PLACE, 5, Side.BUY
    commands["order_id"] = 100 * (one.batch + 1) + np.arange(len(texts))
    commands["price_ticks"], commands["qty_lots"] = 3, 2
    names = np.array([(row, text) for row, text in enumerate(texts) if text], NAME_DTYPE)
    frames = np.array([(FRAME + one.batch, 0, len(texts), 0, 0)], FRAME_ENTRY_DTYPE)
    return one.plan(frames, commands, NOW_MS * 1_000_000, (), names if len(names) else None)


def reasons(done: Done) -> list[int]:
    """Of each event of a batch why it was refused."""
    return read_message(done.messages[0]).events["reason"].tolist()


def test_a_frame_without_names_asks_as_before() -> None:
    """Its requests are the short ones, and so is its entry."""
    one = replica()
    planned = plan(one, b"", b"")

    assert [ask.named for ask in planned.reserves[0].frames] == [False]
    assert read_entry(one.run(planned, [[b"\1\1"]]).entry)[0].names.tolist() == []


def test_names_travel_with_the_requests() -> None:
    """All of a frame's requests at a bucket are long ones if any has a name."""
    planned = plan(replica(), b"", b"a-1")
    (ask,) = planned.reserves[0].frames

    assert ask.named
    assert np.frombuffer(ask.requests, NAMED_REQUEST_DTYPE).tolist() == [
        (5, 1, 6, 100, 0, b""),
        (5, 1, 6, 101, 0, b"a-1"),
    ]


def test_refused_names_are_told_by_name() -> None:
    """Each answer of a bucket has its reason; nothing is held for those; replay says the same."""
    one, again = replica(), replica()
    done = one.run(plan(one, b"a", b"b", b"c", b"d"), [[b"\1\2\3\0"]])

    assert reasons(done) == [
        0,
        Refusal.DUPLICATE_CLIENT_ORDER_ID,
        Refusal.TOO_MANY_CLIENT_ORDER_IDS,
        Refusal.INSUFFICIENT_FUNDS,
    ]
    assert one.partition.held_totals().tolist() == [0, 6]
    assert read_message(done.messages[0]).ids.tolist() == [
        (100 + row, 5, text) for row, text in enumerate((b"a", b"b", b"c", b"d"))
    ]
    second = again.replay(done.entry)
    assert (second.messages, second.settles, second.reserves) == (
        done.messages,
        done.settles,
        done.reserves,
    )
    assert snapshot_replica(again) == snapshot_replica(one)


def test_what_asks_for_nothing_keeps_no_name() -> None:
    """An order that the door refuses is not asked for; its name is told with its refusal."""
    one = replica()
    planned = plan(one, b"a")
    planned.commands["qty_lots"] = 0
    planned = one.plan(planned.frames, planned.commands, 1, (), planned.names)

    assert planned.reserves == []
    assert read_message(one.run(planned, []).messages[0]).ids["text"].tolist() == [b"a"]


def test_lost_names_are_given_back() -> None:
    """A bucket that forgot what a batch had reserved gets the ids with the postings, once."""
    one, again = replica(), replica()
    done = one.run(plan(one, b"a", b"", b"b"), [[b"\1\1\2"]])
    acquired = Acquired(2, 1, 0, b"", 0, (done.entry,), b"")
    history = replayed(again, acquired)

    ((there,),) = missing_settles(0, acquired, history, [Mark(0, (FRAME,))])
    assert there.ids == b""
    ((lost,),) = missing_settles(0, acquired, history, [Mark(0, ())])
    assert lost.frames == ()
    assert np.frombuffer(lost.ids, KEPT_ID_DTYPE).tolist() == [(5, b"a", 100, FRAME, 0, 0)]


class Buckets:
    """A ledger of two buckets with these ids, each told in pages of two."""

    buckets = 2

    def __init__(self, *kept: tuple[Any, ...]) -> None:
        self.kept = np.array(list(kept), KEPT_ID_DTYPE)
        self.asked: list[tuple[int, int, int]] = []
        self.gone: list[int] = []

    def named(self, partition: int, before_ms: int, bucket: int, cursor: int) -> Any:
        assert partition == 0
        self.asked.append((before_ms, bucket, cursor))
        own = self.kept[self.kept["account"] % 2 == bucket]
        more = cursor + 2 if len(own) > cursor + 2 else 0
        page = own[cursor : cursor + 2]
        return page[page["frame"] < first_id(before_ms)], more

    def forget(self, partition: int, epoch: int, bucket: int, ids: Any) -> int:
        assert (partition, epoch) == (0, 7)
        assert set((ids["account"] % 2).tolist()) <= {bucket}
        self.gone += ids["order"].tolist()
        return len(ids)


def kept(account: int, order: int, age_ms: int = LIMITS.named_ms + 1) -> tuple[Any, ...]:
    """A row of KEPT_ID_DTYPE."""
    return account, b"%d" % order, order, first_id(NOW_MS - age_ms) + order, 0, 0


def test_a_sweep_forgets_what_is_over() -> None:
    """Old ids go, but of open orders and of frames that wait; a piece at a time, then a rest."""
    one = replica()
    one.run(plan(one, b"open"), [[bytes([Granted.HELD])]])
    old, waiting, young = kept(2, 1), kept(2, 2), kept(3, 4, LIMITS.named_ms - 1000)
    ledger: Any = Buckets(old, waiting, kept(2, 3), kept(2, 100), young, kept(3, 5))
    sweep = Sweep(LIMITS)
    looks = [
        sweep.look(ledger, one.partition, 7, {waiting[3]}, NOW_MS + at_ms)
        for at_ms in (0, 1, 100, 200, 300, 400)
    ]

    assert looks == [1, 0, 1, 1, 0, 0]
    assert ledger.gone == [1, 3, 5]
    assert [where[1:] for where in ledger.asked] == [(0, 0), (0, 2), (1, 0)]
    sweep.look(ledger, one.partition, 7, (), NOW_MS + 200 + LIMITS.sweep_rest_ms)
    assert len(ledger.asked) == 4


def test_a_clock_that_was_put_back_ends_no_sweep() -> None:
    """What is due far in the future is due now."""
    ledger: Any = Buckets(kept(2, 1), kept(3, 1))
    sweep, one = Sweep(LIMITS), replica()
    sweep.look(ledger, one.partition, 7, (), NOW_MS)
    sweep.look(ledger, one.partition, 7, (), NOW_MS - 3_600_000)

    assert len(ledger.asked) == 2


def test_a_frame_of_names_has_some() -> None:
    """Whoever makes one without names, or with something else, is told."""
    commands = np.zeros(1, COMMAND_DTYPE)
    for names in (np.zeros(0, NAME_DTYPE), np.zeros(0, COMMAND_DTYPE)):
        with pytest.raises(ValueError, match="client order ids"):
            named_frame(0, 9, commands, names)
