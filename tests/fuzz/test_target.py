"""The fuzz target itself: it takes any bytes, finds nothing in a short search, and can find."""

import random

import pytest

from nextrade import COMMAND_DTYPE, OrderBook
from tests.fuzz import target
from tests.fuzz.decoding import decode, home_bucket
from tests.fuzz.seeds import MODES, mutated, seeds


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 13, 14, 84, 85, 4096])
@pytest.mark.parametrize("mode", MODES)
def test_any_bytes_are_a_case(mode, length):
    """Input of every length and mode is decoded and run."""
    data = bytes([mode, 0xFF, 0xFF, 0xFF, *random.Random(length).randbytes(5000)])[:length]

    case = decode(data)

    assert case.commands.dtype == COMMAND_DTYPE
    assert sum(map(len, case.batches())) == len(case.commands)
    target.check_input(data)


def test_a_short_search_finds_nothing():
    """The inputs that a search starts with and three hundred mutations of them hold."""
    corpus, dice = seeds(), random.Random(1)

    for data in corpus:
        target.check_input(data)
    for _ in range(300):
        target.check_input(mutated(dice, corpus))


@pytest.mark.parametrize("lost", ["event", "level update"])
def test_a_lost_record_is_found(monkeypatch, lost):
    """A book that forgets to report something breaks a promise that the target checks."""

    class Forgetful:
        def __init__(self, capacity):
            self.book = OrderBook(capacity=capacity)

        def __getattr__(self, name):
            return getattr(self.book, name)

        def process(self, batch, *, levels=False):
            if not levels:
                return self.book.process(batch)
            events, updates = self.book.process(batch, levels=True)
            return (events[:-1], updates) if lost == "event" else (events, updates[:-1])

    Forgetful.from_snapshot = OrderBook.from_snapshot
    monkeypatch.setattr(target, "OrderBook", Forgetful)

    with pytest.raises((AssertionError, KeyError)):
        list(map(target.check_input, seeds()))


def test_neighbours_are_neighbours():
    """The bucket that ids are chosen by is that of the book: ids of one bucket stay findable."""
    ids = [k for k in range(1, 2000) if home_bucket(k) == 3]
    book = OrderBook()
    for order_id in ids[:60]:
        book.limit(order_id, 0, 5, 1)

    book.check_invariants()
    assert all(order_id in book for order_id in ids[:60])
    assert not any(order_id in book for order_id in ids[60:])
