"""What a take-over finds missing at the buckets, and where it must stop."""

from collections.abc import Sequence

import numpy as np
import pytest

from nextrade import COMMAND_DTYPE, CommandKind, Side
from nextrade.domain.assets import Asset
from nextrade.domain.buckets import buckets_of_accounts
from nextrade.domain.listings import Listing, Listings
from nextrade.domain.markets import Market
from nextrade.domain.postings import KEPT_ID_DTYPE, POSTING_DTYPE, REQUEST_DTYPE
from nextrade.domain.protocol.frames import NAME_DTYPE, Verdict
from nextrade.domain.protocol.judging import frame_record
from nextrade.domain.protocol.limits import Limits
from nextrade.domain.protocol.messages import FRAME_ENTRY_DTYPE
from nextrade.domain.protocol.ports import Acquired, Answer, Mark, Settle
from nextrade.domain.protocol.replica import Done, Replica
from nextrade.domain.protocol.takeover import (
    History,
    cannot_follow,
    is_behind,
    missing_settles,
    replayed,
)
from nextrade.errors import InsufficientFunds, PartitionStopped, StoreError

PARTITION, BUCKETS = 0, 4
GOLD, DOLLAR = Asset("GOLD", 0), Asset("DOLLAR", 0)
LISTINGS = Listings((GOLD, DOLLAR), (Listing(Market("GOLD", GOLD, DOLLAR, "1", "1")),))


def acquired(batch: int, entries: Sequence[bytes] = (), cleared: int = 0) -> Acquired:
    """What a book store says."""
    return Acquired(7, batch, cleared, b"", 0, tuple(entries), b"")


def settle(bucket: int, batch: int, frames: tuple[int, ...] = ()) -> Settle:
    """Something that a batch does to a bucket."""
    return Settle(bucket, batch, 0, b"\xff", b"posted", frames)


# --- by hand: chains of two buckets --------------------------------------------------------------

HEADS = (2, 1)
CHAIN = (settle(0, 3), settle(1, 3), settle(0, 5), settle(1, 6))


@pytest.mark.parametrize(
    ("watermarks", "behind"),
    [((2, 1), False), ((5, 6), False), ((3, 1), False), ((1, 1), True), ((6, 0), True)],
)
def test_is_behind(watermarks: tuple[int, int], behind: bool) -> None:
    """A bucket that stands before what the snapshot knows needs an earlier one."""
    history = History(HEADS, CHAIN, {}, ())

    assert is_behind(history, [Mark(one, ()) for one in watermarks]) is behind


@pytest.mark.parametrize(
    ("watermarks", "missing"),
    [
        ((5, 6), []),
        ((2, 1), [[(0, 3), (1, 3)], [(0, 5)], [(1, 6)]]),
        ((3, 1), [[(1, 3)], [(0, 5)], [(1, 6)]]),
        ((2, 6), [[(0, 3)], [(0, 5)]]),
        ((5, 3), [[(1, 6)]]),
    ],
)
def test_what_is_missing(watermarks: tuple[int, int], missing: list[list[tuple[int, int]]]) -> None:
    """From each bucket's link of the chain on, batch by batch in order."""
    marks = [Mark(one, ()) for one in watermarks]
    found = missing_settles(PARTITION, acquired(6), History(HEADS, CHAIN, {}, ()), marks)

    assert [[(one.bucket, one.batch) for one in batch] for batch in found] == missing
    assert all(one in CHAIN for batch in found for one in batch)


@pytest.mark.parametrize(
    ("watermark", "what"),
    [
        (7, "bucket 0 has settled batch 7, and the book store ends with batch 6: the store's"),
        (1, "bucket 0 stands at batch 1, and the book store has no entries before batch 1, which"),
        (4, "bucket 0 stands at batch 4, which never touched it: ledger and book store are not"),
        (6, "bucket 0 stands at batch 6, which never touched it"),
    ],
)
def test_watermarks_that_contradict(watermark: int, what: str) -> None:
    """Beyond the store, before its entries, between the links: a person decides."""
    marks = [Mark(watermark, ()), Mark(6, ())]
    with pytest.raises(PartitionStopped, match=f"partition 0: {what}"):
        missing_settles(PARTITION, acquired(6), History(HEADS, CHAIN, {}, ()), marks)


