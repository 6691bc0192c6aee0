"""Orders that rested before a LOBSTER file starts: found in a first pass, put in by the second.

They show up as reductions, deletions and executions of an id that never came as a new
order. The first pass applies the messages to a book that only collects; what it refuses
as unknown is what is looked for. So memory follows the resting orders and the starters,
not the length of the file.

A starter gets the price of its first line, and as its size the sum of all that it loses
later. Ids grow with time, so it goes in before the first new order with a higher id: at
the place that its id has in the queue, and at the latest before its own first line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from ...._book import OrderBook
from ....dtypes import COMMAND_DTYPE
from ....enums import CommandKind, EventKind, Reason, Side, TradingState
from .lobster_messages import NEW, Messages, makes_command, rebuild_commands
from .source import Commands

_STARTER_DTYPE = np.dtype(
    [
        ("order_id", "<u8"),
        ("first_row", "<i8"),
        ("price_ticks", "<i8"),
        ("size", "<i8"),
        ("direction", "i1"),
    ]
)


class Starters:
    """What is known of the orders that rested before the start; empty until they are found."""

    def __init__(self) -> None:
        self._found = np.zeros(0, dtype=_STARTER_DTYPE)

    def __len__(self) -> int:
        return len(self._found)

    def add(self, rows: npt.NDArray[np.void], row_numbers: npt.NDArray[np.int64]) -> None:
        """Take in messages, in file order, that name an order that never came."""
        more = np.zeros(len(rows), dtype=_STARTER_DTYPE)
        more["order_id"] = rows["order_id"]
        more["first_row"] = row_numbers
        for name in ("price_ticks", "size", "direction"):
            more[name] = rows[name]
        together = np.concatenate([self._found, more])
        _, first, group = np.unique(together["order_id"], return_index=True, return_inverse=True)
        merged = together[first]
        merged["size"] = 0
        np.add.at(merged["size"], group, together["size"])
        self._found = merged

    def pending(self) -> Pending:
        """All of them, for one reading of the file, in ascending order of id."""
        return Pending(self._found)


class Pending:
    """The starters that are not yet in the book during one reading of the file."""

    def __init__(self, found: npt.NDArray[np.void]) -> None:
        self._left = found
        self._highest_new = np.uint64(0)

    def merge(
        self,
        commands: Commands,
        reach: npt.NDArray[np.int64],
        rows: npt.NDArray[np.void],
        first_row: int,
    ) -> tuple[Commands, npt.NDArray[np.int64]]:
        """Insert those that are due within these messages; the results are as the inputs."""
        new_ids = np.where(rows["type"] == NEW, rows["order_id"], np.uint64(0))
        highest = np.maximum(np.maximum.accumulate(new_ids), self._highest_new)
        self._highest_new = highest[-1]
        if not len(self._left):
            return commands, reach
        # The first message by which a starter must stand in the book, within this block.
        by_id = np.searchsorted(highest, self._left["order_id"], side="right")
        at_row = np.minimum(by_id, np.maximum(self._left["first_row"] - first_row, 0))
        is_due = at_row < len(rows)
        due, at_row = self._left[is_due], at_row[is_due]
        self._left = self._left[~is_due]
        if not len(due):
            return commands, reach
        placed = np.zeros(len(due), dtype=COMMAND_DTYPE)
        placed["kind"] = CommandKind.PLACE
        placed["timestamp_ns"] = rows["time_ns"][at_row]
        placed["order_id"] = due["order_id"]
        placed["price_ticks"] = due["price_ticks"]
        placed["qty_lots"] = due["size"]
        placed["side"] = np.where(due["direction"] < 0, Side.SELL, Side.BUY)
        before = reach[at_row] - makes_command(rows[at_row])
        merged = np.insert(commands, before, placed)
        added = np.searchsorted(np.sort(at_row), np.arange(len(rows)), side="right")
        return merged, reach + added


def find_starters(starters: Starters, messages: Iterable[Messages]) -> Iterator[int]:
    """The first pass: fill ``starters``, yielding how far into the file it has come, in bytes."""
    book = OrderBook()
    book.set_state(TradingState.AUCTION)
    for part in messages:
        commands, reach = rebuild_commands(part.rows)
        events = book.process(commands)
        unknown = (events["kind"] == EventKind.REJECTED) & (
            events["reason"] == Reason.UNKNOWN_ORDER
        )
        # Command number c belongs to the first message whose reach is beyond c.
        at_row = np.searchsorted(reach, events["command"][unknown], side="right")
        starters.add(part.rows[at_row], part.first_row + at_row)
        yield part.position
