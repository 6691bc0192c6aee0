"""A Parquet file written a row group at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import DataError
from ..readers.delimited import arrow
from ..readers.native_parquet import parquet
from .columns import Columns
from .layouts import Layout, Records
from .new_file import NewFile

GROUP_ROWS = 131_072
"""Rows of a group: enough to pack well, little to hold in memory."""


class ParquetTable(NewFile):
    """A Parquet file being written: codes and markets as dictionaries of words.

    The metadata of the file has ``nextrade.table``, ``nextrade.markets`` (a JSON list, where
    names are known), and ``nextrade.`` with each name in ``about``.
    """

    def __init__(
        self,
        path: Path,
        layout: Layout,
        markets: Sequence[str] = (),
        about: Mapping[str, str | int] | None = None,
        *,
        keep_interrupted: bool = False,
    ) -> None:
        self._columns = Columns(layout, markets)
        self._arrow = arrow()
        self._layout = layout
        self._markets = markets
        self._about = dict(about or {})
        self._held: list[Records] = []
        self._held_rows = 0
        self._sink: Any = None
        self._writer: Any = None
        super().__init__(path, keep_interrupted=keep_interrupted)
        # A file of Arrow's own: no signal of Python's gets between the bytes of a group.
        try:
            self._sink = self._arrow.OSFile(str(self.part), "wb")
            self._writer = parquet().ParquetWriter(
                self._sink,
                self._columns.schema(),
                compression="zstd",
                compression_level=1,
                write_page_checksum=True,
            )
        except OSError as error:
            self.stream.close()
            self.part.unlink(missing_ok=True)
            raise self.failed(error) from error

    def write(self, records: Records) -> None:
        """Append a batch."""
        for start in range(0, len(records), GROUP_ROWS):
            piece = records[start : start + GROUP_ROWS]
            if self._held_rows + len(piece) > GROUP_ROWS:
                self._flush()
            self._held.append(np.array(piece, dtype=self._layout.dtype))
            self._held_rows = sum(map(len, self._held))

    def finish(self) -> None:
        """Write what is held, and the metadata."""
        self._flush()
        facts = {"table": self._layout.name, **self._about}
        if self._markets:
            facts["markets"] = json.dumps(list(self._markets), ensure_ascii=False)
        self._writer.add_key_value_metadata(
            {f"nextrade.{name}": str(value) for name, value in facts.items()}
        )
        self._writer.close()
        self._sink.close()

    def abandon(self) -> None:
        """Close the file of Arrow, in whatever state it is."""
        try:
            if self._writer is not None:
                self._writer.close()
        except self._arrow.ArrowException:
            pass
        finally:
            if self._sink is not None:
                self._sink.close()

    def _flush(self) -> None:
        if not self._held:
            return
        held = self._held
        table = self._columns.table(held[0] if len(held) == 1 else np.concatenate(held))
        # Let go of before they are written: rows must not come twice, whenever an interrupt
        # comes. One that comes while Arrow writes is only heard of afterwards.
        self._held, self._held_rows = [], 0
        try:
            self._writer.write_table(table, row_group_size=GROUP_ROWS)
        except OSError as error:
            raise self.failed(error) from error
        except self._arrow.ArrowException as error:
            raise DataError(f"{self.path}: cannot be written: {error}") from error
