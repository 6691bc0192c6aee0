"""What a replica counts for each bucket of the ledger, against the plainest way to count it."""

from dataclasses import replace

import numpy as np

from nextrade import COMMAND_DTYPE, CommandKind, Side
from nextrade.domain.assets import Asset
from nextrade.domain.buckets import bucket_of_account
from nextrade.domain.listings import Listing, Listings
from nextrade.domain.listings_text import pack_listings
from nextrade.domain.markets import Market
from nextrade.domain.postings import POSTING_DTYPE, REQUEST_DTYPE
from nextrade.domain.protocol.frames import Verdict
from nextrade.domain.protocol.judging import frame_record
from nextrade.domain.protocol.limits import Limits
from nextrade.domain.protocol.ports import Answer
from nextrade.domain.protocol.replica import Replica
from nextrade.domain.protocol.replica_snapshot import restore_replica, snapshot_replica

GOLD, DOLLAR = Asset("GOLD", 0), Asset("DOLLAR", 0)
LISTINGS = Listings((GOLD, DOLLAR), (Listing(Market("GOLD-DOLLAR", GOLD, DOLLAR, "1", "1")),))
BUCKETS = 5
LIMITS = Limits(posting_limit=9, event_limit=9)


def commands(dice: np.random.Generator, count: int, first_id: int) -> np.ndarray:
    """Random orders and cancels."""
    some = np.zeros(count, COMMAND_DTYPE)
    some["owner"] = dice.integers(1, 30, count)
    some["side"] = dice.choice([Side.BUY, Side.SELL], count)
    some["qty_lots"], some["price_ticks"] = dice.integers(1, 9, count), dice.integers(1, 9, count)
    some["order_id"] = first_id + np.arange(count)
    cancels = dice.random(count) < 0.2
    some["kind"] = np.where(cancels, CommandKind.CANCEL, CommandKind.PLACE)
    some["order_id"][cancels] = dice.integers(1, first_id + 1, cancels.sum())
    return some


def test_sums_are_what_reservations_and_postings_come_to() -> None:
    """Over random batches, slices and a frame that is given up; kept in a snapshot, too."""
    dice = np.random.default_rng(7)
    replica = Replica(LISTINGS, 0, BUCKETS, LIMITS)
    settled, held = np.zeros((BUCKETS, 2), np.int64), np.zeros((BUCKETS, 2), np.int64)

    def settle(done) -> None:
        for one in done.settles:
            for posting in np.frombuffer(one.postings, POSTING_DTYPE).tolist():
                _, asset, available, of_held = posting
                settled[one.bucket, asset] += available + of_held
                held[one.bucket, asset] += of_held

    sliced = 0
    for number in range(40):
        frames = np.concatenate([frame_record(10 * number + k, 1, 8, 0) for k in (1, 2)])
        plan = replica.plan(frames, commands(dice, 16, 1 + 16 * number), number)
        answers = []
        for one in plan.reserves:
            answers.append(
                [dice.integers(0, 2, len(r) // 16, np.uint8).tobytes() for _, r, _ in one.frames]
            )
            for (_, requests, _), granted in zip(one.frames, answers[-1], strict=True):
                asked = np.frombuffer(requests, REQUEST_DTYPE).tolist()
                for (_, asset, amount), yes in zip(asked, granted, strict=True):
                    held[one.bucket, asset] += amount * yes
        settle(replica.run(plan, answers))
        while replica.partition.pending:
            sliced += 1
            settle(replica.proceed())
    account = 3
    bucket = bucket_of_account(account, BUCKETS)
    requests = np.array([(account, 1, 70), (account, 0, 5)], REQUEST_DTYPE).tobytes()
    held[bucket, 1] += 70
    frame = frame_record(9999, 1, 0, Verdict.ABANDONED)
    settle(replica.void(frame, 9999, [Answer(bucket, requests, b"\1\0")], 99))

    assert sliced > 10
    assert held.any()
    assert settled.any()
    assert not settled.sum(axis=0).any()
    assert np.array_equal(replica.sums.settled, settled)
    assert np.array_equal(replica.sums.held, held)
    assert np.array_equal(held.sum(axis=0), replica.partition.held_totals())
    again = restore_replica(LISTINGS, 0, BUCKETS, snapshot_replica(replica), LIMITS)
    assert np.array_equal(again.sums.settled, settled)
    assert np.array_equal(again.sums.held, held)
    assert snapshot_replica(again) == snapshot_replica(replica)


def test_a_snapshot_has_the_assets_of_its_moment() -> None:
    """Whatever the founding listed; new ones have nothing yet."""
    more = Listings((GOLD, DOLLAR, Asset("TIN", 0)), LISTINGS.listings)
    begun = Replica(LISTINGS, 0, BUCKETS, LIMITS)
    frame = frame_record(1, 0, 0, 0)
    assert not begun.relist(frame, pack_listings(replace(more, version=2)), 0).objection
    grown = restore_replica(LISTINGS, 0, BUCKETS, snapshot_replica(begun), LIMITS)

    assert grown.sums.held.shape == (BUCKETS, 3)
    assert not grown.sums.held.any()
    assert grown.partition.listings.asset_names == ("GOLD", "DOLLAR", "TIN")
