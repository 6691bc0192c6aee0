"""The frames that a partition has ended: what makes a repeated delivery harmless.

Only so many are kept. The oldest, by the time in their id, are forgotten first, and what is not
newer than the newest forgotten one can no longer be told from a repetition.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .frames import Verdict
from .ids import milliseconds_of
from .messages import FRAME_ENTRY_DTYPE

__all__ = ["MOST_FRAMES", "Remembered"]

MOST_FRAMES = 262_144
"""Frame ids that are kept, at about 30 bytes in a snapshot."""

MOST_ODD = 4096
"""Digests that are kept of messages that are no frames of this partition."""

_ODD = 1 << 63


class _Ended(NamedTuple):
    crc: int
    verdict: int


class Remembered:
    """Frame ids with checksum and verdict, bounded."""

    def __init__(self, most: int = MOST_FRAMES) -> None:
        self.most = most
        self.evicted_up_to_ms = -1
        """Frames of this millisecond or an earlier one may have been forgotten."""
        self._ended: dict[int, _Ended] = {}
        self._by_time: list[int] = []
        self._odd: dict[int, _Ended] = {}

    def __len__(self) -> int:
        return len(self._ended) + len(self._odd)

    def find(self, identity: int) -> _Ended | None:
        """What is known of a frame; None if it never ended, or was forgotten."""
        return (self._odd if identity & _ODD else self._ended).get(identity)

    def too_old(self, identity: int) -> bool:
        """Whether a frame that is not found may have ended all the same."""
        return not identity & _ODD and milliseconds_of(identity) <= self.evicted_up_to_ms

    def add(self, frames: npt.NDArray[np.void]) -> None:
        """Note that these frames (FRAME_ENTRY_DTYPE) ended."""
        for identity, crc, _, verdict, _ in frames.tolist():
            ended = _Ended(crc, verdict)
            if identity & _ODD:
                self._odd[identity] = ended
                if len(self._odd) > MOST_ODD:
                    del self._odd[next(iter(self._odd))]
                continue
            if identity not in self._ended:
                heapq.heappush(self._by_time, identity)
            self._ended[identity] = ended
        while len(self._ended) > self.most:
            oldest = heapq.heappop(self._by_time)
            del self._ended[oldest]
            self.evicted_up_to_ms = max(self.evicted_up_to_ms, milliseconds_of(oldest))

    def records(self) -> npt.NDArray[np.void]:
        """All of them as FRAME_ENTRY_DTYPE, such that ``add`` to an empty one gives this one."""
        known = [*sorted(self._ended.items()), *self._odd.items()]
        rows = [(identity, ended.crc, 0, ended.verdict, 0) for identity, ended in known]
        return np.array(rows, FRAME_ENTRY_DTYPE)

    def ran(self, identity: int) -> bool:
        """Whether a frame's commands ran."""
        ended = self.find(identity)
        return ended is not None and ended.verdict == Verdict.RUN
