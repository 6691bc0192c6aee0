"""What a replay found, as one immutable value that faces render as they like."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
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
class Spread:
    """Best ask minus best bid, in ticks, over the moments at which the book was sampled."""

    samples: int
    sum_ticks: int
    min_ticks: int
    max_ticks: int

    @property
    def mean_ticks(self) -> Fraction:
        """The exact mean."""
        return Fraction(self.sum_ticks, self.samples)


@dataclass(frozen=True, slots=True)
class MarketFigures:
    """One market at the end of a replay."""

    name: str
    trades: int
    volume_lots: int
    resting_orders: int
    best_bid: int | None
    best_ask: int | None
    last_price: int | None
    state: str
    state_hash: int


@dataclass(frozen=True, slots=True)
class Report:
    """One replay from start to end. Prices in ticks, quantities in lots, times in seconds."""

    path: str
    format_name: str
    mode: str
    """``flow``, ``rebuild``, ``match`` or ``guided``."""
    messages: int
    """Records of a recording; 0 for a flow of commands."""
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
    """At the end, as the next three; None where there are several markets."""
    best_ask: int | None
    last_price: int | None
    state: str
    state_hash: int
    """Of the only book, or of all books with their names."""
    engine_seconds: float
    """Time inside the deciding books alone."""
    total_seconds: float
    """Reading, matching, comparing and counting."""
    remarks: tuple[str, ...] = ()
    checks: tuple[Check, ...] = field(default=())
    markets: tuple[MarketFigures, ...] = ()
    """Each market, the busiest first."""
    spread: Spread | None = None
    latency_ns: dict[str, int] = field(default_factory=dict)
    """``samples``, ``p50``, ``p90``, ``p99``, ``p99.9`` and ``max`` of single commands: each one
    call of the book."""
    put_right: int = 0
    """Orders that guided mode put right."""
    price_decimals: int = 0
    """A tick is ``10**-price_decimals``; 0 also where the file does not say."""
    qty_decimals: int = 0
    stopped_at: str | None = None
    """Where a replay that was stopped early stands; None if it ran to the end."""

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
            "mode": self.mode,
            "messages": self.messages,
            "stopped_at": self.stopped_at,
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
            "price_decimals": self.price_decimals,
            "qty_decimals": self.qty_decimals,
            "markets": [
                asdict(market) | {"state_hash": f"{market.state_hash:016x}"}
                for market in self.markets
            ],
            "spread_ticks": None
            if self.spread is None
            else {
                "samples": self.spread.samples,
                "mean": decimal_text(self.spread.mean_ticks, 4),
                "min": self.spread.min_ticks,
                "max": self.spread.max_ticks,
            },
            "latency_ns": self.latency_ns,
            "put_right": self.put_right,
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
