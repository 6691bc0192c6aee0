"""Databento Binary Encoding (DBN) of schema mbo, versions 1 to 3, plain or packed with zstd.

A file is ``DBN``, a byte of version, the length of the metadata (little-endian, 32 bits), the
metadata, then records. Each record begins with its length in words of four bytes, a byte
that says of what kind it is, a publisher (16 bits) and an instrument (32 bits); its times
are nanoseconds, its prices 1e-9. The publisher's own package databento-dbn reads the metadata
and says how an mbo record is laid out; the records are then viewed as an array, since
the package makes an object of each (some 700 ns for one, against 3 ns). Records of other
kinds, such as mappings of symbols and statistics, are passed over.

Format as in the documentation of DBN and the package databento-dbn.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import DataError, MissingExtra
from ..messages import Messages, Part
from .databento import Assembler, Columns, first_look
from .databento_markets import MarketIds
from .databento_records import Records
from .source import BadRecords, Format
from .unpacked import BLOCK_BYTES, Unpacked, unpacked

_MAGIC = b"DBN"
_PRELUDE_BYTES = 8
_MAX_METADATA_BYTES = 1 << 28


def _package() -> Any:
    try:
        import databento_dbn
    except ImportError as error:
        raise MissingExtra(
            "databento-dbn is needed for DBN files; install it with: pip install 'nextrade[dbn]'"
        ) from error
    return databento_dbn


def recognises(head: bytes) -> bool:
    """The contiguous DBN and a version."""
    return head.startswith(_MAGIC) and len(head) > len(_MAGIC) and 1 <= head[3] < 32


class DatabentoDbn:
    """A DBN file of schema mbo as a recording."""

    format_name = "dbn"
    queued_by_id = False
    shows_auctions = True
    price_decimals = 9
    qty_decimals = 0

    def __init__(self, path: Path, bad: BadRecords) -> None:
        self.path = path
        self.length = path.stat().st_size
        self.markets: list[str] = []
        self._bad = bad
        self._foreign = 0
        package = _package()
        layout = [(name, "u1" if kind == "S1" else kind) for name, kind in package.MBOMsg._dtypes]
        self._dtype = np.dtype(layout).newbyteorder("<")
        with unpacked(path) as stream:
            _, self._names = self._read_metadata(stream)
        looked = first_look(self._columns(BadRecords(skip=True), []))
        self.aggressors, self.starts_empty = looked

    def parts(self) -> Iterator[Part]:
        """Read from the start, as ``Recording.parts``."""
        self._bad.reset()
        self.markets.clear()
        self._foreign = 0
        assembler = Assembler(self.path, "byte", self._bad)
        position = 0
        for columns, position in self._columns(self._bad, self.markets):
            _, messages = assembler.add(columns)
            if len(messages):
                yield Part(messages, position)
        rest = assembler.rest()
        if rest is not None:
            yield Part(rest[1], position)

    def remarks(self) -> list[str]:
        """What could not be read, and how many records were of other kinds."""
        said = []
        if self._foreign:
            said.append(f"{self._foreign:,} records of other kinds than mbo were passed over")
        return said + self._bad.remarks()

    def _columns(self, bad: BadRecords, markets: list[str]) -> Iterator[tuple[Columns, int]]:
        """The mbo records of each block."""
        ids = MarketIds(markets, self._names)
        with unpacked(self.path) as stream:
            start, _ = self._read_metadata(stream)
            records = Records(self.path, self._dtype, start, bad)
            # Whole records at a time, so that none has to be put together again.
            size = BLOCK_BYTES // self._dtype.itemsize * self._dtype.itemsize
            while data := stream.read(size):
                for found, places in records.add(data):
                    yield self._as_columns(found, places, ids), stream.position
                if records.lost:
                    break
            records.end()
            self._foreign = records.foreign

    def _as_columns(
        self, found: Messages, places: np.ndarray[Any, np.dtype[np.int64]], ids: MarketIds
    ) -> Columns:
        # Copied where it is looked at more than once: a pass over whole records is slow.
        contiguous = np.ascontiguousarray
        return Columns(
            ts_event=found["ts_event"].astype(np.int64),
            ts_recv=found["ts_recv"].view(np.int64),
            action=contiguous(found["action"]),
            side=contiguous(found["side"]),
            price=contiguous(found["price"]),
            size=found["size"].astype(np.int64),
            order_id=found["order_id"],
            flags=contiguous(found["flags"]),
            sequence=found["sequence"].astype(np.int64),
            market=ids.positions(found["instrument_id"]),
            place=places,
        )

    def _read_metadata(self, stream: Unpacked) -> tuple[int, dict[int, str]]:
        """Where the records begin, and the names of instruments."""
        prelude = stream.read(_PRELUDE_BYTES)
        if len(prelude) < _PRELUDE_BYTES or not prelude.startswith(_MAGIC):
            raise DataError(f"{self.path}: not a DBN file; it must begin with the contiguous DBN")
        length = int.from_bytes(prelude[4:], "little")
        if length > _MAX_METADATA_BYTES:
            raise DataError(
                f"{self.path}, byte 4: metadata of {length:,} bytes; the file is damaged"
            )
        body = stream.read(length)
        if len(body) < length:
            raise DataError(
                f"{self.path}: the file ends within the metadata, {length - len(body)} bytes too"
                " early; fetch the file again"
            )
        package = _package()
        try:
            metadata = package.Metadata.decode(prelude + body)
            schema = metadata.schema
            names = _names_of_instruments(metadata, package)
        except Exception as error:
            raise DataError(f"{self.path}: the metadata cannot be read: {error}") from error
        if schema is not None and str(schema) != "mbo":
            raise DataError(
                f"{self.path}: the schema is {schema}; only mbo (market by order) can be replayed"
            )
        return _PRELUDE_BYTES + length, names


def _names_of_instruments(metadata: Any, package: Any) -> dict[int, str]:
    """What the metadata call each instrument id; the first name if there are several."""
    by_id: dict[int, str] = {}
    ids_are_keys = metadata.stype_in == package.SType.INSTRUMENT_ID
    for name, intervals in metadata.mappings.items():
        for interval in intervals:
            number, text = (
                (name, interval["symbol"]) if ids_are_keys else (interval["symbol"], name)
            )
            if number.isascii() and number.isdigit() and text:
                by_id.setdefault(int(number), text)
    return by_id


FORMAT = Format("dbn", "Databento Binary Encoding of schema mbo", recognises, DatabentoDbn)
