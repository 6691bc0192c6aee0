"""Which frames ended in more than one batch, found among very many.

A stream may tell of ten million frames, so of each only its id and where it ended are kept: 12
bytes, in arrays. What came twice is looked for in the end, in a sorted copy of the ids: 8 more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ...domain.protocol.frames import Verdict
from ...domain.protocol.messages import FRAME_ENTRY_DTYPE

__all__ = ["EndedFrames", "Twice"]

_CHUNK: Final = 1 << 16
_FAR: Final = 1 << 31
_SIZE: Final = FRAME_ENTRY_DTYPE.itemsize
_ODD: Final = np.uint64(1 << 63)
"""From here on an id is a digest of a message that is no frame. Only some of these are remembered,
and none ever runs: one that was forgotten and comes again is a dead letter once more."""

_Ids = npt.NDArray[np.uint64]


class _Chunk(NamedTuple):
    ids: _Ids
    endings: npt.NDArray[np.uint32]
    """Twice the batch, counted from ``base``, plus one if the frame may have ended before."""
    base: int


class Twice(NamedTuple):
    """A frame that ended once more, in another batch than at first."""

    identity: int
    before: int
    """The batch in which it had ended first."""
    batch: int


class EndedFrames:
    """The frames that batches ended, batch after batch."""

    def __init__(self) -> None:
        self._chunks: list[_Chunk] = []
        self._frames = bytearray()
        """What belongs to the next chunk, as it came: a message alone is too little for NumPy."""
        self._batches: list[int] = []
        self._counts: list[int] = []

    def add(self, batch: int, frames: npt.NDArray[np.void]) -> None:
        """Note that a batch ended these frames (FRAME_ENTRY_DTYPE)."""
        if self._batches and batch - self._batches[0] >= _FAR:
            self._close_chunk()
        self._frames += frames.tobytes()
        self._batches.append(batch)
        self._counts.append(len(frames))
        if len(self._batches) >= _CHUNK or len(self._frames) >= _CHUNK * _SIZE:
            self._close_chunk()

    def compare(self) -> tuple[int, Iterator[Twice]]:
        """How many different frames there are, and which ended twice, in the order of ``add``."""
        self._close_chunk()
        ids = np.concatenate([chunk.ids for chunk in self._chunks])
        ids.sort()
        again = ids[1:] == ids[:-1]
        count = len(ids) - int(np.count_nonzero(again))
        return count, _twice(self._chunks, np.unique(ids[1:][again]))

    def _close_chunk(self) -> None:
        frames = np.frombuffer(self._frames, FRAME_ENTRY_DTYPE)
        base = self._batches[0] if self._batches else 0
        batches = np.repeat(np.array(self._batches, np.int64) - base, self._counts)
        endings = 2 * batches.astype(np.uint32) + _may_come_again(frames)
        self._chunks.append(_Chunk(frames["identity"].copy(), endings, base))
        self._frames, self._batches, self._counts = bytearray(), [], []


def _may_come_again(frames: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """Which of these may have ended before: they were forgotten, or their like was."""
    verdicts = frames["verdict"]
    again = (verdicts == Verdict.TOO_OLD) | (verdicts == Verdict.ABANDONED)
    again |= (verdicts != Verdict.RUN) & (frames["identity"] >= _ODD)
    found: npt.NDArray[np.bool_] = again
    return found


def _twice(chunks: list[_Chunk], several: _Ids) -> Iterator[Twice]:
    """Of the ids that are there several times (ascending): what ended in two batches."""
    if not len(several):
        return
    first = np.full(len(several), np.iinfo(np.int64).max, np.int64)
    for ids, endings, base in chunks:
        places = np.searchsorted(several, ids).clip(max=len(several) - 1)
        found = several[places] == ids
        places, endings = places[found], endings[found]
        batches = base + (endings >> 1).astype(np.int64)
        # Batches come in order: the lowest of a frame is that where it ended first.
        np.minimum.at(first, places, batches)
        wrong = np.flatnonzero((batches != first[places]) & (endings & 1 == 0))
        for at in wrong.tolist():
            place = int(places[at])
            yield Twice(int(several[place]), int(first[place]), int(batches[at]))
