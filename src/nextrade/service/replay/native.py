"""The native formats in words: which columns there are and how their codes are called."""

from __future__ import annotations

from enum import IntEnum

from ...enums import CommandKind, OrderType, PostOnly, SelfTrade, Side, TimeInForce, TradingState

CODED: dict[str, type[IntEnum]] = {
    "kind": CommandKind,
    "order_type": OrderType,
    "side": Side,
    "time_in_force": TimeInForce,
    "post_only": PostOnly,
    "self_trade": SelfTrade,
    "state": TradingState,
}
"""For each coded column: its enum."""

CODES: dict[str, dict[str, int]] = {
    column: {member.name: member.value for member in enum} for column, enum in CODED.items()
}
"""For each coded column: member name to code."""

COLUMNS: tuple[str, ...] = (
    "timestamp_ns",
    "kind",
    "order_id",
    "order_type",
    "side",
    "time_in_force",
    "price_ticks",
    "qty_lots",
    "trigger_ticks",
    "display_lots",
    "quote_amount",
    "expire_ns",
    "owner",
    "market",
    "post_only",
    "self_trade",
    "state",
)
"""The columns of the native CSV, in the order in which they are written."""
