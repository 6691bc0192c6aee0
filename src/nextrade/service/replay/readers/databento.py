"""Databento market-by-order records, whatever file they stand in, to messages.

A record has an action: A add, C cancel (``size`` is what is taken off, the order may go
on), M modify (price and size are what it has now), R clear, T trade (side and id of the
aggressor; some venues do not tell the id), F fill of an order that rested, N nothing. An
execution is told more than once: T and F say what happened, and the C or M of the same event
that follows for the order of an F changes the book.

How events are cut, as the two venues at hand do it. On CME the records of one event share
``ts_event``, pass over several sequence numbers, and only the last carries F_LAST (bit 128
of ``flags``); it is the last of its instrument, so events of instruments may interlock. On
Nasdaq the records of one packet are one event, of several ``ts_event`` and sequence numbers;
but T, F and C of one execution carry F_LAST each. So an event ends at F_LAST, unless the
record belongs to a run with one time and sequence number in which a T or F came before. An R
is complete in itself. A file without flags has only the second half: T and F begin an event
that lasts as long as ``ts_event``.

Records with flag bit 32 are a snapshot: level by level, each in the order of its queue, with
the times at which the orders came. Those times do not ascend, and an order that was modified
stands behind a younger one; so ``ts_recv``, the time of the snapshot, counts instead. And
because a book orders a level by time first, no message is earlier than the one before it in
its market: where ``ts_event`` steps back, or is undefined, the time before stays.

Formats as in Databento's "Market by order" schema and the enums of its package databento-dbn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ....enums import Side
from ....errors import DataError
from ..messages import MESSAGE_DTYPE, UNKNOWN, Action, Aggressors, Flag, Messages
from .databento_events import EventReading, read_executions
from .source import BadRecords

LAST, SNAPSHOT = 128, 32
"""Bits of ``flags``."""
UNDEFINED_PRICE = 2**63 - 1
UNDEFINED_SIZE = 2**32 - 1
MAX_EVENT = 1_000_000
"""Records held back until their event is complete."""
MAX_PEEKED = 1_000_000
"""Records looked at for a first trade when a file is opened."""

ACTIONS = {letter: ord(letter) for letter in "ACMRTFN"}
SIDES = {letter: ord(letter) for letter in "BAN"}


def _table(codes: Mapping[int, int], otherwise: int) -> bytes:
    """For ``_looked_up``: the code for each byte."""
    return bytes(codes.get(byte, otherwise) for byte in range(256))


def _looked_up(letters: npt.NDArray[np.uint8], table: bytes) -> npt.NDArray[np.uint8]:
    """The code of each letter; many times as fast as NumPy's own indexing."""
    return np.frombuffer(bytearray(letters.tobytes().translate(table)), dtype=np.uint8)


_ADD, _CANCEL, _MODIFY, _CLEAR, _TRADE, _FILL, _NOTHING = ACTIONS.values()

_ACTION = _table(
    {
        _ADD: Action.ADD,
        _CANCEL: Action.REDUCE,
        _MODIFY: Action.REPLACE,
        _CLEAR: Action.CLEAR,
        _TRADE: Action.TRADE,
        _FILL: Action.FILL,
        _NOTHING: Action.NOTE,
    },
    otherwise=0,
)
_NO_SIDE = 255
_SIDE = _table(
    {SIDES["B"]: Side.BUY, SIDES["A"]: Side.SELL, SIDES["N"]: Side.NONE, 0: Side.NONE},
    otherwise=_NO_SIDE,
)


