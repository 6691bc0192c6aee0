"""Writes a NumPy array file of COMMAND_DTYPE records, a batch at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ....dtypes import COMMAND_DTYPE
from ..readers.source import Commands
from .new_file import NewFile


class NpyWriter(NewFile):
    """A ``.npy`` file being written; its header gets the final length at the end."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._count = 0
        self._header()

    def write(self, commands: Commands) -> None:
        """Append a batch."""
        self.put(np.ascontiguousarray(commands, dtype=COMMAND_DTYPE).tobytes())
        self._count += len(commands)

    def finish(self) -> None:
        """Put the number of records into the header."""
        self.stream.seek(0)
        self._header()

    def _header(self) -> None:
        # NumPy pads its headers so that the length of the first axis may grow in place.
        np.lib.format.write_array_header_1_0(
            self.stream,
            {
                "descr": np.lib.format.dtype_to_descr(COMMAND_DTYPE),
                "fortran_order": False,
                "shape": (self._count,),
            },
        )
