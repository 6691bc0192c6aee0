"""Records of many markets, collected until it pays to put those of one through its book.

A step costs some hundred microseconds whatever its length, and a block of a file with
thousands of markets has a handful of records of each. So they wait: until there are enough
of one market, or too many of all.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from .split import by_market

_Records = npt.NDArray[np.void]
_Numbers = npt.NDArray[np.int64]

ENOUGH = 4096
"""So many records of one market go on at once."""

MOST = 1 << 20
"""No more records than this wait; then the longest queues go on until half of them are left."""


class Gather:
    """Takes records of any markets and hands them on market by market, in order within each."""

    def __init__(self, enough: int = ENOUGH, most: int = MOST) -> None:
        self._enough = enough
        self._most = most
        self._waiting: dict[int, list[tuple[_Records, _Numbers]]] = {}
        self._counts: dict[int, int] = {}
        self._total = 0

    def take(self, records: _Records, places: _Numbers) -> Iterator[tuple[int, _Records, _Numbers]]:
        """Add records (with a field ``market``) and their places; yields what goes on."""
        for market, rows in by_market(records):
            own, where = records[rows], places[rows]
            if not self._waiting and len(own) == len(records):
                yield market, own, where
                return
            self._waiting.setdefault(market, []).append((own, where))
            self._counts[market] = self._counts.get(market, 0) + len(own)
            self._total += len(own)
            if self._counts[market] >= self._enough:
                yield self._let_go(market)
        if self._total > self._most:
            for market in sorted(self._counts, key=lambda market: -self._counts[market]):
                yield self._let_go(market)
                if self._total <= self._most // 2:
                    return

    def rest(self) -> Iterator[tuple[int, _Records, _Numbers]]:
        """Hand on all that still waits."""
        for market in sorted(self._counts):
            yield self._let_go(market)

    def _let_go(self, market: int) -> tuple[int, _Records, _Numbers]:
        waiting = self._waiting.pop(market)
        self._total -= self._counts.pop(market)
        if len(waiting) == 1:
            return market, *waiting[0]
        return (
            market,
            np.concatenate([records for records, _ in waiting]),
            np.concatenate([places for _, places in waiting]),
        )
