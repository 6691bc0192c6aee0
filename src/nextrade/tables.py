"""Events, commands, orders and depth as tables of pandas or polars, where those are installed.

Codes become readable categories; prices and quantities stay whole ticks and lots, and
with a market the exact decimals stand beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .domain.units import INT64_MAX
from .dtypes import COMMAND_DTYPE, EVENT_DTYPE
from .enums import (
    CommandKind,
    EventFlag,
    EventKind,
    OrderType,
    PostOnly,
    Reason,
    SelfTrade,
    Side,
    TimeInForce,
    TradingState,
)
from .errors import MissingExtra

if TYPE_CHECKING:
    import pandas
    import polars

    from .domain.markets import Market

__all__ = ["TRADE_DTYPE", "to_pandas", "to_polars", "trades"]

_Records = npt.NDArray[np.void]

TRADE_DTYPE = np.dtype(
    [
        ("trade_index", "<i8"),
        ("timestamp_ns", "<i8"),
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("taker_id", "<u8"),
        ("maker_id", "<u8"),
        ("taker_owner", "<u4"),
        ("maker_owner", "<u4"),
        ("taker_leaves_lots", "<i8"),
        ("maker_leaves_lots", "<i8"),
        ("taker_side", "u1"),
        ("auction", "?"),
    ]
)
"""One trade a record. In an auction the "taker" is the buyer and its side is NONE."""

CODES: dict[str, type[IntEnum]] = {
    "reason": Reason,
    "side": Side,
    "taker_side": Side,
    "order_type": OrderType,
    "time_in_force": TimeInForce,
    "post_only": PostOnly,
    "self_trade": SelfTrade,
    "state": TradingState,
}
"""Which fields of any record are codes, and of what; whoever defines records adds to it."""

_KINDS: dict[np.dtype[np.void], type[IntEnum]] = {
    EVENT_DTYPE: EventKind,
    COMMAND_DTYPE: CommandKind,
}
_UNKNOWN = "UNKNOWN"
"""What a code of no member is called; only refused commands have one."""

_PRICES = {"price_ticks": "price", "trigger_ticks": "trigger"}
_QUANTITIES = {
    "qty_lots": "qty",
    "visible_lots": "visible",
    "hidden_lots": "hidden",
}


def trades(events: _Records) -> _Records:
    """The trades among events, as an array of TRADE_DTYPE in the order in which they happened.

    ``taker_leaves_lots`` of a market order by amount counts what is left of its amount.
    Raises TypeError for anything but an array of EVENT_DTYPE.
    """
    if not isinstance(events, np.ndarray) or events.dtype != EVENT_DTYPE:
        raise TypeError("trades() takes the events of OrderBook.process, an array of EVENT_DTYPE")
    happened = events[events["kind"] == EventKind.TRADE]
    table = np.zeros(len(happened), dtype=TRADE_DTYPE)
    for name in ("trade_index", "timestamp_ns", "price_ticks", "qty_lots", "maker_id"):
        table[name] = happened[name]
    for name in ("maker_owner", "maker_leaves_lots"):
        table[name] = happened[name]
    table["taker_id"] = happened["order_id"]
    table["taker_owner"] = happened["owner"]
    table["taker_leaves_lots"] = happened["leaves_lots"]
    table["taker_side"] = happened["side"]
    table["auction"] = (happened["flags"] & EventFlag.AUCTION) != 0
    return table


def to_pandas(records: _Records, market: Market | None = None) -> pandas.DataFrame:
    """A pandas DataFrame of any record array of this package, one column a field.

    Codes (kind, reason, side, ...) are categories of their names. With a market there are
    also exact ``Decimal`` columns: ``price`` and ``trigger`` in the quote asset, ``qty``
    (and visible, hidden) in the base asset. Raises MissingExtra if pandas is not installed,
    TypeError for an array without named fields.
    """
    columns = _columns(records)
    try:
        import pandas
    except ImportError as error:
        raise _missing("pandas") from error
    data: dict[str, Any] = {}
    for name, (values, names) in columns.items():
        if names is None:
            data[name] = values
        else:
            data[name] = pandas.Categorical.from_codes(values, names)
    for name, (texts, _) in _decimals(records, market).items():
        data[name] = np.array([Decimal(text) for text in texts], dtype=object)
    return pandas.DataFrame(data)


def to_polars(records: _Records, market: Market | None = None) -> polars.DataFrame:
    """A polars DataFrame, as ``to_pandas``; codes are of type Enum, decimals of type Decimal.

    Raises MissingExtra if polars is not installed, TypeError for an array without named fields.
    """
    columns = _columns(records)
    try:
        import polars
    except ImportError as error:
        raise _missing("polars") from error
    series: list[polars.Series] = []
    for name, (values, names) in columns.items():
        if names is None:
            series.append(polars.Series(name, values))
        else:
            codes = polars.Series(name, values.astype(np.uint32))
            labels = polars.Series(name, names, dtype=polars.String)
            series.append(labels.gather(codes).cast(polars.Enum(names)).alias(name))
    for name, (texts, scale) in _decimals(records, market).items():
        column = polars.Series(name, texts, dtype=polars.String)
        series.append(column.cast(polars.Decimal(38, scale)))
    return polars.DataFrame(series)


def _missing(package: str) -> MissingExtra:
    return MissingExtra(
        f"{package} is not installed; install it with: pip install 'nextrade[{package}]'"
    )


def _columns(records: _Records) -> dict[str, tuple[npt.NDArray[Any], list[str] | None]]:
    """For each field that says something: contiguous values, and names by code if it has any."""
    if not isinstance(records, np.ndarray) or records.dtype.names is None:
        raise TypeError("a record array of nextrade is needed, for example of EVENT_DTYPE")
    if records.ndim != 1:
        raise TypeError(f"a one-dimensional array is needed, not one of {records.ndim} dimensions")
    columns: dict[str, tuple[npt.NDArray[Any], list[str] | None]] = {}
    for name in records.dtype.names:
        if name == "reserved":
            continue
        enum = _KINDS.get(records.dtype) if name == "kind" else CODES.get(name)
        names = None if enum is None else [member.name for member in enum] + [_UNKNOWN]
        values = np.ascontiguousarray(records[name])
        if enum is not None:
            values = _member_positions(values, enum)
        columns[name] = (values, names)
    return columns


def _member_positions(codes: npt.NDArray[Any], enum: type[IntEnum]) -> npt.NDArray[Any]:
    """Codes as positions among the members, the position after the last for unknown ones.

    UNKNOWN is a category even where nothing is unknown, so that tables of two batches join.
    """
    members = list(enum)
    positions = np.full(256, len(members), dtype=np.uint8)
    positions[[member.value for member in members]] = np.arange(len(members))
    found: npt.NDArray[Any] = positions[codes]
    return found


def _decimals(records: _Records, market: Market | None) -> dict[str, tuple[list[str], int]]:
    """Exact decimal text of prices and quantities with its decimals, by column name."""
    if market is None:
        return {}
    names = records.dtype.names or ()
    texts: dict[str, tuple[list[str], int]] = {}
    for fields, convert in ((_PRICES, market.prices_text), (_QUANTITIES, market.qtys_text)):
        for field, name in fields.items():
            if field in names:
                decimals = len(str(convert(np.zeros(1, dtype=np.int64))[0]).partition(".")[2])
                texts[name] = (_signed(convert, records[field]), decimals)
    return texts


def _signed(
    convert: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.str_]], values: npt.NDArray[np.int64]
) -> list[str]:
    """Text of values; a refused command may hold negative ones, which its table still shows."""
    negative = values < 0
    # The least int64 has no positive counterpart: its text is one step short.
    texts: list[str] = convert(np.abs(np.maximum(values, -INT64_MAX))).tolist()
    for at in np.flatnonzero(negative).tolist():
        texts[at] = f"-{texts[at]}"
    return texts
