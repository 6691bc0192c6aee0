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
from ..._messages import commands_for, repeating_commands
from ...enums import TradingState
from .messages import Messages
from .readers.source import Commands

RECORDED_OWNER = 1
"""Who every recorded order belongs to in the book; agents are other owners."""


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
    return repeating_commands(messages, by_id)


def commands_of(
    messages: Messages, kinds: npt.NDArray[np.uint8], *, by_id: bool
) -> tuple[Commands, npt.NDArray[np.int64]]:
    """One command of the given kind for each message, none where it is 0; and how many up to each.

    A book queues by (timestamp, arrival). Where a market queues by id instead, a new order
    gets its id for a timestamp; ``true_times`` puts the times back into the events. An
    execution that tells only what it left is a change to that quantity.
    """
    return commands_for(messages, kinds, by_id)


def true_times(
    events: npt.NDArray[np.void], messages: Messages, rows: npt.NDArray[np.int64], *, by_id: bool
) -> npt.NDArray[np.void]:
    """Events with the times of the messages behind their commands, where ids stood in for these.

    ``rows`` says for each command which message that is.
    """
    if by_id:
        events["timestamp_ns"] = messages["timestamp_ns"][rows[events["command"]]]
    return events


def joined(parts: list[npt.NDArray[np.void]]) -> npt.NDArray[np.void]:
    """Arrays of one record type (at least one array), one after the other.

    As ``np.concatenate``, which works out a common type anew, field by field, for each of
    them: many microseconds for records as wide as these.
    """
    if len(parts) == 1:
        return parts[0]
    packed = np.concatenate([part.view(np.uint8) for part in parts])
    return packed.view(parts[0].dtype)
