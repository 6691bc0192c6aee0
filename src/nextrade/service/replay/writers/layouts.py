"""Which tables a replay can write, their columns, and how rows are made of what a book says.

Prices are ticks, quantities lots, times nanoseconds. ``place`` is where the message or
command that caused a row stands in the source: line, byte, or record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from ....dtypes import COMMAND_DTYPE, EVENT_DTYPE
from ....enums import EventKind, Reason, Side
from ....tables import trades
from ..messages import MESSAGE_DTYPE, Action
from ..native import CODED, COLUMNS

__all__ = [
    "COMMANDS",
    "EVENTS",
    "EVENTS_DTYPE",
    "MESSAGES",
    "TRADES",
    "TRADES_DTYPE",
    "Layout",
    "Records",
    "depth_layout",
    "depth_rows",
    "event_rows",
    "trade_rows",
]

Records = npt.NDArray[np.void]
_Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The columns of one kind of table."""

    name: str
    dtype: np.dtype[np.void]
    """The records that are written, and what a ``.npy`` file holds as it stands."""
    codes: Mapping[str, type[IntEnum]] = field(default_factory=dict)
    """The fields that CSV and Parquet show as names of an enum's members."""
    named_market: bool = True
    """Whether CSV and Parquet show the name of ``market`` in place of its number."""
    columns: tuple[str, ...] = ()
    """What CSV and Parquet show, in order; all fields of the dtype unless given."""

    @property
    def shown(self) -> tuple[str, ...]:
        """The columns of CSV and Parquet, in order."""
        return self.columns or self.dtype.names or ()


TRADES_DTYPE = np.dtype(
    [
        ("timestamp_ns", "<i8"),
        ("market", "<u4"),
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("taker_id", "<u8"),
        ("maker_id", "<u8"),
        ("taker_side", "u1"),
        ("taker_owner", "<u4"),
        ("maker_owner", "<u4"),
        ("taker_leaves_lots", "<i8"),
        ("maker_leaves_lots", "<i8"),
        ("trade_index", "<i8"),
        ("auction", "?"),
        ("place", "<i8"),
    ]
)
"""One trade. In an auction the "taker" is the buyer and its side is NONE."""

EVENTS_DTYPE = np.dtype(
    [(name, EVENT_DTYPE[name]) for name in EVENT_DTYPE.names or () if name != "command"]
    + [("market", np.dtype("<u4")), ("place", np.dtype("<i8"))]
)
"""One event of a book, with its market, and ``place`` instead of a position in a batch."""

TRADES = Layout("trades", TRADES_DTYPE, {"taker_side": Side})
EVENTS = Layout("events", EVENTS_DTYPE, {"kind": EventKind, "reason": Reason, "side": Side})
MESSAGES = Layout("messages", MESSAGE_DTYPE, {"action": Action, "side": Side})
COMMANDS = Layout("commands", COMMAND_DTYPE, CODED, named_market=False, columns=COLUMNS)


def depth_layout(levels: int) -> Layout:
    """The best levels of both sides at some moments, a row each; ValueError for no levels.

    Best level first, of each the bid before the ask; one that does not exist is 0 throughout.
    """
    if levels < 1:
        raise ValueError(f"levels must be at least 1, not {levels}")
    fields = [("timestamp_ns", "<i8"), ("place", "<i8"), ("market", "<u4")]
    fields += [
        (f"{side}_{what}_{level}", "<i8")
        for level in range(1, levels + 1)
        for side in ("bid", "ask")
        for what in ("price_ticks", "qty_lots", "orders")
    ]
    return Layout("depth", np.dtype(fields))


def trade_rows(events: Records, market: int, places: _Places) -> Records:
    """The trades among events; ``places[k]`` is the place of what became command ``k``."""
    found = trades(events)
    rows = np.empty(len(found), dtype=TRADES_DTYPE)
    for name in found.dtype.names or ():
        rows[name] = found[name]
    rows["market"] = market
    rows["place"] = places[events["command"][events["kind"] == EventKind.TRADE]]
    return rows


def event_rows(events: Records, market: int, places: _Places) -> Records:
    """All events; ``places[k]`` is the place of what became command ``k``."""
    rows = np.empty(len(events), dtype=EVENTS_DTYPE)
    for name in EVENT_DTYPE.names or ():
        if name != "command":
            rows[name] = events[name]
    rows["market"] = market
    rows["place"] = places[events["command"]]
    return rows


def depth_rows(
    timestamps_ns: npt.NDArray[np.int64], places: _Places, market: int, levels: Records
) -> Records:
    """Rows of ``depth_layout`` from DEPTH_DTYPE levels of shape (rows, 2, levels)."""
    rows = np.empty(len(levels), dtype=depth_layout(levels.shape[2]).dtype)
    rows["timestamp_ns"] = timestamps_ns
    rows["place"] = places
    rows["market"] = market
    for position, side in enumerate(("bid", "ask")):
        for level in range(levels.shape[2]):
            for what in ("price_ticks", "qty_lots", "orders"):
                rows[f"{side}_{what}_{level + 1}"] = levels[what][:, position, level]
    return rows
