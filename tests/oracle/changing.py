"""What can happen to an open order from outside: cancel, reduce, replace, mass cancel, expire
(section 7)."""

from . import refusals
from .book import Book, Order
from .codes import I64_MAX, EventFlag, EventKind, PostOnly, Reason, TimeInForce, TradingState
from .placing import post_only_price
from .records import Command
from .stops import execute_and_follow, trigger_if_due


def cancel(book: Book, command: Command) -> int:
    reason = refusals.of_cancel(book, command)
    if not reason:
        book.cancel(book.find(command.order_id), Reason.REQUESTED)
    return reason


def reduce(book: Book, command: Command) -> int:
    reason = refusals.of_reduce(book, command)
    if reason:
        return reason
    order = book.find(command.order_id)
    if command.qty_lots >= order.left:
        book.cancel(order, Reason.REQUESTED)
    else:
        take_off(order, command.qty_lots)
        book.tell(
            EventKind.REDUCED,
            order,
            qty_lots=command.qty_lots,
            leaves_lots=order.left,
            reason=Reason.REQUESTED,
        )
    return Reason.NONE


def take_off(order: Order, lots: int) -> None:
    """Make an order smaller where it stands, its hidden part first."""
    from_hidden = min(lots, order.hidden_lots)
    order.hidden_lots -= from_hidden
    order.visible_lots -= lots - from_hidden


def replace(book: Book, command: Command) -> int:
    reason = refusals.of_replace(book, command)
    if reason:
        return reason
    order = book.find(command.order_id)
    if order.is_dormant:
        replace_dormant(book, command, order)
        return Reason.NONE
    return replace_resting(book, command, order)


def replace_resting(book: Book, command: Command, order: Order) -> int:
    price = command.price_ticks
    if order.post_only != PostOnly.NO and book.state == TradingState.OPEN:
        reason, price = post_only_price(book, order, price)
        if reason:
            return reason
        if price * command.qty_lots > I64_MAX:
            return Reason.NOTIONAL_OVERFLOW
    if price == order.price_ticks and command.qty_lots <= order.left:
        take_off(order, order.left - command.qty_lots)
        tell_replaced(book, order, EventFlag.KEPT_PRIORITY)
        return Reason.NONE
    book.leave(order)
    order.price_ticks = price
    order.visible_lots = command.qty_lots
    order.hidden_lots = 0
    tell_replaced(book, order)
    if book.state == TradingState.OPEN:
        execute_and_follow(book, order)
    else:
        book.rest(order)
    return Reason.NONE


def replace_dormant(book: Book, command: Command, order: Order) -> None:
    trigger = command.trigger_ticks or order.trigger_ticks
    same = command.price_ticks == order.price_ticks and trigger == order.trigger_ticks
    if same and command.qty_lots <= order.left:
        order.visible_lots = command.qty_lots
        tell_replaced(book, order, EventFlag.KEPT_PRIORITY)
        return
    book.leave(order)
    order.price_ticks = command.price_ticks
    order.trigger_ticks = trigger
    order.visible_lots = command.qty_lots
    book.enter(order)
    tell_replaced(book, order)
    trigger_if_due(book, order)


def tell_replaced(book: Book, order: Order, flags: int = 0) -> None:
    book.tell(EventKind.REPLACED, order, qty_lots=order.left, leaves_lots=order.left, flags=flags)


def mass_cancel(book: Book, command: Command) -> int:
    reason = refusals.of_mass_cancel(book)
    if reason:
        return reason
    book.tell_command(EventKind.ACCEPTED)
    mine = [order for order in book.all_orders() if order.owner == command.owner]
    for order in sorted(mine, key=lambda order: order.order_id):
        book.cancel(order, Reason.MASS_CANCELED)
    return Reason.NONE


def expire(book: Book, command: Command) -> int:
    book.tell_command(EventKind.ACCEPTED)
    over = [
        order
        for order in book.all_orders()
        if order.time_in_force == TimeInForce.GTD and order.expire_ns <= command.timestamp_ns
    ]
    for order in sorted(over, key=lambda order: (order.expire_ns, order.order_id)):
        book.leave(order)
        book.tell(EventKind.EXPIRED, order, qty_lots=order.left)
    return Reason.NONE
