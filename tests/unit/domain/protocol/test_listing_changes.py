"""New listings as a replica meets them, live and again from its entries."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nextrade import COMMAND_DTYPE, CommandKind, Side
from nextrade.domain.assets import Asset
from nextrade.domain.listings import Fees, Listing, Listings
from nextrade.domain.listings_text import pack_listings, unpack_listings
from nextrade.domain.markets import Market
from nextrade.domain.protocol.entries import read_entry
from nextrade.domain.protocol.frames import Verdict
from nextrade.domain.protocol.judging import frame_record
from nextrade.domain.protocol.limits import Limits
from nextrade.domain.protocol.messages import FRAME_ENTRY_DTYPE, read_message
from nextrade.domain.protocol.replica import Done, Replica
from nextrade.domain.protocol.replica_snapshot import restore_replica, snapshot_replica
from nextrade.domain.refusals import Refusal
from nextrade.errors import StoreError

GOLD, DOLLAR = Asset("GOLD", 0), Asset("DOLLAR", 0)
MARKET = Listing(Market("GOLD-DOLLAR", GOLD, DOLLAR, "1", "1"))
FOUNDED = Listings((GOLD, DOLLAR), (MARKET,))
FINER = replace(MARKET, market=Market("GOLD-DOLLAR", GOLD, DOLLAR, "2", "1"), units_version=2)
TICK = Listings((GOLD, DOLLAR), (FINER,), 2)
FEES = Listings((GOLD, DOLLAR), (replace(MARKET, tiers=(Fees(1, 2),)),), 2)
BUCKETS = 4


class Desk:
    """A replica whose entries are kept, and which grants all that is asked."""

    def __init__(self) -> None:
        self.replica = Replica(FOUNDED, 0, BUCKETS, Limits())
        self.entries: list[bytes] = []
        self.ids = 0

    def propose(self, listings: Listings | bytes) -> Done:
        """A frame of listings."""
        self.ids += 1
        text = listings if isinstance(listings, bytes) else pack_listings(listings)
        return self.kept(self.replica.relist(frame_record(self.ids, 0, 0, 0), text, self.ids))

    def send(self, version: int, *kinds: CommandKind) -> list[int]:
        """A frame of commands; the reason of the first event of each."""
        self.ids += 1
        commands = np.zeros(len(kinds), COMMAND_DTYPE)
        commands["kind"], commands["owner"], commands["order_id"] = kinds, 1, self.ids
        commands["price_ticks"], commands["qty_lots"] = 5, 1
        commands["side"] = [Side.BUY if kind == CommandKind.PLACE else 0 for kind in kinds]
        frames = np.array([(self.ids, 0, len(kinds), 0, 0)], FRAME_ENTRY_DTYPE)
        plan = self.replica.plan(frames, commands, self.ids, [version])
        asked = [[b"\1" * (len(ask.requests) // 16) for ask in one.frames] for one in plan.reserves]
        done = self.kept(self.replica.run(plan, asked))
        events = read_message(done.messages[0]).events
        firsts = [int(np.flatnonzero(events["command"] == k)[0]) for k in range(len(kinds))]
        return events["reason"][firsts].tolist()

    def kept(self, done: Done) -> Done:
        self.entries.append(done.entry)
        return done

    def check_again(self) -> None:
        """All entries, and the snapshot, give the same state."""
        again = Replica(FOUNDED, 0, BUCKETS, Limits())
        for entry in self.entries:
            again.replay(entry)
        snapshot = snapshot_replica(self.replica)
        assert snapshot_replica(again) == snapshot
        assert (
            snapshot_replica(restore_replica(FOUNDED, 0, BUCKETS, snapshot, Limits())) == snapshot
        )


def verdict_of(done: Done) -> Verdict:
    """What the stream and the entry say of the frame."""
    (said,) = read_message(done.messages[0]).frames["verdict"].tolist()
    assert read_entry(done.entry)[0].frames["verdict"].tolist() == [said]
    return Verdict(said)


def test_listings_are_taken_on() -> None:
    """The stream says which they are; the same again changes nothing."""
    desk = Desk()
    for _ in range(2):
        done = desk.propose(FEES)
        assert verdict_of(done) == Verdict.RUN
        assert unpack_listings(read_message(done.messages[0]).listings) == FEES
    assert desk.replica.partition.listings == FEES
    desk.check_again()


@pytest.mark.parametrize(
    ("listings", "reason"),
    [
        (replace(FEES, version=3), "does not follow version 1"),
        (replace(FEES, version=1), "version 1 of the listings is another one"),
        (Listings((DOLLAR, GOLD), (MARKET,), 2), "keeps its place"),
        (b"no listings at all", "cannot be read"),
    ],
)
def test_listings_are_refused(listings: Listings | bytes, reason: str) -> None:
    """With a verdict and a reason, and nothing has changed."""
    desk = Desk()
    done = desk.propose(listings)

    assert verdict_of(done) == Verdict.LISTINGS_REFUSED
    assert reason in done.objection
    assert desk.replica.partition.listings == FOUNDED
    desk.check_again()


def test_what_a_version_is_is_decided_once() -> None:
    """Refused for an open order, it is what was before, even when the order is gone."""
    desk = Desk()
    assert desk.send(0, CommandKind.PLACE) == [0]
    done = desk.propose(TICK)
    assert verdict_of(done) == Verdict.LISTINGS_REFUSED
    assert "has open orders" in done.objection
    assert unpack_listings(read_message(done.messages[0]).listings) == replace(FOUNDED, version=2)
    desk.send(0, CommandKind.MASS_CANCEL)
    assert "version 2 of the listings is another one" in desk.propose(TICK).objection
    third = replace(TICK, version=3, listings=(replace(FINER, units_version=3),))
    assert not desk.propose(third).objection
    desk.check_again()


def test_commands_in_old_units_are_refused() -> None:
    """Where they have prices or quantities, and their frame says that it did not know better."""
    desk = Desk()
    desk.propose(TICK)
    stale = int(Refusal.STALE_LISTINGS)
    kinds = CommandKind.PLACE, CommandKind.REDUCE, CommandKind.REPLACE, CommandKind.UNCROSS

    assert desk.send(1, *kinds) == [stale] * 4
    assert desk.send(1, CommandKind.PLACE, CommandKind.MASS_CANCEL) == [stale, 0]
    assert desk.send(2, CommandKind.PLACE) == [0]
    assert desk.send(0, CommandKind.PLACE) == [0]
    desk.check_again()


def test_another_decision_than_at_first_is_noticed() -> None:
    """An entry says what was decided; who decides otherwise does not go on."""
    desk = Desk()
    desk.send(0, CommandKind.PLACE)
    entry = desk.propose(TICK).entry
    again: Any = Replica(FOUNDED, 0, BUCKETS, Limits())
    again.batch = 1
    with pytest.raises(StoreError, match="another outcome"):
        again.replay(entry)
