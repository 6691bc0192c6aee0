"""A histogram of durations that stays small however many are put in.

Bins are equal parts of each power of two, 32 of them, so that a bin is at most 1/32 of its
values wide. Which bin a duration belongs to stands in the bits of the duration, plus one for
zero's sake, as a double: the exponent and the five bits below it. Putting a value in is an
addition and a shift.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["LatencyBins", "LatencyHistogram"]

_PART_BITS = 5
_SHIFT = 52 - _PART_BITS
_ONE = 1023 << _PART_BITS
"""What the bits of 1.0 come to after the shift."""
_BINS = 64 << _PART_BITS
_FEW = 64
"""For fewer durations it does not pay to go through all bins."""


class LatencyBins(NamedTuple):
    """The part of a histogram that holds anything, its bins in order and without gaps."""

    low_ns: npt.NDArray[np.int64]
    """Least duration of each bin."""
    high_ns: npt.NDArray[np.int64]
    """Greatest duration of each bin."""
    counts: npt.NDArray[np.int64]


class LatencyHistogram:
    """Durations in nanoseconds. Percentiles are right to within 2 %; count and extremes exactly."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, dtype=np.int64)
        self.count = 0
        self._min = 0
        self._max = 0

    @property
    def min(self) -> int:
        """The least duration, exact; 0 without any."""
        return self._min

    @property
    def max(self) -> int:
        """The greatest duration, exact; 0 without any."""
        return self._max

    def add(self, ns: npt.NDArray[np.int64]) -> None:
        """Take in durations. A negative one, by a clock that was set back, counts as zero."""
        if not len(ns):
            return
        least, greatest = int(ns.min()), int(ns.max())
        if least < 0:
            ns, least, greatest = np.maximum(ns, 0), 0, max(greatest, 0)
        bins = (ns + 1.0).view(np.int64)
        bins >>= _SHIFT  # in place: new arrays of this size would cost more than all the rest
        bins -= _ONE
        if len(bins) < _FEW:
            np.add.at(self._counts, bins, 1)
        else:
            self._counts += np.bincount(bins, minlength=_BINS)
        self._widen(len(ns), least, greatest)

    def merge(self, other: LatencyHistogram) -> None:
        """Take in all that another histogram holds."""
        if other.count:
            self._counts += other._counts
            self._widen(other.count, other.min, other.max)

    def percentile(self, percent: float) -> int:
        """A duration that ``percent`` of all do not exceed; 0 without any.

        Raises ValueError for a percentage outside 0 to 100.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"a percentile is asked for between 0 and 100, not {percent}")
        if not self.count:
            return 0
        rank = max(ceil(percent / 100 * self.count), 1)
        if rank >= self.count:
            return self._max
        found = int(np.searchsorted(np.cumsum(self._counts), rank))
        low, high = _edges(np.array([found]))
        middle = (int(low[0]) + int(high[0])) // 2
        return min(max(middle, self._min), self._max)

    def bins(self) -> LatencyBins:
        """The bins from the first to the last that holds anything."""
        used = np.flatnonzero(self._counts)
        if not len(used):
            empty = np.zeros(0, dtype=np.int64)
            return LatencyBins(empty, empty, empty)
        which = np.arange(used[0], used[-1] + 1)
        low, high = _edges(which)
        real = low <= high  # below 32 ns some bins lie between two whole numbers
        return LatencyBins(low[real], high[real], self._counts[which][real])

    def _widen(self, count: int, least: int, greatest: int) -> None:
        self._min = min(self._min, least) if self.count else least
        self._max = max(self._max, greatest)
        self.count += count


def _edges(bins: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The least and the greatest whole number of each bin; none in it: least above greatest."""

    def start(of: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        edge = np.ceil(((of + _ONE) << _SHIFT).view(np.float64))
        # The double after the greatest int64 is 2**63, which has no int64.
        return np.minimum(edge, 2.0**63 - 1024).astype(np.int64) - 1

    return start(bins), start(bins + 1) - 1
