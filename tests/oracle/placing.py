"""A new order comes in (section 2), and the two kinds whose price depends on the book (section 4
and market-to-limit)."""

from . import refusals
from .book import Book, Order
from .codes import (
    I64_MAX,
    EventFlag,
    EventKind,
    OrderType,
    PostOnly,
    Reason,
    Side,
    TimeInForce,
    TradingState,
)
from .matching import cancel_rest
from .records import Command
from .stops import execute_and_follow, trigger_if_due


def place(book: Book, command: Command) -> int:
    """Carry out a PLACE command. Answers with the reason of a refusal, or Reason.NONE."""
    reason = refusals.of_place(book, command)
    if reason:
        return reason
    order = order_of(command)
    unmatched = Reason.NONE
    if order.order_type == OrderType.MARKET_TO_LIMIT:
        unmatched = limit_at_best_opposite(book, order)
    elif order.post_only != PostOnly.NO and book.state == TradingState.OPEN:
        reason, order.price_ticks = post_only_price(book, order, order.price_ticks)
    if not reason and order.price_ticks * order.left > I64_MAX:
        reason = Reason.NOTIONAL_OVERFLOW
    if reason:
        return reason

    book.tell(
        EventKind.ACCEPTED,
        order,
        qty_lots=order.left,
        leaves_lots=order.amount if order.by_amount else order.left,
        flags=EventFlag.BY_AMOUNT if order.by_amount else 0,
    )
    if unmatched:
        cancel_rest(book, order, unmatched)
    elif order.is_dormant:
        book.enter(order)
        trigger_if_due(book, order)
    elif book.state == TradingState.AUCTION:
        if order.is_market:
            order.time_in_force = TimeInForce.IOC
        book.rest(order)
    else:
        execute_and_follow(book, order)
    return Reason.NONE


def order_of(command: Command) -> Order:
    is_iceberg = 0 < command.display_lots < command.qty_lots
    return Order(
        order_id=command.order_id,
        owner=command.owner,
        side=command.side,
        order_type=command.order_type,
        price_ticks=command.price_ticks,
        visible_lots=command.qty_lots,
        display_lots=command.display_lots if is_iceberg else 0,
        trigger_ticks=command.trigger_ticks,
        expire_ns=command.expire_ns,
        time_in_force=command.time_in_force,
        post_only=command.post_only,
        self_trade=command.self_trade,
        timestamp_ns=command.timestamp_ns,
        by_amount=command.quote_amount > 0,
        amount=command.quote_amount,
    )


def limit_at_best_opposite(book: Book, order: Order) -> int:
    """Turn a market-to-limit order into a limit order, or say why it is to be canceled."""
    opposite = book.opposite_of(order)
    worst, order.price_ticks = order.price_ticks, 0
    if not opposite:
        return Reason.NO_LIQUIDITY
    best = opposite[0].price_ticks
    if worst and (best > worst if order.side == Side.BUY else best < worst):
        return Reason.WORST_PRICE
    order.order_type = OrderType.LIMIT
    order.price_ticks = best
    return Reason.NONE


def post_only_price(book: Book, order: Order, price: int) -> tuple[int, int]:
    """Where a post-only order would stand that asks for this price: (refusal, price)."""
    opposite = book.opposite_of(order)
    if not opposite:
        return Reason.NONE, price
    best = opposite[0].price_ticks
    would_trade = price >= best if order.side == Side.BUY else price <= best
    if not would_trade:
        return Reason.NONE, price
    slid = best - 1 if order.side == Side.BUY else best + 1
    if order.post_only == PostOnly.REJECT or not 1 <= slid <= I64_MAX:
        return Reason.POST_ONLY_WOULD_TRADE, price
    return Reason.NONE, slid