def test_a_bucket_that_no_batch_has_touched() -> None:
    """It stands where it stood when the snapshot was made."""
    history = History((2, 1, 0), CHAIN, {}, ())

    assert (
        missing_settles(PARTITION, acquired(6), history, [Mark(5, ()), Mark(6, ()), Mark(0, ())])
        == []
    )


def test_money_that_is_missing() -> None:
    """What is to be done is in the message."""
    error = cannot_follow(4, 9, InsufficientFunds("account 1 has too little"))

    assert isinstance(error, PartitionStopped)
    assert str(error).startswith("partition 4: a shard has lost time")
    assert "for batch 9: account 1 has too little. Let the other partitions catch up" in str(error)


# --- by real batches -----------------------------------------------------------------------------


class Worked:
    """A partition that does batches, and remembers what they did."""

    def __init__(self) -> None:
        self.replica = Replica(LISTINGS, PARTITION, BUCKETS, Limits())
        self.done: list[Done] = []

    def orders(
        self, frame: int, *orders: tuple[int, Side, int, int], refused: int = 0, name: bytes = b""
    ) -> Done:
        """A frame of orders (account, side, quantity, price); so many of the last are refused."""
        commands = np.zeros(len(orders), COMMAND_DTYPE)
        commands["kind"] = CommandKind.PLACE
        commands["order_id"] = 10 * frame + np.arange(len(orders))
        for row, (account, side, qty_lots, price_ticks) in zip(commands, orders, strict=True):
            row["owner"], row["side"] = account, side
            row["qty_lots"], row["price_ticks"] = qty_lots, price_ticks
        names = np.array([(0, name)], NAME_DTYPE) if name else None
        table = frame_record(frame, frame, len(orders), Verdict.RUN)
        plan = self.replica.plan(table, commands, 1000, names=names)
        granted = np.ones(len(plan.rows), np.uint8)
        granted[plan.rows >= len(orders) - refused] = 0
        answers, text = [], granted.tobytes()
        for reserve in plan.reserves:
            answers.append([])
            for ask in reserve.frames:
                count = len(ask.requests) // (64 if ask.named else 16)
                answers[-1].append(text[:count])
                text = text[count:]
        self.done.append(self.replica.run(plan, answers))
        return self.done[-1]

    def void(self, frame: int, answers: list[Answer]) -> Done:
        """End a frame with a verdict."""
        table = frame_record(frame, frame, 0, Verdict.ABANDONED)
        self.done.append(self.replica.void(table, frame, answers, 1000))
        return self.done[-1]

    def history(self, cleared: int = 0) -> tuple[Replica, History]:
        """What a take-over learns from the entries."""
        replica = Replica(LISTINGS, PARTITION, BUCKETS, Limits())
        entries = [done.entry for done in self.done]
        return replica, replayed(replica, acquired(len(entries), entries, cleared))

    def marks(self, bucket: int, mark: Mark) -> list[Mark]:
        """Every bucket at its last batch, but this one."""
        heads = self.replica.heads
        return [mark if at == bucket else Mark(head, ()) for at, head in enumerate(heads)]

    def missing(self, bucket: int, mark: Mark) -> list[Settle]:
        """What the bucket lacks."""
        _, history = self.history()
        found = missing_settles(
            PARTITION, acquired(len(self.done)), history, self.marks(bucket, mark)
        )
        return [one for batch in found for one in batch]


def of(account: int) -> int:
    """The bucket of an account."""
    return int(buckets_of_accounts(np.array([account], np.uint32), BUCKETS)[0])


