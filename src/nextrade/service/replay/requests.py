"""Messages to what participants asked for, and to the fills that a matching engine must find.

Only new, replace and cancel requests go in; the engine decides. Where a recording does not
show the aggressive order itself, it is worked out from what it hit: its quantity is the sum
of the fills, its limit the worst of their prices, and it is immediate-or-cancel.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..._messages import complete_records, event_ends, requesting_kinds
from ...enums import CommandKind, OrderType, Side, TimeInForce
from .messages import Action, Aggressors, Flag, Messages
from .readers.source import Commands
from .rebuild import RECORDED_OWNER, commands_of

SYNTHETIC_ID = np.uint64(1 << 63)
"""Aggressive orders that the recording does not name have ids from here on."""

AGGRESSOR_DTYPE = np.dtype(
    [
        ("command", "<i8"),
        ("first", "<i8"),
        ("end", "<i8"),
        ("place", "<i8"),
        ("qty_lots", "<i8"),
        ("limit_ticks", "<i8"),
        ("side", "u1"),
    ]
)
"""One recorded aggressive order: its command; its messages from ``first`` to before ``end``, at
which its event is complete."""

FILL_DTYPE = np.dtype(
    [("aggressor", "<i8"), ("maker_id", "<u8"), ("price_ticks", "<i8"), ("qty_lots", "<i8")]
)
"""One recorded fill of the aggressive order at that position, in matching order."""


class Requests(NamedTuple):
    """What goes into the engine for some messages, and what must come out."""

    commands: Commands
    reach: npt.NDArray[np.int64]
    """How many of the commands belong to the messages up to each."""
    aggressors: npt.NDArray[np.void]
    fills: npt.NDArray[np.void]


def complete(messages: Messages, style: Aggressors) -> int:
    """How many of the messages can be read without those that follow."""
    if style not in (Aggressors.INFERRED, Aggressors.PRINTED):
        return len(messages)
    return complete_records(messages, style == Aggressors.PRINTED)


def requests(
    messages: Messages,
    style: Aggressors,
    *,
    auctions_match: bool,
    first_id: int,
    by_id: bool = False,
    slices: npt.NDArray[np.int64] | None = None,
) -> Requests:
    """The requests behind some messages that are ``complete``.

    ``auctions_match``: the engine runs call auctions itself, so their fills are answers too;
    otherwise they are taken off the orders. ``first_id`` numbers the synthetic orders;
    ``by_id`` as ``commands_of``. ``slices`` are the messages that show an iceberg's next slice.
    """
    kinds, fill_rows, breaks, unpriced = requesting_kinds(messages, auctions_match)
    if slices is not None:
        kinds[slices] = CommandKind.PLACE
    heads, group = _GROUPINGS[style](messages, fill_rows, breaks)
    grouped = group >= 0
    if not grouped.all():
        fill_rows, group = fill_rows[grouped], group[grouped]
    first = np.diff(group, prepend=-1) != 0
    heads, group = heads[group[first]], np.cumsum(first) - 1

    aggressors = np.zeros(len(heads), dtype=AGGRESSOR_DTYPE)
    fills = np.zeros(len(fill_rows), dtype=FILL_DTYPE)
    fills["aggressor"] = group
    fills["maker_id"] = messages["order_id"][fill_rows]
    for name in ("price_ticks", "qty_lots"):
        fills[name] = messages[name][fill_rows]
    if len(heads):
        _describe(aggressors, messages, heads, fill_rows, group)

    synthetic = style in (Aggressors.INFERRED, Aggressors.PRINTED)
    if synthetic:
        kinds[heads] = CommandKind.PLACE
    commands, reach = commands_of(messages, kinds, by_id=by_id)
    aggressors["command"] = reach[heads] - 1
    if synthetic:
        _synthesise(commands, aggressors, first_id)
    unpriced = reach[unpriced[kinds[unpriced] != 0]] - 1
    if len(unpriced):
        unpriced = unpriced[commands["kind"][unpriced] == CommandKind.PLACE]
        commands["order_type"][unpriced] = OrderType.MARKET_TO_LIMIT
        commands["price_ticks"][unpriced] = 0
    return Requests(commands, reach, aggressors, fills)


def _describe(
    aggressors: npt.NDArray[np.void],
    messages: Messages,
    heads: npt.NDArray[np.int64],
    fill_rows: npt.NDArray[np.int64],
    group: npt.NDArray[np.int64],
) -> None:
    """What is known of each aggressive order from its fills."""
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    ends = np.append(starts[1:], len(group))
    prices = messages["price_ticks"][fill_rows]
    side = 1 - messages["side"][fill_rows[starts]].astype(np.int64)
    aggressors["first"] = heads
    aggressors["end"] = event_ends(messages, fill_rows[ends - 1])
    aggressors["place"] = messages["place"][heads]
    aggressors["qty_lots"] = np.add.reduceat(messages["qty_lots"][fill_rows], starts)
    aggressors["limit_ticks"] = np.where(
        side == Side.BUY, np.maximum.reduceat(prices, starts), np.minimum.reduceat(prices, starts)
    )
    aggressors["side"] = side


def _synthesise(commands: Commands, aggressors: npt.NDArray[np.void], first_id: int) -> None:
    at = aggressors["command"]
    commands["order_id"][at] = (
        SYNTHETIC_ID + np.uint64(first_id) + np.arange(len(at), dtype=np.uint64)
    )
    commands["price_ticks"][at] = aggressors["limit_ticks"]
    commands["qty_lots"][at] = aggressors["qty_lots"]
    commands["side"][at] = aggressors["side"]
    commands["time_in_force"][at] = TimeInForce.IOC
    commands["owner"][at] = RECORDED_OWNER


_Rows = npt.NDArray[np.int64]
_Grouping = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Head message of each possible aggressive order, and for each fill which of them (or -1)."""


