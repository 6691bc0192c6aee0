"""Tables written a batch at a time, in the format that the ending of the file name says.

``.csv`` has a header line and words for codes and markets. ``.parquet`` has the same
columns, words as dictionaries, and what is known about the source in the metadata of the
file. ``.npy`` holds the plain records. Memory does not grow with the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ....errors import DataError
from ..readers.delimited import arrow
from .columns import Columns
from .layouts import Layout, Records
from .new_file import NewFile
from .parquet_table import ParquetTable

__all__ = ["CsvTable", "NpyTable", "TableWriter", "open_table"]

_PIECE = 65_536
_SPECIAL = frozenset(',"\r\n')
_MOST_DESCRIBED = 60_000
_write_header = np.lib.format.write_array_header_1_0


class CsvTable(NewFile):
    """A CSV file being written. A name with a comma, quote or line end stands in quotes."""

    def __init__(
        self,
        path: Path,
        layout: Layout,
        markets: Sequence[str] = (),
        about: Mapping[str, str | int] | None = None,  # noqa: ARG002 (CSV has no place for it)
        *,
        keep_interrupted: bool = False,
    ) -> None:
        self._columns = Columns(layout, markets)
        self._arrow = arrow()
        super().__init__(path, keep_interrupted=keep_interrupted)
        header = (",".join(layout.shown) + "\n").encode()
        self.put(header)
        self._sound = len(header)

    def write(self, records: Records) -> None:
        """Append a batch."""
        for start in range(0, len(records), _PIECE):
            text = self._text(records[start : start + _PIECE])
            self.put(text)
            self._sound += len(text)

    def finish(self) -> None:
        """Cut off a piece that an interrupt left half-written."""
        self.stream.seek(self._sound)
        self.stream.truncate()

    def _text(self, records: Records) -> memoryview:
        csv = self._arrow.csv
        table = self._columns.table(records)
        special = False
        for position, field in enumerate(table.schema):
            if self._arrow.types.is_dictionary(field.type):
                words = table.column(position).chunk(0)
                special |= any(_SPECIAL & set(word) for word in words.dictionary.to_pylist())
                table = table.set_column(position, field.name, words.dictionary_decode())
        # Arrow quotes all words or none.
        options = csv.WriteOptions(
            include_header=False, quoting_style="needed" if special else "none"
        )
        sink = self._arrow.BufferOutputStream()
        csv.write_csv(table, sink, options)
        return memoryview(sink.getvalue())


class NpyTable(NewFile):
    """A ``.npy`` file being written; its header gets the final length at the end."""

    def __init__(
        self,
        path: Path,
        layout: Layout,
        markets: Sequence[str] = (),  # noqa: ARG002 (the records hold its number)
        about: Mapping[str, str | int] | None = None,  # noqa: ARG002 (NumPy has no place for it)
        *,
        keep_interrupted: bool = False,
    ) -> None:
        super().__init__(path, keep_interrupted=keep_interrupted)
        self._dtype = layout.dtype
        self._count = 0
        self._header()
        self._start = self.stream.tell()

    def write(self, records: Records) -> None:
        """Append a batch."""
        self.put(np.ascontiguousarray(records, dtype=self._dtype).tobytes())
        self._count += len(records)

    def finish(self) -> None:
        """Put the number of records into the header; cut off what an interrupt left over."""
        self.stream.seek(self._start + self._count * self._dtype.itemsize)
        self.stream.truncate()
        self.stream.seek(0)
        self._header()

    def _header(self) -> None:
        descr = np.lib.format.dtype_to_descr(self._dtype)
        # The older form, which more programs read, has no room for many hundred fields.
        many = len(repr(descr)) > _MOST_DESCRIBED
        write = np.lib.format.write_array_header_2_0 if many else _write_header
        # NumPy pads its headers so that the length of the first axis may grow in place.
        write(self.stream, {"descr": descr, "fortran_order": False, "shape": (self._count,)})


TableWriter = CsvTable | ParquetTable | NpyTable
"""A table being written. ``write`` appends records of the layout's dtype. Leaving the ``with``
block puts the file in place; after an exception a file that was there before stays as it was."""

_BY_ENDING: dict[str, type[TableWriter]] = {
    ".csv": CsvTable,
    ".parquet": ParquetTable,
    ".npy": NpyTable,
}


def open_table(
    path: str | Path,
    layout: Layout,
    *,
    markets: Sequence[str] = (),
    about: Mapping[str, str | int] | None = None,
    keep_interrupted: bool = True,
) -> TableWriter:
    """A writer of a table: ``.csv``, ``.parquet`` or ``.npy``, as the file name ends.

    ``markets`` are the names of the markets by number; the list may grow while the table is
    written, and a market without a name goes by its number. ``about`` (price_decimals,
    qty_decimals, format, ...) goes into the metadata of a Parquet file. A block left by
    KeyboardInterrupt keeps what was written, unless told otherwise. Raises DataError for
    another ending or a file that cannot be created, MissingExtra without pyarrow.
    """
    path = Path(path)
    kind = _BY_ENDING.get(path.suffix.lower())
    if kind is None:
        raise DataError(f"{path}: the name of the output must end with .csv, .parquet or .npy")
    return kind(path, layout, markets, about, keep_interrupted=keep_interrupted)
