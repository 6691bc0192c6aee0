"""LOBSTER message files: a Nasdaq book as what happened to each of its orders.

A line is ``time,type,order id,size,price,direction``: seconds after midnight in New York
with up to nine decimals, shares, USD x 10,000, and 1 for a buy, -1 for a sell (of the
resting order). Types: 1 new, 2 reduction, 3 deletion, 4 execution of a visible order, 5 of
a hidden one, 6 cross, 7 halt. Newer files have a seventh column, which is not needed.

The file has no aggressors, nor the orders that rested before it starts. Ids grow with
time, so such an order's place in its queue is told by its id. The recorded order book
that may lie beside the file is read along (``lobster_book``).

Format as described in the "Sample Files Readme" of LOBSTER, version of 1 September 2013.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ....enums import Side
from ....errors import DataError
from ..messages import MESSAGE_DTYPE, UNKNOWN, Action, Aggressors, DepthRows, Flag, Messages, Part
from .delimited import Column, Rows, Scaled, Whole, parse
from .lobster_book import LobsterBook, find_recorded_book
from .source import BadRecords, Format
from .unpacked import blocks, first_bytes

NEW, REDUCTION, DELETION, EXECUTION, HIDDEN_EXECUTION, CROSS, HALT = range(1, 8)

_LINE = re.compile(rb"\d+(?:\.\d+)?,[1-7],\d+,\d+,-?\d+,-?1(?:,[^,\r\n]*)?\r?$")
_ACTION_OF_TYPE = np.zeros(8, dtype=np.uint8)
_ACTION_OF_TYPE[1:] = [
    Action.ADD,
    Action.REDUCE,
    Action.CANCEL,
    Action.FILL,
    Action.HIDDEN,
    Action.NOTE,
    Action.NOTE,
]
_COLUMNS: tuple[Column, ...] = (
    Scaled("time", decimals=9, rounds=True),
    Whole("type", np.dtype(np.uint8)),
    Whole("order_id", np.dtype(np.uint64)),
    Whole("size"),
    Whole("price"),
    Whole("direction", np.dtype(np.int8)),
)


def recognises(head: bytes) -> bool:
    """A first line of six columns with a type from 1 to 7 and a direction of 1 or -1."""
    return _LINE.match(head.split(b"\n", 1)[0]) is not None


class Lobster:
    """A LOBSTER message file as a recording."""

    format_name = "lobster"
    aggressors = Aggressors.INFERRED
    starts_empty = False
    queued_by_id = True
    shows_auctions = False
    price_decimals = 4
    qty_decimals = 0

    def __init__(self, path: Path, bad: BadRecords) -> None:
        self.path = path
        self.length = path.stat().st_size
        self.markets = [path.name.split("_", 1)[0].split(".", 1)[0]]
        self._bad = bad
        self._type_counts = np.zeros(8, dtype=np.int64)

    def parts(self) -> Iterator[Part]:
        """Read from the start, as ``Recording.parts``."""
        self._bad.reset()
        self._type_counts[:] = 0
        recorded = find_recorded_book(self.path)
        # Rows of the two files go together by number, which skipped lines would upset.
        beside = None if recorded is None or self._bad.skip else LobsterBook(recorded)
        columns = _COLUMNS
        if first_bytes(self.path).split(b"\n", 1)[0].count(b",") == 6:
            columns = (*_COLUMNS, Column("seventh"))
        for block in blocks(self.path):
            rows = parse(self.path, block, columns, self._bad)
            rows = self._checked(rows)
            self._type_counts += np.bincount(rows["type"], minlength=8)
            depth = None if beside is None else self._depth(beside, block.first_line - 1, len(rows))
            yield Part(_messages(rows), block.position, depth)

    def remarks(self) -> list[str]:
        """What kinds of line change nothing, and what could not be read."""
        counted = {
            HIDDEN_EXECUTION: "executions of hidden orders leave the visible book as it is",
            CROSS: "cross trades name no order and were passed over",
            HALT: "lines tell of trading halts; they change no order",
        }
        said = [
            f"{self._type_counts[kind]:,} {what}"
            for kind, what in counted.items()
            if self._type_counts[kind]
        ]
        if self._bad.skip and find_recorded_book(self.path) is not None:
            said.append(
                "the recorded order book beside the file was not compared: its rows go with the"
                " lines by number, which skipped lines would upset"
            )
        return said + self._bad.remarks()

    def _depth(self, beside: LobsterBook, first_row: int, count: int) -> DepthRows | None:
        numbers, levels = beside.rows(first_row, first_row + count)
        if not len(numbers):
            return None
        return DepthRows(numbers - first_row + 1, levels, orders_known=False, per_message=True)

    def _checked(self, rows: Rows) -> Rows:
        """Leave out, or complain of, lines whose type or direction is none."""
        wrong_type = (rows["type"] < NEW) | (rows["type"] > HALT)
        wrong_direction = np.abs(rows["direction"]) != 1
        if not (wrong_type | wrong_direction).any():
            return rows
        for row in np.flatnonzero(wrong_type | wrong_direction).tolist():
            said = (
                f"column type: {rows['type'][row]} is not a message type from 1 to 7"
                if wrong_type[row]
                else f"column direction: {rows['direction'][row]} is neither 1 nor -1"
            )
            self._bad.meet(DataError(f"{self.path}, line {rows.lines[row]}: {said}"))
        keep = ~(wrong_type | wrong_direction)
        kept = {name: values[keep] for name, values in rows.columns.items()}
        return Rows(kept, rows.lines[keep])


def _messages(rows: Rows) -> Messages:
    messages = np.zeros(len(rows), dtype=MESSAGE_DTYPE)
    types: npt.NDArray[np.uint8] = rows["type"]
    messages["timestamp_ns"] = rows["time"]
    messages["order_id"] = rows["order_id"]
    messages["price_ticks"] = rows["price"]
    messages["qty_lots"] = rows["size"]
    messages["leaves_lots"] = UNKNOWN
    messages["place"] = rows.lines
    messages["action"] = _ACTION_OF_TYPE[types]
    messages["side"] = np.where(rows["direction"] < 0, Side.SELL, Side.BUY)
    messages["flags"] = Flag.LAST
    return messages


FORMAT = Format("lobster", "LOBSTER message file (..._message_N.csv)", recognises, Lobster)
