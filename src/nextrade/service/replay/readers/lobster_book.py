"""The recorded order book beside a LOBSTER message file: finding it and reading its rows.

A row is, per level, ask price, ask size, bid price, bid size; row i is the book right
after message i. If the book was recorded with other levels than the messages, its rows do
not correspond, and a row map says which book row belongs to which message row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ....dtypes import DEPTH_DTYPE
from ....errors import DataError
from .delimited import Whole, parse
from .source import BadRecords
from .unpacked import blocks, first_bytes

_NAME = re.compile(
    r"(?P<ticker>[^_]+)_(?P<date>[0-9-]+)_(?P<start>\d+)_\d+_message_(?P<levels>\d+)\.csv"
    r"(\.(gz|xz|zst))?"
)
_ENDINGS = ("", ".gz", ".xz", ".zst")

EMPTY_PRICE = 9_999_999_999
"""The price that stands for "no level": with a minus for bids."""


@dataclass(frozen=True, slots=True)
class RecordedBook:
    """Files that belong to a message file."""

    book: Path
    row_map: Path | None
    """None: book row i belongs to message row i."""


def find_recorded_book(messages: Path) -> RecordedBook | None:
    """The recorded book beside a message file, by its name; None if there is none.

    ``…_message_N.csv`` goes with ``…_orderbook_N.csv``. A file
    ``TICKER_message_N_to_orderbook_M_rows.csv`` maps its rows to those of the book of M
    levels of the same ticker, day and start. Each may be packed.
    """
    if "_message_" not in messages.name:
        return None
    plain = re.sub(r"\.(gz|xz|zst)$", "", messages.name).replace("_message_", "_orderbook_")
    for ending in _ENDINGS:
        same = messages.parent / f"{plain}{ending}"
        if same.is_file():
            return RecordedBook(same, None)
    name = _NAME.fullmatch(messages.name)
    if name is None:
        return None
    maps = f"{name['ticker']}_message_{name['levels']}_to_orderbook_*_rows.csv*"
    for row_map in sorted(messages.parent.glob(maps)):
        levels = row_map.name.split("_to_orderbook_")[1].split("_")[0]
        books = f"{name['ticker']}_{name['date']}_{name['start']}_*_orderbook_{levels}.csv*"
        for book in sorted(messages.parent.glob(books)):
            return RecordedBook(book, row_map)
    return None


class LobsterBook:
    """The recorded rows, handed out as the message file is read forward."""

    def __init__(self, recorded: RecordedBook) -> None:
        self._path = recorded.book
        self._map = None if recorded.row_map is None else _read_row_map(recorded.row_map)
        self._blocks = _read_rows(recorded.book)
        self._held: npt.NDArray[np.int64] | None = None
        self._first = 0

    def rows(self, first: int, end: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.void]]:
        """For message rows from ``first`` to before ``end``: which have a row, and their levels.

        Levels are DEPTH_DTYPE of shape (rows, 2, levels).
        """
        if self._map is None:
            numbers = wanted = np.arange(first, end)
        else:
            low, high = np.searchsorted(self._map[:, 0], [first, end])
            numbers, wanted = self._map[low:high, 0], self._map[low:high, 1]
        if not len(numbers):
            return numbers, np.zeros((0, 2, 1), dtype=DEPTH_DTYPE)
        return numbers, _as_levels(self._take(wanted))

    def _take(self, wanted: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The rows with these ascending numbers, none below those taken before."""
        while self._held is None or wanted[-1] >= self._first + len(self._held):
            more = next(self._blocks, None)
            if more is None:
                found = self._first + (0 if self._held is None else len(self._held))
                raise DataError(
                    f"{self._path}: only {found} rows, but row {wanted[-1] + 1} belongs to a"
                    " message; the two files do not go together"
                )
            if self._held is None:
                self._held = more
            else:
                keep = self._held[max(int(wanted[0]) - self._first, 0) :]
                self._first += len(self._held) - len(keep)
                self._held = np.vstack([keep, more])
        return self._held[wanted - self._first]


def _as_levels(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.void]:
    levels = np.zeros((len(rows), 2, rows.shape[1] // 4), dtype=DEPTH_DTYPE)
    for side, price, size in ((0, 2, 3), (1, 0, 1)):
        there = np.abs(rows[:, price::4]) != EMPTY_PRICE
        levels["price_ticks"][:, side] = np.where(there, rows[:, price::4], 0)
        levels["qty_lots"][:, side] = np.where(there, rows[:, size::4], 0)
    return levels


def _read_rows(path: Path) -> Iterator[npt.NDArray[np.int64]]:
    """The rows of a recorded book in blocks, shape (rows, 4 x levels)."""
    columns = first_bytes(path, 1 << 16).split(b"\n", 1)[0].count(b",") + 1
    if columns % 4:
        raise DataError(f"{path}: {columns} columns; a LOBSTER order book has four for each level")
    names = [
        f"{what} {level}"
        for level in range(1, columns // 4 + 1)
        for what in ("ask price", "ask size", "bid price", "bid size")
    ]
    yield from _whole_table(path, names, skip_header=False)


def _read_row_map(path: Path) -> npt.NDArray[np.int64]:
    """Pairs (message row, book row), counted from 0, ascending; shape (pairs, 2)."""
    parts = list(_whole_table(path, ["message row", "orderbook row"], skip_header=True))
    pairs = np.concatenate(parts) - 1 if parts else np.zeros((0, 2), dtype=np.int64)
    if len(pairs) and (pairs.min() < 0 or (np.diff(pairs, axis=0) <= 0).any()):
        raise DataError(f"{path}: the row numbers must start at 1 and ascend in both columns")
    return pairs


def _whole_table(
    path: Path, names: list[str], *, skip_header: bool
) -> Iterator[npt.NDArray[np.int64]]:
    columns = [Whole(name) for name in names]
    for block in blocks(path):
        if skip_header and block.first_line == 1:
            cut = int(np.argmax(block.data == ord("\n"))) + 1
            block = block._replace(data=block.data[cut:], first_line=2)
        if len(block.data):
            table = parse(path, block, columns, BadRecords())
            yield np.stack([table[name] for name in names], axis=1)
