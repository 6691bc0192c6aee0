"""Lines of separated fields to columns of integers, by Arrow's compiled CSV parser.

A block that does not parse as a whole is cut in halves until the lines at fault are alone:
so one parser reads everything, and an error still names the line, the column and the
reason. No float is made on the way: decimal text becomes a whole number of its last digit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ....errors import DataError, MissingExtra
from .source import BadRecords
from .unpacked import Block

if TYPE_CHECKING:
    import pyarrow

_NEWLINE, _RETURN = 10, 13
_INT64: np.dtype[Any] = np.dtype(np.int64)
_SHOWN = 60
_COLUMN_COUNT = re.compile(r"Expected (\d+) columns, got (\d+)")
_IN_COLUMN = re.compile(r"In CSV column #(\d+): (?:Row #\d+: )?(.*)", re.DOTALL)
_UNWANTED = re.compile(rb"[ \t]|0[xX]|\r(?!\n)|^\r?\n", re.MULTILINE)
_VALUE = re.compile(r"(?:invalid value|The string|Error converting) '(.*?)'", re.DOTALL)


def arrow() -> Any:
    """The package pyarrow; raises MissingExtra with the remedy if it is not installed."""
    try:
        import pyarrow
        import pyarrow.csv
    except ImportError as error:
        raise MissingExtra(
            "pyarrow is needed for text files and Parquet; install it with:"
            " pip install 'nextrade[replay]'"
        ) from error
    return pyarrow


class _WrongRow(Exception):
    """A row that Arrow took and that cannot be used all the same."""

    def __init__(self, row: int, said: str) -> None:
        super().__init__(said)
        self.row = row


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file and how it is read; subclasses say what it becomes."""

    name: str
    optional: bool = field(default=False, kw_only=True)
    """An empty field counts as 0; otherwise it is an error."""

    what = "nothing that is read"

    def arrow_type(self) -> Any:
        """What Arrow shall make of it; None to pass the column over."""
        return None

    def values(self, found: pyarrow.Array) -> npt.NDArray[Any]:  # noqa: ARG002 (for subclasses)
        """The integers of a parsed column."""
        raise AssertionError(f"column {self.name} is not read")

    def _wrong(self, row: int, said: str) -> _WrongRow:
        return _WrongRow(row, f"column {self.name}: {said}")


@dataclass(frozen=True, slots=True)
class Whole(Column):
    """Whole numbers of one integer dtype."""

    dtype: np.dtype[Any] = _INT64

    @property
    def what(self) -> str:  # type: ignore[override]
        """What the field may be."""
        limits = np.iinfo(self.dtype)
        return f"a whole number from {limits.min} to {limits.max}"

    def arrow_type(self) -> Any:
        """The Arrow type of the same width."""
        return arrow().from_numpy_dtype(self.dtype)

    def values(self, found: pyarrow.Array) -> npt.NDArray[Any]:
        """As they are; 0 where the field was empty."""
        plain = found.fill_null(0) if found.null_count else found
        values: npt.NDArray[Any] = plain.to_numpy(zero_copy_only=False)
        return values


