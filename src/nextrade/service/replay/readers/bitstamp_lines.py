"""Lines of a Bitstamp log to columns of integers, by Arrow's compiled JSON parser.

The kind of each line is found with array operations. The JSON of all lines of one sort
(orders, trades, books) is parsed in one call; where that fails it is cut in halves until
the lines at fault are alone. Numbers go from their text to a decimal and from there to a
whole number: no float is made on the way.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ....domain.digits import Bytes, read_whole
from ....dtypes import DEPTH_DTYPE
from ....errors import DataError
from .delimited import arrow, shown
from .source import BadRecords
from .unpacked import Block

LEVELS = 20
"""How many levels of each side an ``order_book`` line shows."""

QTY_DECIMALS = 8

_TRADE_DECIMALS = 26
"""Room for what a float printed: 17 digits behind up to nine zeros."""

_LAST_MS = (2**63 - 1) // 10**6
_LARGEST = 1 << 53
_NEWLINE, _RETURN, _SPACE = b"\n\r "
_BEGIN, _END = b"{}"
_NO_DECIMAL = re.compile(r"decimal128\(38, (\d+)\): (.*) requires (scale|precision)")
_IN_ROW = re.compile(r"^JSON parse error: | in row \d+$")
_SHOWN = 200

Integers = npt.NDArray[np.int64]
Records = npt.NDArray[np.void]


class Kind(IntEnum):
    """What a line tells."""

    CREATED = 1
    CHANGED = 2
    DELETED = 3
    TRADE = 4
    BOOK = 5


NAMES = {
    "order_created": Kind.CREATED,
    "order_changed": Kind.CHANGED,
    "order_deleted": Kind.DELETED,
    "trade": Kind.TRADE,
    "order_book": Kind.BOOK,
}

ROW_DTYPE = np.dtype(
    [
        ("time_ms", "<i8"),
        ("order_id", "<u8"),
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("line", "<i8"),
        ("side", "u1"),
        ("kind", "u1"),
    ]
)


class Lines(NamedTuple):
    """What the lines of one block say, each in file order."""

    orders: Records
    """ROW_DTYPE: created, changed and deleted."""
    trades: Records
    """ROW_DTYPE, without an order."""
    book_lines: Integers
    books: Records
    """DEPTH_DTYPE of shape (books, 2, LEVELS)."""


class _Wrong(Exception):
    """What is wrong with at least one of the lines at hand."""


class _Sort(NamedTuple):
    """Lines with JSON of one shape."""

    kinds: tuple[Kind, ...]
    schema: Any
    records: Callable[[Any], Records]
    """From Arrow's table; raises _Wrong if a line cannot be used."""
    none: Records


@dataclass(frozen=True, slots=True)
class _Heads:
    """What stands before the JSON of each line, and where the JSON is."""

    starts: Integers
    json: Integers
    kinds: npt.NDArray[np.uint8]
    """0 if the line cannot be used."""
    times_ms: Integers


