"""The buckets of the simulator against real ones: what it proves then holds for these too."""

from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from nextrade import errors
from nextrade.domain.postings import (
    KEPT_ID_DTYPE,
    NAMED_REQUEST_DTYPE,
    POSTING_DTYPE,
    REQUEST_DTYPE,
)
from nextrade.domain.protocol.ports import Answer, Ask, Mark, Reserve, Settle

from ...simulation.servers import Bucket
from .homes import Home

BUCKETS = 2
ACCOUNTS = range(1, 5)
ASSETS = range(2)
MONEY = 20
MOST_IDS = 2
ALWAYS = 2**50

frames = st.integers(1, 5)
buckets = st.integers(0, BUCKETS - 1)
epochs = st.sampled_from([0, 0, 0, 0, -1, 1])
amounts = st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(ASSETS), st.integers(1, 12))
texts = st.sampled_from([b"", b"a", b"b", b"c", b"x" * 36])
"""Client order ids; frames 4 and 5 carry some."""
asks = st.lists(st.tuples(amounts, texts, st.integers(1, 3)), min_size=1, max_size=3)
kept = st.tuples(st.sampled_from(ACCOUNTS), texts.filter(bool), st.integers(1, 3))
moves = st.tuples(
    st.sampled_from(ACCOUNTS), st.sampled_from(ASSETS), st.integers(-6, 6), st.integers(-6, 6)
)


class SimulatedBatches:
    """The same calls as those of the real ones, of one partition, over simulated buckets."""

    def __init__(self) -> None:
        self.buckets = [Bucket() for _ in range(BUCKETS)]
        for bucket in self.buckets:
            bucket.most_ids = MOST_IDS

    def fence(self, epoch: int) -> list[Mark]:
        return [bucket.fence(epoch) for bucket in self.buckets]

    def turn(self, epoch: int, settles: list[Settle], reserves: list[Reserve]) -> Any:
        # Every call is sent, and the first refusal is told: as over several connections.
        refusal, replies = None, []
        calls = [(one.bucket, "settle", one) for one in settles]
        calls += [(one.bucket, "reserve", one) for one in reserves]
        for bucket, name, call in calls:
            try:
                reply = getattr(self.buckets[bucket], name)(epoch, call)
            except errors.NexTradeError as error:
                refusal = refusal or error
            else:
                replies.append(reply)
        if refusal:
            raise refusal
        return replies[len(settles) :]

    def answers(self, frame: int) -> list[Answer]:
        found = [bucket.answer(number, frame) for number, bucket in enumerate(self.buckets)]
        return [answer for answer in found if answer is not None]


def outcome(call: Any) -> Any:
    """What a call returns, or the kind of its refusal."""
    try:
        return call()
    except errors.InsufficientFunds:
        return errors.InsufficientFunds
    except errors.NexTradeError as error:
        return type(error)