class Columns(NamedTuple):
    """Records as the file has them, column by column."""

    ts_event: npt.NDArray[np.int64]
    ts_recv: npt.NDArray[np.int64] | None
    action: npt.NDArray[np.uint8]
    """The letter's code; of ``side`` too."""
    side: npt.NDArray[np.uint8]
    price: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    order_id: npt.NDArray[np.uint64]
    flags: npt.NDArray[np.uint8] | None
    sequence: npt.NDArray[np.int64] | None
    market: npt.NDArray[np.uint32]
    place: npt.NDArray[np.int64]

    def take(self, which: Any) -> Columns:
        """Some of the rows: by slice, mask or positions."""
        return Columns._make(None if column is None else column[which] for column in self)

    @property
    def snapshot(self) -> npt.NDArray[np.bool_] | None:
        """Which rows are of a snapshot; None if there are none."""
        if self.flags is None:
            return None
        found: npt.NDArray[np.bool_] = (self.flags & SNAPSHOT) != 0
        return found if found.any() else None


def joined(parts: Sequence[Columns]) -> Columns:
    """One after the other; all have the same columns."""
    if len(parts) == 1:
        return parts[0]
    return Columns._make(
        None if columns[0] is None else np.concatenate(columns)
        for columns in zip(*parts, strict=True)
    )


class Assembler:
    """Takes in the records of one file block by block and hands out whole events."""

    def __init__(self, path: Path, place_name: str, bad: BadRecords) -> None:
        self._path = path
        self._place_name = place_name
        self._bad = bad
        self._held: Columns | None = None
        self._latest = np.zeros(0, dtype=np.int64)

    def add(self, columns: Columns) -> tuple[Columns, Messages]:
        """The next records; returns those whose events are complete, and their messages."""
        columns = self._checked(columns)
        if self._held is not None:
            columns = joined([self._held, columns])
        ends = _event_ends(columns)
        cut = _last_cut(columns.market, ends)
        if len(ends) - cut > MAX_EVENT:
            self._bad.meet(
                self._error(
                    int(columns.place[cut]),
                    f"an event of more than {MAX_EVENT:,} records; its last record should have"
                    " bit 128 of the flags",
                )
            )
            cut = len(ends)
        self._held = columns.take(slice(cut, None)) if cut < len(ends) else None
        return self._decoded(columns.take(slice(cut)), ends[:cut])

    def rest(self) -> tuple[Columns, Messages] | None:
        """What is left at the end of the file: an event that the file breaks off."""
        columns, self._held = self._held, None
        if columns is None:
            return None
        ends = _event_ends(columns)
        # The end of the file ends the last run of T, F and what goes with them.
        ends[-1] = columns.flags is None or bool(columns.flags[-1] & LAST)
        return self._decoded(columns, ends)

    def _decoded(self, columns: Columns, ends: npt.NDArray[np.bool_]) -> tuple[Columns, Messages]:
        snapshot = columns.snapshot
        order = _by_market(columns.market)
        messages = np.empty(len(ends), dtype=MESSAGE_DTYPE)
        messages["timestamp_ns"] = self._times(columns, snapshot, order)
        messages["order_id"] = columns.order_id
        messages["price_ticks"] = _zero_if(columns.price, UNDEFINED_PRICE)
        sizes = _zero_if(columns.size, UNDEFINED_SIZE)
        messages["qty_lots"] = sizes
        messages["leaves_lots"] = UNKNOWN
        messages["place"] = columns.place
        messages["market"] = columns.market
        messages["side"] = _looked_up(columns.side, _SIDE)
        actions = _looked_up(columns.action, _ACTION)
        without_size = sizes == 0
        if without_size.any():
            actions[without_size & (columns.action == _CANCEL)] = Action.CANCEL
        if snapshot is None or columns.flags is None:
            flags = ends * np.uint16(Flag.LAST)
        else:
            complete = ends & (~snapshot | ((columns.flags & LAST) != 0))
            flags = complete * np.uint16(Flag.LAST) | snapshot * np.uint16(Flag.SNAPSHOT)
        read = _read(columns, ends, order)
        if read is not None:
            actions[read.rows[read.hidden]] = Action.HIDDEN
            flags[read.rows] |= read.flags
        messages["action"] = actions
        messages["flags"] = flags
        return columns, messages

    def _times(
        self,
        columns: Columns,
        snapshot: npt.NDArray[np.bool_] | None,
        order: npt.NDArray[np.intp] | None,
    ) -> npt.NDArray[np.int64]:
        """The time of each message, never earlier than the one before in its market."""
        times = columns.ts_event
        if not len(times):
            return times
        if columns.ts_recv is not None and snapshot is not None:
            times = np.where(snapshot, columns.ts_recv, times)
        highest = int(columns.market.max())
        if highest >= len(self._latest):
            more = np.zeros(highest + 1 - len(self._latest), dtype=np.int64)
            self._latest = np.concatenate([self._latest, more])
        if order is None:
            market = columns.market[0]
            if times[0] < self._latest[market] or (times[1:] < times[:-1]).any():
                times = np.maximum.accumulate(np.maximum(times, self._latest[market]))
            self._latest[market] = times[-1]
            return times
        markets = columns.market[order]
        in_order = times[order]
        firsts = np.flatnonzero(np.append(True, markets[1:] != markets[:-1]))
        in_order[firsts] = np.maximum(in_order[firsts], self._latest[markets[firsts]])
        lasts = np.append(firsts[1:], len(markets))
        back = np.flatnonzero((in_order[1:] < in_order[:-1]) & (markets[1:] == markets[:-1]))
        for segment in np.unique(np.searchsorted(firsts, back, side="right") - 1).tolist():
            rows = slice(firsts[segment], lasts[segment])
            in_order[rows] = np.maximum.accumulate(in_order[rows])
        self._latest[markets[firsts]] = in_order[lasts - 1]
        result = np.empty_like(in_order)
        result[order] = in_order
        return result

    def _checked(self, columns: Columns) -> Columns:
        """Leave out, or complain of, records that say nothing that can be repeated."""
        unknown = _looked_up(columns.action, _ACTION) == 0
        sides = _looked_up(columns.side, _SIDE)
        aimless = (columns.action == _ADD) & (sides >= Side.NONE)
        wrong = unknown | (sides == _NO_SIDE) | aimless
        priceless = columns.price == UNDEFINED_PRICE
        if priceless.any():
            priceless &= (columns.action == _ADD) | (columns.action == _MODIFY)
            wrong |= priceless
        if not wrong.any():
            return columns
        for row in np.flatnonzero(wrong).tolist():
            letter = chr(columns.action[row])
            if unknown[row]:
                said = f"action {letter!r} is not one of {', '.join(ACTIONS)}"
            elif sides[row] == _NO_SIDE:
                said = f"side {chr(columns.side[row])!r} is not one of {', '.join(SIDES)}"
            elif aimless[row]:
                said = "a new order (action A) has no side"
            else:
                said = f"an order with action {letter} has no price"
            self._bad.meet(self._error(int(columns.place[row]), said))
        return columns.take(~wrong)

    def _error(self, place: int, said: str) -> DataError:
        return DataError(f"{self._path}, {self._place_name} {place}: {said}")


