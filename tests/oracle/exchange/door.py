"""What is decided about a command before anything is known of books and balances.

A rule is a plain comparison, the rules are tried in the order of their codes, and none asks
whether something else is wrong with the command: what passes here meets the book's own rules.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tests.oracle.codes import I64_MAX, CommandKind, OrderType, Side
from tests.oracle.records import Command

from .codes import MAX_ORDER_ID, NO_REFUSAL, Refusal
from .listing import Listing

PRICED_BY_THE_BOOK = (
    OrderType.MARKET,
    OrderType.MARKET_TO_LIMIT,
    OrderType.STOP_MARKET,
    OrderType.TAKE_PROFIT_MARKET,
)
FOR_OPERATORS = (CommandKind.EXPIRE, CommandKind.SET_STATE, CommandKind.UNCROSS)


class Request(NamedTuple):
    """What a command needs to have held, or why it may not even ask."""

    refusal: int = NO_REFUSAL
    account: int = 0
    asset: int = 0
    amount: int = 0


def request_of(command: Command, listings: Sequence[Listing], partition: int) -> Request:
    """The worst case of a command: a function of the command and the listings alone."""
    if command.market >= len(listings) or listings[command.market].partition != partition:
        return Request(Refusal.UNKNOWN_MARKET)
    listing = listings[command.market]
    asset, amount = worst_case(command, listing)
    if is_order(command) or command.kind == CommandKind.REPLACE:
        refusal = refusal_of_order(command, listing, amount)
    elif command.kind in FOR_OPERATORS and command.owner != 0:
        refusal = Refusal.OPERATOR_ONLY
    else:
        refusal = NO_REFUSAL
    if refusal:
        return Request(refusal)
    return Request(NO_REFUSAL, command.owner, asset, amount) if amount else Request()


def is_order(command: Command) -> bool:
    return command.kind == CommandKind.PLACE


def is_by_amount(command: Command) -> bool:
    market = command.order_type == OrderType.MARKET
    return is_order(command) and market and command.quote_amount != 0


def worst_case(command: Command, listing: Listing) -> tuple[int, int]:
    """(asset, amount) that the order of a PLACE or REPLACE can cost at most."""
    if not is_order(command) and command.kind != CommandKind.REPLACE:
        return 0, 0
    price, lots = max(command.price_ticks, 0), max(command.qty_lots, 0)
    if command.side == Side.BUY:
        spent = max(command.quote_amount, 0) if is_by_amount(command) else price * lots
        return listing.quote, spent * listing.quote_units_per_tick_lot
    if command.side == Side.SELL:
        if is_by_amount(command):
            # At its worst price the amount is earned with the most lots.
            lots = max(command.quote_amount, 0) // price if price else 0
        return listing.base, lots * listing.base_units_per_lot
    return 0, 0


def refusal_of_order(command: Command, listing: Listing, amount: int) -> int:
    by_amount = is_by_amount(command)
    notional = command.quote_amount if by_amount else command.price_ticks * command.qty_lots
    has_notional = by_amount or command.price_ticks > 0
    if command.owner == 0:
        return Refusal.UNKNOWN_ACCOUNT
    if is_order(command) and not 0 < command.order_id <= MAX_ORDER_ID:
        return Refusal.BAD_ORDER_ID
    if not by_amount and command.qty_lots < listing.min_qty:
        return Refusal.BELOW_MIN_QTY
    if not by_amount and command.qty_lots > listing.max_qty:
        return Refusal.ABOVE_MAX_QTY
    if has_notional and notional < listing.min_notional:
        return Refusal.BELOW_MIN_NOTIONAL
    if has_notional and notional > listing.max_notional:
        return Refusal.ABOVE_MAX_NOTIONAL
    if command.price_ticks <= 0 and needs_worst_price(command):
        return Refusal.NO_WORST_PRICE
    if amount > I64_MAX:
        return Refusal.AMOUNT_OVERFLOW
    if not is_order(command) and command.side not in (Side.BUY, Side.SELL):
        return Refusal.WRONG_SIDE
    return NO_REFUSAL


def needs_worst_price(command: Command) -> bool:
    """Whether nothing but a price bounds what the order can cost."""
    if not is_order(command):
        return command.side == Side.BUY
    if is_by_amount(command):
        return command.side == Side.SELL
    return command.side == Side.BUY and command.order_type in PRICED_BY_THE_BOOK
