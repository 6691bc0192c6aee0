"""What the records of a Databento event with executions are to whoever matches it.

Each T begins a group that the F records up to the next T belong to. A T that names a side is
an aggressive order and each F of its group one that it hit, unless that F is the aggressor's
own: an order that rested and was modified into a cross is told as T and as F. A T without a
side is the trade of a call auction if F records follow, otherwise the execution of an order
that was never shown.

A C or M that follows for an order that was hit restates what the F said. Not so a C or M of
the aggressor itself: it makes room for, or is, the request that traded.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..messages import Flag

_TRADE, _FILL, _CANCEL, _MODIFY = map(ord, "TFCM")
_BUY, _SELL = map(ord, "BA")


class EventReading(NamedTuple):
    """Some rows, and what they were found to be."""

    rows: npt.NDArray[np.intp]
    flags: npt.NDArray[np.uint16]
    """Flags to add."""
    hidden: npt.NDArray[np.bool_]
    """Executions of orders that were never shown."""


def read_executions(
    rows: npt.NDArray[np.intp],
    event: npt.NDArray[np.int64],
    action: npt.NDArray[np.uint8],
    side: npt.NDArray[np.uint8],
    order_id: npt.NDArray[np.uint64],
) -> EventReading:
    """Read whole events, each in its own order; ``event`` ascends."""
    is_trade, is_fill = action == _TRADE, action == _FILL
    sided = (side == _BUY) | (side == _SELL)
    same_event = np.zeros(len(rows), dtype=np.bool_)
    same_event[1:] = event[1:] == event[:-1]
    begins = is_trade | ~same_event
    # Trades of one auction that stand together share the fills that follow.
    auction = is_trade & ~sided
    begins[1:] &= ~(auction[1:] & auction[:-1] & same_event[1:])
    group = np.cumsum(begins) - 1
    head = np.flatnonzero(begins)[group]
    filled = np.zeros(int(group[-1]) + 1, dtype=np.bool_)
    filled[group[is_fill]] = True

    headed = is_trade[head]
    own = (order_id == order_id[head]) & (order_id != 0) | (side == side[head])
    of_aggressor = is_fill & headed & sided[head] & own
    of_auction = headed & ~sided[head] & filled[group]

    flags = np.zeros(len(rows), dtype=np.uint16)
    flags[is_fill] = Flag.REPORT
    flags[of_aggressor] |= np.uint16(Flag.AGGRESSOR)
    flags[of_auction & (is_trade | is_fill)] |= np.uint16(Flag.AUCTION)
    changes = (action == _CANCEL) | (action == _MODIFY)
    restated = _named_before(is_fill & ~of_aggressor, changes, event, order_id)
    flags[restated] |= np.uint16(Flag.RESTATES)
    return EventReading(rows, flags, auction & ~filled[group])


def _named_before(
    makers: npt.NDArray[np.bool_],
    changes: npt.NDArray[np.bool_],
    event: npt.NDArray[np.int64],
    order_id: npt.NDArray[np.uint64],
) -> npt.NDArray[np.intp]:
    """The rows of ``changes`` whose order a row of ``makers`` named earlier in the event."""
    both = np.flatnonzero(makers | changes)
    if not len(both):
        return both
    both = both[np.lexsort((order_id[both], event[both]))]
    events, ids, named = event[both], order_id[both], makers[both]
    first = np.ones(len(both), dtype=np.bool_)
    first[1:] = (events[1:] != events[:-1]) | (ids[1:] != ids[:-1])
    count = np.cumsum(named)
    start = np.flatnonzero(first)
    before: npt.NDArray[np.int64] = (count - named)[start][np.cumsum(first) - 1]
    return both[~named & (count > before)]