def rows(text: bytes) -> list[tuple[int, ...]]:
    """Postings as numbers."""
    return np.frombuffer(text, POSTING_DTYPE).tolist()


BUYER, SELLER = 1, next(account for account in range(2, 50) if of(account) != of(1))
NEIGHBOUR = next(account for account in range(2, 50) if of(account) == of(1))
BUY, SELL = Side.BUY, Side.SELL


def test_replayed() -> None:
    """Heads of before, what each batch did, what its frames asked, and what was not cleared."""
    worked = Worked()
    worked.orders(1, (BUYER, BUY, 2, 3))
    worked.orders(2, (SELLER, SELL, 1, 3))
    worked.void(3, [])
    replica, history = worked.history(cleared=1)

    assert replica.heads == worked.replica.heads
    assert history.heads == (0,) * BUCKETS
    assert list(history.settles) == [one for done in worked.done for one in done.settles]
    assert sorted(history.asked) == [1, 2]
    assert [done.batch for done in history.uncleared] == [2, 3]
    assert list(history.uncleared) == worked.done[1:]
    assert worked.history(cleared=3)[1].uncleared == ()


def test_replayed_of_a_store_without_its_last_entries() -> None:
    """It names a batch that it does not have; one too many is damage too."""
    worked = Worked()
    done = worked.orders(1, (BUYER, BUY, 2, 3))
    for batch in (0, 2):
        with pytest.raises(
            PartitionStopped,
            match=f"names batch {batch} as the last, and its entries end with 1; restore",
        ):
            replayed(Replica(LISTINGS, PARTITION, BUCKETS, Limits()), acquired(batch, [done.entry]))
    with pytest.raises(StoreError, match="the entry of batch 1"):
        replayed(
            Replica(LISTINGS, PARTITION, BUCKETS, Limits()), acquired(2, [done.entry, done.entry])
        )


def test_a_bucket_that_still_has_the_answers() -> None:
    """It settles as it would have: the frame is ended there, nothing is added."""
    worked = Worked()
    done = worked.orders(1, (BUYER, BUY, 2, 3))

    assert worked.missing(of(BUYER), Mark(0, (1,))) == done.settles
    assert worked.missing(of(BUYER), Mark(1, ())) == []


def test_a_bucket_that_has_forgotten_what_it_held() -> None:
    """It is given the hold with what the batch did, and no frame to end; refusals hold nothing."""
    worked = Worked()
    (own,) = worked.orders(1, (BUYER, BUY, 2, 3), (NEIGHBOUR, BUY, 4, 3), refused=1).settles
    (again,) = worked.missing(of(BUYER), Mark(0, ()))

    assert (own.postings, own.frames) == (b"", (1,))
    assert rows(again.postings) == [(BUYER, 1, -6, 6)]
    assert again == own._replace(postings=again.postings, frames=())


def test_a_bucket_that_has_forgotten_a_trade() -> None:
    """Hold and postings come as one change, for each account and asset."""
    worked = Worked()
    worked.orders(1, (SELLER, SELL, 5, 3))
    worked.orders(2, (BUYER, BUY, 2, 4))
    bucket = of(BUYER)
    (own,) = [one for one in worked.done[1].settles if one.bucket == bucket]
    (again,) = worked.missing(bucket, Mark(0, ()))

    # Eight were held for two at four each; the trade took six of them, two came back.
    assert rows(own.postings) == [(BUYER, 0, 2, 0), (BUYER, 1, 2, -8)]
    assert rows(again.postings) == [(BUYER, 0, 2, 0), (BUYER, 1, -6, 0)]
    assert again.frames == ()