class LineParser:
    """Reads the lines of one file, whose prices have so many decimals."""

    def __init__(self, path: Path, price_decimals: int) -> None:
        package = arrow()
        import pyarrow.compute
        import pyarrow.json

        self._compute: Any = pyarrow.compute
        self._json: Any = pyarrow.json
        self._invalid: Any = package.ArrowInvalid
        self._path = path
        self._decimals = price_decimals
        self._price = package.decimal128(38, price_decimals)
        self._qty = package.decimal128(38, QTY_DECIMALS)
        raw = package.decimal128(38, _TRADE_DECIMALS)
        levels = package.list_(package.list_(self._qty))
        order = {
            "id": package.uint64(),
            "price": self._price,
            "amount": self._qty,
            "order_type": package.uint8(),
        }
        no_rows = np.zeros(0, ROW_DTYPE)
        self._orders = _Sort(
            (Kind.CREATED, Kind.CHANGED, Kind.DELETED),
            package.schema(order),
            self._order_records,
            no_rows,
        )
        self._trades = _Sort(
            (Kind.TRADE,),
            package.schema({"price": raw, "amount": raw}),
            self._trade_records,
            no_rows,
        )
        self._books = _Sort(
            (Kind.BOOK,),
            package.schema({"bids": levels, "asks": levels}),
            self._book_records,
            np.zeros((0, 2, LEVELS), DEPTH_DTYPE),
        )

    def read(self, block: Block, bad: BadRecords) -> Lines:
        """Read a block; lines that cannot be read are met by ``bad``, in file order."""
        wrong: dict[int, str] = {}
        heads = _heads(block, wrong)
        orders, order_lines = self._of_sort(self._orders, block, heads, wrong)
        trades, trade_lines = self._of_sort(self._trades, block, heads, wrong)
        books, book_lines = self._of_sort(self._books, block, heads, wrong)
        for records, lines in ((orders, order_lines), (trades, trade_lines)):
            records["line"] = lines + block.first_line
            records["time_ms"] = heads.times_ms[lines]
            records["kind"] = heads.kinds[lines]
        # What a line says of its order must fit its kind.
        empty = (orders["kind"] == Kind.CREATED) & (orders["qty_lots"] == 0)
        for line in orders["line"][empty].tolist():
            wrong[line - block.first_line] = "amount: a new order of nothing"
        for line, said in sorted(wrong.items()):
            bad.meet(DataError(f"{self._path}, line {block.first_line + line}: {said}"))
        return Lines(orders[~empty], trades, book_lines + block.first_line, books)

    def _of_sort(
        self, sort: _Sort, block: Block, heads: _Heads, wrong: dict[int, str]
    ) -> tuple[Records, Integers]:
        """The records of all lines of one sort, and which lines of the block they are."""
        lines = np.flatnonzero(np.isin(heads.kinds, sort.kinds))
        json = _json_of(block.data, heads, lines)
        good = self._halve(sort, json, lines, wrong)
        records = np.concatenate([sort.none, *(found for found, _ in good)])
        return records, np.concatenate([lines[:0], *(at for _, at in good)])

    def _halve(
        self, sort: _Sort, json: bytes, lines: Integers, wrong: dict[int, str]
    ) -> list[tuple[Records, Integers]]:
        if not len(lines):
            return []
        try:
            return [(sort.records(self._table(sort, json, len(lines))), lines)]
        except _Wrong as error:
            said = str(error)
        except self._invalid as error:
            said = _said(str(error))
        if len(lines) == 1:
            wrong[int(lines[0])] = said
            return []
        half = len(lines) // 2
        cut = int(np.flatnonzero(np.frombuffer(json, np.uint8) == _NEWLINE)[half - 1]) + 1
        first = self._halve(sort, json[:cut], lines[:half], wrong)
        return first + self._halve(sort, json[cut:], lines[half:], wrong)

    def _table(self, sort: _Sort, json: bytes, count: int) -> dict[str, Any]:
        """Each column of some lines of JSON, in one piece and without gaps."""
        table = self._json.read_json(
            io.BytesIO(json),
            read_options=self._json.ReadOptions(use_threads=False, block_size=len(json) + 1),
            parse_options=self._json.ParseOptions(
                explicit_schema=sort.schema, unexpected_field_behavior="ignore"
            ),
        )
        # Each line begins and ends as an object does, so one object a line is at least there.
        if table.num_rows != count:
            raise _Wrong("more than one JSON object")
        columns = {}
        for name in sort.schema.names:
            column = table.column(name)
            if column.null_count:
                raise _Wrong(f"{name} is missing")
            columns[name] = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        return columns

    def _order_records(self, table: dict[str, Any]) -> Records:
        records = np.zeros(len(table["id"]), ROW_DTYPE)
        records["order_id"] = table["id"].to_numpy()
        records["side"] = table["order_type"].to_numpy()
        records["price_ticks"] = _unscaled(table["price"], "price")
        records["qty_lots"] = _unscaled(table["amount"], "amount")
        if records["side"].max(initial=0) > 1:
            raise _Wrong("order_type is neither 0 nor 1")
        return records

    def _trade_records(self, table: dict[str, Any]) -> Records:
        """Trades carry the digits that a float left; the nearest whole number is meant."""
        records = np.zeros(len(table["price"]), ROW_DTYPE)
        for name, field, decimals, kind in (
            ("price", "price_ticks", self._decimals, self._price),
            ("amount", "qty_lots", QTY_DECIMALS, self._qty),
        ):
            rounded = self._compute.round(
                table[name], ndigits=decimals, round_mode="half_towards_infinity"
            )
            records[field] = _unscaled(rounded.cast(kind), name)
        return records

    def _book_records(self, table: dict[str, Any]) -> Records:
        books = np.zeros((len(table["bids"]), 2, LEVELS), DEPTH_DTYPE)
        unit = 10 ** (QTY_DECIMALS - self._decimals)
        for side, name in enumerate(("bids", "asks")):
            offsets = table[name].offsets.to_numpy()
            pairs = table[name].values
            if pairs.null_count or (np.diff(pairs.offsets.to_numpy()) != 2).any():
                raise _Wrong(f"{name}: a level is not a price and an amount")
            if pairs.values.null_count:
                raise _Wrong(f"{name}: a price or an amount is missing")
            numbers = _unscaled(pairs.values, name).reshape(-1, 2)
            if (numbers[:, 0] % unit).any():
                raise _Wrong(f"{name}: a price with more than {self._decimals} decimals")
            first, level = offsets[:-1, None], np.arange(LEVELS)
            there = level < np.diff(offsets)[:, None]
            taken = numbers[(first + level)[there]]
            books["price_ticks"][:, side][there] = taken[:, 0] // unit
            books["qty_lots"][:, side][there] = taken[:, 1]
        return books


