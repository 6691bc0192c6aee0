"""Which prices a picture shows: what was near the market, and not every quote there was.

A stub quote far from the market (a bid of one cent) would squash everything else into a
line, so the window is laid around the touch at the times at which it was a touch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..series import Candles

__all__ = ["WIDE", "Window", "depth_window", "price_window", "touch", "usual_spread"]

WIDE = 8
"""A spread of more than so many times the usual one is no market but what is left of one."""
_TRADES_MAYWIDEN = 3
_MARGIN = 0.06


class Window(NamedTuple):
    """Prices from ``low_ticks`` to ``high_ticks``."""

    low_ticks: int
    high_ticks: int

    def padded(self) -> Window:
        """A little more on both sides."""
        room = max(int((self.high_ticks - self.low_ticks) * _MARGIN), 1)
        return Window(self.low_ticks - room, self.high_ticks + room)


def touch(
    levels: npt.NDArray[np.void],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Best bids and asks of (n, 2, levels), and at which rows there are both, uncrossed."""
    best = levels[:, :, 0]
    prices, lots = best["price_ticks"], best["qty_lots"]
    bids, asks = prices[:, 0], prices[:, 1]
    return bids, asks, (lots > 0).all(axis=1) & (bids < asks)


def usual_spread(levels: npt.NDArray[np.void]) -> int:
    """The median spread in ticks; 0 if there never was one.

    Of samples that were taken as things happened, it is that of a busy market: hours before
    and after, with the quotes that are left then, count for little.
    """
    bids, asks, open_ = touch(levels)
    return int(np.median((asks - bids)[open_])) if open_.any() else 0


def _near(levels: npt.NDArray[np.void], usual_ticks: int) -> Window | None:
    """The touch while it was one; None if it never was."""
    bids, asks, open_ = touch(levels)
    sane = open_ & (asks - bids <= WIDE * usual_ticks)
    if not sane.any():
        return None
    bids, asks = bids[sane], asks[sane]
    return Window(int(bids.min()), int(asks.max()))


def price_window(levels: npt.NDArray[np.void], candles: Candles, usual_ticks: int) -> Window | None:
    """Prices for the picture of quotes and trades; None if there were neither.

    ``levels`` are columns of equal time, ``usual_ticks`` is the usual spread. Trades widen
    the window, unless a few of them would squash the rest.
    """
    near = _near(levels, usual_ticks)
    lows, highs = candles.low_ticks, candles.high_ticks
    if not len(lows):
        return near
    if near is None:
        near = Window(int(np.quantile(lows, 0.01)), int(np.quantile(highs, 0.99)))
    all_of_them = Window(
        min(near.low_ticks, int(lows.min())), max(near.high_ticks, int(highs.max()))
    )
    room = _TRADES_MAYWIDEN * max(near.high_ticks - near.low_ticks, 10)
    if all_of_them.high_ticks - all_of_them.low_ticks <= room:
        return all_of_them
    most = Window(
        min(near.low_ticks, int(np.quantile(lows, 0.01))),
        max(near.high_ticks, int(np.quantile(highs, 0.99))),
    )
    return most if most.high_ticks - most.low_ticks <= room else near


def depth_window(levels: npt.NDArray[np.void], usual_ticks: int) -> Window | None:
    """Prices for the picture of the depth: the touch, and around it where levels usually are."""
    near = _near(levels, usual_ticks)
    if near is None:
        used = levels["price_ticks"][levels["qty_lots"] > 0]
        if not len(used):
            return None
        return Window(int(np.quantile(used, 0.1)), int(np.quantile(used, 0.9)))
    bids, asks, open_ = touch(levels)
    away = np.abs(
        levels["price_ticks"][open_] - np.stack([bids, asks], axis=1)[open_][:, :, np.newaxis]
    )[levels["qty_lots"][open_] > 0]
    most = max(4 * (near.high_ticks - near.low_ticks), 30 * usual_ticks)
    room = min(2 * int(np.median(away)), most)
    return Window(near.low_ticks - room, near.high_ticks + room)
