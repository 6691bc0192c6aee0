"""Native CSV: a header of COMMAND_DTYPE field names, then one command a line.

Columns may stand in any order; those that are missing are 0. One more column, ``client_order_id``,
is no field of a command: it is given beside. Coded columns (``kind``,
``side``, ``order_type``, ...) take names or numbers, an empty field is 0. No quotes, no
blank lines, no comments; gzip, xz and zstd are unpacked on the way.

    timestamp_ns,kind,order_id,side,price_ticks,qty_lots
    1000,PLACE,1,BUY,10000,5
    2000,PLACE,2,SELL,10000,3
    3000,CANCEL,1,,,
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ....dtypes import COMMAND_DTYPE
from ....errors import DataError
from ..native import CODES, COLUMNS
from .delimited import Column, Rows, Whole, Word, arrow, parse, shown
from .source import BadRecords, Batch, Commands, Format
from .unpacked import Block, blocks

if TYPE_CHECKING:
    import pyarrow

_MARK = b"\xef\xbb\xbf"
_NAME = "client_order_id"
_LEGAL = bytes(range(0x21, 0x7F))
_LONGEST = 36


@dataclass(frozen=True, slots=True)
class _ClientOrderId(Column):
    """Client order ids as bytes of one width."""

    what = f"a client order id of 1 to {_LONGEST} printable ASCII characters without spaces"

    def arrow_type(self) -> Any:
        """Any bytes."""
        return arrow().binary()

    def values(self, found: pyarrow.Array) -> npt.NDArray[np.bytes_]:
        """As they are, empty where the field was."""
        texts: list[bytes] = found.fill_null(b"").to_pylist()
        if b"".join(texts).translate(None, _LEGAL) or max(map(len, texts), default=0) > _LONGEST:
            for row, text in enumerate(texts):
                if text.translate(None, _LEGAL) or len(text) > _LONGEST:
                    said = shown(text.decode("utf8", "replace"))
                    raise self._wrong(row, f"{said} is not {self.what}")
        return np.array(texts, f"S{_LONGEST}")


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
            rows = self._rows(block, columns)
            commands = self._commands(rows)
            ids = rows.columns.get(_NAME) if len(rows) else None
            for start in range(0, len(commands), size):
                some = slice(start, start + size)
                yield Batch(commands[some], block.position, None if ids is None else ids[some])

    def remarks(self) -> list[str]:
        """What could not be read."""
        return self._bad.remarks()

    def _take_header(self, block: Block) -> tuple[list[Column], Block]:
        text = block.data.tobytes().removeprefix(_MARK)
        first_line, rest = text.split(b"\n", 1)
        names = _header(first_line)
        fields = list(names)
        if _NAME in fields:
            fields.remove(_NAME)
        check_columns(f"{self.path}, line 1", fields)
        columns = [_column(name) for name in names]
        return columns, Block(np.frombuffer(rest, dtype=np.uint8), 2, block.position)

    def _rows(self, block: Block, columns: list[Column]) -> Rows:
        # An id may have in it what no number may.
        digits_only = all(column.name != _NAME for column in columns)
        return parse(self.path, block, columns, self._bad, digits_only=digits_only)

    def _commands(self, rows: Rows) -> Commands:
        commands = np.zeros(len(rows), dtype=COMMAND_DTYPE)
        for name, values in rows.columns.items():
            if name != _NAME:
                commands[name] = values
        return commands


def _column(name: str) -> Column:
    if name == _NAME:
        return _ClientOrderId(name, optional=True)
    if name in CODES:
        return Word(name, CODES[name], numbers=True, optional=True)
    return Whole(name, COMMAND_DTYPE[name], optional=True)


FORMAT = Format("csv", "native CSV with a header such as kind,order_id,...", recognises, NativeCsv)
