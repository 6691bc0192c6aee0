"""Situations that the flows do not contain: auctions, cascades, sweeps, late arrivals."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nextrade import COMMAND_DTYPE, CommandKind, OrderType, Side, TimeInForce, TradingState

__all__ = [
    "auction",
    "cascade",
    "commands",
    "expiring",
    "icebergs",
    "late_arrivals",
    "levels",
    "owned",
]

Commands = npt.NDArray[np.void]
MIDDLE = 1_000_000


def commands(count: int, **fields: Any) -> Commands:
    """``count`` limit orders with ids from 1 and rising timestamps, but for ``fields``."""
    made = np.zeros(count, dtype=COMMAND_DTYPE)
    made["kind"] = CommandKind.PLACE
    made["timestamp_ns"] = 1 + np.arange(count)
    made["order_id"] = 1 + np.arange(count)
    made["price_ticks"] = MIDDLE
    made["qty_lots"] = 1
    for name, value in fields.items():
        made[name] = value
    return made


def then(before: Commands, **fields: Any) -> Commands:
    """One command later than everything in ``before``, with an id of its own."""
    fields.setdefault("order_id", int(before["order_id"].max()) + 1)
    return commands(1, timestamp_ns=int(before["timestamp_ns"].max()) + 1, **fields)


def auction(count: int, seed: int = 1) -> tuple[Commands, Commands]:
    """Crossing orders collected in the AUCTION state, and the UNCROSS that ends it."""
    random = np.random.default_rng(seed)
    opening = commands(1, kind=CommandKind.SET_STATE, state=TradingState.AUCTION, order_id=0)
    side = random.integers(0, 2, count)
    # Both sides reach 500 ticks beyond the middle, so about half of the orders trade.
    price = MIDDLE + random.integers(-500, 501, count)
    orders = commands(count, side=side, price_ticks=price, qty_lots=random.integers(1, 100, count))
    return np.concatenate([opening, orders]), then(orders, kind=CommandKind.UNCROSS)


def cascade(count: int) -> tuple[Commands, Commands]:
    """Stops of which each sets off the next, and the order that sets off the first."""
    step = np.arange(count)
    asks = commands(count + 1, side=Side.SELL, price_ticks=MIDDLE + np.arange(count + 1))
    stops = commands(
        count,
        timestamp_ns=count + 2 + step,
        order_id=count + 2 + step,
        order_type=OrderType.STOP_MARKET,
        trigger_ticks=MIDDLE + step,
        price_ticks=0,
    )
    return np.concatenate([asks, stops]), then(stops, order_type=OrderType.MARKET, price_ticks=0)


def levels(count: int, orders_each: int) -> tuple[Commands, Commands, Commands]:
    """Asks on ``count`` levels, a FOK order that they fill, and one that they cannot fill."""
    total = count * orders_each
    asks = commands(total, side=Side.SELL, price_ticks=MIDDLE + np.arange(total) // orders_each)
    filled = then(asks, time_in_force=TimeInForce.FOK, price_ticks=MIDDLE + count, qty_lots=total)
    killed = filled.copy()
    killed["qty_lots"] += 1
    return asks, filled, killed


def icebergs(count: int, slices: int) -> tuple[Commands, Commands]:
    """Icebergs that show one lot of ``slices`` at one price, and the order that takes all."""
    asks = commands(count, side=Side.SELL, qty_lots=slices, display_lots=1)
    return asks, then(asks, order_type=OrderType.MARKET, qty_lots=count * slices)


def late_arrivals(count: int, lateness: int) -> Commands:
    """Orders at one price, each up to ``lateness`` places late (all in reverse: ``count``)."""
    if lateness >= count:
        return commands(count, timestamp_ns=count - np.arange(count))
    jitter = np.random.default_rng(1).integers(0, lateness + 1, count)
    return commands(count, timestamp_ns=lateness + np.arange(count) - jitter)


def owned(count: int, owners: int) -> tuple[Commands, Commands]:
    """Orders dealt out to ``owners``, and the MASS_CANCEL of the first of them."""
    price = MIDDLE - np.arange(count) % 1000
    orders = commands(count, price_ticks=price, owner=1 + np.arange(count) % owners)
    leave = then(orders, kind=CommandKind.MASS_CANCEL, owner=1, price_ticks=0, qty_lots=0)
    return orders, leave


def expiring(count: int) -> tuple[Commands, Commands]:
    """GTD orders that end at random moments, and the EXPIRE that ends them all."""
    ends = count + 10 + np.random.default_rng(1).permutation(count)
    price = MIDDLE - np.arange(count) % 1000
    gtd = commands(count, price_ticks=price, time_in_force=TimeInForce.GTD, expire_ns=ends)
    ending = then(gtd, kind=CommandKind.EXPIRE, price_ticks=0, qty_lots=0)
    ending["timestamp_ns"] = 3 * count + 10
    return gtd, ending