def _said(message: str) -> str:
    """What Arrow found wrong, in the words of this project where they are plainer."""
    number = _NO_DECIMAL.search(message)
    if number and number[3] == "scale":
        return f"{shown(number[2])} has more than {number[1]} decimals"
    if number:
        return f"{shown(number[2])} is too large"
    plain = _IN_ROW.sub("", message.split("\n")[0])[:_SHOWN]
    return plain.encode("ascii", "backslashreplace").decode()


def _heads(block: Block, wrong: dict[int, str]) -> _Heads:
    """Read what stands before the JSON of each line: a time in milliseconds and a kind."""
    data = block.data
    newlines = np.flatnonzero(data == _NEWLINE)
    starts = np.append(0, newlines[:-1] + 1)
    ends = newlines - ((newlines > starts) & (data[newlines - 1] == _RETURN))
    spaces = np.append(np.flatnonzero(data == _SPACE), [len(data), len(data)])
    at = np.searchsorted(spaces, starts)
    after_time, after_kind = spaces[at], np.minimum(spaces[at + 1], ends)
    after_time = np.minimum(after_time, after_kind)
    times_ms, known = read_whole(data, starts, after_time)
    known &= times_ms <= _LAST_MS
    kinds = np.zeros(len(starts), np.uint8)
    for name, kind in NAMES.items():
        rows = np.flatnonzero(after_kind - after_time - 1 == len(name))
        for place, letter in enumerate(name.encode()):
            rows = rows[data[after_time[rows] + 1 + place] == letter]
        kinds[rows] = kind
    json = np.minimum(after_kind + 1, ends)
    enclosed = (ends - json >= 2) & (data[json] == _BEGIN) & (data[ends - 1] == _END)
    for line in np.flatnonzero(~known | (kinds == 0) | ~enclosed).tolist():
        text = data[starts[line] : ends[line]][:_SHOWN].tobytes().decode("utf-8", "replace")
        fields = text.split(" ", 2)
        if not known[line]:
            wrong[line] = f"{shown(fields[0])} is not a time in milliseconds since 1970"
        elif not kinds[line]:
            kind_name = shown(fields[1] if len(fields) > 1 else "")
            wrong[line] = f"{kind_name} is not one of {', '.join(NAMES)}"
        else:
            wrong[line] = "no JSON object from { to } after the kind"
        kinds[line] = 0
    return _Heads(starts, json, kinds, times_ms)


def _json_of(data: Bytes, heads: _Heads, lines: Integers) -> bytes:
    """The JSON of some lines, a line each."""
    wanted = np.zeros(len(heads.starts), np.bool_)
    wanted[lines] = True
    widths = np.empty(2 * len(wanted), np.int64)
    widths[0::2] = heads.json - heads.starts
    widths[1::2] = np.append(heads.starts[1:], len(data)) - heads.json
    keep = np.zeros(len(widths), np.bool_)
    keep[1::2] = wanted
    return data[np.repeat(keep, widths)].tobytes()


def _unscaled(found: Any, name: str) -> Integers:
    """The whole numbers behind decimals; raises _Wrong for one below 0 or too large."""
    words = np.frombuffer(found.buffers()[1], dtype="<i8")
    words = words[2 * found.offset : 2 * (found.offset + len(found))]
    low, high = words[0::2], words[1::2]
    if high.any() or (len(low) and (low.min() < 0 or low.max() > _LARGEST)):
        raise _Wrong(f"{name} is negative or too large")
    return low
