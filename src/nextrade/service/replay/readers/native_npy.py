"""Native NumPy: a ``.npy`` file of COMMAND_DTYPE records, also packed with gzip, xz or zstd.

The header is read here and not by ``numpy.load``: only one dtype is taken, so a plain
comparison does, and a damaged header cannot surface as one of a dozen exceptions.
"""

from __future__ import annotations

import ast
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ....dtypes import COMMAND_DTYPE
from ....errors import DataError
from .source import BadRecords, Batch, Format
from .unpacked import Unpacked, unpacked

_MAGIC = b"\x93NUMPY"
_LENGTH_FIELD = {1: "<H", 2: "<I", 3: "<I"}
"""How the length of the header is written, by major version of the format."""

_MAX_HEADER = 1 << 16
_DESCRIPTION = np.lib.format.dtype_to_descr(COMMAND_DTYPE)


def recognises(head: bytes) -> bool:
    """The magic bytes of the ``.npy`` format."""
    return head.startswith(_MAGIC)


class NativeNpy:
    """A ``.npy`` file as a source of commands; positions count records."""

    format_name = "npy"

    def __init__(self, path: Path, bad: BadRecords) -> None:  # noqa: ARG002
        # Any 80 bytes are a command, if a strange one: there are no bad records to meet.
        self.path = path
        with unpacked(path) as stream:
            self.length = _read_header(path, stream)
            if not stream.packed:
                self._check_room(path.stat().st_size - stream.position)

    def batches(self, size: int) -> Iterator[Batch]:
        """Read from the start, as ``Flow.batches``."""
        with unpacked(self.path) as stream:
            _read_header(self.path, stream)
            for start in range(0, self.length, size):
                count = min(size, self.length - start)
                data = stream.read(count * COMMAND_DTYPE.itemsize)
                if len(data) < count * COMMAND_DTYPE.itemsize:
                    self._check_room(start * COMMAND_DTYPE.itemsize + len(data))
                # Of bytes that can be written to: NumPy copies records field by field.
                yield Batch(np.frombuffer(bytearray(data), COMMAND_DTYPE), start + count)
            stream.read(1)  # a packed file is checked at its end

    def remarks(self) -> list[str]:
        """Nothing to say: every record is a command."""
        return []

    def _check_room(self, room: int) -> None:
        """Raise DataError unless all records fit into this many bytes."""
        whole = room // COMMAND_DTYPE.itemsize
        if whole < self.length:
            raise DataError(
                f"{self.path}: cut short: {self.length} records announced, {whole} there;"
                " fetch or write it again"
            )


def _read_header(path: Path, stream: Unpacked) -> int:
    """The number of records, which follow; DataError says what is wrong with the header."""
    start = stream.read(len(_MAGIC) + 2)
    length_field = _LENGTH_FIELD.get(start[6]) if len(start) == 8 else None
    if not recognises(start) or length_field is None:
        raise DataError(f"{path}: not a .npy file; write it with numpy.save")
    size = struct.calcsize(length_field)
    packed = stream.read(size)
    length = struct.unpack(length_field, packed)[0] if len(packed) == size else 0
    header = stream.read(min(length, _MAX_HEADER))
    if not length or len(header) != length:
        raise DataError(f"{path}: the .npy header is cut short; write the file again")
    return _checked_shape(path, _parsed(path, header))[0]


def _parsed(path: Path, header: bytes) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # doubtful syntax is damage, not worth a warning
            parsed = ast.literal_eval(header.decode("latin1").strip())
    except (Warning, ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise DataError(f"{path}: the .npy header is damaged; write the file again") from error
    if not isinstance(parsed, dict) or not {"descr", "shape"} <= set(parsed):
        raise DataError(f"{path}: the .npy header is damaged; write the file again")
    return parsed


def _checked_shape(path: Path, header: dict[str, Any]) -> tuple[int]:
    if header["descr"] != _DESCRIPTION:
        raise DataError(
            f"{path}: records of {str(header['descr'])[:120]} instead of nextrade.COMMAND_DTYPE;"
            " save an array of that dtype with numpy.save"
        )
    shape = header["shape"]
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise DataError(f"{path}: the .npy header is damaged; write the file again")
    if len(shape) != 1:
        raise DataError(f"{path}: {len(shape)} dimensions instead of one; save a flat array")
    return shape


FORMAT = Format("npy", "NumPy array file of COMMAND_DTYPE records", recognises, NativeNpy)
