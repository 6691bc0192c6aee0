"""The levels that Databento recorded beside an mbo file: schema mbp-10 or mbp-1 as CSV.

A row is the state of the best levels after one record that changed or traded at them. It
names that record by ``sequence``, ``action``, ``price`` and ``size``; of records that share
all four the first row is the first. The row of a T shows the book after all records of its
sequence number, where the C that follows has done what the trade did. Found on a whole day
of Nasdaq, where each of 3,928 rows agrees with a rebuild by this rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ....dtypes import DEPTH_DTYPE
from ..messages import DepthRows
from .databento import UNDEFINED_PRICE, Columns
from .databento_text import below_header, read_header
from .delimited import parse
from .source import BadRecords
from .unpacked import blocks

_NAME = re.compile(r"(?P<stem>(?:.*[._-])?)mbo\.csv(?:\.(?:gz|xz|zst))?")
_SCHEMAS = ("mbp10", "mbp-10", "mbp_10", "mbp1", "mbp-1", "mbp_1")
_ENDINGS = ("", ".gz", ".xz", ".zst")
_BID_PRICE = re.compile(r"bid_px_(\d\d)")
_TRADE = ord("T")


def find_recorded_levels(messages: Path) -> Path | None:
    """The file of levels beside ``…mbo.csv``, such as ``…mbp10.csv.gz``; None without one."""
    name = _NAME.fullmatch(messages.name)
    if name is None:
        return None
    for schema in _SCHEMAS:
        for ending in _ENDINGS:
            beside = messages.parent / f"{name['stem']}{schema}.csv{ending}"
            if beside.is_file():
                return beside
    return None


class _Rows(NamedTuple):
    """Rows of the file of levels."""

    sequence: npt.NDArray[np.int64]
    action: npt.NDArray[np.uint8]
    price: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    levels: npt.NDArray[np.void]

    def take(self, which: slice | npt.NDArray[np.bool_]) -> _Rows:
        """Some of the rows."""
        return _Rows._make(column[which] for column in self)


class RecordedLevels:
    """The recorded rows, handed out as the messages are read forward."""

    def __init__(self, path: Path, bad: BadRecords) -> None:
        self._path = path
        self._blocks: Iterator[_Rows] | None = _read_rows(path, bad)
        self._held: _Rows | None = None
        self._sequence = -1
        self._strange = 0
        self._given_up = ""

    def rows(self, columns: Columns, *, single_market: bool) -> DepthRows | None:
        """The rows that belong to these records, which follow those given before."""
        sequence = columns.sequence
        if self._blocks is None or sequence is None:
            return None
        if not single_market:
            self._give_up("hold only for files of one market")
            return None
        if sequence[0] < self._sequence or (sequence[1:] < sequence[:-1]).any():
            self._give_up("cannot be told where the sequence numbers step back")
            return None
        self._sequence = int(sequence[-1])
        belonging = self._up_to(sequence)
        if belonging is None:
            return None
        after = _match(columns, sequence, belonging)
        found = after > 0
        self._strange += int(np.count_nonzero(~found))
        order = np.argsort(after[found], kind="stable")
        levels = belonging.levels[found][order]
        return DepthRows(after[found][order], levels, orders_known=True) if len(order) else None

    def remarks(self) -> list[str]:
        """What of the file was not used."""
        said = []
        if self._given_up:
            said.append(f"the levels recorded in {self._path.name} {self._given_up}")
        if self._strange:
            said.append(f"{self._strange:,} rows of {self._path.name} belong to no message")
        return said

    def _give_up(self, said: str) -> None:
        self._blocks, self._held, self._given_up = None, None, said

    def _up_to(self, sequence: npt.NDArray[np.int64]) -> _Rows | None:
        """The rows up to the last of these numbers, without those of none of them."""
        chosen: list[_Rows] = []
        last = sequence[-1]
        while True:
            more = self._held
            if more is None and self._blocks is not None:
                more = next(self._blocks, None)
            if more is None:
                break
            cut = int(np.argmax(more.sequence > last)) if (more.sequence > last).any() else None
            here = more.take(slice(cut))
            known = np.isin(here.sequence, sequence)
            self._strange += int(np.count_nonzero(~known))
            chosen.append(here.take(known))
            self._held = None if cut is None else more.take(slice(cut, None))
            if cut is not None:
                break
        if not chosen:
            return None
        return _Rows._make(np.concatenate(columns) for columns in zip(*chosen, strict=True))


def _match(columns: Columns, sequence: npt.NDArray[np.int64], rows: _Rows) -> npt.NDArray[np.int64]:
    """For each row how many of the records it shows the book after; 0 if it belongs to none."""
    mine = np.flatnonzero(np.isin(sequence, rows.sequence))
    count = len(rows.sequence)
    keys = [
        np.concatenate(pair)
        for pair in (
            (rows.size, columns.size[mine]),
            (rows.price, columns.price[mine]),
            (rows.action, columns.action[mine]),
            (rows.sequence, sequence[mine]),
        )
    ]
    order = np.lexsort(keys)  # stable: rows come before records, and both keep their order
    changed = np.ones(len(order), dtype=np.bool_)
    changed[1:] = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
    group = np.cumsum(changed) - 1
    is_row = order < count
    rows_before: npt.NDArray[np.int64] = np.cumsum(is_row) - is_row
    starts = np.flatnonzero(changed)
    rank_of_row: npt.NDArray[np.int64] = rows_before - rows_before[starts][group]
    rows_in_group = np.zeros(len(starts), dtype=np.int64)
    np.add.at(rows_in_group, group, is_row)
    size_of_group = np.diff(np.append(starts, len(order)))
    partner = starts[group] + rows_in_group[group] + rank_of_row
    there = is_row & (rank_of_row < (size_of_group - rows_in_group)[group])
    after = np.zeros(count, dtype=np.int64)
    after[order[there]] = mine[order[partner[there]] - count] + 1
    traded = (rows.action == _TRADE) & (after > 0)
    after[traded] = np.searchsorted(sequence, rows.sequence[traded], side="right")
    return after


def _read_rows(path: Path, bad: BadRecords) -> Iterator[_Rows]:
    header = read_header(path, ("sequence", "action", "price", "size", "bid_px_00"))
    tens = sorted(found[1] for name in header.names if (found := _BID_PRICE.fullmatch(name)))
    fields = {
        (side, what): [f"{side}_{what}_{number}" for number in tens]
        for side in ("bid", "ask")
        for what in ("px", "sz", "ct")
    }
    level_names = [name for names in fields.values() for name in names]
    read_header(path, level_names)
    wanted = ["sequence", "action", "price", "size", *level_names]
    layout = header.columns(wanted, [], path)
    for block in blocks(path):
        below = below_header(block)
        if not len(below.data):
            continue
        rows = parse(path, below, layout, bad)
        levels = np.zeros((len(rows), 2, len(tens)), dtype=DEPTH_DTYPE)
        for position, side in enumerate(("bid", "ask")):
            for number in range(len(tens)):
                level = levels[:, position, number]
                price = rows[fields[side, "px"][number]]
                there = price != UNDEFINED_PRICE
                level["price_ticks"] = np.where(there, price, 0)
                level["qty_lots"] = np.where(there, rows[fields[side, "sz"][number]], 0)
                level["orders"] = np.where(there, rows[fields[side, "ct"][number]], 0)
        action = rows["action"].astype(np.uint8, copy=False)
        yield _Rows(rows["sequence"], action, rows["price"], rows["size"], levels)
