"""At which moments of a replay the book is looked at."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

_WANTED = 4000
_BYTES_A_RECORD = 8
"""On disk, roughly, of a packed recording."""
_DURATION = re.compile(r"(\d+)\s*(ns|us|ms|s|min|h)", re.ASCII)
_UNITS = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
}


class Sampling:
    """Every so many records of a market, or whenever so much of its time has passed."""

    def __init__(self, *, records: int = 0, duration_ns: int = 0) -> None:
        self._records = records
        self._duration_ns = duration_ns
        self._seen = 0
        self._last = None if duration_ns else 0

    def points(self, times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """For the next records, with these times: after how many of them to look."""
        count = len(times)
        if not count:
            return np.zeros(0, dtype=np.int64)
        if self._duration_ns:
            passed = times // self._duration_ns
            before = passed[0] if self._last is None else self._last
            self._last = int(passed[-1])
            # The state at the end of an interval is that before the first record of the next.
            return np.flatnonzero(np.diff(passed, prepend=before) > 0)
        first = self._records - self._seen % self._records
        self._seen += count
        return np.arange(first, count + 1, self._records, dtype=np.int64)


def sampling_of(text: str, file_bytes: int) -> Sampling:
    """What ``--depth-every`` says: a number of records, a duration such as ``100ms``, or nothing.

    Nothing means some thousands of samples a file. Raises ValueError for anything else.
    """
    if not text:
        return Sampling(records=max(1, file_bytes // _BYTES_A_RECORD // _WANTED))
    if text.isascii() and text.isdigit() and int(text):
        return Sampling(records=int(text))
    return Sampling(duration_ns=duration_ns(text, "neither a number of records nor a duration"))


def duration_ns(text: str, otherwise: str = "no duration") -> int:
    """A duration such as ``100ms`` in nanoseconds; ValueError says that text is ``otherwise``."""
    duration = _DURATION.fullmatch(text)
    if duration is None or not 0 < int(duration[1]) * _UNITS[duration[2]] < 2**63:
        units = ", ".join(_UNITS)
        raise ValueError(f"{text!r} is {otherwise} such as 100ms (units: {units})")
    return int(duration[1]) * _UNITS[duration[2]]
