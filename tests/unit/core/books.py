"""Books and batches that the tests of this folder share."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from nextrade import (
    COMMAND_DTYPE,
    CommandKind,
    OrderBook,
    OrderType,
    PostOnly,
    SelfTrade,
    Side,
    TimeInForce,
    TradingState,
)
from nextrade._book import _fail_allocations_after

BUY, SELL = Side.BUY, Side.SELL
NOTHING = np.zeros(2000, COMMAND_DTYPE)


def lively_book() -> OrderBook:
    """A book with something of everything: part of an iceberg used up, GTD, stops, post-only."""
    book = OrderBook()
    book.limit(1, BUY, 100, 10, display_lots=4, timestamp_ns=1)
    book.limit(2, BUY, 100, 5, owner=3, self_trade=SelfTrade.CANCEL_OLDEST, timestamp_ns=2)
    book.limit(3, SELL, 105, 7, time_in_force=TimeInForce.GTD, expire_ns=1000, timestamp_ns=3)
    book.limit(4, SELL, 101, 3, timestamp_ns=4)
    book.market(5, BUY, 3, timestamp_ns=5)
    book.limit(6, SELL, 100, 2, time_in_force=TimeInForce.IOC, timestamp_ns=6)
    book.stop(7, BUY, 110, 5, limit_ticks=112, display_lots=2, timestamp_ns=7)
    book.stop(8, SELL, 90, 5, time_in_force=TimeInForce.GTD, expire_ns=2000, timestamp_ns=8)
    book.take_profit(9, SELL, 120, 5, owner=3, timestamp_ns=9)
    book.take_profit(10, BUY, 80, 4, limit_ticks=81, timestamp_ns=10)
    book.limit(11, BUY, 99, 6, post_only=PostOnly.SLIDE, timestamp_ns=11)
    book.limit(12, SELL, 105, 2, display_lots=1, timestamp_ns=12)
    return book


def auction_book() -> OrderBook:
    """The same during a call auction: crossed, with orders that wait for it."""
    book = lively_book()
    book.set_state(TradingState.AUCTION, timestamp_ns=20)
    book.limit(20, BUY, 107, 9, time_in_force=TimeInForce.IOC, timestamp_ns=21)
    book.market(21, SELL, 30, worst_price_ticks=98, timestamp_ns=22)
    book.limit(22, BUY, 106, 12, display_lots=5, timestamp_ns=23)
    return book


def commands(count: int, **fields: object) -> np.ndarray:
    """A batch of ``count`` commands with these columns, PLACE and ids from 1 unless named."""
    batch = np.zeros(count, COMMAND_DTYPE)
    batch["kind"] = CommandKind.PLACE
    batch["order_id"] = np.arange(1, count + 1)
    batch["qty_lots"] = 1
    for name, values in fields.items():
        batch[name] = values
    return batch


def resting(count: int, *, levels: int = 50, first_id: int = 1) -> np.ndarray:
    """Plain limit orders that do not trade: bids and asks in turn, at 2 x ``levels`` prices."""
    number = np.arange(count)
    side = number % 2
    away = 1 + number // 2 % levels
    return commands(
        count,
        order_id=number + first_id,
        side=side,
        price_ticks=10_000 + np.where(side == SELL, away, -away),
    )


def special(count: int, *, first_id: int = 1) -> np.ndarray:
    """Icebergs, GTD orders, stops and take-profits in turn, none of which trades."""
    batch = resting(count, first_id=first_id)
    kind = np.arange(count) // 2 % 4
    iceberg, timed, stop, profit = (kind == k for k in range(4))
    batch["qty_lots"] = 9
    batch["display_lots"][iceberg] = 2
    batch["time_in_force"][timed] = TimeInForce.GTD
    batch["expire_ns"][timed] = 1 + np.arange(count)[timed]
    batch["order_type"][stop] = OrderType.STOP_LIMIT
    batch["order_type"][profit] = OrderType.TAKE_PROFIT_LIMIT
    waiting = stop | profit
    batch["trigger_ticks"][waiting] = batch["price_ticks"][waiting]
    return batch


def slow_batch(book: OrderBook, size: int = 20_000) -> np.ndarray:
    """Fill the book, and return a batch that keeps it busy for long and changes nothing."""
    book.process(resting(size))
    return commands(size, kind=CommandKind.MASS_CANCEL, owner=7, qty_lots=0, order_id=0)


@contextmanager
def starved(allocations: int) -> Iterator[None]:
    """Let only so many allocations of the core succeed, and leave it no spare event buffers."""
    # Large results own their buffers, so with these alive none is left over.
    held = [OrderBook().process(NOTHING) for _ in range(5)]
    _fail_allocations_after(allocations)
    try:
        yield
    finally:
        _fail_allocations_after(-1)
        held.clear()
