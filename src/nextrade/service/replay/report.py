"""What a replay found, as one immutable value that faces render as they like."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """A comparison with what was recorded: how many rows, how many of them wrong, and why."""

    name: str
    rows: int
    wrong: int
    note: str = ""

    @property
    def right(self) -> int:
        """Rows that agree."""
        return self.rows - self.wrong


@dataclass(frozen=True, slots=True)
class Report:
    """One replay from start to end. Prices in ticks, quantities in lots, times in seconds."""

    path: str
    format_name: str
    commands: int
    commands_by_kind: dict[str, int]
    rejected_by_reason: dict[str, int]
    events: int
    events_by_kind: dict[str, int]
    trades: int
    volume_lots: int
    notional: int
    """Sum of price x quantity, in ticks x lots."""
    vwap_ticks: Fraction | None
    """Exact; None without trades."""
    resting_orders: int
    """Open orders at the end, dormant ones included."""
    best_bid: int | None
    best_ask: int | None
    last_price: int | None
    state: str
    state_hash: int
    engine_seconds: float
    """Time inside ``OrderBook.process`` alone."""
    total_seconds: float
    """Reading, matching and counting; without checks."""
    remarks: tuple[str, ...] = ()
    checks: tuple[Check, ...] = field(default=())

    @property
    def rejected(self) -> int:
        """Refused commands."""
        return sum(self.rejected_by_reason.values())

    @property
    def engine_rate(self) -> float:
        """Commands a second of the book alone."""
        return self.commands / self.engine_seconds if self.engine_seconds > 0 else 0.0

    @property
    def total_rate(self) -> float:
        """Commands a second from file to figures."""
        return self.commands / self.total_seconds if self.total_seconds > 0 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON. Integers beyond 2**53 (hash, sums) are text, so no reader rounds.

        The average price is a fraction in lowest terms.
        """
        vwap = self.vwap_ticks
        return {
            "file": self.path,
            "format": self.format_name,
            "commands": self.commands,
            "commands_by_kind": self.commands_by_kind,
            "rejected": self.rejected,
            "rejected_by_reason": self.rejected_by_reason,
            "events": self.events,
            "events_by_kind": self.events_by_kind,
            "trades": self.trades,
            "volume_lots": str(self.volume_lots),
            "notional_ticks_lots": str(self.notional),
            "vwap_ticks": None
            if vwap is None
            else {"numerator": str(vwap.numerator), "denominator": str(vwap.denominator)},
            "resting_orders": self.resting_orders,
            "best_bid_ticks": self.best_bid,
            "best_ask_ticks": self.best_ask,
            "last_price_ticks": self.last_price,
            "state": self.state,
            "state_hash": f"{self.state_hash:016x}",
            "engine_seconds": self.engine_seconds,
            "total_seconds": self.total_seconds,
            "engine_commands_per_second": round(self.engine_rate),
            "total_commands_per_second": round(self.total_rate),
            "remarks": list(self.remarks),
            "checks": [
                {"name": c.name, "rows": c.rows, "wrong": c.wrong, "note": c.note}
                for c in self.checks
            ],
        }


def decimal_text(value: Fraction, decimals: int) -> str:
    """A fraction from 0 on as decimal text, rounded half to even in whole numbers.

    >>> decimal_text(Fraction(2, 3), 4)
    '0.6667'
    """
    rounded = round(value * 10**decimals)
    if not decimals:
        return str(rounded)
    whole, fraction = divmod(rounded, 10**decimals)
    return f"{whole}.{fraction:0{decimals}d}"
