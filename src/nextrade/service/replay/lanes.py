"""One market on its way through a replay: what each mode does with its messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ..._book import OrderBook
from ..._messages import causes
from ...dtypes import COMMAND_DTYPE, DEPTH_DTYPE, EVENT_DTYPE
from .depth_check import DepthCheck, StepCheck
from .engine import Engine
from .incoming import Chunk
from .messages import MESSAGE_DTYPE, Messages
from .readers.source import Commands, Recording
from .rebuild import collecting_book, rebuild_commands, true_times
from .report import Check
from .writers.layouts import depth_rows

_Records = npt.NDArray[np.void]
_Counts = npt.NDArray[np.int64]


class Samples(NamedTuple):
    """The best levels of the book at some moments."""

    timestamp_ns: _Counts
    place: _Counts
    depth: _Records
    """DEPTH_DTYPE, shape (moments, 2, levels)."""

    def table(self, market: int = 0) -> _Records:
        """One row a moment, for ``to_pandas`` and ``to_polars``: time, place, market, and for each
        level ``bid_price_ticks_1``, ``bid_qty_lots_1``, ``bid_orders_1``, ``ask_price_ticks_1``."""
        return depth_rows(self.timestamp_ns, self.place, market, self.depth)


class Step(NamedTuple):
    """What a replay did with some records of one market."""

    market: int
    messages: Messages
    """What was recorded; empty for a flow of commands."""
    commands: Commands
    """What went into the book."""
    events: _Records
    """What came out, of EVENT_DTYPE; ``command`` counts ``commands``."""
    places: _Counts
    """For each command where its cause stands in the file."""
    samples: Samples


class Lane(Protocol):
    """One market in one mode."""

    engine: Engine

    def run(self, chunk: Chunk) -> Step:
        """Put the next messages through the book."""
        ...

    def checks(self) -> list[Check]:
        """What was compared, as rows of a report."""
        ...


@dataclass(slots=True)
class LaneSettings:
    """What all lanes of a replay have in common."""

    market: int
    levels: int
    """How many price levels a sample has."""


def reach_from_none(reach: _Counts) -> _Counts:
    """``reach`` with a zero in front: entry k is how many commands belong to k messages."""
    return np.concatenate([np.zeros(1, dtype=np.int64), reach])


def samples_of(chunk: Chunk, points: _Counts, depth: _Records, levels: int) -> Samples:
    """The rows of ``depth`` (one for each of ``points``) at which samples were wanted."""
    if not len(chunk.samples):
        return no_samples(levels)
    at = np.searchsorted(points, chunk.samples)
    last = np.maximum(chunk.samples - 1, 0)
    depth = depth[:, :, :levels]
    return Samples(chunk.messages["timestamp_ns"][last], chunk.messages["place"][last], depth[at])


def no_samples(levels: int) -> Samples:
    """Samples of no moment."""
    none = np.zeros(0, dtype=np.int64)
    return Samples(none, none, np.zeros((0, 2, levels), dtype=DEPTH_DTYPE))


def empty_step(market: int, levels: int) -> Step:
    """A step in which nothing happened."""
    return Step(
        market,
        np.zeros(0, dtype=MESSAGE_DTYPE),
        np.zeros(0, dtype=COMMAND_DTYPE),
        np.zeros(0, dtype=EVENT_DTYPE),
        np.zeros(0, dtype=np.int64),
        no_samples(levels),
    )


def depth_points(chunk: Chunk, levels: int) -> tuple[_Counts, int]:
    """At which counts of messages the book must be looked at, and how deep."""
    if not len(chunk.rows.after):
        return np.unique(chunk.samples) if len(chunk.samples) > 1 else chunk.samples, levels
    if not len(chunk.samples) and len(chunk.rows.after) == 1:
        return chunk.rows.after, max(levels, chunk.rows.levels.shape[2])
    points = np.union1d(chunk.samples, chunk.rows.after)
    return points, max(levels, chunk.rows.levels.shape[2])


class RebuildLane:
    """Repeats what the recording says on a book that only collects, and never looks at the
    recorded levels but to compare."""

    def __init__(
        self, settings: LaneSettings, recording: Recording, book: OrderBook | None = None
    ) -> None:
        self._settings = settings
        self._by_id = recording.queued_by_id
        self.engine = Engine(collecting_book() if book is None else book)
        self._depth = DepthCheck("rebuilt book")
        self._steps = StepCheck()

    def run(self, chunk: Chunk) -> Step:
        """As ``Lane.run``."""
        messages = chunk.messages
        if not len(messages):
            return empty_step(self._settings.market, self._settings.levels)
        commands, counts = rebuild_commands(messages, by_id=self._by_id)
        reach = reach_from_none(counts)
        points, levels = depth_points(chunk, self._settings.levels)
        events, depth = self.engine.run(commands, reach[points], levels)
        rows = chunk.rows
        if len(rows.after):
            found = depth[np.searchsorted(points, rows.after)]
            self._depth.add(found, rows.levels, orders_known=rows.orders_known)
            if rows.per_message:
                self._steps.add(messages[rows.after - 1], rows.levels)
        row_of_command = causes(counts)
        return Step(
            self._settings.market,
            messages,
            commands,
            true_times(events, messages, row_of_command, by_id=self._by_id),
            messages["place"][row_of_command],
            samples_of(chunk, points, depth, self._settings.levels),
        )

    def checks(self) -> list[Check]:
        """As ``Lane.checks``."""
        return [*self._steps.checks(), *self._depth.checks()]
