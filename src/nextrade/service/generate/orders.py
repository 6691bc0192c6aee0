"""The orders of a flow: what order number k is follows from the seed and k alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...dtypes import COMMAND_DTYPE
from ...enums import CommandKind, OrderType, PostOnly, SelfTrade, Side, TimeInForce
from ..replay.readers.source import Commands
from .draws import Draws, Whole, below, draw, power_law
from .models import Flow

FIRST_REFERENCE = 100_000
"""The reference price at the start, in ticks."""

_SHARE = 1024
_SECOND = 1_000_000_000
_SIDE, _TYPE, _RULES, _DISTANCE, _LOTS, _OWNER, _EXTRA, _DRIFT = range(8)
_LOWEST_REFERENCE = FIRST_REFERENCE // 2
_SPAN = FIRST_REFERENCE

(
    MARKET,
    BY_AMOUNT,
    TO_LIMIT,
    STOP,
    TAKE_PROFIT,
    ICEBERG,
    POST_ONLY,
    IMMEDIATE,
    KILL,
    DATED,
    PLAIN,
) = range(11)


def reference_steps(seed: int, flow: Flow, first: int, count: int) -> Whole:
    """Moves of the reference price that come with these orders: -1, 0 or 1 tick each."""
    drift = draw(seed, _DRIFT, first, count)
    moves = below(drift, _SHARE) < flow.drift
    return np.where(moves, 1 - 2 * (drift & np.uint64(1)).astype(np.int64), 0)


def reference_price(walk: Whole) -> Whole:
    """The walk as prices that stay within half and one and a half of the first one.

    It turns back at the ends, by folding: whole-number arithmetic all the way.
    """
    folded = np.mod(walk + FIRST_REFERENCE - _LOWEST_REFERENCE, 2 * _SPAN)
    prices: Whole = _LOWEST_REFERENCE + np.minimum(folded, 2 * _SPAN - folded)
    return prices


def classes(seed: int, flow: Flow, first: int, count: int) -> Whole:
    """Which class (MARKET ... PLAIN) each order belongs to."""
    shares = [flow.market, flow.market_by_amount, flow.market_to_limit, flow.stop, flow.take_profit]
    shares += [flow.iceberg, flow.post_only, flow.immediate, flow.fill_or_kill, flow.till_date]
    if flow.auction:
        for barred in (BY_AMOUNT, TO_LIMIT, POST_ONLY, IMMEDIATE, KILL):
            shares[barred] = 0
    thresholds = np.cumsum(shares)
    kind = np.searchsorted(thresholds, below(draw(seed, _TYPE, first, count), _SHARE), "right")
    if flow.sweep_every:
        kind = np.where(is_sweep(flow, first, count), MARKET, kind)
    return kind.astype(np.int64)


def is_sweep(flow: Flow, first: int, count: int) -> npt.NDArray[np.bool_]:
    """Which orders are the large ones that take many levels."""
    number = np.arange(first, first + count)
    large: npt.NDArray[np.bool_] = number % flow.sweep_every == flow.sweep_every - 1
    return large


def orders(seed: int, flow: Flow, first: int, kind: Whole, reference: Whole) -> Commands:
    """The PLACE commands of the orders from number ``first`` on; timestamps are left 0.

    ``expire_ns`` of a dated order holds how long it stays, to be added to its timestamp.
    """
    count = len(kind)
    placed = np.zeros(count, dtype=COMMAND_DTYPE)
    placed["kind"] = CommandKind.PLACE
    placed["order_id"] = np.arange(first + 1, first + count + 1, dtype=np.uint64)
    side = (draw(seed, _SIDE, first, count) & np.uint64(1)).astype(np.int64)
    up = 1 - 2 * side  # the direction in which a price becomes more eager: up for a buy
    placed["side"] = np.where(side, Side.SELL, Side.BUY)
    placed["owner"] = 1 + below(draw(seed, _OWNER, first, count), flow.owners)
    rules = draw(seed, _RULES, first, count)
    placed["self_trade"] = np.where(
        below(rules, _SHARE) < flow.self_trade_rules,
        1 + (rules & np.uint64(3)).astype(np.int64),
        SelfTrade.ALLOW,
    )
    lots = power_law(draw(seed, _LOTS, first, count), flow.lots, 1000 * flow.lots)
    distances = draw(seed, _DISTANCE, first, count)
    distance = power_law(distances, flow.distance, flow.distance_limit)
    extra = draw(seed, _EXTRA, first, count)
    crosses = below(extra, _SHARE) < flow.crossing
    price = np.maximum(reference + np.where(crosses, up, -up) * distance, 1)
    placed["price_ticks"] = price
    placed["qty_lots"] = lots
    _special(placed, flow, first, kind, reference, up, distance, extra)
    return placed


def _special(
    placed: Commands,
    flow: Flow,
    first: int,
    kind: Whole,
    reference: Whole,
    up: Whole,
    distance: Whole,
    extra: Draws,
) -> None:
    """Make the classes other than PLAIN out of plain limit orders."""
    coin = (extra & np.uint64(1)).astype(np.int64)
    market = (kind == MARKET) | (kind == BY_AMOUNT)
    placed["order_type"][market] = OrderType.MARKET
    bounded = flow.auction | ((extra & np.uint64(3)) == 0)
    placed["price_ticks"][market] = np.where(bounded, reference + 40 * up, 0)[market]
    amount = kind == BY_AMOUNT
    placed["quote_amount"][amount] = (placed["qty_lots"] * reference)[amount]
    placed["qty_lots"][amount] = 0
    if flow.sweep_every:
        placed["qty_lots"][is_sweep(flow, first, len(placed))] = flow.sweep_lots

    to_limit = kind == TO_LIMIT
    placed["order_type"][to_limit] = OrderType.MARKET_TO_LIMIT
    placed["price_ticks"][to_limit] = 0

    for group, limit_type, direction in (
        (STOP, OrderType.STOP_LIMIT, up),
        (TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT, -up),
    ):
        dormant = kind == group
        trigger = np.maximum(reference + direction * (2 + distance), 1)
        placed["trigger_ticks"][dormant] = trigger[dormant]
        # The code before each limit variety is its market variety, without a worst price.
        placed["order_type"][dormant] = (limit_type - coin)[dormant]
        placed["price_ticks"][dormant] = np.where(coin, 0, np.maximum(trigger + 5 * up, 1))[dormant]

    iceberg = kind == ICEBERG
    placed["qty_lots"][iceberg] *= 8
    placed["display_lots"][iceberg] = np.maximum(placed["qty_lots"] // 10, 1)[iceberg]
    placed["post_only"][kind == POST_ONLY] = (PostOnly.REJECT + coin)[kind == POST_ONLY]
    placed["time_in_force"][kind == IMMEDIATE] = TimeInForce.IOC
    placed["time_in_force"][kind == KILL] = TimeInForce.FOK
    # These two take: their price is put through the reference.
    taking = (kind == IMMEDIATE) | (kind == KILL)
    placed["price_ticks"][taking] = np.maximum(reference + up * (2 + distance), 1)[taking]
    dated = kind == DATED
    placed["time_in_force"][dated] = TimeInForce.GTD
    placed["expire_ns"][dated] = (1 + below(extra, 600))[dated] * _SECOND