@dataclass(frozen=True, slots=True)
class Scaled(Column):
    """Decimal numbers as whole numbers of ``10**-decimals``; further digits are an error.

    With ``rounds`` up to 18 decimals are taken and rounded to nearest: published times carry
    digits such as ``35821.088778456004`` that a float has left behind.
    """

    decimals: int = 0
    rounds: bool = False
    what = "a plain decimal number"

    def arrow_type(self) -> Any:
        """A decimal of as many digits as there can be."""
        return arrow().decimal128(38, 18 if self.rounds else self.decimals)

    def values(self, found: pyarrow.Array) -> npt.NDArray[np.int64]:
        """The unscaled integers; refuses those beyond int64."""
        plain = found.fill_null(0) if found.null_count else found
        words = np.frombuffer(plain.buffers()[1], dtype="<i8")
        words = words[2 * plain.offset : 2 * (plain.offset + len(plain))]
        low, high = words[0::2], words[1::2]
        if self.rounds:
            return self._rounded(low.view(np.uint64), high)
        beyond = high != low >> 63
        if beyond.any():
            raise self._wrong(int(np.argmax(beyond)), "the number is too large")
        return low

    def _rounded(
        self, low: npt.NDArray[np.uint64], high: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        # 2**64 = 18446744073 * 10**9 + 709551616, so nine digits come off without 128 bits.
        wrong = (high < 0) | (high >= 1 << 28)
        if wrong.any() or self.decimals != 9:
            raise self._wrong(int(np.argmax(wrong)), "the number is negative or too large")
        billion = np.uint64(10**9)
        top = high.astype(np.uint64)
        rest = top * np.uint64(709551616) + low % billion + billion // np.uint64(2)
        whole = top * np.uint64(18446744073) + low // billion + rest // billion
        return whole.astype(np.int64)


@dataclass(frozen=True, slots=True)
class Moment(Column):
    """Times such as ``2025-07-17T08:05:03.360842448Z``, as nanoseconds since 1970, or these."""

    as_text: bool = True
    what = "a time such as 2025-07-17T08:05:03.360842448Z"

    def arrow_type(self) -> Any:
        """A UTC time, or a plain integer."""
        package = arrow()
        return package.timestamp("ns", tz="UTC") if self.as_text else package.int64()

    def values(self, found: pyarrow.Array) -> npt.NDArray[np.int64]:
        """Nanoseconds since 1970; 0 where the field was empty."""
        plain = found.view(arrow().int64())
        plain = plain.fill_null(0) if plain.null_count else plain
        values: npt.NDArray[np.int64] = plain.to_numpy(zero_copy_only=False)
        return values


@dataclass(frozen=True, slots=True)
class Word(Column):
    """One of a few words (or their numbers, where ``numbers`` says so), as codes."""

    codes: Mapping[str, int] = field(default_factory=dict)
    numbers: bool = False

    @property
    def what(self) -> str:  # type: ignore[override]
        """What the field may be."""
        known = ", ".join(self.codes)
        return f"a code from 0 to 255 or one of {known}" if self.numbers else f"one of {known}"

    def arrow_type(self) -> Any:
        """A dictionary: each distinct word is looked up once."""
        package = arrow()
        return package.dictionary(package.int32(), package.utf8())

    def values(self, found: pyarrow.Array) -> npt.NDArray[np.uint8]:
        """The code of each word; refuses words of none."""
        codes = self.lookup(found)
        if len(codes) and codes.min() < 0:
            row = int(np.argmax(codes < 0))
            raise self._wrong(row, f"{shown(found[row].as_py())} is not {self.what}")
        return codes.astype(np.uint8)

    def lookup(self, found: pyarrow.DictionaryArray) -> npt.NDArray[np.int16]:
        """The code of each word, 0 where there is none, -1 for words of no code."""
        words = found.dictionary.to_pylist()
        table = np.array([self._code(word) for word in words] + [0], dtype=np.int16)
        positions = found.indices
        if positions.null_count:
            positions = positions.cast(arrow().int64()).fill_null(len(words))
        return table[positions.to_numpy(zero_copy_only=False)]

    def _code(self, word: str | None) -> int:
        if word is None:
            return 0
        if word in self.codes:
            return self.codes[word]
        if self.numbers and word.isascii() and word.isdigit() and len(word) < 4 and int(word) < 256:
            return int(word)
        return -1


@dataclass(frozen=True, slots=True)
class Text(Column):
    """Text with few distinct values, such as names of markets: positions in ``known``, which
    grows as names are met."""

    known: list[str] = field(default_factory=list)
    what = "a name"

    def arrow_type(self) -> Any:
        """A dictionary: each distinct text is looked up once."""
        package = arrow()
        return package.dictionary(package.int32(), package.utf8())

    def values(self, found: pyarrow.Array) -> npt.NDArray[np.uint32]:
        """The position of each text among those known."""
        places = []
        for word in found.dictionary.to_pylist():
            if word not in self.known:
                self.known.append(word)
            places.append(self.known.index(word))
        indices = found.indices.to_numpy(zero_copy_only=False)
        return np.array(places, dtype=np.uint32)[indices]


@dataclass(frozen=True, slots=True)
class Rows:
    """Parsed lines: for each column its integers, and the number of each line in the file."""

    columns: dict[str, npt.NDArray[Any]]
    lines: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]


def parse(
    path: Path,
    block: Block,
    columns: Sequence[Column],
    bad: BadRecords,
    *,
    separator: str = ",",
    digits_only: bool = False,
) -> Rows:
    """Read the lines of a block, each with exactly these columns.

    Arrow takes blanks around a number, hexadecimal ``0x`` numbers, and a carriage return
    alone as the end of a line. With ``digits_only``, for files in which no field holds such
    things, they are errors.

    A line that cannot be read raises DataError with file, line, column and reason; where
    ``bad`` says to skip, it is left out and counted.
    """
    parser = _Parser(path, columns, separator, digits_only)
    good = list(parser.read(block.data.tobytes(), block.first_line, bad))
    if not good:
        empty = {c.name: np.zeros(0, np.int64) for c in columns if c.arrow_type() is not None}
        return Rows(empty, np.zeros(0, np.int64))
    if len(good) == 1:
        return good[0]
    joined = {name: np.concatenate([rows[name] for rows in good]) for name in good[0].columns}
    return Rows(joined, np.concatenate([rows.lines for rows in good]))


