"""Price levels of a book against those that the recording itself shows."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from ...enums import Side
from .messages import Action, Messages
from .report import Check

_Levels = npt.NDArray[np.void]

_EMPTY = -(1 << 62)
"""A price below all others: no level."""


class DepthCheck:
    """How many recorded rows agree with a book, and down to which level."""

    def __init__(self, whose: str) -> None:
        self._whose = whose
        self._rows = self._left_out = 0
        self._right: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._causes: Counter[str] = Counter()

    def leave_out(self, rows: int) -> None:
        """Count rows that show the book in the middle of what an engine does at once."""
        self._left_out += rows

    def add(self, found: _Levels, recorded: _Levels, *, orders_known: bool) -> None:
        """Compare rows of shape (rows, 2, levels); ``found`` may have more levels."""
        levels = recorded.shape[2]
        found = found[:, :, :levels]
        if len(self._right) < levels:
            self._right = np.concatenate(
                [self._right, np.zeros(levels - len(self._right), dtype=np.int64)]
            )
        same = (found["price_ticks"] == recorded["price_ticks"]) & (
            found["qty_lots"] == recorded["qty_lots"]
        )
        if orders_known:
            same &= found["orders"] == recorded["orders"]
        both = same.all(axis=1)
        down_to = np.logical_and.accumulate(both, axis=1)
        self._rows += len(recorded)
        self._right[:levels] += np.count_nonzero(down_to, axis=0)
        for row, side in np.argwhere(~same[:, :, 0]).tolist():
            self._causes[_cause(found[row, side, 0], recorded[row, side, 0], side)] += 1

    def checks(self) -> list[Check]:
        """Best level, best five and all levels as rows of a report."""
        if not self._rows:
            return []
        causes = "; ".join(
            f"{count:,} times {cause}" for cause, count in self._causes.most_common()
        )
        deepest = len(self._right)
        wanted = [1] + [level for level in (5, 10) if level < deepest] + [deepest] * (deepest > 1)
        return [
            Check(
                f"{self._whose}: {'best level' if level == 1 else f'best {level} levels'}",
                self._rows,
                self._rows - int(self._right[level - 1]),
                causes if level == 1 else "",
            )
            for level in wanted
        ]


def _cause(found: np.void, recorded: np.void, side: int) -> str:
    """What is wrong with a best level, in words."""
    name = "bid" if side == Side.BUY else "ask"
    price, there = int(found["price_ticks"]), int(recorded["price_ticks"])
    if price == there:
        more = found["qty_lots"] > recorded["qty_lots"]
        return f"the best {name} has {'more' if more else 'less'} quantity than recorded"
    better = (price > there) == (side == Side.BUY)
    if there == 0 or (price and better):
        return f"the best {name} stands where the recording has none (an order left unseen)"
    return f"the best {name} is missing (an order came unseen)"


class StepCheck:
    """Message i on recorded row i-1 gives row i: needs no book, each row stands on its own."""

    def __init__(self) -> None:
        self._rows = self._wrong = self._entering = 0
        self._previous: _Levels | None = None

    def add(self, messages: Messages, levels: _Levels) -> None:
        """Rows and, for each, the message that led to it; the first has no row before it."""
        if self._previous is not None:
            levels = np.concatenate([self._previous, levels])
        else:
            messages = messages[1:]
        self._previous = levels[-1:]
        if not len(messages):
            return
        agrees, unpredicted = one_step(levels[:-1], messages, levels[1:])
        self._rows += len(messages)
        self._wrong += int(np.count_nonzero(~agrees))
        self._entering += int(np.count_nonzero(agrees & unpredicted))

    def checks(self) -> list[Check]:
        """One row of a report, if there was anything to compare."""
        if not self._rows:
            return []
        note = (
            f"in {self._entering:,} a level enters from below the last recorded one:"
            " not predictable"
        )
        return [
            Check(
                "one step on the recorded book",
                self._rows,
                self._wrong,
                note if self._entering else "",
            )
        ]


def one_step(
    before: _Levels, messages: Messages, after: _Levels
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """For each row: does the message explain the change; did a level enter from below?

    Shapes: (rows, 2, levels) for both books. A level that enters must be worse than all
    that are shown above it; what it is cannot be known from the recording.
    """
    is_ask = messages["side"] == Side.SELL
    rows = np.arange(len(messages))
    side = is_ask.astype(np.int64)
    prices, sizes = _worse_downwards(before[rows, side], is_ask)
    found_prices, found_sizes = _worse_downwards(after[rows, side], is_ask)
    levels = prices.shape[1]
    price = np.where(is_ask, -messages["price_ticks"], messages["price_ticks"])[:, None]
    size = messages["qty_lots"][:, None]
    is_new = (messages["action"] == Action.ADD)[:, None]
    changes = np.isin(messages["action"], (Action.ADD, Action.REDUCE, Action.CANCEL, Action.FILL))[
        :, None
    ]

    column = np.arange(levels)[None, :]
    place = np.count_nonzero(prices > price, axis=1)[:, None]
    stands = np.any(prices == price, axis=1)[:, None]
    at_place = np.take_along_axis(sizes, np.minimum(place, levels - 1), axis=1)
    left = np.where(stands, at_place, 0) + np.where(is_new, size, -size)
    inserts = changes & ~stands & is_new & (place < levels)
    removes = changes & stands & (left == 0)
    updates = changes & stands & (left > 0)

    source = column - (inserts & (column > place)) + (removes & (column >= place))
    beyond = source >= levels
    source = np.minimum(source, levels - 1)
    expected_prices = np.take_along_axis(prices, source, axis=1)
    expected_sizes = np.take_along_axis(sizes, source, axis=1)
    here = column == place
    expected_prices = np.where(inserts & here, price, expected_prices)
    expected_sizes = np.where((inserts | updates) & here, left, expected_sizes)

    # A row that had room showed the whole side: then nothing can enter from below.
    had_room = prices[:, -1:] == _EMPTY
    empties = beyond & had_room
    expected_prices = np.where(empties, _EMPTY, expected_prices)
    expected_sizes = np.where(empties, 0, expected_sizes)
    enters = beyond & ~had_room
    same = (found_prices == expected_prices) & (found_sizes == expected_sizes)
    worse = found_prices < prices[:, -1:]
    agrees = np.all(np.where(enters, worse, same), axis=1)
    agrees &= np.all(before[rows, 1 - side] == after[rows, 1 - side], axis=1)
    agrees &= ~(changes & stands & (left < 0)).any(axis=1)
    # What leaves must stand somewhere: shown, or below the last level.
    agrees &= ~(changes & ~stands & ~is_new & (place < levels)).any(axis=1)
    return agrees, np.any(enters, axis=1)


def _worse_downwards(
    levels: _Levels, is_ask: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Prices, best first and falling (asks negated), and sizes, of one side a row."""
    there = levels["qty_lots"] > 0
    prices = np.where(is_ask[:, None], -levels["price_ticks"], levels["price_ticks"])
    return np.where(there, prices, _EMPTY), levels["qty_lots"]
