"""What a replay keeps for each market: its lane, its samples, its agent's desk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..._book import OrderBook
from ...enums import TradingState
from ...errors import DataError
from .agent import Agent, Desk
from .flow_lane import FlowLane
from .incoming import Incoming
from .lanes import LaneSettings, RebuildLane
from .match_lane import MatchLane
from .readers import Flow, Source
from .sampling import Sampling, sampling_of
from .starters import Pending, Starters

AnyLane = FlowLane | RebuildLane | MatchLane


class Market:
    """One market of a replay."""

    def __init__(self, lane: AnyLane, sampling: Sampling, incoming: Incoming | None) -> None:
        self.lane = lane
        self.sampling = sampling
        self.incoming = incoming
        """None in a flow: its commands need no preparation."""
        self.desk: Desk | None = None
        self.starters = 0
        """How many orders rested before the recording starts."""
        self.trades = 0
        self.volume_lots = 0
        self.chunks = 0
        """How many chunks (or batches of a flow) have been read."""
        self.skip = 0
        """So many of them were run before this replay was resumed."""

    def ran_before(self) -> bool:
        """Count a chunk; whether a replay that was resumed has it behind it already."""
        self.chunks += 1
        return self.chunks <= self.skip

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "lane": self.lane,
            "chunks": max(self.chunks, self.skip),
            "trades": self.trades,
            "volume_lots": self.volume_lots,
        }


class Markets:
    """The markets of a replay, made when their first record comes up."""

    def __init__(
        self,
        source: Source,
        mode: str,
        *,
        only: str | None,
        levels: int,
        sample_every: str,
        book: OrderBook | None,
        books: Mapping[str, OrderBook],
        agent: Agent | None,
        agent_latency_ns: int,
    ) -> None:
        self.by_number: dict[int, Market] = {}
        self.starters: dict[int, Starters] = {}
        """What the first pass has found; complete before the first market is made."""
        self._source = source
        # Asked for each market of thousands, so looked up once.
        self._recording = None if isinstance(source, Flow) else source
        self._bytes = source.path.stat().st_size
        self._mode = mode
        self._only = only
        self._levels = levels
        self._sample_every = sample_every
        self._book = book
        self._books = dict(books)
        self._agent = agent
        self._agent_latency_ns = agent_latency_ns
        self._saved: dict[int, dict[str, Any]] = {}
        self._new_sampling()  # a wrong text is said before anything is read

    def name(self, number: int) -> str:
        """The name of a market; its number where it has none."""
        names = getattr(self._source, "markets", [])
        return names[number] if number < len(names) else str(number)

    def passed_over(self, number: int) -> bool:
        """Whether this market is not wanted."""
        return self._only is not None and self.name(number) != self._only

    def check_wanted(self) -> None:
        """After the last record: DataError if a market that was asked for never came up."""
        absent = list(self._books)
        if self._only is not None and not self.by_number:
            absent.append(self._only)
        if absent:
            names = list(getattr(self._source, "markets", []))
            there = ", ".join(names[:20] or [self.name(number) for number in self.by_number])
            raise DataError(
                f"{self._source.path}: nothing of market {absent[0]!r} in this file; it has {there}"
            )

    def state(self) -> dict[int, dict[str, Any]]:
        """What a checkpoint keeps of all markets."""
        return {number: market.state() for number, market in self.by_number.items()} | self._saved

    def go_on_from(self, saved: dict[int, dict[str, Any]]) -> None:
        """Begin each market with what a checkpoint has kept of it."""
        self._saved = saved

    def __getitem__(self, number: int) -> Market:
        """The market of this number, made when it is first asked for."""
        if number not in self.by_number:
            self.by_number[number] = self._make(number)
        return self.by_number[number]

    def _make(self, number: int) -> Market:
        incoming = None
        starters = np.zeros(0, dtype=np.uint64)
        if self._recording is not None:
            pending = Pending(self.starters.get(number), by_id=self._recording.queued_by_id)
            incoming = Incoming(pending, self._recording.aggressors)
            starters = np.concatenate([pending.resting, pending.submitted])
        saved = self._saved.pop(number, None)
        lane = self._lane(number, starters) if saved is None else saved["lane"]
        market = Market(lane, self._new_sampling(), incoming)
        market.starters = len(starters)
        if saved is not None:
            market.skip = saved["chunks"]
            market.trades, market.volume_lots = saved["trades"], saved["volume_lots"]
        if self._agent is not None:
            by_id = self._recording is not None and self._recording.queued_by_id
            market.desk = Desk(self._agent, self.name(number), self._agent_latency_ns, by_id=by_id)
        return market

    def _lane(self, number: int, starters: npt.NDArray[np.uint64]) -> AnyLane:
        settings = LaneSettings(number, self._levels)
        book = self._books.pop(self.name(number), None)
        if book is None:
            book, self._book = self._book, None
        if self._mode == "flow":
            return FlowLane(settings, book)
        assert self._recording is not None
        if self._mode == "rebuild":
            if book is not None:
                book.set_state(TradingState.AUCTION)
            return RebuildLane(settings, self._recording, book)
        guided = self._mode == "guided"
        return MatchLane(settings, self._recording, guided=guided, starters=starters, book=book)

    def _new_sampling(self) -> Sampling:
        return sampling_of(self._sample_every, self._bytes)
