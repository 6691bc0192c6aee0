"""Dormant orders: when they are elected, and what follows (section 6)."""

from .book import Book, Order
from .codes import EventKind, OrderType, TradingState
from .matching import execute


def execute_and_follow(book: Book, order: Order) -> None:
    """Run one order, then every dormant order that its trades set off, and those that these do."""
    run_waiting(book, elected_by(book, execute(book, order)))


def trigger_if_due(book: Book, order: Order) -> None:
    """A dormant order that has just come into its list triggers at once if it is due."""
    if book.state == TradingState.OPEN and is_due(order, book.last_price):
        book.leave(order)
        run_waiting(book, [order])


def market_opened(book: Book) -> None:
    """Elect what is due at the last price when the market becomes OPEN."""
    if book.last_price:
        run_waiting(book, elected_by(book, [book.last_price]))


def is_due(order: Order, price: int) -> bool:
    if price == 0:
        return False
    return price >= order.trigger_ticks if order.is_rising else price <= order.trigger_ticks


def elected_by(book: Book, prices: list[int]) -> list[Order]:
    """Take the orders that these trade prices elect out of their lists: rising, then falling."""
    if not prices:
        return []
    rising = [order for order in book.rising if is_due(order, max(prices))]
    falling = [order for order in book.falling if is_due(order, min(prices))]
    for order in rising + falling:
        book.leave(order)
    return rising + falling


def run_waiting(book: Book, waiting: list[Order]) -> None:
    while waiting:
        order = waiting.pop(0)
        book.tell(EventKind.TRIGGERED, order, qty_lots=order.left, leaves_lots=order.left)
        order.order_type = OrderType.MARKET if order.is_market else OrderType.LIMIT
        order.trigger_ticks = 0
        waiting += elected_by(book, execute(book, order))
