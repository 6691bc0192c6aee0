"""Native CSV: a header of COMMAND_DTYPE field names, then one command a line.

Columns may stand in any order; those that are missing are 0. Coded columns (``kind``,
``side``, ``order_type``, ...) take names or numbers, an empty field is 0. No quotes, no
blank lines, no comments; gzip, xz and zstd are unpacked on the way.

    timestamp_ns,kind,order_id,side,price_ticks,qty_lots
    1000,PLACE,1,BUY,10000,5
    2000,PLACE,2,SELL,10000,3
    3000,CANCEL,1,,,
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ....dtypes import COMMAND_DTYPE
from ....errors import DataError
from ..native import CODES, COLUMNS
from .delimited import Column, Whole, Word, parse
from .source import BadRecords, Batch, Commands, Format
from .unpacked import Block, blocks

_MARK = b"\xef\xbb\xbf"


def _header(first_line: bytes) -> list[str]:
    return first_line.rstrip(b"\r").decode("ascii", "backslashreplace").split(",")


def recognises(head: bytes) -> bool:
    """A first line of names, ``kind`` and at least one other known column among them."""
    names = _header(head.removeprefix(_MARK).split(b"\n", 1)[0])
    return "kind" in names and len(set(names) & set(COLUMNS)) >= 2


def check_columns(where: str, names: list[str]) -> None:
    """Raise DataError unless these are distinct columns of commands, ``kind`` among them."""
    known = f"known are {', '.join(COLUMNS)}"
    unknown = [name for name in names if name not in COLUMNS]
    if unknown:
        shown = ", ".join(repr(name[:40]) for name in unknown[:3])
        raise DataError(f"{where}: unknown column {shown}; {known}")
    if len(set(names)) != len(names):
        raise DataError(f"{where}: a column is named twice; {known}")
    if "kind" not in names:
        raise DataError(f"{where}: there is no column kind; {known}")


class NativeCsv:
    """A native CSV file as a source of commands."""

    format_name = "csv"

    def __init__(self, path: Path, bad: BadRecords) -> None:
        self.path = path
        self.length = path.stat().st_size
        self._bad = bad

    def batches(self, size: int) -> Iterator[Batch]:
        """Read from the start, as ``Flow.batches``."""
        self._bad.reset()
        columns: list[Column] | None = None
        for block in blocks(self.path):
            if columns is None:
                columns, block = self._take_header(block)
                if not len(block.data):
                    continue
            commands = self._commands(block, columns)
            for start in range(0, len(commands), size):
                yield Batch(commands[start : start + size], block.position)

    def remarks(self) -> list[str]:
        """What could not be read."""
        return self._bad.remarks()

    def _take_header(self, block: Block) -> tuple[list[Column], Block]:
        text = block.data.tobytes().removeprefix(_MARK)
        first_line, rest = text.split(b"\n", 1)
        names = _header(first_line)
        check_columns(f"{self.path}, line 1", names)
        columns: list[Column] = [
            Word(name, CODES[name], numbers=True, optional=True)
            if name in CODES
            else Whole(name, COMMAND_DTYPE[name], optional=True)
            for name in names
        ]
        return columns, Block(np.frombuffer(rest, dtype=np.uint8), 2, block.position)

    def _commands(self, block: Block, columns: list[Column]) -> Commands:
        rows = parse(self.path, block, columns, self._bad, digits_only=True)
        commands = np.zeros(len(rows), dtype=COMMAND_DTYPE)
        for column in columns:
            commands[column.name] = rows[column.name]
        return commands


FORMAT = Format("csv", "native CSV with a header such as kind,order_id,...", recognises, NativeCsv)
