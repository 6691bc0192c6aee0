"""Native Parquet: a column for each field of COMMAND_DTYPE, one command a row.

Columns go by name, in any order; those that are missing are 0, and so is a null. Coded
columns (``kind``, ``side``, ``order_type``, ...) are text, dictionaries of text, or whole
numbers; all others are whole numbers of any width. Row groups are read piece by piece,
however large they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ....dtypes import COMMAND_DTYPE
from ....errors import DataError
from ..native import CODES
from .delimited import Word, arrow, shown
from .native_csv import check_columns
from .source import BadRecords, Batch, Commands, Format
from .unpacked import unpacked

_MAGIC = b"PAR1"
_PIECE_ROWS = 65_536
_WHOLE_GROUP_BYTES = 1 << 26
"""Row groups up to this size are read at once. That is also the safer way: in a buffered
reading Arrow makes room for as much as a damaged header says."""

_BUFFER_BYTES = 1 << 20
"""How much of a column of a larger group is in memory at a time, as it is stored."""


def parquet() -> Any:
    """The module pyarrow.parquet; raises MissingExtra with the remedy without pyarrow."""
    arrow()
    import pyarrow.parquet

    return pyarrow.parquet


def recognises(head: bytes) -> bool:
    """The magic bytes at the start of a Parquet file."""
    return head.startswith(_MAGIC)


class NativeParquet:
    """A Parquet file of commands as a source; positions count records."""

    format_name = "parquet"

    def __init__(self, path: Path, bad: BadRecords) -> None:
        self.path = path
        self._bad = bad
        with unpacked(path) as stream:
            if stream.packed:
                raise DataError(
                    f"{path}: a Parquet file packed with {stream.packed}; unpack it first"
                )
        with self._opened() as file:
            self.length: int = file.metadata.num_rows
            self._columns = _checked_columns(path, file.schema_arrow)

    def batches(self, size: int) -> Iterator[Batch]:
        """Read from the start, as ``Flow.batches``."""
        self._bad.reset()
        row = 0
        with self._opened() as file:
            pieces = file.iter_batches(batch_size=min(size, _PIECE_ROWS), columns=self._columns)
            while (piece := next(pieces, None)) is not None:
                commands = self._commands(piece, row)
                row += piece.num_rows
                yield Batch(commands, row)
        if row != self.length:
            raise DataError(
                f"{self.path}: {self.length} records announced, {row} there;"
                " fetch or write it again"
            )

    def remarks(self) -> list[str]:
        """What could not be read."""
        return self._bad.remarks()

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """The file, open; what Arrow finds wrong with it meanwhile becomes a DataError."""
        package = arrow()
        try:
            told = parquet().read_metadata(str(self.path))
            groups = (told.row_group(n).total_byte_size for n in range(told.num_row_groups))
            buffered = max(groups, default=0) > _WHOLE_GROUP_BYTES
            with parquet().ParquetFile(
                str(self.path),
                metadata=told,
                buffer_size=_BUFFER_BYTES if buffered else 0,
                pre_buffer=False,
                page_checksum_verification=True,
            ) as file:
                yield file
        except DataError:
            raise
        except (package.ArrowException, OSError, UnicodeDecodeError) as error:
            said = " ".join(str(error).split())[:200]
            raise DataError(
                f"{self.path}: cannot be read as Parquet: {said}; fetch or write it again"
            ) from error

    def _commands(self, piece: Any, first_row: int) -> Commands:
        commands = np.zeros(piece.num_rows, dtype=COMMAND_DTYPE)
        wrong = np.zeros(piece.num_rows, dtype=np.bool_)
        for position, name in enumerate(piece.schema.names):
            values, refused = _values(name, piece.column(position))
            if refused.any():
                self._complain(name, piece.column(position), refused & ~wrong, first_row)
                wrong |= refused
            commands[name] = values
        return commands[~wrong] if wrong.any() else commands

    def _complain(
        self, name: str, found: Any, refused: npt.NDArray[np.bool_], first_row: int
    ) -> None:
        for row in np.flatnonzero(refused).tolist():
            value = shown(str(found[row].as_py()))
            place = f"{self.path}, row {first_row + row + 1}: column {name}"
            self._bad.meet(DataError(f"{place}: {value} is not {_what(name)}"))


def _what(name: str) -> str:
    """What a value of a column may be."""
    if name in CODES:
        return _word(name).what
    limits = np.iinfo(COMMAND_DTYPE[name])
    return f"a whole number from {limits.min} to {limits.max}"


def _word(name: str) -> Word:
    return Word(name, CODES[name], numbers=True)


def _checked_columns(path: Path, schema: Any) -> list[str]:
    """The names of the columns; DataError for others than those of commands, or wrong types."""
    types = arrow().types
    check_columns(str(path), schema.names)
    for field in schema:
        words = field.type.value_type if types.is_dictionary(field.type) else field.type
        text = types.is_string(words) or types.is_large_string(words)
        if types.is_integer(field.type) or (text and field.name in CODES):
            continue
        wanted = "text or whole numbers" if field.name in CODES else "whole numbers"
        raise DataError(f"{path}, column {field.name}: {str(field.type)[:60]} instead of {wanted}")
    return list(schema.names)


def _values(name: str, found: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """The integers of a column, and which of them are not to be used."""
    package = arrow()
    dtype = COMMAND_DTYPE[name]
    if package.types.is_integer(found.type):
        plain = found.fill_null(0) if found.null_count else found
        values = plain.to_numpy(zero_copy_only=False)
        if values.dtype == dtype:
            return values, np.zeros(len(values), dtype=np.bool_)
        limits = np.iinfo(dtype)
        wrong = (values < limits.min) | (values > limits.max)
        return np.where(wrong, 0, values).astype(dtype), wrong
    found.validate(full=True)
    if not package.types.is_dictionary(found.type):
        found = found.dictionary_encode()
    codes = _word(name).lookup(found)
    return np.where(codes < 0, 0, codes).astype(np.uint8), codes < 0


FORMAT = Format("parquet", "Parquet file with the columns of csv", recognises, NativeParquet)
