"""Orders that rest through a whole recording without a word, known only from recorded levels.

Where a recording shows levels as it goes, what stands at a price when that price comes into
view for the first time, and no order explains, is an order from before the start to which
nothing happens. It is made up: with what the recording does not explain, ahead of all others.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..._book import OrderBook
from ...dtypes import COMMAND_DTYPE
from ...enums import CommandKind, Side
from .readers.source import Commands
from .rebuild import RECORDED_OWNER

_MADE_UP_ID = (1 << 63) | (1 << 62)
"""Ids from here on are made up."""

_NOTHING = np.zeros(0, dtype=COMMAND_DTYPE)


class Unseen:
    """Makes up the orders of one market."""

    def __init__(self) -> None:
        self.count = 0
        """How many orders were made up."""
        self._lowest_bid: int | None = None
        self._highest_ask: int | None = None

    def orders(self, row: npt.NDArray[np.void], recorded: OrderBook) -> Commands:
        """New orders for what a recorded row, shape (2, levels), shows at prices not shown before.

        ``recorded`` is the book as the messages alone explain it.
        """
        made = [
            order
            for side in (Side.BUY, Side.SELL)
            for order in self._side(side, row[side], recorded)
        ]
        if not made:
            return _NOTHING
        commands = np.zeros(len(made), dtype=COMMAND_DTYPE)
        commands["kind"] = CommandKind.PLACE
        commands["owner"] = RECORDED_OWNER
        for at, (side, price_ticks, qty_lots) in enumerate(made):
            commands["order_id"][at] = _MADE_UP_ID + self.count + at
            commands["side"][at] = side
            commands["price_ticks"][at] = price_ticks
            commands["qty_lots"][at] = qty_lots
        self.count += len(made)
        return commands

    def _side(
        self, side: Side, levels: npt.NDArray[np.void], recorded: OrderBook
    ) -> list[tuple[Side, int, int]]:
        levels = levels[levels["qty_lots"] > 0]
        if not len(levels):
            return []
        new = self._come_into_view(side, levels["price_ticks"])
        if not new.any():
            return []
        there = recorded.depth(10_000)[side]
        stands = dict(zip(there["price_ticks"].tolist(), there["qty_lots"].tolist(), strict=True))
        made = []
        for level in levels[new]:
            price_ticks = int(level["price_ticks"])
            rest = int(level["qty_lots"]) - stands.get(price_ticks, 0)
            if rest > 0:
                made.append((side, price_ticks, rest))
        return made

    def _come_into_view(self, side: Side, prices: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of a side's prices lie beyond all that was shown before."""
        deepest = int(prices[-1])
        if side == Side.BUY:
            seen, self._lowest_bid = self._lowest_bid, min(self._lowest_bid or deepest, deepest)
            return np.ones(len(prices), np.bool_) if seen is None else prices < seen
        seen, self._highest_ask = self._highest_ask, max(self._highest_ask or deepest, deepest)
        return np.ones(len(prices), np.bool_) if seen is None else prices > seen
