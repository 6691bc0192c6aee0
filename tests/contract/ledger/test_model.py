"""Random calls against a ledger of plain dictionaries, which shares no code with the others."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextrade import errors
from nextrade.domain.postings import POSTING_DTYPE, REQUEST_DTYPE
from nextrade.service.ledger import Ledger

from .homes import Home

ACCOUNTS = range(6)
ASSETS = range(3)
PAIRS = [(account, asset) for account in ACCOUNTS for asset in ASSETS]
SHARE = 2**62 // 5

account_ids = st.sampled_from(ACCOUNTS)
assets = st.sampled_from(ASSETS)
amounts = st.one_of(
    st.integers(1, 20),
    st.sampled_from([2**32 - 1, 2**32, 2**32 + 1, 2**53, 2**53 + 1, 2**59]),
    st.integers(1, 2**59),
)
starts = st.lists(
    st.sampled_from([2**33 - 1, 2**40, 2**53 + 1]) | st.integers(1, 2**54),
    min_size=len(PAIRS),
    max_size=len(PAIRS),
)
references = st.sampled_from(["r1", "r2", "r3", "r4", "r5"])
calls = st.one_of(
    st.tuples(st.just("credit"), st.uuids().map(str) | references, account_ids, assets, amounts),
    st.tuples(st.just("hold"), references, account_ids, assets, amounts),
    st.tuples(st.just("capture"), references),
    st.tuples(st.just("refund"), references),
    st.tuples(st.just("transfer"), references, account_ids, account_ids, assets, amounts),
    st.tuples(
        st.just("reserve"),
        st.integers(0, 1),
        st.integers(1, 4),
        st.lists(st.tuples(account_ids, assets, amounts | st.just(0)), max_size=6),
    ),
    st.tuples(
        st.just("settle"),
        st.integers(0, 1),
        st.integers(0, 2),
        st.lists(st.tuples(account_ids, account_ids, assets, st.integers(0, 8)), max_size=6),
        st.lists(st.integers(1, 4), unique=True, max_size=3),
    ),
)


class Model:
    """What a ledger does, in dictionaries of whole numbers of any size."""

    def __init__(self) -> None:
        self.available: dict[tuple[int, int], int] = defaultdict(int)
        self.held: dict[tuple[int, int], int] = defaultdict(int)
        self.outside: dict[int, int] = {}
        self.references: dict[str, tuple[str, tuple]] = {}
        self.state: dict[str, str] = {}
        self.answers: dict[tuple[int, int], tuple[list, list[bool]]] = {}
        self.settled: dict[int, int] = defaultdict(int)
        # What batches may take: only what was reserved for a partition's orders, not withdrawals.
        self.reserved: dict[tuple[int, int], int] = defaultdict(int)

    def claim(self, reference: str, purpose: str, *details: int) -> bool:
        if self.references.setdefault(reference, (purpose, details)) != (purpose, details):
            raise errors.ReferenceReused
        return reference not in self.state

    def credit(self, reference: str, account: int, asset: int, amount: int) -> bool:
        if not self.claim(reference, "credit", account, asset, amount):
            return False
        self.available[account, asset] += amount
        self.outside[asset] = self.outside.get(asset, 0) + amount
        self.state[reference] = "done"
        return True

    def hold(self, reference: str, account: int, asset: int, amount: int) -> bool:
        if not self.claim(reference, "hold", account, asset, amount):
            return False
        if self.available[account, asset] < amount:
            raise errors.InsufficientFunds
        self.available[account, asset] -= amount
        self.held[account, asset] += amount
        self.state[reference] = "held"
        return True

    def end(self, reference: str, end: str) -> bool:
        purpose, details = self.references.get(reference, ("", ()))
        if purpose != "hold" or reference not in self.state:
            raise errors.UnknownReference
        if self.state[reference] == end:
            return False
        if self.state[reference] != "held":
            raise errors.HoldFinished
        account, asset, amount = details
        self.held[account, asset] -= amount
        if end == "refunded":
            self.available[account, asset] += amount
        else:
            self.outside[asset] -= amount
        self.state[reference] = end
        return True

    def capture(self, reference: str) -> bool:
        return self.end(reference, "captured")

    def refund(self, reference: str) -> bool:
        return self.end(reference, "refunded")

    def transfer(self, reference: str, source: int, to: int, asset: int, amount: int) -> bool:
        if source == to:
            raise ValueError
        if not self.claim(reference, "transfer", source, to, asset, amount):
            return False
        if self.available[source, asset] < amount:
            raise errors.InsufficientFunds
        self.available[source, asset] -= amount
        self.available[to, asset] += amount
        self.state[reference] = "done"
        return True

    def reserve(self, partition: int, frame: int, asked: list[tuple[int, int, int]]) -> list[bool]:
        if (partition, frame) in self.answers:
            return self.answers[partition, frame][1]
        granted = []
        for account, asset, amount in asked:
            granted.append(self.available[account, asset] >= amount)
            if granted[-1]:
                self.available[account, asset] -= amount
                self.held[account, asset] += amount
                self.reserved[account, asset] += amount
        self.answers[partition, frame] = (asked, granted)
        return granted

    def postings(self, moves: list[tuple[int, int, int, int]]) -> np.ndarray:
        """Postings that pay eighths of what is reserved to others, netted."""
        net: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
        left = dict(self.reserved)
        for source, to, asset, eighths in moves:
            amount = left.get((source, asset), 0) * eighths // 8
            left[source, asset] = left.get((source, asset), 0) - amount
            net[source, asset][1] -= amount
            net[to, asset][0] += amount
        rows = [(*pair, *change) for pair, change in sorted(net.items()) if any(change)]
        return np.array(rows, POSTING_DTYPE)

    def settle(self, partition: int, batch: int, legs: np.ndarray, frames: list[int]) -> None:
        if batch <= self.settled[partition]:
            return
        if batch != self.settled[partition] + 1:
            raise errors.Gap
        for account, asset, available, held in legs.tolist():
            self.available[account, asset] += available
            self.held[account, asset] += held
            self.reserved[account, asset] += held
        self.settled[partition] = batch
        for frame in frames:
            self.answers.pop((partition, frame), None)


def outcome(call: Callable[[], Any]) -> Any:
    """What a call returns, or the class of what it raises."""
    try:
        result = call()
    except (errors.LedgerError, ValueError) as error:
        return type(error)
    return result.tolist() if isinstance(result, np.ndarray) else result


def run(ledger: Ledger, model: Model, call: tuple) -> None:
    """Make one call to both, and compare what comes of it."""
    name, *arguments = call
    if name == "credit" and model.outside.get(arguments[2], 0) + arguments[3] > SHARE:
        return  # where the limit lies depends on the number of buckets
    if name == "reserve":
        partition, frame, asked = arguments
        # A frame asks the same whenever it asks.
        asked = model.answers.get((partition, frame), (asked, []))[0]
        array = np.array(asked, REQUEST_DTYPE)
        expected = outcome(lambda: model.reserve(partition, frame, asked))
        actual = outcome(lambda: ledger.reserve(partition, 1, frame, array))
    elif name == "settle":
        partition, ahead, moves, frames = arguments
        batch = max(model.settled[partition] + ahead, 1)
        legs = model.postings(moves)
        expected = outcome(lambda: model.settle(partition, batch, legs, frames))
        actual = outcome(lambda: ledger.settle(partition, 1, batch, legs, frames))
    else:
        expected = outcome(lambda: getattr(model, name)(*arguments))
        actual = outcome(lambda: getattr(ledger, name)(*arguments))
    assert actual == expected, call


def compare(ledger: Ledger, model: Model) -> None:
    """See that every balance and total is what the model says."""
    actual = {(a, b): (c, d) for a, b, c, d in ledger.balances(PAIRS).tolist()}
    assert actual == {pair: (model.available[pair], model.held[pair]) for pair in PAIRS}
    totals = {
        asset: (
            sum(model.available[account, asset] for account in ACCOUNTS),
            sum(model.held[account, asset] for account in ACCOUNTS),
            outside,
            0,
        )
        for asset, outside in model.outside.items()
    }
    assert {row[0]: row[1:] for row in ledger.totals().tolist()} == totals
    for available, held, outside, in_flight in totals.values():
        assert available + held == outside + in_flight


def random_calls(home: Home, funds: list[int], sequence: list[tuple]) -> None:
    """Run a sequence against a new ledger of this home, which changes workers on the way."""
    ledger, model = home.new(buckets=5), Model()
    for pair, amount in zip(PAIRS, funds, strict=True):
        run(ledger, model, ("credit", f"to start {pair}", *pair, amount))
    for number, call in enumerate(sequence):
        run(ledger, model, call)
        run(ledger, model, call)
        if number % 7 == 6:
            ledger = home.again()
    compare(ledger, model)
    if home.servers:
        for row in ledger.bucket_totals().tolist():
            _, _, available, held, outside, transfers, settled = row
            assert available + held == outside + transfers + settled


@given(starts, st.lists(calls, min_size=10, max_size=60))
def test_memory_agrees_with_the_model(funds: list[int], sequence: list[tuple]) -> None:
    """Random calls, each made twice, leave the ledger in this process as the model says."""
    random_calls(Home([]), funds, sequence)


@pytest.mark.parametrize("kind", ["redis", "cluster"])
def test_redis_agrees_with_the_model(request: pytest.FixtureRequest, kind: str) -> None:
    """Random calls, each made twice, by workers that change, agree on Redis too."""
    home = request.getfixturevalue(f"{kind}_home")

    @settings(max_examples=settings().max_examples // (8 if kind == "redis" else 25))
    @given(starts, st.lists(calls, min_size=10, max_size=60))
    def agree(funds: list[int], sequence: list[tuple]) -> None:
        random_calls(home, funds, sequence)

    agree()
