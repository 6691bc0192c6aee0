"""One order in a person's words as a command: text to ticks and lots, names to codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..._book import OrderBook
from ...domain.listings import Listing
from ...domain.units import DecimalText
from ...dtypes import COMMAND_DTYPE
from ...enums import CommandKind, OrderType, PostOnly, SelfTrade, Side, TimeInForce
from ...errors import ExchangeError, UnitError

_PRICED = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
_AT_ONCE = (OrderType.MARKET, OrderType.MARKET_TO_LIMIT)


def order_command(
    listing: Listing,
    book: OrderBook | None,
    *,
    side: str | Side,
    quantity: DecimalText | None,
    price: DecimalText | None,
    amount: DecimalText | None,
    worst_price: DecimalText | None,
    trigger: DecimalText | None,
    order_type: OrderType | str | None,
    time_in_force: TimeInForce | str,
    post_only: PostOnly | str,
    self_trade: SelfTrade | str,
    display: DecimalText | None,
) -> npt.NDArray[np.void]:
    """A PLACE command of one order, without account, market, id and time.

    ``book`` is where the worst price of a market order is measured from that names none.
    Without a book there is none, and the door refuses what needs one. Raises UnitError for text
    that is not exact in the market's steps, or a price that is missing, and ExchangeError for
    a name of no code.
    """
    units = listing.market
    command = np.zeros(1, dtype=COMMAND_DTYPE)
    plain = OrderType.MARKET if price is None else OrderType.LIMIT
    chosen = _member(OrderType, plain if order_type is None else order_type)
    way = _member(Side, side)
    command["kind"], command["order_type"], command["side"] = CommandKind.PLACE, chosen, way
    command["time_in_force"] = _member(TimeInForce, time_in_force)
    command["post_only"] = _member(PostOnly, post_only)
    command["self_trade"] = _member(SelfTrade, self_trade)
    for name, value in (("qty_lots", quantity), ("display_lots", display)):
        if value is not None:
            command[name] = units.qty_lots(value)
    if amount is not None:
        command["quote_amount"] = units.quote_amount(amount)
    if trigger is not None:
        command["trigger_ticks"] = units.price_ticks(trigger)
    if chosen in _PRICED:
        if price is None:
            raise UnitError(f"{units.name}: an order of type {chosen.name} needs a price")
        command["price_ticks"] = units.price_ticks(price)
    elif worst_price is not None:
        command["price_ticks"] = units.price_ticks(worst_price)
    else:
        start = _start(book, way, int(command["trigger_ticks"][0]), at_once=chosen in _AT_ONCE)
        command["price_ticks"] = _collared(start, way, listing.collar_bps)
    return command


def change_command(
    listing: Listing,
    kind: CommandKind,
    *,
    side: str | Side | None = None,
    quantity: DecimalText | None = None,
    price: DecimalText | None = None,
    trigger: DecimalText | None = None,
) -> npt.NDArray[np.void]:
    """A command about an order that is there, without account, market, id and time.

    Raises UnitError and ExchangeError as ``order_command``.
    """
    units = listing.market
    command = np.zeros(1, dtype=COMMAND_DTYPE)
    command["kind"] = kind
    if side is not None:
        command["side"] = _member(Side, side)
    if quantity is not None:
        command["qty_lots"] = units.qty_lots(quantity)
    if price is not None:
        command["price_ticks"] = units.price_ticks(price)
    if trigger is not None:
        command["trigger_ticks"] = units.price_ticks(trigger)
    return command


def _start(book: OrderBook | None, side: Side, trigger_ticks: int, *, at_once: bool) -> int:
    """The price that the worst price of an order is measured from; 0 if there is none."""
    if not at_once:
        return trigger_ticks
    if book is None:
        return 0
    best = book.best_ask if side == Side.BUY else book.best_bid
    return best or book.last_price or 0


def _collared(start_ticks: int, side: Side, collar_bps: int) -> int:
    """So far beyond a price as the collar of the market allows. Without a price there is no worst
    price either: the door refuses what needs one."""
    away = start_ticks * collar_bps // 10_000
    if side == Side.BUY:
        return start_ticks + away
    return max(start_ticks - away, 1) if start_ticks else 0


def _member(kind: Any, value: Any) -> Any:
    """A member of an enum, given as such or by name."""
    if not isinstance(value, str):
        return kind(value)
    try:
        return kind[value.upper().replace("-", "_")]
    except KeyError:
        known = ", ".join(member.name.lower() for member in kind)
        raise ExchangeError(f"{value!r} is not one of {known}") from None
