"""Columns by time in a bounded number of slots, whatever the length of what is put in.

A slot is a stretch of time, a power of two of nanoseconds wide, in which something
happened; an empty stretch takes no memory. When more slots than allowed are in use, their
width doubles and neighbours are folded together: the first or last of their values, the
least, the greatest or the sum. So a busy minute is seen as closely as memory allows even
if hours of silence lie around it, and an extreme is never thinned away.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Keep", "Slots"]

Column = npt.NDArray[Any]


class Keep(Enum):
    """What is kept of the values that fall into one slot."""

    FIRST = 1
    LAST = 2
    LEAST = 3
    GREATEST = 4
    SUM = 5


class Slots:
    """Named columns, one value a slot. Rows go along the first axis of each column."""

    def __init__(self, most: int, keep: dict[str, Keep]) -> None:
        if most < 1:
            raise ValueError(f"at least one slot is needed, not {most}")
        self._most = most
        self._keep = keep
        self._shift = 0
        self._parts: list[tuple[npt.NDArray[np.int64], dict[str, Column]]] = []
        self._waiting = 0

    def add(self, timestamp_ns: npt.NDArray[np.int64], columns: dict[str, Column]) -> None:
        """Put in rows with these times; a time before an earlier one is put where it belongs."""
        if not len(timestamp_ns):
            return
        if len(timestamp_ns) > 1 and (timestamp_ns[1:] < timestamp_ns[:-1]).any():
            order = np.argsort(timestamp_ns, kind="stable")
            timestamp_ns = timestamp_ns[order]
            columns = {name: column[order] for name, column in columns.items()}
        keys, starts = self._distinct(timestamp_ns >> self._shift)
        self._parts.append((keys, self._fold(starts, len(timestamp_ns), columns)))
        self._waiting += len(keys)
        if self._waiting > 2 * self._most:
            self._gather()

    def columns(self) -> dict[str, Column]:
        """What is held by now, in order of time; without rows, an empty dictionary."""
        self._gather()
        return dict(self._parts[0][1]) if self._parts else {}

    def _gather(self) -> None:
        """Make one part of all, with no more slots than allowed."""
        if len(self._parts) < 2:
            return
        # Parts that came before the width grew have keys of their own time in full.
        keys = np.concatenate([part[0] for part in self._parts])
        columns = {
            name: np.concatenate([part[1][name] for part in self._parts]) for name in self._keep
        }
        if (keys[1:] < keys[:-1]).any():
            order = np.argsort(keys, kind="stable")
            keys = keys[order]
            columns = {name: column[order] for name, column in columns.items()}
        distinct, starts = self._distinct(keys)
        self._parts = [(distinct, self._fold(starts, len(keys), columns))]
        self._waiting = len(distinct)

    def _distinct(
        self, keys: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.intp]]:
        """The slots that sorted keys fall into, and where in ``keys`` each begins.

        Widens the slots of all parts until these are no more than allowed.
        """
        starts = _starts(keys)
        keys = keys[starts]
        widened = 0
        while len(keys) > self._most:
            widened += 1
            keys = keys >> 1
            again = _starts(keys)
            keys, starts = keys[again], starts[again]
        if widened:
            self._shift += widened
            self._parts = [(part[0] >> widened, part[1]) for part in self._parts]
        return keys, starts

    def _fold(
        self, starts: npt.NDArray[np.intp], rows: int, columns: dict[str, Column]
    ) -> dict[str, Column]:
        ends = np.append(starts[1:], rows) - 1
        return {
            name: _fold_one(columns[name], keep, starts, ends) for name, keep in self._keep.items()
        }


def _starts(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Where a run of equal keys begins."""
    begins = np.empty(len(keys), dtype=np.bool_)
    begins[0] = True
    np.not_equal(keys[1:], keys[:-1], out=begins[1:])
    return np.flatnonzero(begins)


def _fold_one(
    column: Column, keep: Keep, starts: npt.NDArray[np.intp], ends: npt.NDArray[np.intp]
) -> Column:
    if keep is Keep.FIRST:
        return column[starts]
    if keep is Keep.LAST:
        return column[ends]
    if keep is Keep.LEAST:
        return np.minimum.reduceat(column, starts)
    if keep is Keep.GREATEST:
        return np.maximum.reduceat(column, starts)
    return np.add.reduceat(column, starts)
