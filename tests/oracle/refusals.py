"""Why a command may be refused: the checks of sections 2, 7 and 8 in their order of precedence.

Each function answers with a Reason, or Reason.NONE if the command may go ahead. Only the
refusals that depend on a new price (post-only, market-to-limit) are elsewhere, with that price.
"""

from .book import Book, Order
from .codes import (
    I64_MAX,
    LIMIT_PRICE_TYPES,
    TRIGGER_TYPES,
    OrderType,
    PostOnly,
    Reason,
    Side,
    TimeInForce,
    TradingState,
)
from .records import Command

MAX_SLICES = 10_000


def of_place(book: Book, command: Command) -> int:
    return (
        _unknown_codes(command)
        or _bad_values(command)
        or _bad_combination(command)
        or _too_much(command)
        or _state_of_place(book, command)
        or _no_room(book, command)
    )


def _unknown_codes(command: Command) -> int:
    if command.order_type not in range(7):
        return Reason.UNKNOWN_ORDER_TYPE
    if command.side not in (Side.BUY, Side.SELL):
        return Reason.UNKNOWN_SIDE
    if command.time_in_force not in range(4):
        return Reason.UNKNOWN_TIME_IN_FORCE
    if command.post_only not in range(3):
        return Reason.UNKNOWN_POST_ONLY
    if command.self_trade not in range(5):
        return Reason.UNKNOWN_SELF_TRADE
    return Reason.NONE


