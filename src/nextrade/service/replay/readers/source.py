"""What a reader is: a file opened as a source of command batches, with a known length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Commands = npt.NDArray[np.void]
"""A one-dimensional, contiguous array of COMMAND_DTYPE."""


class Batch(NamedTuple):
    """Some commands, and how far into the file they reach, in the source's own unit."""

    commands: Commands
    position: int


class Source(Protocol):
    """A file that was recognised and opened. It can be read more than once."""

    path: Path
    format_name: str
    length: int
    """The end of the file in the unit of ``Batch.position``: bytes on disk, or records."""

    def batches(self, size: int) -> Iterator[Batch]:
        """Read from the start: batches of at most ``size`` commands, in file order.

        Memory does not grow with the file. Raises DataError naming file, place and remedy.
        """
        ...

    def remarks(self) -> list[str]:
        """What a user should know about the last reading, a sentence each."""
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """One line of the table of formats."""

    name: str
    summary: str
    recognises: Callable[[bytes], bool]
    """Whether these first bytes (unpacked, up to 4 KiB) are of this format."""
    open: Callable[[Path], Source]