class Machine(RuleBasedStateMachine):
    """One partition, whose worker does what a worker may do, and what it may not."""

    home: Home

    def __init__(self) -> None:
        super().__init__()
        self.ledger: Any = self.home.new(buckets=BUCKETS)
        self.real = type(self.ledger.batches)(self.ledger.shards, MOST_IDS)
        self.model = SimulatedBatches()
        self.of = {account: self.ledger.map.of_account(account) for account in ACCOUNTS}
        for account in ACCOUNTS:
            for asset in ASSETS:
                self.ledger.credit(f"{account}-{asset}", account, asset, MONEY)
                self.model.buckets[self.of[account]].balances[account, asset] = [MONEY, 0]
        self.epoch = 1
        self.last: Any = None

    def both(self, real: Any, model: Any) -> Any:
        expected, actual = outcome(model), outcome(real)
        assert actual == expected
        return actual

    @rule(ahead=st.sampled_from([1, 0, -1]))
    def fence(self, ahead: int) -> None:
        epoch = max(self.epoch + ahead, 1)
        marks = self.both(lambda: self.real.fence(0, epoch), lambda: self.model.fence(epoch))
        self.epoch = max(self.epoch, epoch) if isinstance(marks, list) else self.epoch

    @rule(
        bucket=buckets,
        ahead=st.sampled_from([0, 0, 0, -1, 1]),
        asked=st.lists(st.tuples(frames, asks), max_size=3),
        epoch=epochs,
    )
    def reserve(self, bucket: int, ahead: int, asked: Any, epoch: int) -> None:
        reserve = self.reserve_of(bucket, ahead, asked)
        self.turn(epoch, [], [reserve] if reserve.frames else [])

    @rule(
        bucket=buckets,
        ahead=st.sampled_from([1, 1, 1, 2, 0]),
        behind=st.sampled_from([0, 0, 0, 1]),
        rows=st.lists(moves, max_size=4),
        ended=st.lists(frames, unique=True, max_size=3),
        asked=st.lists(st.tuples(frames, asks), max_size=2),
        epoch=epochs,
        flags=st.tuples(st.booleans(), st.sampled_from([False, False, True])),
        lost=st.lists(kept, max_size=1),
    )
    def settle(
        self,
        bucket: int,
        ahead: int,
        behind: int,
        rows: Any,
        ended: Any,
        asked: Any,
        epoch: int,
        flags: tuple[bool, bool],
        lost: Any,
    ) -> None:
        mark = self.model.buckets[bucket].watermark
        own = {row[:2]: row for row in rows if self.of[row[0]] == bucket}
        postings = np.array([own[key] for key in sorted(own)], POSTING_DTYPE).tobytes()
        batch, previous = max(mark + ahead, 1), max(mark - behind, 0)
        batch = max(batch, previous + 1)
        ids = np.array(
            [(account, text, order, 1, 0, 7) for account, text, order in lost], KEPT_ID_DTYPE
        )
        settle = Settle(
            bucket, batch, previous, b"\3", postings, tuple(ended), *flags, ids.tobytes()
        )
        reserve = self.reserve_of(bucket, batch - mark, asked)
        self.turn(epoch, [settle], [reserve] if reserve.frames else [])

    @rule(bucket=buckets, ids=st.lists(kept, max_size=3), epoch=epochs)
    def forget(self, bucket: int, ids: Any, epoch: int) -> None:
        epoch = max(self.epoch + epoch, 1)
        rows = [(account, text, order, 1, 0, 7) for account, text, order in ids]
        records = np.array(rows, KEPT_ID_DTYPE)
        self.both(
            lambda: self.real.forget(0, epoch, bucket, records),
            lambda: self.model.buckets[bucket].forget(0, epoch, rows),
        )
        self.epoch = max(self.epoch, self.model.buckets[bucket].epoch)

    @rule()
    def repeat(self) -> None:
        if self.last:
            self.turn(*self.last)

    def reserve_of(self, bucket: int, ahead: int, asked: Any) -> Reserve:
        parts = []
        for frame, rows in asked:
            own = [row for row in rows if self.of[row[0][0]] == bucket]
            if own and frame > 3:
                named = [(*amount, order, 7, text) for amount, text, order in own]
                parts.append(Ask(frame, np.array(named, NAMED_REQUEST_DTYPE).tobytes(), True))
            elif own:
                plain = [amount for amount, _, _ in own]
                parts.append(Ask(frame, np.array(plain, REQUEST_DTYPE).tobytes()))
        mark = self.model.buckets[bucket].watermark
        return Reserve(bucket, max(mark + ahead, 0), tuple(parts))

    def turn(self, ahead: int, settles: list[Settle], reserves: list[Reserve]) -> None:
        epoch = max(self.epoch + ahead, 1)
        self.last = ahead, settles, reserves
        self.both(
            lambda: self.real.turn(0, epoch, settles, reserves),
            lambda: self.model.turn(epoch, settles, reserves),
        )
        self.epoch = max(self.epoch, *(bucket.epoch for bucket in self.model.buckets))

    @invariant()
    def agrees(self) -> None:
        pairs = [(account, asset) for account in ACCOUNTS for asset in ASSETS]
        actual = {
            (int(row["account"]), int(row["asset"])): [int(row["available"]), int(row["held"])]
            for row in self.ledger.balances(pairs)
        }
        expected = {pair: self.model.buckets[self.of[pair[0]]].balances[pair] for pair in pairs}
        assert actual == expected
        for number, bucket in enumerate(self.model.buckets):
            records, cursor = self.real.named(0, ALWAYS, number)
            assert cursor == 0
            assert sorted(records.tolist()) == sorted(bucket.named(0, ALWAYS))
        for frame in range(1, 6):
            assert self.real.answers(0, frame) == self.model.answers(frame)


def test_simulated_buckets_are_like_real_ones(redis_home: Home) -> None:
    """The same calls get the same answers and refusals, and leave the same money."""

    class Here(Machine):
        home = redis_home

    examples = settings().max_examples // 10
    run_state_machine_as_test(Here, settings=settings(max_examples=examples))