def _may_be_unwanted(data: bytes) -> bool:
    """False if ``_UNWANTED`` finds nothing, told in next to no time: single bytes are fast."""
    return (
        any(sign in data for sign in (b" ", b"\t", b"x"))
        or (b"X" in data and b"0X" in data)
        or data[0] == _NEWLINE
        or b"\n\n" in data
        or (b"\r" in data and (data[0] == _RETURN or _has_lone_return(data)))
    )


def _has_lone_return(data: bytes) -> bool:
    return b"\n\r" in data or data.count(b"\r") != data.count(b"\r\n")


class _Parser:
    """Arrow's parser with the settings of one file."""

    def __init__(
        self, path: Path, columns: Sequence[Column], separator: str, digits_only: bool
    ) -> None:
        self._arrow = arrow()
        self._digits_only = digits_only
        self._path = path
        self._columns = columns
        csv = self._arrow.csv
        types = {c.name: c.arrow_type() for c in columns}
        self._wanted = [c for c in columns if types[c.name] is not None]
        self._names = [c.name for c in columns]
        self._parsing = csv.ParseOptions(
            delimiter=separator, quote_char=False, ignore_empty_lines=False
        )
        self._converting = csv.ConvertOptions(
            column_types={c.name: types[c.name] for c in self._wanted},
            include_columns=[c.name for c in self._wanted],
            null_values=[""],
            strings_can_be_null=True,
        )

    def read(self, data: bytes, first_line: int, bad: BadRecords) -> list[Rows]:
        try:
            while True:
                # Arrow breaks off at a Ctrl-C and hands it on. Whoever takes it and does not
                # raise KeyboardInterrupt wants the reading to go on.
                with suppress(self._arrow.ArrowCancelled):
                    return [self._rows(data, first_line)]
        except self._arrow.ArrowInvalid as error:
            said = self._said(str(error))
        except _WrongRow as error:
            said = str(error)
        middle = data.rfind(b"\n", 0, len(data) // 2) + 1 or data.find(b"\n") + 1
        if middle >= len(data):
            bad.meet(DataError(f"{self._path}, line {first_line}: {said}"))
            return []
        first = self.read(data[:middle], first_line, bad)
        return first + self.read(data[middle:], first_line + data.count(b"\n", 0, middle), bad)

    def _rows(self, data: bytes, first_line: int) -> Rows:
        table = self._arrow.csv.read_csv(
            self._arrow.py_buffer(data),
            read_options=self._arrow.csv.ReadOptions(
                column_names=self._names, use_threads=False, block_size=len(data) + 1
            ),
            parse_options=self._parsing,
            convert_options=self._converting,
        )
        values: dict[str, npt.NDArray[Any]] = {}
        for position, column in enumerate(self._wanted):
            found = table.column(position).combine_chunks()
            if isinstance(found, self._arrow.ChunkedArray):
                found = found.chunk(0)
            if found.null_count and not column.optional:
                row = int(np.argmax(found.is_null().to_numpy(zero_copy_only=False)))
                raise _WrongRow(row, f"column {column.name}: the field is empty")
            values[column.name] = column.values(found)
        if self._digits_only and _may_be_unwanted(data):
            self._refuse_unwanted(data)
        return Rows(values, np.arange(first_line, first_line + table.num_rows))

    def _refuse_unwanted(self, data: bytes) -> None:
        """Say what is wrong with what Arrow took, if there is such a thing."""
        found = _UNWANTED.search(data)
        if found is None:
            return
        at = found.start()
        if found[0].endswith(b"\n"):
            raise _WrongRow(0, self._count_said(1))
        separator = self._parsing.delimiter.encode()
        start, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
        position = data.count(separator, start, at)
        field = data[start:end].removesuffix(b"\r").split(separator)[position]
        column = self._columns[min(position, len(self._columns) - 1)]
        text = shown(field.decode("utf8", "replace"))
        raise _WrongRow(0, f"column {column.name}: {text} is not {column.what}")

    def _count_said(self, fields: int | str) -> str:
        return (
            f"{fields} fields instead of {len(self._columns)}; each line needs the same columns,"
            " separated by commas"
        )

    def _said(self, message: str) -> str:
        """What Arrow found wrong, in the words of this project."""
        counted = _COLUMN_COUNT.search(message)
        if counted:
            return self._count_said(counted[2])
        located = _IN_COLUMN.search(message)
        if not located:
            return message.split("\n")[0][:200]
        column = self._columns[int(located[1])]
        value = _VALUE.search(located[2])
        if value:
            return f"column {column.name}: {shown(value[1])} is not {column.what}"
        if "data loss" in located[2] and isinstance(column, Scaled):
            return f"column {column.name}: more than {column.decimals} decimals"
        return f"column {column.name}: {located[2][:200]}"


def shown(text: str) -> str:
    """Text from a file as a message can show it: escaped and cut."""
    return repr(text[:_SHOWN].encode("ascii", "backslashreplace").decode())
