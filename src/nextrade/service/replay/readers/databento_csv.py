"""Databento market-by-order data as CSV (schema mbo), plain or packed.

The first line names the columns, in any order: ``ts_event``, ``action``, ``side``,
``price``, ``size`` and ``order_id`` are needed; ``flags``, ``sequence``, ``ts_recv``,
``symbol`` and ``instrument_id`` are used where they are there; others are passed over. What
the records mean is said in ``databento``, how the fields are written in ``databento_text``.
Levels recorded beside the file (``databento_depth``) are read along.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..messages import Messages, Part
from .databento import Assembler, Columns, first_look
from .databento_depth import RecordedLevels, find_recorded_levels
from .databento_markets import MarketIds
from .databento_text import PRICE_DECIMALS, below_header, names_of, read_header
from .delimited import Rows, parse
from .source import BadRecords, Format
from .unpacked import blocks

_NEEDED = ("ts_event", "action", "side", "price", "size", "order_id")
_USED = (*_NEEDED, "flags", "sequence", "ts_recv")


def recognises(head: bytes) -> bool:
    """A first line that names what an order needs."""
    return set(_NEEDED) <= set(names_of(head.split(b"\n", 1)[0]))


class DatabentoCsv:
    """A Databento CSV file of schema mbo as a recording."""

    format_name = "databento"
    queued_by_id = False
    shows_auctions = True
    price_decimals = PRICE_DECIMALS
    qty_decimals = 0

    def __init__(self, path: Path, bad: BadRecords) -> None:
        self.path = path
        self.length = path.stat().st_size
        self.markets: list[str] = []
        self._bad = bad
        self._header = read_header(path, _NEEDED)
        self._beside: RecordedLevels | None = None
        looked = first_look(self._columns(BadRecords(skip=True), []))
        self.aggressors, self.starts_empty = looked

    def parts(self) -> Iterator[Part]:
        """Read from the start, as ``Recording.parts``."""
        self._bad.reset()
        self.markets.clear()
        recorded = find_recorded_levels(self.path)
        self._beside = None
        if recorded is not None and "sequence" in self._header.names:
            self._beside = RecordedLevels(recorded, self._bad)
        assembler = Assembler(self.path, "line", self._bad)
        position = 0
        for columns, position in self._columns(self._bad, self.markets):
            part = self._part(assembler.add(columns), position)
            if part is not None:
                yield part
        rest = assembler.rest()
        if rest is not None:
            part = self._part(rest, position)
            if part is not None:
                yield part

    def remarks(self) -> list[str]:
        """What could not be read, and what of the levels beside the file was not used."""
        beside = [] if self._beside is None else self._beside.remarks()
        return beside + self._bad.remarks()

    def _part(self, read: tuple[Columns, Messages], position: int) -> Part | None:
        columns, messages = read
        if not len(messages):
            return None
        depth = None
        if self._beside is not None:
            depth = self._beside.rows(columns, single_market=len(self.markets) == 1)
        return Part(messages, position, depth)

    def _columns(self, bad: BadRecords, markets: list[str]) -> Iterator[tuple[Columns, int]]:
        """The records of each block of lines."""
        wanted = set(_USED)
        wanted.add("symbol" if "symbol" in self._header.names else "instrument_id")
        layout = self._header.columns(wanted, markets, self.path)
        has_instrument = "symbol" not in wanted and "instrument_id" in self._header.names
        ids = MarketIds(markets, {}) if has_instrument else None
        if "symbol" not in wanted and ids is None:
            markets.append(self.path.name.split(".", 1)[0])
        for block in blocks(self.path):
            below = below_header(block)
            if len(below.data):
                rows = parse(self.path, below, layout, bad)
                yield _as_columns(rows, _markets(rows, ids)), block.position


def _markets(rows: Rows, ids: MarketIds | None) -> npt.NDArray[np.uint32]:
    if "symbol" in rows.columns:
        return rows["symbol"].astype(np.uint32, copy=False)
    if ids is not None:
        return ids.positions(rows["instrument_id"].astype(np.uint32, copy=False))
    return np.zeros(len(rows), dtype=np.uint32)


def _as_columns(rows: Rows, market: npt.NDArray[np.uint32]) -> Columns:
    found = rows.columns
    return Columns(
        ts_event=found["ts_event"],
        ts_recv=found.get("ts_recv"),
        action=found["action"].astype(np.uint8, copy=False),
        side=found["side"].astype(np.uint8, copy=False),
        price=found["price"],
        size=found["size"],
        order_id=found["order_id"].astype(np.uint64, copy=False),
        flags=found["flags"].astype(np.uint8, copy=False) if "flags" in found else None,
        sequence=found.get("sequence"),
        market=market,
        place=rows.lines,
    )


FORMAT = Format(
    "databento", "Databento CSV of schema mbo, with a header line", recognises, DatabentoCsv
)
