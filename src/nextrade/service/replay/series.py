"""One market over time, as much of it as a picture can show: the book, the trades, the latency.

Fed while a replay runs. Memory does not follow the length of what is fed: both the samples
of the book and the trades are held in a fixed number of slots of time (``slots``), latency
in a histogram of a fixed number of bins.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...dtypes import DEPTH_DTYPE
from ...enums import Side
from .latency import LatencyHistogram
from .slots import Keep, Slots

__all__ = ["Candles", "DepthSamples", "Series"]

_NO_SPREAD = -1
_BLOCK = 8192
"""Trades taken in at a time: their columns then stay in the cache."""
_BOOK = {"timestamp_ns": Keep.LAST, "levels": Keep.LAST, "widest_ticks": Keep.GREATEST}
_TRADES = {
    "timestamp_ns": Keep.LEAST,
    "open_ticks": Keep.FIRST,
    "high_ticks": Keep.GREATEST,
    "low_ticks": Keep.LEAST,
    "close_ticks": Keep.LAST,
    "bought_lots": Keep.SUM,
    "sold_lots": Keep.SUM,
    "other_lots": Keep.SUM,
    "trades": Keep.SUM,
}


class DepthSamples(NamedTuple):
    """The book at some moments, in order of time."""

    timestamp_ns: npt.NDArray[np.int64]
    levels: npt.NDArray[np.void]
    """DEPTH_DTYPE, shape (samples, 2, levels): bids and asks, best first, zeros where none is."""
    widest_ticks: npt.NDArray[np.int64]
    """The widest spread since the sample before, -1 where there was none to be seen."""


class Candles(NamedTuple):
    """The trades of some stretches of time, in order of time. A stretch without any is left out.

    Sums of quantities are doubles: they cannot overflow, and a picture needs no more digits.
    """

    timestamp_ns: npt.NDArray[np.int64]
    """Of the first trade."""
    open_ticks: npt.NDArray[np.int64]
    high_ticks: npt.NDArray[np.int64]
    low_ticks: npt.NDArray[np.int64]
    close_ticks: npt.NDArray[np.int64]
    bought_lots: npt.NDArray[np.float64]
    """Traded by buyers who took what was offered."""
    sold_lots: npt.NDArray[np.float64]
    """Traded by sellers who took what was bid."""
    other_lots: npt.NDArray[np.float64]
    """Traded in auctions, where nobody takes."""
    trades: npt.NDArray[np.int64]
    """How many."""


class Series:
    """What the pictures of one market are made of; no more than ``most`` moments of each kind."""

    def __init__(self, levels: int = 10, most: int = 2000) -> None:
        if levels < 1:
            raise ValueError(f"at least one level is needed, not {levels}")
        self.levels = levels
        self.samples = 0
        """Samples of the book that were put in, however few are kept."""
        self.trades = 0
        """Trades that were put in."""
        self.latency = LatencyHistogram()
        self._book = Slots(most, _BOOK)
        self._trades = Slots(most, _TRADES)

    def add_depth(self, timestamp_ns: npt.NDArray[np.int64], depth: npt.NDArray[np.void]) -> None:
        """Take in samples of the book: DEPTH_DTYPE of shape (n, 2, levels), zeros where empty.

        Raises ValueError for another shape.
        """
        if depth.dtype != DEPTH_DTYPE or depth.shape != (len(timestamp_ns), 2, self.levels):
            raise ValueError(
                f"DEPTH_DTYPE of shape ({len(timestamp_ns)}, 2, {self.levels}) is needed, "
                f"not {depth.dtype} of shape {depth.shape}"
            )
        best = depth[:, :, 0]
        prices, lots = best["price_ticks"], best["qty_lots"]
        gap = prices[:, 1] - prices[:, 0]
        # In a call auction the sides may cross: that is no spread.
        spread = np.where((lots[:, 0] > 0) & (lots[:, 1] > 0) & (gap > 0), gap, _NO_SPREAD)
        self.samples += len(timestamp_ns)
        self._book.add(
            timestamp_ns,
            {"timestamp_ns": timestamp_ns, "levels": depth, "widest_ticks": spread},
        )

    def add_trades(self, trades: npt.NDArray[np.void]) -> None:
        """Take in trades, an array of TRADE_DTYPE."""
        for start in range(0, len(trades), _BLOCK):
            self._add_block(trades[start : start + _BLOCK])

    def _add_block(self, trades: npt.NDArray[np.void]) -> None:
        times, prices = trades["timestamp_ns"], np.ascontiguousarray(trades["price_ticks"])
        lots, side = trades["qty_lots"].astype(np.float64), trades["taker_side"]
        bought, sold = lots * (side == Side.BUY), lots * (side == Side.SELL)
        self.trades += len(trades)
        self._trades.add(
            times,
            {
                "timestamp_ns": times,
                "open_ticks": prices,
                "high_ticks": prices,
                "low_ticks": prices,
                "close_ticks": prices,
                "bought_lots": bought,
                "sold_lots": sold,
                "other_lots": lots - bought - sold,
                "trades": np.ones(len(trades), dtype=np.int64),
            },
        )

    def add_latency(self, ns: npt.NDArray[np.int64]) -> None:
        """Take in durations of single commands."""
        self.latency.add(ns)

    def depth(self) -> DepthSamples:
        """The samples that are kept."""
        columns = self._book.columns()
        if not columns:
            none = np.zeros(0, dtype=np.int64)
            return DepthSamples(none, np.zeros((0, 2, self.levels), dtype=DEPTH_DTYPE), none)
        return DepthSamples(**columns)

    def candles(self) -> Candles:
        """The trades, by stretches of time."""
        columns = self._trades.columns()
        if not columns:
            whole, real = np.zeros(0, dtype=np.int64), np.zeros(0)
            return Candles(whole, whole, whole, whole, whole, real, real, real, whole)
        return Candles(**columns)
