"""Files as they are stored, plain or packed with gzip, xz or zstd, as one stream of bytes."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np

from ....domain.digits import Bytes
from ....errors import DataError, MissingExtra

BLOCK_BYTES = 1 << 20
"""Unpacked bytes read at a time: large enough that array operations cost nothing per call."""

MAX_LINE_BYTES = 1 << 16
"""No line is this long; a file with such a line is not text."""

_HEAD_BYTES = 4096
_GZIP, _XZ, _ZSTD = b"\x1f\x8b", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"
_NEWLINE = 10


class Unpacked:
    """The unpacked bytes of a file, and how far the file on disk has been read for them."""

    def __init__(self, path: Path, raw: BinaryIO, stream: Any, packed: str) -> None:
        self._path = path
        self._raw = raw
        self._stream = stream
        self.packed = packed
        """What the file is packed with; empty if it is plain."""

    @property
    def position(self) -> int:
        """Bytes of the file on disk read so far."""
        return self._raw.tell()

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, fewer only at the end; DataError if the packing is damaged."""
        parts: list[bytes] = []
        wanted = size
        try:
            while wanted:
                part = self._stream.read(wanted)
                if not part:
                    break
                parts.append(part)
                wanted -= len(part)
        except EOFError as error:
            raise self._damaged("ends too early") from error
        except (gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
            raise self._damaged(f"is damaged ({error})") from error
        except OSError as error:
            # Arrow reports damaged zstd data as an OSError without an errno.
            if self.packed and error.errno is None:
                raise self._damaged(f"is damaged ({error})") from error
            raise DataError(f"{self._path}: cannot be read: {error.strerror or error}") from error
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _damaged(self, how: str) -> DataError:
        return DataError(
            f"{self._path}: the {self.packed} data {how}, at byte {self.position} of the file;"
            " fetch the file again"
        )


@contextmanager
def unpacked(path: Path) -> Iterator[Unpacked]:
    """Open a file for reading, whatever it is packed with; its first bytes say so."""
    if path.is_fifo() or path.is_socket() or path.is_char_device():
        raise DataError(
            f"{path}: is not a file that can be read more than once; store it as a file first"
        )
    try:
        raw = path.open("rb")
    except OSError as error:
        raise DataError(f"{path}: cannot be opened: {error.strerror}") from error
    with raw:
        try:
            magic = raw.read(6)
            raw.seek(0)
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
        stream: Any = raw
        packed = ""
        if magic.startswith(_GZIP):
            stream, packed = gzip.GzipFile(fileobj=raw, mode="rb"), "gzip"
        elif magic.startswith(_XZ):
            stream, packed = lzma.LZMAFile(cast(BinaryIO, raw)), "xz"  # noqa: SIM115
        elif magic.startswith(_ZSTD):
            stream, packed = _zstd(raw), "zstd"
        yield Unpacked(path, raw, stream, packed)


def _zstd(raw: BinaryIO) -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtra(
            "pyarrow is needed to unpack zstd; install it with: pip install 'nextrade[replay]'"
        ) from error
    return pyarrow.CompressedInputStream(pyarrow.PythonFile(raw, mode="r"), "zstd")


def first_bytes(path: Path, size: int = _HEAD_BYTES) -> bytes:
    """Up to 4 KiB from the start of the (unpacked) file; DataError if there is nothing."""
    with unpacked(path) as stream:
        head = stream.read(size)
    if not head:
        raise DataError(f"{path}: the file is empty")
    return head


class Block(NamedTuple):
    """Whole lines of a file."""

    data: Bytes
    """The bytes, ending with a newline (added if the file does not end with one)."""
    first_line: int
    """Number of the first line, counted from 1."""
    position: int
    """How far the file on disk had been read, in bytes."""


def blocks(path: Path, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Read a text file from the start in blocks of whole lines."""
    with unpacked(path) as stream:
        line = 1
        rest = b""
        while True:
            read = stream.read(block_bytes)
            if read:
                cut = read.rfind(b"\n") + 1
                if not cut:
                    rest += read
                    if len(rest) > MAX_LINE_BYTES:
                        raise _long_line(path, line)
                    continue
                text, rest = rest + read[:cut], read[cut:]
            else:
                text, rest = rest + b"\n" if rest else b"", b""
            if text:
                data = np.frombuffer(text, dtype=np.uint8)
                yield Block(data, line, stream.position)
                line += int(np.count_nonzero(data == _NEWLINE))
            if not read:
                return


def _long_line(path: Path, line: int) -> DataError:
    return DataError(
        f"{path}: line {line} has more than {MAX_LINE_BYTES} bytes; is this a text file?"
    )
