"""What is to be seen of one book at one moment of a file."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from ..._book import OrderBook
from ...enums import Side
from .clock import time_text
from .moment import LastTrade, MomentWalk

MOST_ORDERS = 20
"""So many orders of each side are shown one by one."""

_Records = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class BookView:
    """The best levels of a book, and what stands around them. Prices in ticks, sizes in lots."""

    path: str
    format_name: str
    market: str
    markets: int
    """How many markets have had a record."""
    time_ns: int | None
    """Of the last record; None if none with a time is in."""
    records: int
    """Of all markets, so far."""
    ended: bool
    """Whether these are all."""
    bids: _Records
    """DEPTH_DTYPE, best first."""
    asks: _Records
    bid_levels: int
    """How many there are, shown or not."""
    ask_levels: int
    open_orders: int
    last_trade: LastTrade | None
    price_decimals: int
    qty_decimals: int
    orders: _Records | None = None
    """The first orders of the bids, then of the asks, in priority order; None: not asked for."""

    @property
    def spread_ticks(self) -> int | None:
        """Best ask minus best bid, negative while an auction collects; None on an empty side."""
        if not len(self.bids) or not len(self.asks):
            return None
        return int(self.asks["price_ticks"][0]) - int(self.bids["price_ticks"][0])

    @property
    def mid_ticks(self) -> Fraction | None:
        """Exactly half-way between the best prices."""
        if not len(self.bids) or not len(self.asks):
            return None
        both = int(self.asks["price_ticks"][0]) + int(self.bids["price_ticks"][0])
        return Fraction(both, 2)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON. Prices and quantities are whole ticks and lots."""
        mid = self.mid_ticks
        found: dict[str, Any] = {
            "file": self.path,
            "format": self.format_name,
            "market": self.market,
            "markets": self.markets,
            "time": None if self.time_ns is None else time_text(self.time_ns),
            "time_ns": self.time_ns,
            "records": self.records,
            "ended": self.ended,
            "price_decimals": self.price_decimals,
            "qty_decimals": self.qty_decimals,
            "bids": [_level(level) for level in self.bids],
            "asks": [_level(level) for level in self.asks],
            "bid_levels": self.bid_levels,
            "ask_levels": self.ask_levels,
            "spread_ticks": self.spread_ticks,
            "mid_half_ticks": None if mid is None else int(mid * 2),
            "open_orders": self.open_orders,
            "last_trade": None if self.last_trade is None else self.last_trade._asdict(),
        }
        if self.orders is not None:
            found["orders"] = [
                {
                    "order_id": int(order["order_id"]),
                    "side": Side(int(order["side"])).name,
                    "price_ticks": int(order["price_ticks"]),
                    "qty_lots": int(order["visible_lots"]),
                }
                for order in self.orders
            ]
        return found


def _level(level: np.void) -> dict[str, int]:
    return {str(name): int(level[name]) for name in ("price_ticks", "qty_lots", "orders")}


def fullest_market(walk: MomentWalk) -> str:
    """The market with the most open orders, the first of them; no text where there is none."""
    books = walk.markets
    return max(books, key=lambda name: len(books[name]), default="")


def view_of(walk: MomentWalk, market: str, levels: int, *, with_orders: bool) -> BookView:
    """The book of a market as it stands in a walk; an empty one if it has had no record."""
    books = walk.markets
    book = books[market] if market in books else OrderBook()
    bids, asks = book.depth(2**31)
    return BookView(
        path=str(walk.source.path),
        format_name=walk.source.format_name,
        market=market,
        markets=len(books),
        time_ns=walk.now_ns,
        records=walk.records,
        ended=walk.ended,
        bids=bids[:levels],
        asks=asks[:levels],
        bid_levels=len(bids),
        ask_levels=len(asks),
        open_orders=len(book),
        last_trade=walk.last_trade(market),
        price_decimals=getattr(walk.source, "price_decimals", 0),
        qty_decimals=getattr(walk.source, "qty_decimals", 0),
        orders=_first_orders(book) if with_orders else None,
    )


def _first_orders(book: OrderBook) -> _Records:
    orders = book.orders()
    resting = orders[orders["dormant"] == 0]
    bids = resting[resting["side"] == Side.BUY][:MOST_ORDERS]
    return np.concatenate([bids, resting[resting["side"] == Side.SELL][:MOST_ORDERS]])
