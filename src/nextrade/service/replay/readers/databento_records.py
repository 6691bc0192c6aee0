"""Bytes of a DBN stream to runs of mbo records, stepping over records of other kinds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ....errors import DataError
from .source import BadRecords

_MBO = 160
_WORD_BYTES = 4
_HEADER_BYTES = 16
_FIRST_WINDOW = 16

_Run = tuple[npt.NDArray[np.void], npt.NDArray[np.int64]]


class Records:
    """Cuts blocks of bytes, wherever they end, into records."""

    def __init__(self, path: Path, dtype: np.dtype[Any], start: int, bad: BadRecords) -> None:
        self._path = path
        self._dtype = dtype
        self._bad = bad
        self._rest = b""
        self._offset = start
        """Of ``_rest`` in the unpacked file."""
        self.foreign = 0
        self.lost = False
        """A record's length is damaged, so where the next one begins cannot be told."""

    def add(self, data: bytes) -> list[_Run]:
        """The mbo records that the next bytes complete, and where each begins."""
        data = self._rest + data if self._rest else data
        position = 0
        runs: list[_Run] = []
        while position + _HEADER_BYTES <= len(data):
            length = data[position] * _WORD_BYTES
            is_mbo = data[position + 1] == _MBO
            if length < (self._dtype.itemsize if is_mbo else _HEADER_BYTES):
                self.lost = True
                self._meet(position, f"a record of {length} bytes; the file is damaged here")
                break
            if position + length > len(data):
                break
            if not is_mbo:
                self.foreign += 1
                position += length
                continue
            count = self._run(data, position, length)
            runs.append(self._view(data, position, length, count))
            position += count * length
        self._rest = data[position:]
        self._offset += position
        return list(self._joined(runs))

    def end(self) -> None:
        """There are no more bytes."""
        if self._rest and not self.lost:
            self._meet(0, f"the file ends {len(self._rest)} bytes into a record")

    def _meet(self, position: int, said: str) -> None:
        place = self._offset + position
        self._bad.meet(DataError(f"{self._path}, byte {place}: {said}; what follows is not read"))

    def _run(self, data: bytes, position: int, length: int) -> int:
        """How many records like the one at ``position`` follow each other, itself included."""
        whole = (len(data) - position) // length
        heads = np.ndarray(whole, "<u2", data, position, (length,))
        done, window = 1, _FIRST_WINDOW
        while done < whole:
            differs = heads[done : done + window] != heads[0]
            if differs.any():
                return done + int(np.argmax(differs))
            done += window
            window *= 4
        return whole

    def _view(self, data: bytes, position: int, length: int, count: int) -> _Run:
        found: npt.NDArray[np.void] = np.ndarray(count, self._dtype, data, position, (length,))
        first = self._offset + position
        return found, np.arange(first, first + count * length, length, dtype=np.int64)

    def _joined(self, runs: list[_Run]) -> Iterator[_Run]:
        """Short runs as one, so that what follows works on long arrays."""
        if len(runs) < 2:
            yield from runs
        else:
            yield (
                np.concatenate([found for found, _ in runs]),
                np.concatenate([places for _, places in runs]),
            )
