"""Native NumPy: a ``.npy`` file of COMMAND_DTYPE records, read through memory maps.

The header is read here and not by ``numpy.load``: only one dtype is taken, so a plain
comparison does, and a damaged header cannot surface as one of a dozen exceptions.
"""

from __future__ import annotations

import ast
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ....dtypes import COMMAND_DTYPE
from ....errors import DataError
from .source import Batch, Commands, Format

_MAGIC = b"\x93NUMPY"
_LENGTH_FIELD = {1: "<H", 2: "<I", 3: "<I"}
"""How the length of the header is written, by major version of the format."""

_MAX_HEADER = 1 << 16
_DESCRIPTION = np.lib.format.dtype_to_descr(COMMAND_DTYPE)


class _Layout(NamedTuple):
    """Where the records are."""

    offset: int
    records: int


def recognises(head: bytes) -> bool:
    """The magic bytes of the ``.npy`` format."""
    return head.startswith(_MAGIC)


class NativeNpy:
    """A ``.npy`` file as a source of commands; positions count records."""

    format_name = "npy"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._layout = _read_layout(path)
        self.length = self._layout.records

    def batches(self, size: int) -> Iterator[Batch]:
        """Read from the start, as ``Source.batches``."""
        # A map for each batch: pages of one map of the whole file would add up in memory.
        for start in range(0, self.length, size):
            part = self._part(start, min(size, self.length - start))
            yield Batch(part, start + len(part))

    def remarks(self) -> list[str]:
        """Nothing to say: every record is a command."""
        return []

    def _part(self, start: int, count: int) -> Commands:
        offset = self._layout.offset + start * COMMAND_DTYPE.itemsize
        try:
            mapped = np.memmap(self.path, COMMAND_DTYPE, "r", offset=offset, shape=(count,))
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path}: became shorter while it was read") from error
        return np.array(mapped)


def _read_layout(path: Path) -> _Layout:
    """Check the header and the size of the file; DataError says what is wrong with either."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_MAGIC) + 2)
            length_field = _LENGTH_FIELD.get(start[6]) if len(start) == 8 else None
            if not recognises(start) or length_field is None:
                raise DataError(f"{path}: not a .npy file; write it with numpy.save")
            size = struct.calcsize(length_field)
            packed = file.read(size)
            length = struct.unpack(length_field, packed)[0] if len(packed) == size else 0
            header = file.read(min(length, _MAX_HEADER))
            offset = file.tell()
            file.seek(0, 2)
            room = file.tell() - offset
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not length or len(header) != length:
        raise DataError(f"{path}: the .npy header is cut short; write the file again")
    shape = _checked_shape(path, _parsed(path, header))
    count = shape[0]
    if count * COMMAND_DTYPE.itemsize > room:
        whole = room // COMMAND_DTYPE.itemsize
        raise DataError(
            f"{path}: cut short: {count} records announced, {whole} there; fetch or write it again"
        )
    return _Layout(offset, count)


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