def _inferred(messages: Messages, fill_rows: _Rows, breaks: _Rows) -> _Grouping:
    """Runs of fills of one time and side that no request interrupts.

    One order takes all that it can of another at once, so where an order is hit twice in a
    row there were two.
    """
    starts = np.ones(len(fill_rows), dtype=np.bool_)
    starts[1:] = breaks[1:] != breaks[:-1]
    for name in ("timestamp_ns", "side"):
        values = messages[name][fill_rows]
        starts[1:] |= values[1:] != values[:-1]
    ids = messages["order_id"][fill_rows]
    starts[1:] |= ids[1:] == ids[:-1]
    return fill_rows[starts], np.cumsum(starts) - 1


def _printed(messages: Messages, fill_rows: _Rows, _breaks: _Rows) -> _Grouping:
    """The fills after a TRADE are those of its aggressor, up to one of another order."""
    flags = messages["flags"]
    event = np.cumsum(flags & Flag.LAST != 0) - (flags & Flag.LAST != 0)
    is_trade = (messages["action"] == Action.TRADE) & (flags & Flag.AUCTION == 0)
    trades = np.flatnonzero(is_trade)
    if not len(trades):
        return trades, np.full(len(fill_rows), -1)
    starts = np.zeros(len(trades), dtype=np.bool_)
    starts[0] = True
    for values in (messages["order_id"], messages["side"], event):
        starts[1:] |= values[trades[1:]] != values[trades[:-1]]
    heads = trades[starts]
    group = np.searchsorted(heads, fill_rows, side="right") - 1
    same_event = event[heads[np.maximum(group, 0)]] == event[fill_rows]
    return heads, np.where((group >= 0) & same_event, group, -1)


def _submitted(messages: Messages, fill_rows: _Rows, _breaks: _Rows) -> _Grouping:
    """The fills after an ADD or REPLACE within its event are its own."""
    flags = messages["flags"]
    event = np.cumsum(flags & Flag.LAST != 0) - (flags & Flag.LAST != 0)
    heads = np.flatnonzero(np.isin(messages["action"], (Action.ADD, Action.REPLACE)))
    if not len(heads):
        return heads, np.full(len(fill_rows), -1)
    group = np.searchsorted(heads, fill_rows, side="right") - 1
    same_event = event[heads[np.maximum(group, 0)]] == event[fill_rows]
    return heads, np.where((group >= 0) & same_event, group, -1)


def _unlinked(_messages: Messages, fill_rows: _Rows, _breaks: _Rows) -> _Grouping:
    """The recording does not say."""
    return np.zeros(0, dtype=np.int64), np.full(len(fill_rows), -1)


_GROUPINGS = {
    Aggressors.INFERRED: _inferred,
    Aggressors.PRINTED: _printed,
    Aggressors.SUBMITTED: _submitted,
    Aggressors.UNLINKED: _unlinked,
}