def first_look(blocks: Iterator[tuple[Columns, int]]) -> tuple[Aggressors, bool]:
    """What must be known before all is read: how aggressors are shown, and whether the file
    starts from an empty book or with all of one.

    The first trade that has a side tells whether trades name their aggressor. If there is none
    within MAX_PEEKED records, they do not.
    """
    starts_empty: bool | None = None
    seen = 0
    # What is damaged is met again when the file is read, and said then.
    with suppress(DataError):
        for columns, _ in blocks:
            if starts_empty is None and len(columns.action):
                is_snapshot = columns.flags is not None and columns.flags[0] & SNAPSHOT
                starts_empty = bool(is_snapshot or columns.action[0] == _CLEAR)
            sided = (columns.side == SIDES["B"]) | (columns.side == SIDES["A"])
            trades = np.flatnonzero((columns.action == _TRADE) & sided)
            if len(trades):
                named = columns.order_id[trades[0]] != 0
                return Aggressors.PRINTED if named else Aggressors.INFERRED, bool(starts_empty)
            seen += len(columns.action)
            if seen >= MAX_PEEKED:
                break
    return Aggressors.INFERRED, bool(starts_empty)


def _zero_if(values: npt.NDArray[np.int64], undefined: int) -> npt.NDArray[np.int64]:
    """The values, zero for what stands for none."""
    missing = values == undefined
    return np.where(missing, 0, values) if missing.any() else values


