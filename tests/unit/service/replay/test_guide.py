"""An engine's book is put right by the recorded one."""

from __future__ import annotations

from nextrade import OrderBook
from nextrade.enums import TradingState
from nextrade.service.replay.guide import cancel_these, copy_recorded, put_right
from nextrade.service.replay.rebuild import RECORDED_OWNER, collecting_book

from .by_hand import BUY, SELL

Order = tuple[int, int, int, int]
"""Id, side, price, quantity."""


def book(*orders: Order, recorded: bool = False, owner: int = RECORDED_OWNER) -> OrderBook:
    """A book with these orders, a nanosecond apart."""
    made = collecting_book() if recorded else OrderBook()
    for at, (order_id, side, price, lots) in enumerate(orders):
        made.limit(order_id, side, price, lots, owner=owner, timestamp_ns=order_id * 10 + at)
    return made


def standing(made: OrderBook) -> list[tuple[int, int, int]]:
    """Id, price and quantity, each side in its order of priority."""
    orders = made.orders()
    names = ("order_id", "price_ticks", "visible_lots")
    return list(zip(*(orders[name].tolist() for name in names), strict=True))


BIDS = [(1, BUY, 100, 5), (2, BUY, 100, 3)]


def test_books_that_agree_stay() -> None:
    """Nothing to put right is nothing changed."""
    engine = book(*BIDS)
    before = engine.state_hash()

    assert put_right(engine, book(*BIDS, recorded=True), [1, 2], 99) == 0
    assert engine.state_hash() == before


def test_an_order_that_is_missing_comes_back_to_its_place() -> None:
    """The engine has only the second of the queue; the first goes in before it."""
    engine = book(BIDS[1])

    assert put_right(engine, book(*BIDS, recorded=True), [1], 99) == 1
    assert standing(engine) == [(1, 100, 5), (2, 100, 3)]
    assert engine.state == TradingState.OPEN


def test_orders_of_one_time_come_back_in_the_order_of_their_queue() -> None:
    """Whichever of three orders of one time was wrong, the first to come is served first."""
    recorded = collecting_book()
    for order_id in (3, 1, 2):
        recorded.limit(order_id, BUY, 100, 5, owner=RECORDED_OWNER, timestamp_ns=10)
    for missing in ((3,), (1,), (2, 3), (1, 2, 3)):
        engine = OrderBook()
        for order_id in (3, 1, 2):
            if order_id not in missing:
                engine.limit(order_id, BUY, 100, 5, owner=RECORDED_OWNER, timestamp_ns=10)
        put_right(engine, recorded, missing, 99)
        assert [order[0] for order in standing(engine)] == [3, 1, 2]


def test_an_order_that_is_gone_is_canceled() -> None:
    """What the recording does not have, the engine loses."""
    engine = book(*BIDS)

    assert put_right(engine, book(BIDS[1], recorded=True), [1, 2], 99) == 1
    assert standing(engine) == [(2, 100, 3)]


def test_an_order_of_another_quantity_is_set_right_where_it_stands() -> None:
    """It keeps its place in the queue."""
    engine = book((1, BUY, 100, 9), BIDS[1])

    assert put_right(engine, book(*BIDS, recorded=True), [1], 99) == 1
    assert standing(engine) == [(1, 100, 5), (2, 100, 3)]


def test_orders_that_are_not_asked_for_stay() -> None:
    """Only the orders of the present executions are compared."""
    engine = book((1, BUY, 100, 9), BIDS[1])

    assert put_right(engine, book(*BIDS, recorded=True), [2], 99) == 0
    assert standing(engine)[0] == (1, 100, 9)


def test_what_stands_inside_the_recorded_prices_goes() -> None:
    """An order better than the recorded best price cannot be there."""
    engine = book(*BIDS, (3, BUY, 101, 1), (4, SELL, 104, 1), (5, SELL, 105, 1))
    recorded = book(*BIDS, (5, SELL, 105, 1), recorded=True)

    assert put_right(engine, recorded, [], 99) == 2
    assert [order[0] for order in standing(engine)] == [1, 2, 5]


def test_orders_of_an_agent_stay_inside_the_recorded_prices() -> None:
    """They are no errors."""
    engine = book(*BIDS)
    engine.limit(77, BUY, 101, 1, owner=RECORDED_OWNER + 1, timestamp_ns=50)

    assert put_right(engine, book(*BIDS, recorded=True), [], 99) == 0
    assert 77 in engine


def test_an_agent_in_the_way_of_a_repair_gives_way() -> None:
    """The recorded order comes back; the agent's older one, which would cross it, is canceled."""
    engine = book(BIDS[1])
    engine.limit(77, SELL, 101, 1, owner=RECORDED_OWNER + 1, timestamp_ns=5)
    recorded = book(BIDS[1], (3, BUY, 101, 4), recorded=True)
    put_right(engine, recorded, [3], 99)

    assert [order[0] for order in standing(engine)] == [3, 2]
    assert engine.state == TradingState.OPEN


def test_a_recorded_book_that_is_crossed_opens_without_the_older_orders() -> None:
    """An order that came without trading shows that what it crosses had left unseen."""
    engine = book()
    recorded = book((1, SELL, 100, 5), (2, SELL, 105, 1), (3, BUY, 101, 2), recorded=True)
    copy_recorded(engine, recorded, 99)

    assert [order[0] for order in standing(engine)] == [3, 2]
    assert engine.state == TradingState.OPEN


def test_a_copy_keeps_the_orders_of_agents() -> None:
    """The recorded orders are replaced, the agent's order goes in behind them."""
    engine = book((9, SELL, 110, 2))
    engine.limit(77, BUY, 100, 1, owner=RECORDED_OWNER + 1, timestamp_ns=50)
    copy_recorded(engine, book(*BIDS, recorded=True), 99)

    assert standing(engine) == [(1, 100, 5), (2, 100, 3), (77, 100, 1)]
    assert engine.state == TradingState.OPEN


def test_only_what_is_there_is_canceled() -> None:
    """Ids that are not open are passed over."""
    engine = book(*BIDS)

    assert cancel_these(engine, [2, 50], 99) == 1
    assert cancel_these(engine, [], 99) == 0
    assert standing(engine) == [(1, 100, 5)]
