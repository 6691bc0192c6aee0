"""Figures of the times in a file: its span, the busiest second, the gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_SECOND_NS = 10**9
GAP_NS = 60 * _SECOND_NS
"""A gap is longer than this."""


@dataclass(frozen=True, slots=True)
class TimeStats:
    """Times in the file's own clock; None where nothing has a time."""

    first_ns: int | None = None
    last_ns: int | None = None
    """The latest."""
    steps_back: int = 0
    """Records whose time is before that of the record in front of them."""
    busiest_second_ns: int | None = None
    """When the second with most records begins."""
    busiest_second_records: int = 0
    gaps: int = 0
    """Stretches of more than a minute without a record."""
    longest_gap_ns: int = 0
    """0 if there is no gap."""
    longest_gap_from_ns: int | None = None


class Times:
    """Takes in times part by part. One that steps back counts as the latest before it."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._latest = self._before = 0
        self._steps_back = 0
        self._second, self._in_second = 0, 0
        self._busiest, self._most = 0, 0
        self._gaps, self._longest, self._longest_from = 0, 0, 0

    def add(self, times_ns: npt.NDArray[np.int64]) -> None:
        """Take in the times of the next records."""
        if not len(times_ns):
            return
        if self._first is None:
            self._first = self._latest = self._before = int(times_ns[0])
            self._second = self._first // _SECOND_NS
        stepped = int(times_ns[0]) < self._before
        self._steps_back += stepped + int(np.count_nonzero(times_ns[1:] < times_ns[:-1]))
        self._before = int(times_ns[-1])
        rising = np.maximum.accumulate(np.maximum(times_ns, self._latest))
        self._add_gaps(rising)
        self._add_seconds(rising // _SECOND_NS)
        self._latest = int(rising[-1])

    def _add_gaps(self, rising: npt.NDArray[np.int64]) -> None:
        # Times from the farthest past to the farthest future lie more than an int64 apart.
        lengths = np.diff(rising.view(np.uint64), prepend=np.int64(self._latest).view(np.uint64))
        gaps = lengths > GAP_NS
        self._gaps += int(np.count_nonzero(gaps))
        longest = int(np.argmax(lengths))
        length = int(lengths[longest])
        if length > max(self._longest, GAP_NS):
            self._longest = length
            self._longest_from = int(rising[longest]) - length

    def _add_seconds(self, seconds: npt.NDArray[np.int64]) -> None:
        starts = np.flatnonzero(seconds[1:] != seconds[:-1]) + 1
        edges = np.concatenate([[0], starts, [len(seconds)]])
        counts = np.diff(edges)
        if seconds[0] == self._second:
            counts[0] += self._in_second
        most = int(np.argmax(counts))
        if counts[most] > self._most:
            self._most, self._busiest = int(counts[most]), int(seconds[edges[most]])
        self._second, self._in_second = int(seconds[-1]), int(counts[-1])

    def figures(self) -> TimeStats:
        """The figures so far."""
        if self._first is None:
            return TimeStats()
        return TimeStats(
            self._first,
            self._latest,
            self._steps_back,
            self._busiest * _SECOND_NS,
            self._most,
            self._gaps,
            self._longest,
            self._longest_from if self._gaps else None,
        )
