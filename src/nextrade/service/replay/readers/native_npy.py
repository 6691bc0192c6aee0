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
        commands = self._map()
        for start in range(0, len(commands), size):
            part = np.array(commands[start : start + size])  # out of the map, into memory
            yield Batch(part, start + len(part))

    def remarks(self) -> list[str]:
        """Nothing to say: every record is a command."""
        return []

    def _map(self) -> Commands:
        try:
            array = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        except (ValueError, EOFError, SyntaxError, TypeError, OverflowError, MemoryError) as error:
            # A damaged header surfaces as any of these, depending on where it is damaged.
            raise DataError(
                f"{self.path}: not a .npy file, or cut short ({str(error)[:120]}); write it again"
            ) from error
        if not isinstance(array, np.ndarray) or array.dtype != COMMAND_DTYPE:
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