def test_a_bucket_that_has_forgotten_one_frame_of_two() -> None:
    """The other one is ended by its answer."""
    worked = Worked()
    commands = np.zeros(2, COMMAND_DTYPE)
    commands["kind"], commands["order_id"] = CommandKind.PLACE, [1, 2]
    commands["owner"], commands["qty_lots"] = [BUYER, NEIGHBOUR], [2, 5]
    commands["price_ticks"] = 3
    table = np.array([(1, 1, 1, 0, 0), (2, 2, 1, 0, 0)], FRAME_ENTRY_DTYPE)
    plan = worked.replica.plan(table, commands, 1000)
    worked.done.append(worked.replica.run(plan, [[b"\1", b"\1"]]))
    (again,) = worked.missing(of(BUYER), Mark(0, (2,)))

    assert rows(again.postings) == [(BUYER, 1, -6, 6)]
    assert again.frames == (2,)


def test_a_bucket_that_has_forgotten_client_order_ids() -> None:
    """They are kept again, with whose they are and who asked for them."""
    worked = Worked()
    worked.orders(1, (BUYER, BUY, 2, 3), (NEIGHBOUR, BUY, 4, 3), name=b"mine")
    (again,) = worked.missing(of(BUYER), Mark(0, ()))

    assert np.frombuffer(again.ids, KEPT_ID_DTYPE).tolist() == [
        (BUYER, b"mine", 10, 1, PARTITION, 0)
    ]
    assert rows(again.postings) == [(BUYER, 1, -6, 6), (NEIGHBOUR, 1, -12, 12)]
    (known,) = worked.missing(of(BUYER), Mark(0, (1,)))
    assert known.ids == b""


def test_a_verdict_of_a_frame_whose_answer_is_forgotten() -> None:
    """It would give back what is not held there any more: nothing is left to do but the link."""
    worked = Worked()
    request = np.array([(BUYER, 1, 6)], REQUEST_DTYPE)
    (own,) = worked.void(1, [Answer(of(BUYER), request.tobytes(), b"\1")]).settles
    (kept,) = worked.missing(of(BUYER), Mark(0, (1,)))
    (again,) = worked.missing(of(BUYER), Mark(0, ()))

    assert rows(own.postings) == [(BUYER, 1, 6, -6)]
    assert kept == own
    assert again == own._replace(postings=b"", frames=())


def test_several_batches_are_missing() -> None:
    """Each has its own holds; what a bucket holds of a later frame serves that one alone."""
    worked = Worked()
    worked.orders(1, (BUYER, BUY, 2, 3))
    worked.orders(2, (BUYER, BUY, 1, 3))
    worked.orders(3, (BUYER, BUY, 4, 3))
    found = worked.missing(of(BUYER), Mark(0, (2,)))

    assert [(one.batch, one.previous, one.frames) for one in found] == [
        (1, 0, ()),
        (2, 1, (2,)),
        (3, 2, ()),
    ]
    assert [rows(one.postings) for one in found] == [
        [(BUYER, 1, -6, 6)],
        [],
        [(BUYER, 1, -12, 12)],
    ]


def test_a_frame_of_two_buckets() -> None:
    """One bucket has forgotten it, and is given what it held itself and no more."""
    worked = Worked()
    worked.orders(1, (BUYER, BUY, 2, 3), (SELLER, SELL, 5, 9))
    (again,) = worked.missing(of(SELLER), Mark(0, ()))

    assert rows(again.postings) == [(SELLER, 0, -5, 5)]


def test_two_frames_of_one_id() -> None:
    """One ended by a verdict, the other ran later: an answer that is there is that of the first."""
    worked = Worked()
    request = np.array([(BUYER, 1, 50)], REQUEST_DTYPE)
    worked.void(1, [Answer(of(BUYER), request.tobytes(), b"\1")])
    worked.orders(1, (BUYER, BUY, 2, 3))
    first, second = worked.missing(of(BUYER), Mark(0, (1,)))

    assert (rows(first.postings), first.frames) == ([(BUYER, 1, 50, -50)], (1,))
    assert (rows(second.postings), second.frames) == ([(BUYER, 1, -6, 6)], ())
