"""Writers: order flow in the native formats, and the tables that a replay gives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from ....errors import DataError
from ..readers.source import Commands
from .layouts import COMMANDS
from .parquet_table import ParquetTable
from .tables import CsvTable, NpyTable

__all__ = ["WRITERS", "Writer", "open_writer"]


class Writer(Protocol):
    """A file being written. Leaving the ``with`` block normally puts it in place.

    Until then, and for good after an error, a file that was there before stays as it was.
    """

    def write(self, commands: Commands, /) -> None:
        """Append a batch."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


WRITERS: dict[str, Callable[[Path], Writer]] = {
    "csv": partial(CsvTable, layout=COMMANDS),
    "npy": partial(NpyTable, layout=COMMANDS),
    "parquet": partial(ParquetTable, layout=COMMANDS),
}
"""Every format that can be written, by the ending of the file name."""


def open_writer(path: str | Path) -> Writer:
    """A writer for the format that the file name ends with: ``.csv``, ``.npy`` or ``.parquet``.

    Raises DataError for another ending, or if the file cannot be created; MissingExtra if
    the format needs pyarrow and that is not installed.
    """
    path = Path(path)
    ending = path.suffix.removeprefix(".").lower()
    if ending not in WRITERS:
        raise DataError(f"{path}: the name of the output must end with .csv, .npy or .parquet")
    return WRITERS[ending](path)
