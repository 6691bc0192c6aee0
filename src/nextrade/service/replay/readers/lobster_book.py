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

from ....errors import DataError
from .columns import Place, whole_numbers
from .text_blocks import blocks, first_bytes, split

_NAME = re.compile(
    r"(?P<ticker>[^_]+)_(?P<date>[0-9-]+)_(?P<start>\d+)_\d+_message_(?P<levels>\d+)\.csv(\.gz)?"
)

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
    levels of the same ticker, day and start. Each may have ``.gz`` behind it.
    """
    if "_message_" not in messages.name:
        return None
    plain = messages.name.removesuffix(".gz").replace("_message_", "_orderbook_")
    same = _existing(messages.parent, plain)
    if same is not None:
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


def _existing(folder: Path, name: str) -> Path | None:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    return None


def read_rows(path: Path) -> Iterator[npt.NDArray[np.int64]]:
    """The rows of a recorded book in blocks, shape (rows, 4 x levels)."""
    columns = first_bytes(path).split(b"\n", 1)[0].count(b",") + 1
    if columns % 4:
        raise DataError(f"{path}: {columns} columns; a LOBSTER order book has four for each level")
    names = [
        f"{what} {level}"
        for level in range(1, columns // 4 + 1)
        for what in ("ask price", "ask size", "bid price", "bid size")
    ]
    yield from _whole_table(path, names, skip_header=False)


def read_row_map(path: Path) -> npt.NDArray[np.int64]:
    """Pairs (message row, book row), counted from 0, ascending; shape (pairs, 2)."""
    parts = list(_whole_table(path, ["message row", "orderbook row"], skip_header=True))
    pairs = np.concatenate(parts) - 1 if parts else np.zeros((0, 2), dtype=np.int64)
    if len(pairs) and (pairs.min() < 0 or (np.diff(pairs, axis=0) <= 0).any()):
        raise DataError(f"{path}: the row numbers must start at 1 and ascend in both columns")
    return pairs


def _whole_table(
    path: Path, names: list[str], *, skip_header: bool
) -> Iterator[npt.NDArray[np.int64]]:
    for block in blocks(path):
        if skip_header and block.first_line == 1:
            cut = int(np.argmax(block.data == ord("\n"))) + 1
            block = block._replace(data=block.data[cut:], first_line=2)
        table = split(path, block, len(names))
        place = Place(path, block.first_line)
        rows = np.empty(table.starts.shape, dtype=np.int64)
        for column, name in enumerate(names):
            rows[:, column] = whole_numbers(table, column, name, rows.dtype, place)
        yield rows