def _event_ends(columns: Columns) -> npt.NDArray[np.bool_]:
    """Which records end an event.

    Of the last record it may be unknown, for want of the next one; then it does not.
    """
    count = len(columns.action)
    if columns.flags is None:
        ends = np.ones(count, dtype=np.bool_)
    else:
        ends = (columns.flags & (LAST | SNAPSHOT)) != 0
    executions = np.flatnonzero((columns.action == _TRADE) | (columns.action == _FILL))
    if len(executions):
        goes_on = np.ones(count, dtype=np.bool_)
        goes_on[:-1] = columns.ts_event[1:] == columns.ts_event[:-1]
        goes_on[:-1] &= columns.market[1:] == columns.market[:-1]
        if columns.flags is not None and columns.sequence is not None:
            goes_on[:-1] &= columns.sequence[1:] == columns.sequence[:-1]
        rows = np.flatnonzero(ends & goes_on)
        starts = np.append(0, np.flatnonzero(~goes_on) + 1)
        start = starts[np.searchsorted(starts, rows, side="right") - 1]
        first = np.append(executions, count)[np.searchsorted(executions, start)]
        ends[rows[first <= rows]] = False
    ends |= columns.action == _CLEAR
    return ends


def _by_market(market: npt.NDArray[np.uint32]) -> npt.NDArray[np.intp] | None:
    """The order that brings the rows of each market together; None if there is but one."""
    if not len(market) or (market == market[0]).all():
        return None
    return np.argsort(market, kind="stable")


def _changes(market: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """Whether each row but the first is of another market than the one before it."""
    changed: npt.NDArray[np.bool_] = market[1:] != market[:-1]
    return changed


def _last_cut(market: npt.NDArray[np.uint32], ends: npt.NDArray[np.bool_]) -> int:
    """The most rows after which no market is inside an event."""
    order = _by_market(market)
    if order is None:
        found = np.flatnonzero(ends[::-1])
        return len(ends) - int(found[0]) if len(found) else 0
    in_order = ends[order]
    opens = np.ones(len(ends), dtype=np.bool_)
    opens[1:] = in_order[:-1] | _changes(market[order])
    change = np.empty(len(ends), dtype=np.int64)
    change[order] = opens.astype(np.int64) - in_order
    closed = np.flatnonzero(np.cumsum(change)[::-1] == 0)
    return len(ends) - int(closed[0]) if len(closed) else 0


def _read(
    columns: Columns, ends: npt.NDArray[np.bool_], order: npt.NDArray[np.intp] | None
) -> EventReading | None:
    """What the records of events with executions are; None if there are none."""
    is_execution = (columns.action == _TRADE) | (columns.action == _FILL)
    if not is_execution.any():
        return None
    if order is not None:
        ends = ends[order]
        is_execution = is_execution[order]
    event = np.zeros(len(ends), dtype=np.int64)
    np.cumsum(ends[:-1], out=event[1:])
    if order is not None:
        # Where a file breaks off, a market's last event has no end.
        event[1:] += np.cumsum(_changes(columns.market[order]) & ~ends[:-1])
    has_execution = np.zeros(int(event[-1]) + 1, dtype=np.bool_)
    has_execution[event[is_execution]] = True
    chosen = np.flatnonzero(has_execution[event])
    rows = chosen if order is None else order[chosen]
    return read_executions(
        rows, event[chosen], columns.action[rows], columns.side[rows], columns.order_id[rows]
    )
