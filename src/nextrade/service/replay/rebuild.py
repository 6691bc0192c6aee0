"""Messages to the commands that repeat on a book what the market did to its own.

The book that they go to is in the AUCTION state, where orders rest and nothing matches:
whatever traded is in the recording as what the orders lost.

Some recordings tell an execution twice: as a FILL, and by what it left. The FILL is taken,
and what restates it is passed over, but for a REPLACE: an order that was used up and is
shown again is an iceberg with its next slice, and stands at the back of its queue.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..._book import OrderBook
from ...dtypes import COMMAND_DTYPE
from ...enums import CommandKind, TradingState
from .messages import Action, Flag, Messages
from .readers.source import Commands

RECORDED_OWNER = 1
"""Who every recorded order belongs to in the book; agents are other owners."""

_KINDS = np.zeros(256, dtype=np.uint8)
_KINDS[[Action.ADD, Action.REDUCE, Action.CANCEL, Action.REPLACE, Action.FILL, Action.CLEAR]] = [
    CommandKind.PLACE,
    CommandKind.REDUCE,
    CommandKind.CANCEL,
    CommandKind.REPLACE,
    CommandKind.REDUCE,
    CommandKind.MASS_CANCEL,
]


_OWN_REPORT = Flag.REPORT | Flag.AGGRESSOR


def collecting_book() -> OrderBook:
    """A new book in which orders rest without matching."""
    book = OrderBook()
    book.set_state(TradingState.AUCTION)
    return book


def rebuild_commands(
    messages: Messages, *, by_id: bool = False
) -> tuple[Commands, npt.NDArray[np.int64]]:
    """The commands that repeat some messages, and for each message how many there are up to it.

    ``by_id``: orders queue by their ids, see ``commands_of``.
    """
    flags, actions = messages["flags"], messages["action"]
    kinds = _KINDS[actions]
    restates = flags & Flag.RESTATES != 0
    fills = actions == Action.FILL
    shows_again = restates & (actions == Action.REPLACE)
    kinds[restates & ~shows_again] = 0
    kinds[(flags & Flag.AUCTION != 0) & ~fills] = 0
    kinds[fills & (flags & _OWN_REPORT == _OWN_REPORT)] = 0
    # Of an order that nobody had seen it is told only that it is gone.
    kinds[fills & (messages["qty_lots"] == 0) & (messages["leaves_lots"] == 0)] = 0
    counts = (kinds != 0) + shows_again
    rows = np.repeat(np.arange(len(messages)), counts)
    reach = np.cumsum(counts, dtype=np.int64)
    command_kinds = kinds[rows]
    # Used up it is placed anew, at the back; otherwise there is something to replace, and the
    # second command is refused.
    command_kinds[reach[shows_again] - 1] = CommandKind.PLACE
    return commands_of(messages[rows], command_kinds, by_id=by_id), reach


def commands_of(messages: Messages, kinds: npt.NDArray[np.uint8], *, by_id: bool) -> Commands:
    """One command of the given kind for each message.

    A book queues by (timestamp, arrival). Where a market queues by id instead, a new order
    gets its id for a timestamp; ``true_times`` puts the times back into the events.
    """
    commands = np.zeros(len(messages), dtype=COMMAND_DTYPE)
    commands["kind"] = kinds
    for name in ("timestamp_ns", "order_id", "qty_lots", "market"):
        commands[name] = messages[name]
    places = kinds == CommandKind.PLACE
    priced = places | (kinds == CommandKind.REPLACE)
    commands["price_ticks"] = np.where(priced, messages["price_ticks"], 0)
    commands["side"] = np.where(places, messages["side"], 0)
    clears = kinds == CommandKind.MASS_CANCEL
    commands["owner"] = np.where(places | clears, RECORDED_OWNER, 0)
    commands["qty_lots"][(kinds == CommandKind.CANCEL) | clears] = 0
    if by_id:
        ids = commands["order_id"].astype(np.int64)
        commands["timestamp_ns"] = np.where(places, ids, commands["timestamp_ns"])
    # An execution that tells only what it left is a change to that quantity.
    silent = (messages["action"] == Action.FILL) & (messages["qty_lots"] == 0)
    if silent.any():
        leaves = messages["leaves_lots"]
        left = silent & (leaves > 0)
        commands["kind"][left] = CommandKind.REPLACE
        commands["qty_lots"][left] = leaves[left]
        commands["price_ticks"][left] = messages["price_ticks"][left]
    return commands


def true_times(
    events: npt.NDArray[np.void], times_ns: npt.NDArray[np.int64], *, by_id: bool
) -> npt.NDArray[np.void]:
    """Events with the times of their commands, where ids stood in for these."""
    if by_id:
        events["timestamp_ns"] = times_ns[events["command"]]
    return events
