"""What a replay adds up on the way, and the report that comes of it."""

from __future__ import annotations

import hashlib
from collections import Counter

from ..._book import OrderBook
from ...enums import TradingState
from .lanes import Samples
from .latency import LatencyHistogram
from .report import Check, MarketFigures, Spread


class SpreadTally:
    """Best ask minus best bid over all samples in which both sides stood uncrossed."""

    def __init__(self) -> None:
        self._sum = self._count = 0
        self._least: int | None = None
        self._most: int | None = None

    def add(self, samples: Samples) -> None:
        """Take in some samples."""
        if not len(samples.depth):
            return
        prices = samples.depth["price_ticks"][:, :, 0]
        spreads = prices[:, 1] - prices[:, 0]
        spreads = spreads[(prices > 0).all(axis=1) & (spreads > 0)]
        if not len(spreads):
            return
        self._sum += int(spreads.sum())
        self._count += len(spreads)
        least, most = int(spreads.min()), int(spreads.max())
        self._least = least if self._least is None else min(self._least, least)
        self._most = most if self._most is None else max(self._most, most)

    def figures(self) -> Spread | None:
        """Mean, least and greatest; None without samples."""
        if self._least is None or self._most is None:
            return None
        return Spread(self._count, self._sum, self._least, self._most)


def latency_figures(histogram: LatencyHistogram) -> dict[str, int]:
    """Percentiles of the time that single commands took, in nanoseconds."""
    if not histogram.count:
        return {}
    figures = {
        name: int(histogram.percentile(q))
        for name, q in (("p50", 50), ("p90", 90), ("p99", 99), ("p99.9", 99.9))
    }
    return {"samples": histogram.count, **figures, "max": int(histogram.max)}


def market_figures(name: str, book: OrderBook, trades: int, volume_lots: int) -> MarketFigures:
    """One market at the end of a replay."""
    top = book.top()
    return MarketFigures(
        name=name,
        trades=trades,
        volume_lots=volume_lots,
        resting_orders=len(book),
        best_bid=top.bid_ticks,
        best_ask=top.ask_ticks,
        last_price=book.last_price,
        state=TradingState(book.state).name,
        state_hash=book.state_hash(),
    )


def joint_hash(markets: list[MarketFigures]) -> int:
    """One hash over all books: that of the only one, or of the names with their hashes."""
    if len(markets) == 1:
        return markets[0].state_hash
    digest = hashlib.blake2b(digest_size=8)
    for market in sorted(markets, key=lambda market: market.name):
        digest.update(f"{market.name}\0{market.state_hash:016x}\n".encode())
    return int.from_bytes(digest.digest(), "big")


def joined_checks(lists: list[list[Check]]) -> list[Check]:
    """The checks of all markets, those of one name added up."""
    rows: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    notes: dict[str, list[str]] = {}
    for checks in lists:
        for check in checks:
            rows[check.name] += check.rows
            wrong[check.name] += check.wrong
            notes.setdefault(check.name, [])
            if check.note:
                notes[check.name].append(check.note)
    return [Check(name, rows[name], wrong[name], "; ".join(notes[name][:3])) for name in rows]