def _slices(qty_lots: int, display_lots: int) -> int:
    # Minus the floor of minus the quotient is the quotient rounded up.
    return -(-qty_lots // display_lots) if display_lots > 0 else 0


def _bad_values(command: Command) -> int:
    spends_amount = command.order_type == OrderType.MARKET and command.quote_amount != 0
    if command.qty_lots < 0 or (command.qty_lots == 0 and not spends_amount):
        return Reason.BAD_QUANTITY
    if command.order_type in LIMIT_PRICE_TYPES:
        if command.price_ticks <= 0:
            return Reason.BAD_PRICE
    elif command.price_ticks < 0:
        return Reason.BAD_PRICE
    if command.order_type in TRIGGER_TYPES and command.trigger_ticks <= 0:
        return Reason.BAD_TRIGGER
    if command.display_lots < 0 or _slices(command.qty_lots, command.display_lots) > MAX_SLICES:
        return Reason.BAD_DISPLAY
    if command.quote_amount < 0:
        return Reason.BAD_AMOUNT
    is_gtd = command.time_in_force == TimeInForce.GTD
    if is_gtd and command.expire_ns <= command.timestamp_ns:
        return Reason.BAD_EXPIRY
    return Reason.NONE


def _bad_combination(command: Command) -> int:
    order_type = command.order_type
    stays = command.time_in_force in (TimeInForce.GTC, TimeInForce.GTD)
    is_gtd = command.time_in_force == TimeInForce.GTD
    wrong = []
    if command.quote_amount != 0:
        wrong.append(order_type != OrderType.MARKET)
        wrong.append(command.qty_lots != 0)
        wrong.append(command.time_in_force == TimeInForce.FOK)
    if command.trigger_ticks != 0:
        wrong.append(order_type not in TRIGGER_TYPES)
    if command.display_lots != 0:
        wrong.append(not (order_type in LIMIT_PRICE_TYPES and stays))
    if command.expire_ns != 0:
        wrong.append(not is_gtd)
    if is_gtd:
        wrong.append(order_type == OrderType.MARKET)
    if command.post_only != PostOnly.NO:
        wrong.append(not (order_type == OrderType.LIMIT and stays))
    return Reason.BAD_COMBINATION if any(wrong) else Reason.NONE


def _too_much(command: Command) -> int:
    if command.price_ticks * command.qty_lots > I64_MAX:
        return Reason.NOTIONAL_OVERFLOW
    return Reason.NONE


def _state_of_place(book: Book, command: Command) -> int:
    if book.state == TradingState.HALTED:
        return Reason.HALTED
    if book.state == TradingState.CANCEL_ONLY:
        return Reason.CANCEL_ONLY
    if book.state == TradingState.AUCTION:
        order_type = command.order_type
        plain = order_type in (OrderType.LIMIT, OrderType.MARKET)
        wrong = [
            order_type == OrderType.MARKET_TO_LIMIT,
            command.quote_amount != 0,
            order_type == OrderType.MARKET and command.price_ticks == 0,
            plain and command.time_in_force == TimeInForce.FOK,
            command.post_only != PostOnly.NO,
        ]
        if any(wrong):
            return Reason.NOT_IN_AUCTION
    return Reason.NONE


def _no_room(book: Book, command: Command) -> int:
    if book.find(command.order_id) is not None:
        return Reason.DUPLICATE_ORDER_ID
    if command.qty_lots + open_lots(book, command.side) > I64_MAX:
        return Reason.BOOK_OVERFLOW
    return Reason.NONE


def open_lots(book: Book, side: int) -> int:
    """All open quantity of one side: resting, hidden and dormant."""
    return sum(order.left for order in book.all_orders() if order.side == side)


def of_cancel(book: Book, command: Command) -> int:
    if book.state == TradingState.HALTED:
        return Reason.HALTED
    return _not_found(book, command)


def of_reduce(book: Book, command: Command) -> int:
    if command.qty_lots <= 0:
        return Reason.BAD_QUANTITY
    return of_cancel(book, command)


def of_mass_cancel(book: Book) -> int:
    return Reason.HALTED if book.state == TradingState.HALTED else Reason.NONE


def of_replace(book: Book, command: Command) -> int:
    if command.qty_lots <= 0:
        return Reason.BAD_QUANTITY
    if command.price_ticks < 0:
        return Reason.BAD_PRICE
    if command.trigger_ticks < 0:
        return Reason.BAD_TRIGGER
    if command.display_lots != 0 or command.quote_amount != 0 or command.expire_ns != 0:
        return Reason.BAD_COMBINATION
    if book.state == TradingState.HALTED:
        return Reason.HALTED
    if book.state == TradingState.CANCEL_ONLY:
        return Reason.CANCEL_ONLY
    return _not_found(book, command) or _of_replace_once_known(
        book, command, book.find(command.order_id)
    )


def _of_replace_once_known(book: Book, command: Command, order: Order) -> int:
    if command.price_ticks == 0 and not order.is_market:
        return Reason.BAD_PRICE
    if _slices(command.qty_lots, order.display_lots) > MAX_SLICES:
        return Reason.BAD_DISPLAY
    if command.trigger_ticks != 0 and not order.is_dormant:
        return Reason.BAD_COMBINATION
    if command.price_ticks * command.qty_lots > I64_MAX:
        return Reason.NOTIONAL_OVERFLOW
    if open_lots(book, order.side) - order.left + command.qty_lots > I64_MAX:
        return Reason.BOOK_OVERFLOW
    return Reason.NONE


def _not_found(book: Book, command: Command) -> int:
    order = book.find(command.order_id)
    if order is None:
        return Reason.UNKNOWN_ORDER
    if command.owner not in (0, order.owner):
        return Reason.NOT_OWNER
    return Reason.NONE


def of_set_state(book: Book, command: Command) -> int:
    if command.state not in range(4):
        return Reason.UNKNOWN_STATE
    crossed = book.bids and book.asks and book.bids[0].price_ticks >= book.asks[0].price_ticks
    if command.state == TradingState.OPEN and crossed:
        return Reason.BOOK_CROSSED
    return Reason.NONE


def of_uncross(book: Book, command: Command) -> int:
    if command.state not in range(4):
        return Reason.UNKNOWN_STATE
    if command.price_ticks < 0:
        return Reason.BAD_PRICE
    if book.state != TradingState.AUCTION:
        return Reason.ONLY_IN_AUCTION
    return Reason.NONE
