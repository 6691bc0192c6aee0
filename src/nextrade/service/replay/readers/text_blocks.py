"""Text files in blocks of whole lines, plain or gzip, and lines into fields.

Blocks are arrays of bytes: the readers work on them a column at a time.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import numpy as np

from ....domain.digits import Bytes, Positions
from ....errors import DataError

BLOCK_BYTES = 1 << 20
"""Unpacked bytes read at a time: large enough that array operations cost nothing per call."""

MAX_LINE_BYTES = 1 << 16
"""No record is this long; a file with such a line is not text."""

_HEAD_BYTES = 4096
_GZIP_MAGIC = b"\x1f\x8b"
_COMMA, _NEWLINE, _RETURN = 44, 10, 13


class Block(NamedTuple):
    """Whole lines of a file."""

    data: Bytes
    """The bytes, ending with a newline (added if the file does not end with one)."""
    first_line: int
    """Number of the first line, counted from 1."""
    position: int
    """How far the file on disk had been read, in bytes."""


class Table(NamedTuple):
    """The fields of a block: ``data[starts[row, column]:ends[row, column]]``."""

    data: Bytes
    starts: Positions
    ends: Positions

    def text(self, row: int, column: int) -> str:
        """One field, for a message: what cannot be printed is escaped, long fields are cut."""
        raw = self.data[self.starts[row, column] : self.ends[row, column]][:40].tobytes()
        return repr(raw.decode("ascii", "backslashreplace"))


def _open(path: Path) -> tuple[BinaryIO, BinaryIO]:
    """The file on disk and the stream of its unpacked bytes (which may be the same)."""
    try:
        raw = path.open("rb")
    except OSError as error:
        raise DataError(f"{path}: cannot be opened: {error.strerror}") from error
    try:
        packed = raw.read(2) == _GZIP_MAGIC
        raw.seek(0)
    except OSError as error:
        raw.close()
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return raw, cast(BinaryIO, gzip.GzipFile(fileobj=raw, mode="rb")) if packed else raw


def _read(path: Path, stream: BinaryIO, size: int) -> bytes:
    try:
        return stream.read(size)
    except EOFError as error:
        raise DataError(f"{path}: the gzip data ends too early; fetch the file again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip data ({error}); fetch the file again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def first_bytes(path: Path) -> bytes:
    """Up to 4 KiB from the start of the (unpacked) file; DataError if there is nothing."""
    raw, stream = _open(path)
    with raw:
        head = _read(path, stream, _HEAD_BYTES)
    if not head:
        raise DataError(f"{path}: the file is empty")
    return head


def blocks(path: Path, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Read a text file from the start in blocks of whole lines."""
    raw, stream = _open(path)
    with raw:
        line = 1
        rest = b""
        while True:
            read = _read(path, stream, block_bytes)
            if read:
                cut = read.rfind(b"\n") + 1
                if not cut:
                    rest += read
                    if len(rest) > MAX_LINE_BYTES:
                        raise DataError(
                            f"{path}: line {line} has more than {MAX_LINE_BYTES} bytes;"
                            " is this a text file?"
                        )
                    continue
                text, rest = rest + read[:cut], read[cut:]
            else:
                text, rest = rest + b"\n" if rest else b"", b""
            if text:
                data = np.frombuffer(text, dtype=np.uint8)
                yield Block(data, line, raw.tell())
                line += int(np.count_nonzero(data == _NEWLINE))
            if not read:
                return


def split(path: Path, block: Block, columns: int) -> Table:
    """Cut a block into rows of ``columns`` comma-separated fields.

    Raises DataError for the first line that has more or fewer. Quotes have no meaning.
    """
    data = block.data
    separators = np.flatnonzero((data == _COMMA) | (data == _NEWLINE))
    is_newline = data[separators] == _NEWLINE
    lines = int(np.count_nonzero(is_newline))
    if len(separators) != lines * columns or not is_newline[columns - 1 :: columns].all():
        newlines = np.flatnonzero(is_newline)
        found = np.diff(newlines, prepend=-1)
        wrong = int(np.flatnonzero(found != columns)[0])
        raise DataError(
            f"{path}, line {block.first_line + wrong}: {found[wrong]} fields instead of {columns};"
            " each line needs the same columns, separated by commas"
        )
    ends = separators.reshape(lines, columns).astype(np.int64)
    starts = np.empty_like(ends)
    starts.reshape(-1)[0] = 0
    starts.reshape(-1)[1:] = ends.reshape(-1)[:-1] + 1
    last = ends[:, -1]
    last -= (data[last - 1] == _RETURN) & (last > starts[:, -1])  # Windows line ends
    return Table(data, starts, ends)
