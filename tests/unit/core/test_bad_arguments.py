"""What the methods of a book make of arguments that do not fit, and every refusal by name."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from nextrade import OrderBook, Reason, TimeInForce, TradingState, errors
from nextrade.errors import REJECTED_BY_REASON, OutOfMemory, Rejected
from tests.unit.core.books import BUY, SELL, auction_book, commands, lively_book, starved

# Each call with one argument left open; everything else fits the lively book.
CALLS = {
    "limit order_id": lambda book, x: book.limit(x, BUY, 90, 1),
    "limit side": lambda book, x: book.limit(50, x, 90, 1),
    "limit price_ticks": lambda book, x: book.limit(50, BUY, x, 1),
    "limit qty_lots": lambda book, x: book.limit(50, BUY, 90, x),
    "limit owner": lambda book, x: book.limit(50, BUY, 90, 1, owner=x),
    "limit time_in_force": lambda book, x: book.limit(50, BUY, 90, 1, time_in_force=x),
    "limit post_only": lambda book, x: book.limit(50, BUY, 90, 1, post_only=x),
    "limit self_trade": lambda book, x: book.limit(50, BUY, 90, 1, self_trade=x),
    "limit display_lots": lambda book, x: book.limit(50, BUY, 90, 1, display_lots=x),
    "limit expire_ns": lambda book, x: book.limit(50, BUY, 90, 1, time_in_force=3, expire_ns=x),
    "market qty_lots": lambda book, x: book.market(50, BUY, x),
    "market quote_amount": lambda book, x: book.market(50, BUY, quote_amount=x),
    "market worst_price_ticks": lambda book, x: book.market(50, BUY, 1, worst_price_ticks=x),
    "market_to_limit qty_lots": lambda book, x: book.market_to_limit(50, BUY, x),
    "stop trigger_ticks": lambda book, x: book.stop(50, BUY, x, 1),
    "stop limit_ticks": lambda book, x: book.stop(50, BUY, 130, 1, limit_ticks=x),
    "take_profit trigger_ticks": lambda book, x: book.take_profit(50, BUY, x, 1),
    "take_profit qty_lots": lambda book, x: book.take_profit(50, BUY, 70, x),
    "cancel order_id": lambda book, x: book.cancel(x),
    "cancel owner": lambda book, x: book.cancel(1, owner=x),
    "reduce qty_lots": lambda book, x: book.reduce(1, x),
    "replace price_ticks": lambda book, x: book.replace(1, price_ticks=x, qty_lots=1),
    "replace qty_lots": lambda book, x: book.replace(1, qty_lots=x),
    "replace trigger_ticks": lambda book, x: book.replace(7, trigger_ticks=x),
    "mass_cancel owner": lambda book, x: book.mass_cancel(x),
    "expire now_ns": lambda book, x: book.expire(x),
    "set_state state": lambda book, x: book.set_state(x),
    "uncross reference_ticks": lambda book, x: book.uncross(x),
    "uncross then": lambda book, x: book.uncross(then=x),
    "indicative reference_ticks": lambda book, x: book.indicative(x),
    "depth levels": lambda book, x: book.depth(x),
    "order order_id": lambda book, x: book.order(x),
}
# Where nothing at all (None) means "as it is".
MAY_BE_NONE = {
    "stop limit_ticks",
    "replace price_ticks",
    "replace qty_lots",
    "replace trigger_ticks",
}
NOT_WHOLE = [
    1.0,
    1.5,
    float("nan"),
    float("inf"),
    "1",
    b"1",
    [],
    (1,),
    object(),
    1j,
    Decimal(1),
    Fraction(1),
    np.float64(1),
    np.array([1, 2]),
    np.datetime64(1, "ns"),
]


@pytest.mark.parametrize("value", NOT_WHOLE, ids=lambda value: repr(value).partition(" at ")[0])
@pytest.mark.parametrize("name", CALLS)
def test_what_is_not_a_whole_number_is_a_type_error(name, value):
    """No float is rounded and no text read: not even one that happens to be whole."""
    book = lively_book()
    before = book.state_hash()

    with pytest.raises(TypeError):
        CALLS[name](book, value)

    assert book.state_hash() == before


@pytest.mark.parametrize("name", sorted(CALLS.keys() - MAY_BE_NONE))
def test_none_is_a_type_error(name):
    """Nothing is taken for zero."""
    book = lively_book()
    before = book.state_hash()

    with pytest.raises(TypeError):
        CALLS[name](book, None)

    assert book.state_hash() == before


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 10**30, -(10**30)])
@pytest.mark.parametrize("name", CALLS)
def test_a_number_that_fits_no_field_is_a_value_error(name, value):
    """Nothing wraps around; the book stays as it was."""
    book = lively_book()
    before = book.state_hash()

    with pytest.raises((ValueError, OverflowError)):
        CALLS[name](book, value)

    assert book.state_hash() == before


@pytest.mark.parametrize("name", sorted(CALLS.keys() - {"expire now_ns"}))
def test_a_negative_number_is_refused(name):
    """By range or by rule, and always without a trace."""
    book = lively_book()
    before = book.state_hash()

    with pytest.raises((ValueError, Rejected)):
        CALLS[name](book, -1)

    assert book.state_hash() == before


@pytest.mark.parametrize("value", [1.5, "now", float("nan"), 2**63, object()])
def test_a_timestamp_is_a_whole_number_of_nanoseconds(value):
    """Every method that takes one refuses anything else before it looks at the book."""
    book = lively_book()
    before = book.state_hash()
    calls = [
        lambda: book.limit(50, BUY, 90, 1, timestamp_ns=value),
        lambda: book.market(50, BUY, 1, timestamp_ns=value),
        lambda: book.market_to_limit(50, BUY, 1, timestamp_ns=value),
        lambda: book.stop(50, BUY, 130, 1, timestamp_ns=value),
        lambda: book.take_profit(50, BUY, 70, 1, timestamp_ns=value),
        lambda: book.cancel(1, timestamp_ns=value),
        lambda: book.reduce(1, 1, timestamp_ns=value),
        lambda: book.replace(1, qty_lots=1, timestamp_ns=value),
        lambda: book.mass_cancel(3, timestamp_ns=value),
        lambda: book.set_state(TradingState.HALTED, timestamp_ns=value),
        lambda: book.uncross(timestamp_ns=value),
    ]

    for call in calls:
        with pytest.raises((TypeError, ValueError), match="timestamp_ns"):
            call()

    assert book.state_hash() == before


@pytest.mark.parametrize("number", [np.int8(5), np.uint64(5), np.int64(5), True + 4])
def test_whole_numbers_of_any_type_are_taken(number):
    """NumPy integers need no conversion."""
    book = OrderBook()

    book.limit(number, BUY, number, number, owner=number, timestamp_ns=number)

    assert number in book
    assert book.order(number)["visible_lots"] == 5


def test_asking_for_an_id_that_cannot_be_is_no_error():
    """``in`` answers False for whatever is no order id."""
    book = lively_book()

    for value in (-1, 2**64, 1.0, "1", None, float("nan"), [], np.array([1, 2])):
        assert value not in book
    assert np.uint64(1) in book


@pytest.mark.parametrize("capacity", [1.5, "1", None, float("nan"), [1]])
def test_a_capacity_is_a_whole_number(capacity):
    """Anything else is a TypeError."""
    with pytest.raises(TypeError, match="capacity"):
        OrderBook(capacity=capacity)


def test_a_capacity_out_of_range_is_refused():
    """Negative is a ValueError, more than a book can hold a MemoryError."""
    with pytest.raises(ValueError, match="capacity"):
        OrderBook(capacity=-1)
    for capacity in (2**31, 2**63, 10**30):
        with pytest.raises(MemoryError, match="capacity"):
            OrderBook(capacity=capacity)


def test_a_capacity_is_reserved():
    """So many orders come without another allocation, and more after that."""
    book = OrderBook(capacity=5000)
    reserved = book.memory_bytes

    book.process(commands(5000, price_ticks=7))
    assert book.memory_bytes == reserved
    book.process(commands(5000, price_ticks=7, order_id=np.arange(6000, 11_000)))

    assert len(book) == 10_000
    assert book.memory_bytes > reserved


def test_a_book_that_was_never_initialised_is_an_empty_one():
    """``__new__`` alone makes a sound book."""
    book = OrderBook.__new__(OrderBook)

    assert 1 not in book
    assert len(book.depth()[0]) == len(book) == 0
    assert book.state_hash() == OrderBook().state_hash()
    book.limit(1, BUY, 5, 5)
    book.check_invariants()


# ---- refusals -------------------------------------------------------------------------


def in_state(state):
    """The lively book in another trading state."""
    book = lively_book()
    book.set_state(state)
    return book


def full_side(book):
    """Ask for more on one side than 63 bits can count."""
    book.limit(50, BUY, 1, 2**63 - 1 - 100)
    book.limit(51, BUY, 1, 1000)


def out_of_memory(book):
    """Place orders until the book would have to grow, and cannot."""
    for order_id in range(1000, 2000):
        with starved(1):
            book.limit(order_id, BUY, 5, 5)


def crossed(book):
    """Ask a crossed book to open."""
    book.set_state(TradingState.OPEN)


# Reason: the book that refuses (the lively one unless named), and the call.
REFUSALS = {
    Reason.UNKNOWN_SIDE: lambda book: book.limit(50, 2, 90, 1),
    Reason.UNKNOWN_TIME_IN_FORCE: lambda book: book.limit(50, BUY, 90, 1, time_in_force=4),
    Reason.UNKNOWN_POST_ONLY: lambda book: book.limit(50, BUY, 90, 1, post_only=3),
    Reason.UNKNOWN_SELF_TRADE: lambda book: book.limit(50, BUY, 90, 1, self_trade=5),
    Reason.UNKNOWN_STATE: lambda book: book.set_state(4),
    Reason.BAD_QUANTITY: lambda book: book.limit(50, BUY, 90, 0),
    Reason.BAD_PRICE: lambda book: book.limit(50, BUY, 0, 1),
    Reason.BAD_TRIGGER: lambda book: book.stop(50, BUY, 0, 1),
    Reason.BAD_DISPLAY: lambda book: book.limit(50, BUY, 90, 1, display_lots=-1),
    Reason.BAD_AMOUNT: lambda book: book.market(50, BUY, quote_amount=-1, qty_lots=1),
    Reason.BAD_EXPIRY: lambda book: book.limit(
        50, BUY, 90, 1, time_in_force=TimeInForce.GTD, expire_ns=1
    ),
    Reason.BAD_COMBINATION: lambda book: book.limit(50, BUY, 90, 1, expire_ns=99),
    Reason.NOTIONAL_OVERFLOW: lambda book: book.limit(50, BUY, 2**40, 2**40),
    Reason.DUPLICATE_ORDER_ID: lambda book: book.limit(1, BUY, 90, 1),
    Reason.UNKNOWN_ORDER: lambda book: book.cancel(50),
    Reason.NOT_OWNER: lambda book: book.cancel(2, owner=4),
    Reason.BOOK_OVERFLOW: full_side,
    Reason.POST_ONLY_WOULD_TRADE: lambda book: book.limit(50, BUY, 105, 1, post_only=1),
    Reason.ONLY_IN_AUCTION: lambda book: book.uncross(),
    Reason.OUT_OF_MEMORY: out_of_memory,
    Reason.HALTED: lambda book: book.cancel(1),
    Reason.CANCEL_ONLY: lambda book: book.limit(50, BUY, 90, 1),
    Reason.NOT_IN_AUCTION: lambda book: book.market(50, BUY, 1),
    Reason.BOOK_CROSSED: crossed,
}
BOOKS = {
    Reason.HALTED: lambda: in_state(TradingState.HALTED),
    Reason.CANCEL_ONLY: lambda: in_state(TradingState.CANCEL_ONLY),
    Reason.NOT_IN_AUCTION: lambda: in_state(TradingState.AUCTION),
    Reason.BOOK_CROSSED: auction_book,
}
# The methods set kind and type themselves, so only a batch can get these wrong.
ONLY_IN_BATCHES = {
    Reason.UNKNOWN_COMMAND: ("kind", 9),
    Reason.UNKNOWN_ORDER_TYPE: ("order_type", 7),
}


def test_every_refusal_has_a_case_here():
    """No reason above 31 is missing from these tests, and each has its exception."""
    every = {reason for reason in Reason if reason >= 32}

    assert REFUSALS.keys() | ONLY_IN_BATCHES.keys() == every
    assert REJECTED_BY_REASON.keys() == every


@pytest.mark.parametrize("reason", REFUSALS, ids=lambda reason: reason.name)
def test_a_refused_call_raises_the_exception_of_its_reason(reason):
    """The class has the reason's name, the message is its rule, and the book is unchanged."""
    book = BOOKS.get(reason, lively_book)()
    name = reason.name.title().replace("_", "")
    before = book.state_hash()

    with pytest.raises(Rejected) as raised:
        REFUSALS[reason](book)

    assert type(raised.value) is getattr(errors, name) is REJECTED_BY_REASON[reason]
    assert raised.value.reason is reason
    assert str(raised.value).startswith(type(raised.value).__doc__)
    book.check_invariants()
    if reason not in (Reason.BOOK_OVERFLOW, Reason.OUT_OF_MEMORY):
        assert book.state_hash() == before


@pytest.mark.parametrize("reason", ONLY_IN_BATCHES, ids=lambda reason: reason.name)
def test_a_batch_refuses_unknown_kinds_and_types(reason):
    """As an event of that reason, with the book unchanged."""
    field, value = ONLY_IN_BATCHES[reason]
    book = lively_book()
    before = book.state_hash()

    events = book.process(commands(1, order_id=50, price_ticks=9, **{field: value}))

    assert events["reason"].tolist() == [reason]
    assert book.state_hash() == before


def test_a_book_goes_on_after_out_of_memory():
    """The refused order comes in as soon as there is memory again."""
    book = OrderBook()
    with pytest.raises(OutOfMemory):
        out_of_memory(book)
    open_orders = len(book)

    book.limit(5000, SELL, 9, 5)

    assert len(book) == open_orders + 1
    book.check_invariants()
