"""Native CSV: a header of COMMAND_DTYPE field names, then one command a line.

Columns may stand in any order; those that are missing are 0. Coded columns (``kind``,
``side``, ``order_type``, ...) take names or numbers, an empty field is 0. No quotes, no
blank lines, no comments; gzip is unpacked on the way.

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
from .columns import Place, names_or_numbers, whole_numbers
from .source import Batch, Commands, Format
from .text_blocks import Block, blocks, split


def _header(first_line: bytes) -> list[str]:
    return first_line.rstrip(b"\r").decode("ascii", "backslashreplace").split(",")


def recognises(head: bytes) -> bool:
    """A first line of names, ``kind`` and at least one other known column among them."""
    names = _header(head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0])
    return "kind" in names and len(set(names) & set(COLUMNS)) >= 2


class NativeCsv:
    """A native CSV file as a source of commands."""

    format_name = "csv"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.length = path.stat().st_size

    def batches(self, size: int) -> Iterator[Batch]:
        """Read from the start, as ``Source.batches``."""
        columns: list[str] | None = None
        for block in blocks(self.path):
            if columns is None:
                columns, block = self._take_header(block)
                if not len(block.data):
                    continue
            commands = self._commands(block, columns)
            for start in range(0, len(commands), size):
                yield Batch(commands[start : start + size], block.position)

    def remarks(self) -> list[str]:
        """Nothing to say: every line is a command."""
        return []

    def _take_header(self, block: Block) -> tuple[list[str], Block]:
        text = block.data.tobytes().removeprefix(b"\xef\xbb\xbf")
        first_line, rest = text.split(b"\n", 1)
        columns = _header(first_line)
        unknown = [name for name in columns if name not in COLUMNS]
        known = f"known are {', '.join(COLUMNS)}"
        if unknown:
            shown = ", ".join(repr(name[:40]) for name in unknown[:3])
            raise DataError(f"{self.path}, line 1: unknown column {shown}; {known}")
        if len(set(columns)) != len(columns):
            raise DataError(f"{self.path}, line 1: a column is named twice; {known}")
        if "kind" not in columns:
            raise DataError(f"{self.path}, line 1: there is no column kind; {known}")
        return columns, Block(np.frombuffer(rest, dtype=np.uint8), 2, block.position)

    def _commands(self, block: Block, columns: list[str]) -> Commands:
        table = split(self.path, block, len(columns))
        place = Place(self.path, block.first_line)
        commands = np.zeros(len(table.starts), dtype=COMMAND_DTYPE)
        for column, name in enumerate(columns):
            if name in CODES:
                commands[name] = names_or_numbers(table, column, name, CODES[name], place)
            else:
                dtype = COMMAND_DTYPE[name]
                commands[name] = whole_numbers(table, column, name, dtype, place)
        return commands


FORMAT = Format("csv", "native CSV with a header such as kind,order_id,...", recognises, NativeCsv)
