"""The arrays that a book hands out: nobody writes into them afterwards."""

import gc
import sys

import numpy as np
import pytest

from nextrade import EVENT_DTYPE, LEVEL_DTYPE, OrderBook
from tests.unit.core.books import BUY, commands, lively_book, resting

# Smaller results are copied, larger ones own the memory that the book wrote into.
SIZES = [0, 1, 7, 800, 820, 5000, 50_000]


def crossing(count, first_id):
    """Orders that trade with each other in pairs, at a price of their own."""
    number = np.arange(count)
    return commands(
        count, order_id=number + first_id, side=number % 2, price_ticks=1 + first_id % 9
    )


@pytest.mark.parametrize("size", SIZES)
def test_results_stay_as_they_were(size):
    """Results of any size are the same bytes after many later batches of all sizes."""
    book = OrderBook()
    kept = []
    for turn in range(6):
        events, levels = book.process(crossing(size, 1 + turn), levels=True)
        kept.append((events, levels, events.tobytes(), levels.tobytes()))
        for other in SIZES:
            book.process(crossing(other, 1))
            OrderBook().process(crossing(other, 1), levels=True)

    for events, levels, event_bytes, level_bytes in kept:
        assert events.tobytes() == event_bytes
        assert levels.tobytes() == level_bytes
        assert (events.dtype, levels.dtype) == (EVENT_DTYPE, LEVEL_DTYPE)


def test_many_small_results_can_be_kept():
    """Ten thousand results of one command each keep their own bytes, and little memory."""
    book = OrderBook()

    kept = [book.process(commands(1, order_id=k, price_ticks=k + 1)) for k in range(10_000)]

    assert [int(events["order_id"][0]) for events in kept] == list(range(10_000))
    assert len({events.ctypes.data // 1024 for events in kept}) < 5_000


def test_a_view_keeps_its_result_alive():
    """A field or a slice of a dropped result is as valid as the result was."""
    book = OrderBook()
    events = book.process(crossing(5000, 1))
    expected = events["order_id"][-10:].tolist()
    view = events["order_id"][-10:]

    del events
    gc.collect()
    for _ in range(5):
        book.process(crossing(5000, 7))

    assert view.tolist() == expected


def test_a_result_outlives_its_book():
    """Dropping the book takes nothing from what it said."""
    book = OrderBook()
    events, levels = book.process(resting(5000), levels=True)
    orders, (bids, asks), outcome = book.orders(), book.depth(), book.limit(9999, BUY, 5, 5)
    before = [value.tobytes() for value in (events, levels, orders, bids, asks, outcome.events)]

    del book
    gc.collect()
    OrderBook().process(resting(5000, first_id=7), levels=True)

    after = [value.tobytes() for value in (events, levels, orders, bids, asks, outcome.events)]
    assert after == before


def test_results_belong_to_the_caller():
    """Writing into a result, or into what a view method gave, does not reach the book."""
    book = lively_book()
    before = book.state_hash()
    events, levels = book.process(resting(3, first_id=100)[:0], levels=True)
    for array in (events, levels, book.orders(), *book.depth(), book.limit(50, BUY, 1, 1).events):
        array.view("u1")[...] = 255
    book.cancel(50)

    book.check_invariants()
    assert book.state_hash() == before


def test_an_outcome_is_a_report_of_its_own():
    """Its events are copies, it stays as it is, and an empty one is harmless."""
    book = lively_book()
    outcome = book.limit(50, BUY, 105, 100)
    text, events = repr(outcome), outcome.events
    events["order_id"] = 0

    book.process(resting(5000, first_id=100))

    assert repr(outcome) == text
    assert set(outcome.events["order_id"].tolist()) == {50, 3, 12} - {3}
    empty = type(outcome)()
    assert (len(empty), empty.trades, empty.filled_lots, empty.leaves_lots) == (0, [], 0, 0)
    with pytest.raises(AttributeError):
        outcome.events = None


def test_results_hold_no_extra_references():
    """A result is referred to by its caller alone, so that dropping it frees it."""
    book = OrderBook()

    for size in SIZES:
        events, levels = book.process(crossing(size, 1), levels=True)
        assert (sys.getrefcount(events), sys.getrefcount(levels)) == (2, 2)
    assert sys.getrefcount(book) == 2
