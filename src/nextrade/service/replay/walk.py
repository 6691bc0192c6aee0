"""One chunk of messages on its way through the engine, stretch by stretch."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..._book import OrderBook
from ..._messages import causes, trades_of
from ...dtypes import DEPTH_DTYPE
from ...enums import EventKind
from .engine import Engine
from .incoming import Chunk
from .lanes import Step, depth_points, reach_from_none, samples_of
from .messages import Action, Aggressors, Flag, Messages
from .readers.source import Commands
from .rebuild import joined, rebuild_commands, true_times
from .requests import Requests

_Records = npt.NDArray[np.void]
_Counts = npt.NDArray[np.int64]

_NO_POINTS = np.zeros(0, dtype=np.int64)
_NO_DEPTH = np.zeros((0, 2, 1), dtype=DEPTH_DTYPE)

_NOBODY = -1
"""The command number of what a replay itself sent, such as a change of the trading state."""


class Recorded:
    """The messages of a chunk on the recorded book, a stretch at a time."""

    def __init__(self, messages: Messages, *, by_id: bool) -> None:
        self._messages = messages
        self._commands, reach = rebuild_commands(messages, by_id=by_id)
        self._reach = reach_from_none(reach)
        restates = np.flatnonzero(messages["flags"] & Flag.RESTATES)
        self._again = restates[messages["action"][restates] == Action.REPLACE]
        self._again_listed: list[int] = self._again.tolist()

    def event_ends(self, first: int, end: int) -> _Counts:
        """After how many messages an event is complete, from ``first`` to before ``end``."""
        ends, listed = self._event_ends
        return ends[bisect_right(listed, first) : bisect_right(listed, end)]

    @cached_property
    def _event_ends(self) -> tuple[_Counts, list[int]]:
        ends = np.flatnonzero(self._messages["flags"] & Flag.LAST) + 1
        return ends, ends.tolist()

    def run(
        self, book: OrderBook, first: int, end: int, after: _Counts
    ) -> tuple[_Records, _Counts]:
        """Repeat the messages from ``first`` to before ``end``.

        Returns the best levels after so many messages, and which messages show the next
        slice of an iceberg: an order that was used up and is there again.
        """
        low, high = int(self._reach[first]), int(self._reach[end])
        listed = self._again_listed
        again = self._again[bisect_left(listed, first) : bisect_left(listed, end)]
        if not len(after) and not len(again):
            book.process(self._commands[low:high])
            return _NO_DEPTH, again
        events, depth = book.observe(self._commands[low:high], self._reach[after] - low, 1)
        if not len(again):
            return depth, again
        placed = events["command"][events["kind"] == EventKind.ACCEPTED].astype(np.int64) + low
        return depth, again[np.isin(self._reach[again + 1] - 1, placed)]


class Walk:
    """Runs the requests of a chunk in stretches and keeps what came of them."""

    def __init__(
        self, engine: Engine, chunk: Chunk, asked: Requests, levels: int, *, by_id: bool
    ) -> None:
        self.chunk = chunk
        self.messages = chunk.messages
        self._times = chunk.messages["timestamp_ns"]
        self.asked = asked
        self.at = 0
        """How many of the messages have gone into the engine."""
        self._engine = engine
        self._by_id = by_id
        self._reach = reach_from_none(asked.reach)
        self._levels = levels
        self._points, deepest = depth_points(chunk, levels)
        self._points_listed: list[int] = self._points.tolist()
        self._depth = np.zeros((len(self._points), 2, deepest), dtype=DEPTH_DTYPE)
        self._pieces: list[tuple[Commands, _Records, int, int]] = []
        """Commands and events; the number of the first command (or _NOBODY) and its message."""
        self._whole: tuple[Commands, _Records, _Counts, _Counts] | None = None

    def run_to(self, end: int) -> _Records:
        """Put the requests of the messages up to ``end`` into the engine; what happened."""
        first, self.at = self.at, end
        low, high = int(self._reach[first]), int(self._reach[end])
        begin = bisect_right(self._points_listed, first) if first else 0
        stop = bisect_right(self._points_listed, end)
        commands = self.asked.commands[low:high]
        if begin < stop:
            after = self._reach[self._points[begin:stop]] - low
            events, self._depth[begin:stop] = self._engine.run(
                commands, after, self._depth.shape[2]
            )
        else:
            events, _ = self._engine.run(commands, _NO_POINTS, 1)
        self._pieces.append((commands, events, low, first))
        return events

    def control(self, at: int, command: Commands) -> None:
        """Send a command of the replay's own, at the time of message ``at``."""
        command["timestamp_ns"] = self.now_ns(at)
        self._pieces.append((command, self._engine.book.process(command), _NOBODY, at))

    def now_ns(self, at: int) -> int:
        """The time of a message, of the last one if there are no more."""
        return int(self._times[min(at, len(self.messages) - 1)])

    def place(self, at: int) -> int:
        """Where a message stands in the file."""
        return int(self.messages["place"][min(at, len(self.messages) - 1)])

    def between_aggressors(self, counts: _Counts) -> npt.NDArray[np.bool_]:
        """After which counts of messages no aggressive order is half-way: its fills are several
        messages of the recording, and one command of the engine."""
        aggressors = self.asked.aggressors
        if not len(aggressors):
            return np.ones(len(counts), dtype=np.bool_)
        at = np.searchsorted(aggressors["first"], counts, side="left") - 1
        done: npt.NDArray[np.bool_] = counts >= aggressors["end"][np.maximum(at, 0)]
        return done | (at < 0)

    def row_at(self, end: int) -> _Records | None:
        """The levels that the recording shows after ``end`` messages, shape (2, levels), if any."""
        rows = self.chunk.rows
        at = bisect_left(self._rows_listed, end)
        return rows.levels[at] if at < len(rows.after) and self._rows_listed[at] == end else None

    @cached_property
    def _rows_listed(self) -> list[int]:
        listed: list[int] = self.chunk.rows.after.tolist()
        return listed

    def look_again(self, end: int) -> None:
        """Note the levels after ``end`` messages anew, since something was put right there."""
        at = int(np.searchsorted(self._points, end))
        row = self._depth[at]
        row[:] = 0
        for side, levels in enumerate(self._engine.book.depth(self._depth.shape[2])):
            row[side, : len(levels)] = levels

    def involved(
        self, first: int, end: int, happened: list[_Records], style: Aggressors
    ) -> set[int]:
        """Orders that executions touched between two messages, recorded or not."""
        if style == Aggressors.UNLINKED:
            ids: set[int] = set(self.messages["order_id"][first:end].tolist())
        else:
            rows, filled = self._fills
            ids = set(filled[bisect_left(rows, first) : bisect_left(rows, end)])
        for events in happened:
            trades = trades_of(events)
            if len(trades):
                ids.update(trades["maker_id"].tolist(), trades["order_id"].tolist())
        return ids

    @cached_property
    def _fills(self) -> tuple[list[int], list[int]]:
        """The messages that are fills, and of which orders."""
        rows = np.flatnonzero(self.messages["action"] == Action.FILL)
        return rows.tolist(), self.messages["order_id"][rows].tolist()

    def rows_found(self) -> _Records:
        """The engine's levels at the moments that the recording shows."""
        return self._depth[np.searchsorted(self._points, self.chunk.rows.after)]

    def trades(self) -> tuple[_Records, _Counts]:
        """All trades that requests made in the engine, and the number of each one's request.

        What the end of a call auction traded was made by no request.
        """
        _, events, numbers, _ = self._together()
        trades = trades_of(events)
        made_by = numbers[trades["command"]]
        by_requests = made_by != _NOBODY
        if by_requests.all():
            return trades, made_by
        return trades[by_requests], made_by[by_requests]

    def step(self, market: int) -> Step:
        """Everything that went in and came out, in order."""
        commands, events, _, rows = self._together()
        return Step(
            market,
            self.messages,
            commands,
            true_times(events, self.messages, rows, by_id=self._by_id),
            self.messages["place"][rows],
            samples_of(self.chunk, self._points, self._depth, self._levels),
        )

    def _together(self) -> tuple[Commands, _Records, _Counts, _Counts]:
        """All commands and events; for each command its number among the requests, or _NOBODY,
        and its message. Called when all is in: the events count all commands from then on."""
        if self._whole is not None:
            return self._whole
        sizes = np.array([len(commands) for commands, _, _, _ in self._pieces])
        happened = [events for _, events, _, _ in self._pieces]
        events = joined(happened)
        if len(happened) > 1:
            before = (np.cumsum(sizes) - sizes).astype(np.uint32)
            events["command"] += np.repeat(before, [len(part) for part in happened])
        numbers = np.arange(len(self.asked.commands))
        rows = causes(self.asked.reach)
        commands = self.asked.commands
        if any(number == _NOBODY for _, _, number, _ in self._pieces):
            commands = joined([commands for commands, _, _, _ in self._pieces])
            own = np.repeat([number == _NOBODY for _, _, number, _ in self._pieces], sizes)
            all_numbers = np.full(len(commands), _NOBODY)
            all_numbers[~own] = numbers
            last = len(self.messages) - 1
            all_rows = np.repeat([min(at, last) for _, _, _, at in self._pieces], sizes)
            all_rows[~own] = rows
            numbers, rows = all_numbers, all_rows
        self._whole = commands, events, numbers, rows
        return self._whole
