"""B3 (Bovespa) order files: each row is what happened to one order, aggressors included.

CSV with a header; columns are found by name, in any order, and those that are not needed
are passed over. A row says that an order is New, was replaced (Update), left (Cancel) or
traded (Trade), with its price, its whole quantity and what of it has traded so far. Each
trade has two rows next to each other, one an order, in either order. The Trade rows of an
order that trades on arrival follow its New or Update row at once; they make one event.

Rows stand in the order of processing, which ``SecondaryOrderID`` numbers. The exchange
hands out buy and sell orders separately, so a file made of them has to be sorted by it.
``PriorityTime`` is the exchange's local time to the microsecond; should it step back in a
market, the time before it is kept, because the order of the rows is the truth.

A price of 0 is a market order: it takes the best opposite price only, and what is left
rests there. One that does not trade at once waits for a call auction. What trades in an
auction is told by both orders, but not at which price: the price is then the order's own.

Format as the R package GetHFData writes it (``ghfd_get_HF_data`` with ``type.data =
'orders'``), with the names that it gives to the exchange's codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ....enums import Side
from ....errors import DataError
from ..messages import Aggressors, Part
from . import unpacked
from .b3_events import Execution, Orders
from .delimited import Column, Rows, Scaled, Text, Whole, Word, arrow, parse
from .source import BadRecords, Format

if TYPE_CHECKING:
    import pyarrow

MAX_EVENT_ROWS = 1 << 16
"""Trade rows without another row between them are looked at together up to this many."""

NEEDED = (
    "InstrumentSymbol",
    "OrderSide",
    "SequentialOrderNumber",
    "SecondaryOrderID",
    "ExecutionType",
    "PriorityTime",
    "OrderPrice",
    "TotalQuantity",
    "TradedQuantity",
    "AgressorIndicator",
)
_LARGEST_QTY_LOTS = 1 << 53
_NS_PER_DAY = 86_400_000_000_000
_HEADER_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class _TimeOfDay(Column):
    """Times such as ``11:00:17.055000`` as nanoseconds after midnight."""

    what = "a time of day such as 11:00:17.055000"

    def arrow_type(self) -> Any:
        """A time with room for nine decimals."""
        return arrow().time64("ns")

    def values(self, found: pyarrow.Array) -> npt.NDArray[np.int64]:
        """Nanoseconds after midnight."""
        values: npt.NDArray[np.int64] = found.view(arrow().int64()).to_numpy(zero_copy_only=False)
        return values


@dataclass(frozen=True, slots=True)
class _Day(Column):
    """Dates such as ``2015-11-03`` as days since 1970."""

    what = "a date such as 2015-11-03"

    def arrow_type(self) -> Any:
        """A date."""
        return arrow().date32()

    def values(self, found: pyarrow.Array) -> npt.NDArray[np.int64]:
        """Days since 1970."""
        days = found.view(arrow().int32()).to_numpy(zero_copy_only=False)
        return np.asarray(days, dtype=np.int64)


def recognises(head: bytes) -> bool:
    """A first line that names all the columns that are needed."""
    names = head.split(b"\n", 1)[0].decode("ascii", "replace").rstrip("\r").split(",")
    return set(NEEDED) <= set(names)


class B3:
    """A B3 order file as a recording."""

    format_name = "b3"
    aggressors = Aggressors.SUBMITTED
    starts_empty = False
    queued_by_id = False
    shows_auctions = True
    price_decimals = 4
    qty_decimals = 0

    def __init__(self, path: Path, bad: BadRecords) -> None:
        self.path = path
        self.length = path.stat().st_size
        self.markets: list[str] = []
        self._bad = bad
        self._orders = Orders()
        self._sequence = _Sequence()

    def parts(self) -> Iterator[Part]:
        """Read from the start, as ``Recording.parts``."""
        self._bad.reset()
        self.markets.clear()
        self._orders = Orders()
        self._sequence = _Sequence()
        columns = self._columns()
        held: Rows | None = None
        position = 0
        for block in unpacked.blocks(self.path, unpacked.BLOCK_BYTES):
            if block.first_line == 1:
                header = int(np.argmax(block.data == ord("\n"))) + 1
                block = block._replace(data=block.data[header:], first_line=2)
            if not len(block.data):
                continue
            rows = self._checked(parse(self.path, block, columns, self._bad))
            position = block.position
            if held is not None:
                rows = _joined(held, rows)
            complete = _complete(rows["ExecutionType"])
            held = _taken(rows, slice(complete, None))
            if complete:
                yield Part(self._orders.messages(_taken(rows, slice(complete))), position)
        if held is not None and len(held):
            yield Part(self._orders.messages(held), position)

    def remarks(self) -> list[str]:
        """What was not as plain as it should be, and what could not be read."""
        return self._orders.remarks() + self._bad.remarks()

    def _columns(self) -> list[Column]:
        """How each column of this file is read, by its header."""
        first = unpacked.first_bytes(self.path, _HEADER_BYTES).split(b"\n", 1)[0]
        names = first.decode("utf-8", "replace").rstrip("\r").split(",")
        missing = [name for name in NEEDED if name not in names]
        if missing:
            raise DataError(
                f"{self.path}, line 1: the header has no column {', '.join(missing)};"
                " is this an order file of B3?"
            )
        doubled = [name for name in (*NEEDED, "SessionDate") if names.count(name) > 1]
        if doubled:
            raise DataError(f"{self.path}, line 1: more than one column {', '.join(doubled)}")
        read: dict[str, Column] = {
            column.name: column
            for column in (
                _Day("SessionDate"),
                Text("InstrumentSymbol", known=self.markets),
                Word("OrderSide", codes={"Buy": Side.BUY, "Sell": Side.SELL}),
                Whole("SequentialOrderNumber", np.dtype(np.uint64)),
                Whole("SecondaryOrderID"),
                Word("ExecutionType", codes=Execution.by_name()),
                _TimeOfDay("PriorityTime"),
                Scaled("OrderPrice", decimals=self.price_decimals),
                Whole("TotalQuantity"),
                Whole("TradedQuantity"),
                Whole("AgressorIndicator", np.dtype(np.uint8)),
            )
        }
        # Other columns may have any name, even one twice, which Arrow would not take.
        return [read.get(name) or Column(f"column {at}") for at, name in enumerate(names, 1)]

    def _checked(self, rows: Rows) -> Rows:
        """Leave out, or complain of, rows that contradict themselves or the row before."""
        if not len(rows):
            return rows
        if "SessionDate" not in rows.columns:
            rows.columns["SessionDate"] = np.zeros(len(rows), dtype=np.int64)
        total, traded, price = rows["TotalQuantity"], rows["TradedQuantity"], rows["OrderPrice"]
        kinds = rows["ExecutionType"]
        submits = (kinds == Execution.NEW) | (kinds == Execution.UPDATE)
        rows = self._without(
            rows,
            (price < 0, "column OrderPrice: the price is negative"),
            (traded < 0, "column TradedQuantity: the quantity is negative"),
            (total > _LARGEST_QTY_LOTS, "column TotalQuantity: the number is too large"),
            (traded > total, "column TradedQuantity: more has traded than TotalQuantity"),
            (submits & (traded == total), "column TotalQuantity: nothing is left of the order"),
            (rows["AgressorIndicator"] > 2, "column AgressorIndicator: not 0, 1 or 2"),
            (
                np.abs(rows["SessionDate"]) > (1 << 62) // _NS_PER_DAY,
                "column SessionDate: the date is too far from 1970",
            ),
        )
        if not len(rows):
            return rows
        rows = self._without(
            rows,
            (
                self._sequence.steps_back(rows),
                "column SecondaryOrderID: not greater than in the row before; the rows must be"
                " sorted by SecondaryOrderID",
            ),
        )
        rows.columns["timestamp_ns"] = self._sequence.times(rows)
        return rows

    def _without(self, rows: Rows, *checks: tuple[npt.NDArray[np.bool_], str]) -> Rows:
        """The rows that fail none of the checks; the others are met as bad."""
        wrong = np.logical_or.reduce([fails for fails, _ in checks])
        if not wrong.any():
            return rows
        for row in np.flatnonzero(wrong).tolist():
            said = next(text for fails, text in checks if fails[row])
            self._bad.meet(DataError(f"{self.path}, line {rows.lines[row]}: {said}"))
        return _taken(rows, ~wrong)


class _Sequence:
    """Whether the rows of each market and day stand in the order of processing."""

    def __init__(self) -> None:
        self._day = np.zeros(0, dtype=np.int64)
        self._number = np.zeros(0, dtype=np.int64)
        self._time_ns = np.zeros(0, dtype=np.int64)

    def _grow(self, markets: int) -> None:
        more = np.full(max(markets - len(self._day), 0), np.iinfo(np.int64).min)
        self._day = np.concatenate([self._day, more])
        self._number = np.concatenate([self._number, more])
        self._time_ns = np.concatenate([self._time_ns, more])

    def steps_back(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which rows do not come after the row before them of the same market."""
        market = rows["InstrumentSymbol"]
        self._grow(int(market.max()) + 1)
        by_market = np.argsort(market, kind="stable")
        at = market[by_market]
        day, number = rows["SessionDate"][by_market], rows["SecondaryOrderID"][by_market]
        first = np.append(True, at[1:] != at[:-1])
        day_before = np.where(first, self._day[at], np.roll(day, 1))
        number_before = np.where(first, self._number[at], np.roll(number, 1))
        last = np.append(first[1:], True)
        self._day[at[last]] = day[last]
        self._number[at[last]] = number[last]
        result = np.empty(len(rows), dtype=np.bool_)
        result[by_market] = (day < day_before) | ((day == day_before) & (number <= number_before))
        return result

    def times(self, rows: Rows) -> npt.NDArray[np.int64]:
        """Nanoseconds of local time since 1970, never stepping back in a market."""
        times: npt.NDArray[np.int64] = rows["SessionDate"] * _NS_PER_DAY + rows["PriorityTime"]
        market = rows["InstrumentSymbol"]
        for one in np.unique(market).tolist():
            its = market == one
            highest = np.maximum(np.maximum.accumulate(times[its]), self._time_ns[one])
            self._time_ns[one] = highest[-1]
            times[its] = highest
        return times


def _taken(rows: Rows, which: Any) -> Rows:
    kept = {name: values[which] for name, values in rows.columns.items()}
    return Rows(kept, rows.lines[which])


def _joined(first: Rows, second: Rows) -> Rows:
    if not len(first) or not len(second):
        return second if len(second) else first
    columns = {
        name: np.concatenate([values, second[name]]) for name, values in first.columns.items()
    }
    return Rows(columns, np.concatenate([first.lines, second.lines]))


def _complete(kinds: npt.NDArray[np.uint8]) -> int:
    """How many rows belong to events that are complete, whatever comes after them."""
    starts = np.flatnonzero(kinds != Execution.TRADE)
    complete = int(starts[-1]) if len(starts) else 0
    if len(kinds) - complete > MAX_EVENT_ROWS:
        # No order trades with so many others at once: these are the trades of an auction, and
        # the two rows of a trade stay together.
        first_trade = complete + (1 if len(starts) else 0)
        complete = first_trade + (len(kinds) - first_trade) // 2 * 2
    return complete


FORMAT = Format("b3", "B3 (Bovespa) order file (CSV with a header)", recognises, B3)
