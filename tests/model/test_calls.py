"""What the single-call methods fill in for the caller."""

import pytest

from nextrade._book import OrderBook
from nextrade.errors import UnknownOrder
from tests.oracle.codes import OrderType, Side, TradingState


def test_the_clock_is_the_default_time():
    """A call without a time happens at the highest time that the book has taken."""
    book = OrderBook()
    book.limit(1, Side.BUY, 100, 5, timestamp_ns=50)
    book.limit(2, Side.BUY, 100, 5, timestamp_ns=40)

    outcome = book.limit(3, Side.BUY, 100, 5)

    assert outcome.events["timestamp_ns"].tolist() == [50]
    assert [record["order_id"] for record in book.orders()] == [2, 1, 3]


def test_a_replacement_keeps_what_it_does_not_name():
    """Price, quantity and trigger stay as they are unless they are given."""
    book = OrderBook()
    book.limit(1, Side.BUY, 100, 9, display_lots=2)
    book.stop(2, Side.BUY, 110, 4, limit_ticks=120)

    book.replace(1, qty_lots=5)
    book.replace(1, price_ticks=99)
    book.replace(2, qty_lots=6)
    book.replace(2, price_ticks=130)

    resting, dormant = book.order(1), book.order(2)
    assert (resting["price_ticks"], resting["visible_lots"], resting["hidden_lots"]) == (99, 2, 3)
    assert (dormant["price_ticks"], dormant["visible_lots"]) == (130, 6)
    assert (dormant["trigger_ticks"], dormant["order_type"]) == (110, OrderType.STOP_LIMIT)


def test_a_replacement_of_an_unknown_order_is_refused_as_such():
    """Also when it names nothing to change, so that the book has nothing to fill in."""
    with pytest.raises(UnknownOrder):
        OrderBook().replace(7)


def test_a_refused_call_changes_nothing():
    """Neither the orders nor the clock move when a method raises."""
    book = OrderBook()
    book.set_state(TradingState.AUCTION, timestamp_ns=3)
    before = book.snapshot()

    with pytest.raises(UnknownOrder):
        book.cancel(7, timestamp_ns=99)

    assert book.snapshot() == before
    assert book.clock_ns == 3
