"""Native NumPy: a ``.npy`` file of COMMAND_DTYPE records, read through a memory map."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ....dtypes import COMMAND_DTYPE
from ....errors import DataError
from .source import Batch, Commands, Format

_MAGIC = b"\x93NUMPY"


def recognises(head: bytes) -> bool:
    """The magic bytes of the ``.npy`` format."""
    return head.startswith(_MAGIC)


class NativeNpy:
    """A ``.npy`` file as a source of commands; positions count records."""

    format_name = "npy"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.length = len(self._map())

    def batches(self, size: int) -> Iterator[Batch]:
        """Read from the start, as ``Source.batches``."""
        # A map for each batch: pages of one map of the whole file would add up in memory.
        offset, length = self._map().offset, self.length
        for start in range(0, length, size):
            part = self._part(offset + start * COMMAND_DTYPE.itemsize, min(size, length - start))
            yield Batch(part, start + len(part))

    def remarks(self) -> list[str]:
        """Nothing to say: every record is a command."""
        return []

    def _part(self, offset: int, count: int) -> Commands:
        try:
            mapped = np.memmap(self.path, COMMAND_DTYPE, "r", offset=offset, shape=(count,))
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path}: became shorter while it was read") from error
        return np.array(mapped)

    def _map(self) -> np.memmap[tuple[int], np.dtype[np.void]]:
        try:
            array = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        except (ValueError, EOFError, SyntaxError, TypeError, OverflowError, MemoryError) as error:
            # A damaged header surfaces as any of these, depending on where it is damaged.
            raise DataError(
                f"{self.path}: not a .npy file, or cut short ({str(error)[:120]}); write it again"
            ) from error
        if not isinstance(array, np.memmap) or array.dtype != COMMAND_DTYPE:
            found = getattr(array, "dtype", type(array).__name__)
            raise DataError(
                f"{self.path}: records of {str(found)[:120]} instead of nextrade.COMMAND_DTYPE;"
                " save an array of that dtype with numpy.save"
            )
        if array.ndim != 1:
            raise DataError(
                f"{self.path}: {array.ndim} dimensions instead of one; save a flat array"
            )
        return array


FORMAT = Format("npy", "NumPy array file of COMMAND_DTYPE records", recognises, NativeNpy)
