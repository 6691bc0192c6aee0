"""Orders that rested before a recording starts: found in a first pass, put in by the second.

They show up as changes of an id that never came as a new order. The first pass applies the
messages to a book that only collects; what it refuses as unknown is what is looked for. So
memory follows the resting orders and the starters, not the length of the file.

A starter gets the price of its first message. Its quantity is what that message says was
left and lost, or else all that the order loses until it is said what is left, if ever. It
stands in the book from the start, those that are filled first in front, since a queue is
served in its order; where ids grow with time it goes in before the first new order with a
higher id, at the place that its id has in the queue, and at the latest before its own first
message. One whose first message is a REPLACE is taken as new at that message.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ..._messages import causes
from ...enums import CommandKind, EventKind, Reason
from .messages import MESSAGE_DTYPE, UNKNOWN, Action, Flag, Messages
from .readers.source import Recording
from .rebuild import collecting_book, rebuild_commands
from .split import by_market

_STARTER_DTYPE = np.dtype(
    [
        ("order_id", "<u8"),
        ("first", "<i8"),
        ("filled", "<i8"),
        ("timestamp_ns", "<i8"),
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("place", "<i8"),
        ("market", "<u4"),
        ("side", "u1"),
        ("action", "u1"),
        ("known", "?"),
    ]
)

_NEVER = np.iinfo(np.int64).max


class Starters:
    """What is known of the orders of one market that rested before the start."""

    def __init__(self) -> None:
        self._book = collecting_book()
        self._seen = 0
        self.found = np.zeros(0, dtype=_STARTER_DTYPE)
        """Ascending in ``order_id``. ``first`` counts the market's messages before the first one
        that names the order, ``filled`` those before it was first filled."""

    def add(self, messages: Messages) -> None:
        """Take in the next messages of the market."""
        commands, reach = rebuild_commands(messages)
        replaced = np.flatnonzero(commands["kind"] == CommandKind.REPLACE)
        at_row = causes(reach)
        if len(replaced):
            # Taken out and put in again: so an order whose first message is a change is met
            # as unknown once, and known from then on.
            out = commands[replaced]
            out["kind"] = CommandKind.CANCEL
            commands["kind"][replaced] = CommandKind.PLACE
            commands["side"][replaced] = messages["side"][at_row[replaced]]
            commands = np.insert(commands, replaced, out)
            at_row = np.insert(at_row, replaced, at_row[replaced])
        events = self._book.process(commands)
        unknown = (events["kind"] == EventKind.REJECTED) & (
            events["reason"] == Reason.UNKNOWN_ORDER
        )
        if unknown.any():
            self._meet(messages, at_row[events["command"][unknown]])
        self._learn_rest(messages)
        self._seen += len(messages)

    def _learn_rest(self, messages: Messages) -> None:
        """What a fill left of an order may be said by a REPLACE that restates it. That puts the
        order into the book of the first pass, so nothing that it loses later is counted."""
        restates = messages["flags"] & Flag.RESTATES != 0
        rows = np.flatnonzero(restates & (messages["action"] == Action.REPLACE))
        if not len(rows) or not len(self.found):
            return
        ids, first = np.unique(messages["order_id"][rows], return_index=True)
        at = np.minimum(np.searchsorted(self.found["order_id"], ids), len(self.found) - 1)
        one = self.found[at]
        learns = (one["order_id"] == ids) & ~one["known"] & (one["action"] != Action.REPLACE)
        at = at[learns]
        self.found["qty_lots"][at] += messages["qty_lots"][rows[first[learns]]]
        self.found["known"][at] = True

    def _meet(self, messages: Messages, rows: npt.NDArray[np.int64]) -> None:
        named = messages[rows]
        more = np.zeros(len(rows), dtype=_STARTER_DTYPE)
        more["first"] = self._seen + rows
        more["filled"] = np.where(named["action"] == Action.FILL, more["first"], _NEVER)
        for name in ("order_id", "timestamp_ns", "price_ticks", "place", "market", "side"):
            more[name] = named[name]
        more["action"] = named["action"]
        leaves = named["leaves_lots"]
        changes = named["action"] == Action.REPLACE
        lost = np.where(changes, 0, named["qty_lots"])
        more["known"] = (leaves != UNKNOWN) & ~changes
        more["qty_lots"] = lost + np.where(more["known"], leaves, 0)
        together = np.concatenate([self.found, more])
        _, first, group = np.unique(together["order_id"], return_index=True, return_inverse=True)
        merged = together[first]
        sums = np.zeros(len(merged), dtype=np.int64)
        np.add.at(sums, group, together["qty_lots"])
        merged["qty_lots"] = np.where(merged["known"], merged["qty_lots"], sums)
        np.minimum.at(merged["filled"], group, together["filled"])
        self.found = merged


def find_starters(recording: Recording) -> Iterator[tuple[int, dict[int, Starters]]]:
    """The first pass: yields how far it has come, in bytes, with what it has found so far."""
    found: dict[int, Starters] = {}
    for part in recording.parts():
        for market, rows in by_market(part.messages):
            found.setdefault(market, Starters()).add(part.messages[rows])
        yield part.position, found


def _run_starts(messages: Messages) -> npt.NDArray[np.int64]:
    """For each message where it would go in without parting executions of one moment."""
    executes = np.isin(messages["action"], (Action.FILL, Action.HIDDEN, Action.TRADE))
    goes_on = executes[1:] & executes[:-1] & (np.diff(messages["timestamp_ns"]) == 0)
    rows = np.arange(len(messages))
    rows[1:][goes_on] = 0
    return np.maximum.accumulate(rows)


class Pending:
    """The starters of one market that are not yet in the book during one reading."""

    def __init__(self, starters: Starters | None, *, by_id: bool) -> None:
        found = Starters().found if starters is None else starters.found
        self.submitted = found[found["action"] == Action.REPLACE]["order_id"]
        resting = found[(found["action"] != Action.REPLACE) & (found["qty_lots"] > 0)]
        self.resting: npt.NDArray[np.uint64] = resting["order_id"]
        """Ids of the orders that are put in as resting ones."""
        self.placed = 0
        """How many of them have been put in."""
        self._left = resting if by_id else resting[np.argsort(resting["filled"], kind="stable")]
        self._by_id = by_id
        self._highest_new = np.uint64(0)
        self._seen = 0

    def merge(self, messages: Messages) -> tuple[Messages, npt.NDArray[np.int64]]:
        """The messages with the starters that are due among them, as new orders.

        Also returns for each count of the given messages (0 to all) how many of the returned
        ones that is.
        """
        first, self._seen = self._seen, self._seen + len(messages)
        if len(self.submitted):
            messages = self._submit(messages)
        unchanged = np.arange(len(messages) + 1)
        if not len(self._left) or not len(messages):
            return messages, unchanged
        at_row = np.maximum(self._left["first"] - first, 0)
        if self._by_id:
            is_new = messages["action"] == Action.ADD
            new_ids = np.where(is_new, messages["order_id"], np.uint64(0))
            highest = np.maximum(np.maximum.accumulate(new_ids), self._highest_new)
            self._highest_new = highest[-1]
            by_id = np.searchsorted(highest, self._left["order_id"], side="right")
            at_row = np.minimum(by_id, at_row)
        else:
            at_row = np.zeros(len(self._left), dtype=np.int64)
        is_due = at_row < len(messages)
        if not is_due.any():
            return messages, unchanged
        due, at_row = self._left[is_due], _run_starts(messages)[at_row[is_due]]
        self._left = self._left[~is_due]
        self.placed += len(due)
        placed = np.zeros(len(due), dtype=MESSAGE_DTYPE)
        for name in ("order_id", "price_ticks", "qty_lots", "market", "side"):
            placed[name] = due[name]
        for name in ("timestamp_ns", "place"):
            placed[name] = messages[name][at_row]
        placed["leaves_lots"] = due["qty_lots"]
        placed["action"] = Action.ADD
        placed["flags"] = Flag.LAST | Flag.SNAPSHOT
        before = np.searchsorted(np.sort(at_row), unchanged, side="left")
        before[1:] = np.searchsorted(np.sort(at_row), unchanged[1:] - 1, side="right")
        return np.insert(messages, at_row, placed), unchanged + before

    def _submit(self, messages: Messages) -> Messages:
        """Take the first REPLACE of an order that was never new as a new order."""
        changes = np.flatnonzero(messages["action"] == Action.REPLACE)
        hits = changes[np.isin(messages["order_id"][changes], self.submitted)]
        if not len(hits):
            return messages
        ids, first = np.unique(messages["order_id"][hits], return_index=True)
        messages = messages.copy()
        messages["action"][hits[first]] = Action.ADD
        self.submitted = self.submitted[~np.isin(self.submitted, ids)]
        return messages
