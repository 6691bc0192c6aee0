"""Records of many markets, collected until it pays to put those of one through its book.

A step costs some hundred microseconds whatever its length, and a block of a file with
thousands of markets has a handful of records of each. So they wait, in the order of the
file, and are sorted by market only when many have come: taking each block apart would cost
a piece of an array for each market in it, which is more than the records themselves. Then
go on those of which there are enough, and the longest queues if too many records are left.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from .rebuild import joined

_Records = npt.NDArray[np.void]
_Numbers = npt.NDArray[np.int64]

ENOUGH = 4096
"""So many records of one market go on at once."""

MOST = 1 << 19
"""No more records than this wait, whatever the number of markets."""

_LEAST = 1 << 16
_FOR_EACH_MARKET = 512
"""So many records are waited for before they are sorted."""


class Gather:
    """Takes records of any markets and hands them on market by market, in order within each."""

    def __init__(self, enough: int = ENOUGH, most: int = MOST) -> None:
        self._enough = enough
        self._most = most
        self._waiting: list[tuple[_Records, _Numbers]] = []
        self._total = 0
        self._sort_at = 0 if enough == 1 else min(_LEAST, most)

    def take(self, records: _Records, places: _Numbers) -> Iterator[tuple[int, _Records, _Numbers]]:
        """Add records (with a field ``market``) and their places; yields what goes on."""
        if not len(records):
            return
        if not self._waiting:
            markets = records["market"]
            if (markets == markets[0]).all():
                yield int(markets[0]), records, places
                return
        self._waiting.append((records, places))
        self._total += len(records)
        if self._total >= self._sort_at:
            yield from self._let_go(all_of_it=False)

    def rest(self) -> Iterator[tuple[int, _Records, _Numbers]]:
        """Hand on all that still waits."""
        if self._waiting:
            yield from self._let_go(all_of_it=True)

    def _let_go(self, *, all_of_it: bool) -> Iterator[tuple[int, _Records, _Numbers]]:
        records = joined([records for records, _ in self._waiting])
        places = np.concatenate([places for _, places in self._waiting])
        self._waiting.clear()
        markets = records["market"]
        # Numbers of two bytes are sorted in linear time.
        keys = markets.astype(np.uint16) if markets.max() < 1 << 16 else markets
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
        ends = np.append(starts[1:], len(order))
        counts = ends - starts
        goes = np.ones(len(counts), dtype=np.bool_)
        if not all_of_it:
            self._sort_at = min(max(_FOR_EACH_MARKET * len(counts), self._sort_at), self._most)
            goes = counts >= self._enough
            goes |= self._too_long(counts, len(records))
        stays = order[np.repeat(~goes, counts)]
        self._total = len(stays)
        if len(stays):
            self._waiting.append((records[stays], places[stays]))
        for at in np.flatnonzero(goes).tolist():
            rows = order[starts[at] : ends[at]]
            yield int(keys[starts[at]]), records.take(rows), places.take(rows)

    def _too_long(self, counts: _Numbers, total: int) -> npt.NDArray[np.bool_]:
        """The longest queues, until no more than half of what may wait is left."""
        longest = np.argsort(-counts, kind="stable")
        left = total - np.cumsum(counts[longest])
        found = np.zeros(len(counts), dtype=np.bool_)
        found[longest[: int(np.count_nonzero(left > self._sort_at // 2)) + 1]] = True
        return found if total >= self._most else np.zeros_like(found)
