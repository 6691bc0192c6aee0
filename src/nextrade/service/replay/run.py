"""Drive books through a recording or a flow, and report what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from ..._book import OrderBook
from ...enums import EventKind, TradingState
from ...errors import DataError
from .agent import Agent, Desk
from .checkpoint import fingerprint, read_checkpoint, write_checkpoint
from .figures import SpreadTally, joined_checks, joint_hash, latency_figures, market_figures
from .flow_lane import FlowLane
from .incoming import Incoming
from .lanes import LaneSettings, RebuildLane, Step
from .latency import LatencyHistogram
from .match_lane import MatchLane
from .messages import DepthRows, Flag, Messages, Part
from .readers import Flow, Recording, Source, open_source
from .report import Report
from .sampling import Sampling, sampling_of
from .split import Rows, by_market
from .starters import Pending, Starters, find_starters
from .tally import Tally, exact_sum

DEFAULT_BATCH = 65_536
"""Commands a call of the book: large enough that a call costs nothing, small in memory."""

MODES = ("flow", "rebuild", "match", "guided")

Progress = Callable[[int, int, int], None]
"""Called after each batch with position, length (both in the source's unit) and records so far."""


_Lane = FlowLane | RebuildLane | MatchLane


def _silent(position: int, length: int, records: int) -> None:
    """The progress of a caller who does not ask."""


_COUNTED = ("_tally", "_spread", "latency", "_messages", "_seconds", "_place")
"""What a replay adds up over all markets, and a checkpoint keeps."""


class _Market:
    """What a replay keeps for one market."""

    def __init__(self, lane: _Lane, sampling: Sampling, incoming: Incoming | None) -> None:
        self.lane = lane
        self.sampling = sampling
        self.incoming = incoming
        self.desk: Desk | None = None
        self.starters = 0
        self.trades = 0
        self.volume_lots = 0
        self.chunks = 0
        """How many chunks (or batches of a flow) have been read."""
        self.skip = 0
        """So many of them were run before this replay was resumed."""


class Replay:
    """A replay that can be walked step by step: ``for step in Replay(path): ...``.

    Each step is what some records of one market did: ``messages`` (what was recorded),
    ``commands`` (what went in), ``events`` (what came out), all NumPy arrays, and samples of
    the book. After the walk, or in between, ``report()`` gives the figures and ``books`` the
    order books by market name.

    ``mode`` is ``flow`` for a file of commands; for a recording ``match`` (the default: only
    requests go in, the engine decides), ``guided`` (as match, put right after each aggressive
    order) or ``rebuild`` (repeat what was recorded). ``book`` or ``books`` (by market name)
    seed the replay with resting orders; they are changed. ``agent`` sees each batch and sends
    orders of its own, which arrive ``agent_latency_ns`` later. ``batch`` bounds the records of
    a step; an agent that must see each event asks for 1. ``market`` leaves all others out.
    ``sample_every`` is a number of records, or a duration such as ``"1s"``, between samples of
    the best ``levels`` levels. ``hindsight=False`` leaves out the first pass that looks for
    orders which rested before the recording starts.

    Raises DataError if the file cannot be read or the mode does not fit it, ValueError for a
    batch below 1 or a sampling that is neither number nor duration.
    """

    def __init__(
        self,
        path: str | Path | Source,
        format_name: str | None = None,
        *,
        mode: str | None = None,
        market: str | None = None,
        book: OrderBook | None = None,
        books: Mapping[str, OrderBook] | None = None,
        agent: Agent | None = None,
        agent_latency_ns: int = 0,
        batch: int = DEFAULT_BATCH,
        levels: int = 10,
        sample_every: str = "",
        skip_bad: bool = False,
        hindsight: bool = True,
        progress: Progress = _silent,
    ) -> None:
        if batch < 1:
            raise ValueError(f"batch must be at least 1, not {batch}")
        self.source = (
            open_source(path, format_name, skip_bad=skip_bad)
            if isinstance(path, str | Path)
            else path
        )
        self.mode = _mode_for(self.source, mode)
        self.position = 0
        """How far into the file, in the source's own unit."""
        self.records = 0
        """Records read so far."""
        self._stopping = False
        self._only = market
        self._book = book
        self._books = dict(books or {})
        self._agent = agent
        self._agent_latency_ns = agent_latency_ns
        self._batch = batch
        self.levels = levels
        """How many price levels a sample has."""
        self._sample_every = sample_every
        self._hindsight = hindsight
        self._progress = progress
        self._markets: dict[int, _Market] = {}
        self._starters: dict[int, Starters] = {}
        self._tally = Tally()
        self._spread = SpreadTally()
        self.latency = LatencyHistogram()
        """Nanoseconds that single commands took."""
        self._messages = 0
        self._seconds = 0.0
        self._place = 0
        self._ended = False
        self._inside = False
        """Whether more steps of the present chunk are to come."""
        self._resumed: dict[int, dict[str, Any]] = {}
        """After a resume: what was kept for each market that has not come up yet."""
        self._settings = {
            "mode": self.mode,
            "market": market,
            "batch": batch,
            "levels": levels,
            "sample_every": sample_every,
            "skip_bad": skip_bad,
            "hindsight": hindsight,
        }
        self._new_sampling()  # a wrong text is said before anything is read

    @property
    def books(self) -> dict[str, OrderBook]:
        """The deciding book of each market, by its name."""
        return {self.market_name(at): one.lane.engine.book for at, one in self._markets.items()}

    def stop(self) -> None:
        """End the walk after the present chunk of records."""
        self._stopping = True

    def checkpoint(self, path: str | Path) -> None:
        """Write the state between two steps to a file, for ``Replay.resume``.

        Raises ValueError with an agent, whose mind cannot be written down, and inside a chunk
        (after a ``stop`` the walk is never there); DataError if the file cannot be written.
        """
        if self._agent is not None:
            raise ValueError("a replay with an agent cannot be resumed: the agent has a state too")
        if self._inside:
            raise ValueError("more steps of this chunk are to come; call stop() and walk on")
        markets = {
            at: {
                "lane": one.lane,
                "chunks": max(one.chunks, one.skip),
                "trades": one.trades,
                "volume_lots": one.volume_lots,
            }
            for at, one in self._markets.items()
        }
        state = {
            "file": fingerprint(self.source.path),
            "format": self.source.format_name,
            "settings": self._settings,
            "markets": markets | self._resumed,
            **{name: getattr(self, name) for name in _COUNTED},
        }
        write_checkpoint(Path(path), state)

    @classmethod
    def resume(
        cls, path: str | Path, checkpoint: str | Path, *, progress: Progress = _silent
    ) -> Replay:
        """Go on where a replay of the same file stood when its checkpoint was written.

        Raises DataError if the checkpoint is damaged or belongs to another file.
        """
        state = read_checkpoint(Path(checkpoint), Path(path))
        replay = cls(path, state["format"], progress=progress, **state["settings"])
        for name in _COUNTED:
            setattr(replay, name, state[name])
        replay._resumed = state["markets"]
        return replay

    def __iter__(self) -> Iterator[Step]:
        """Walk through the file once, from the start or from where it was resumed."""
        started = perf_counter()
        walk = (
            self._flow_steps(self.source)
            if isinstance(self.source, Flow)
            else self._recording_steps(self.source)
        )
        for step in walk:
            self._count(step)
            self._seconds += perf_counter() - started
            yield step
            started = perf_counter()
            if self._stopping and not self._inside:
                walk.close()
                break
        else:
            self._ended = not self._stopping
        self._seconds += perf_counter() - started

    def run(self) -> Report:
        """Walk to the end (or to a ``stop``) and report."""
        for _ in self:
            pass
        return self.report()

    def _count(self, step: Step) -> None:
        self._tally.add(step.commands, step.events)
        self._spread.add(step.samples)
        one = self._markets[step.market]
        self.latency.add(one.lane.engine.take_latencies())
        trades = step.events["qty_lots"][step.events["kind"] == EventKind.TRADE]
        one.trades += len(trades)
        one.volume_lots += exact_sum(trades)
        self._messages += len(step.messages)
        if len(step.places):
            self._place = int(step.places[-1])

    # --- flows -----------------------------------------------------------------------------

    def _flow_steps(self, flow: Flow) -> Iterator[Step]:
        count = 0
        for part in flow.batches(self._batch):
            for at, rows in by_market(part.commands):
                if self._passed_over(at):
                    continue
                commands = part.commands[rows]
                places = np.arange(count, count + len(part.commands))[rows]
                one = self._market(at)
                samples = one.sampling.points(commands["timestamp_ns"])
                if self._ran_before(one):
                    continue
                lane = one.lane
                assert isinstance(lane, FlowLane)
                delivered: list[Step] = []
                if one.desk is not None:
                    first_ns = int(commands["timestamp_ns"][0])
                    delivered = one.desk.deliver(lane.engine, at, first_ns)
                steps = lane.run(commands, places, samples)
                if one.desk is not None:
                    for step in steps:
                        one.desk.ask(lane.engine, step, int(step.commands["timestamp_ns"][-1]))
                yield from self._together([*delivered, *steps])
            count += len(part.commands)
            self._read(part.position, flow.length, count)

    # --- recordings ------------------------------------------------------------------------

    def _recording_steps(self, recording: Recording) -> Iterator[Step]:
        passes = 1
        if self._hindsight and not recording.starts_empty:
            passes = 2
            for position, self._starters in find_starters(recording):
                self._progress(position, passes * recording.length, 0)
                if self._stopping:
                    return
        before = (passes - 1) * recording.length
        count = 0
        for whole in recording.parts():
            for part in _sliced(whole, self._batch):
                for at, rows in by_market(part.messages):
                    if not self._passed_over(at):
                        yield from self._recorded(at, rows, part)
                count += len(part.messages)
            self._read(before + whole.position, passes * recording.length, count)
        nothing = np.zeros(0, dtype=np.int64)
        for at, one in self._markets.items():
            yield from self._chunk(at, one, _no_messages(), nothing, None, last=True)

    def _recorded(self, at: int, rows: Rows, part: Part) -> Iterator[Step]:
        messages = part.messages[rows]
        one = self._market(at)
        samples = one.sampling.points(messages["timestamp_ns"])
        depth = part.depth if at == 0 and isinstance(rows, slice) else None
        yield from self._chunk(at, one, messages, samples, depth, last=False)

    def _chunk(
        self,
        at: int,
        one: _Market,
        messages: Messages,
        samples: npt.NDArray[np.int64],
        depth: DepthRows | None,
        *,
        last: bool,
    ) -> Iterator[Step]:
        assert one.incoming is not None
        lane = one.lane
        assert not isinstance(lane, FlowLane)
        chunk = one.incoming.take(messages, samples, depth, last=last)
        if not len(chunk.messages) or self._ran_before(one):
            return
        steps: list[Step] = []
        if one.desk is not None:
            first_ns = int(chunk.messages["timestamp_ns"][0])
            steps = one.desk.deliver(lane.engine, at, first_ns)
        steps.append(lane.run(chunk))
        if one.desk is not None:
            one.desk.ask(lane.engine, steps[-1], int(chunk.messages["timestamp_ns"][-1]))
        yield from self._together(steps)

    # --- what both share -------------------------------------------------------------------

    def _together(self, steps: list[Step]) -> Iterator[Step]:
        """The steps of one chunk: a replay stops before or after all of them."""
        for number, step in enumerate(steps):
            self._inside = number < len(steps) - 1
            yield step

    def _read(self, position: int, length: int, count: int) -> None:
        self.position, self.records = position, count
        self._progress(position, length, count)

    def market_name(self, at: int) -> str:
        """The name of a market by its number; the number where it has none."""
        names = getattr(self.source, "markets", [])
        return names[at] if at < len(names) else str(at)

    def _passed_over(self, at: int) -> bool:
        return self._only is not None and self.market_name(at) != self._only

    def _ran_before(self, one: _Market) -> bool:
        """Whether a replay that was resumed has this chunk behind it already."""
        one.chunks += 1
        return one.chunks <= one.skip

    def _new_sampling(self) -> Sampling:
        return sampling_of(self._sample_every, self.source.path.stat().st_size)

    def _market(self, at: int) -> _Market:
        if at not in self._markets:
            incoming = None
            starters = np.zeros(0, dtype=np.uint64)
            if not isinstance(self.source, Flow):
                pending = Pending(self._starters.get(at), by_id=self.source.queued_by_id)
                incoming = Incoming(pending, self.source.aggressors)
                starters = np.concatenate([pending.resting, pending.submitted])
            saved = self._resumed.pop(at, None)
            lane = self._lane(at, starters) if saved is None else saved["lane"]
            one = _Market(lane, self._new_sampling(), incoming)
            one.starters = len(starters)
            if saved is not None:
                one.skip = saved["chunks"]
                one.trades, one.volume_lots = saved["trades"], saved["volume_lots"]
            if self._agent is not None:
                one.desk = Desk(self._agent, self.market_name(at), self._agent_latency_ns)
            self._markets[at] = one
        return self._markets[at]

    def _lane(self, at: int, starters: npt.NDArray[np.uint64]) -> _Lane:
        settings = LaneSettings(at, self.levels)
        book = self._books.pop(self.market_name(at), None)
        if book is None:
            book, self._book = self._book, None
        if self.mode == "flow":
            return FlowLane(settings, book)
        assert not isinstance(self.source, Flow)
        if self.mode == "rebuild":
            if book is not None:
                book.set_state(TradingState.AUCTION)
            return RebuildLane(settings, self.source, book)
        guided = self.mode == "guided"
        return MatchLane(settings, self.source, guided=guided, starters=starters, book=book)

    def report(self) -> Report:
        """The figures so far."""
        tally = self._tally
        ordered = sorted(self._markets.items(), key=lambda item: -item[1].volume_lots)
        markets = [
            market_figures(self.market_name(at), one.lane.engine.book, one.trades, one.volume_lots)
            for at, one in ordered
        ]
        only = markets[0] if len(markets) == 1 else None
        lanes = [one.lane for _, one in sorted(self._markets.items())]
        return Report(
            path=str(self.source.path),
            format_name=self.source.format_name,
            mode=self.mode,
            messages=self._recorded_messages(),
            commands=tally.commands,
            commands_by_kind=tally.commands_by_kind(),
            rejected_by_reason=tally.rejected_by_reason(),
            events=tally.events,
            events_by_kind=tally.events_by_kind(),
            trades=tally.trades,
            volume_lots=tally.volume_lots,
            notional=tally.notional,
            vwap_ticks=tally.vwap_ticks,
            resting_orders=sum(market.resting_orders for market in markets),
            best_bid=None if only is None else only.best_bid,
            best_ask=None if only is None else only.best_ask,
            last_price=None if only is None else only.last_price,
            state="OPEN" if not markets else "/".join(sorted({m.state for m in markets})),
            state_hash=joint_hash(markets) if markets else OrderBook().state_hash(),
            engine_seconds=sum(lane.engine.seconds for lane in lanes),
            total_seconds=self._seconds,
            remarks=tuple(self._remarks()),
            checks=tuple(joined_checks([lane.checks() for lane in lanes])),
            markets=tuple(markets),
            spread=self._spread.figures(),
            latency_ns=latency_figures(self.latency),
            put_right=sum(lane.put_right for lane in lanes if isinstance(lane, MatchLane)),
            price_decimals=getattr(self.source, "price_decimals", 0),
            qty_decimals=getattr(self.source, "qty_decimals", 0),
            stopped_at=None
            if self._ended
            else f"{self._recorded_messages() or tally.commands:,} records, place {self._place:,}",
        )

    def _recorded_messages(self) -> int:
        placed = sum(one.incoming.placed for one in self._markets.values() if one.incoming)
        return self._messages - placed

    def _remarks(self) -> list[str]:
        said = []
        starters = sum(one.starters for one in self._markets.values())
        if starters:
            said.append(
                f"{starters:,} orders rested before the recording starts; a first pass found them"
                " by what later happened to them"
            )
        made_up = sum(
            one.lane.unseen.count
            for one in self._markets.values()
            if isinstance(one.lane, MatchLane)
        )
        if made_up:
            said.append(
                f"{made_up:,} orders were made up for what recorded levels show and no message"
                " explains"
            )
        return said + self.source.remarks()


def replay(
    path: str | Path,
    format_name: str | None = None,
    *,
    mode: str | None = None,
    book: OrderBook | None = None,
    batch: int = DEFAULT_BATCH,
    agent: Agent | None = None,
    skip_bad: bool = False,
    progress: Progress = _silent,
) -> Report:
    """Replay a file of recorded or generated order flow and report what came of it.

    The arguments are those of ``Replay``, which also lets you look at each step. Raises
    DataError if the file cannot be read.
    """
    return Replay(
        path,
        format_name,
        mode=mode,
        book=book,
        batch=batch,
        agent=agent,
        skip_bad=skip_bad,
        progress=progress,
    ).run()


def _mode_for(source: Source, wanted: str | None) -> str:
    if wanted is not None and wanted not in MODES:
        raise DataError(f"there is no mode {wanted!r}; known are {', '.join(MODES)}")
    if isinstance(source, Flow):
        if wanted not in (None, "flow"):
            raise DataError(
                f"{source.path}: a file of commands has nothing recorded to {wanted};"
                " leave the mode out"
            )
        return "flow"
    if wanted == "flow":
        raise DataError(f"{source.path}: a recording has no flow of commands; use match")
    return wanted or "match"


def _no_messages() -> Messages:
    from .messages import MESSAGE_DTYPE

    return np.zeros(0, dtype=MESSAGE_DTYPE)


def _sliced(part: Part, size: int) -> Iterator[Part]:
    """The part in pieces of about ``size`` messages, each ending where an event ends."""
    messages = part.messages
    if len(messages) <= size:
        yield part
        return
    ends = np.flatnonzero(messages["flags"] & Flag.LAST) + 1
    at = 0
    while at < len(messages):
        found = int(np.searchsorted(ends, at + size))
        end = int(ends[found]) if found < len(ends) else len(messages)
        depth = part.depth
        if depth is not None:
            inside = (depth.after > at) & (depth.after <= end)
            if at == 0:
                inside |= depth.after == 0
            depth = depth._replace(after=depth.after[inside] - at, levels=depth.levels[inside])
        yield Part(messages[at:end], part.position, depth)
        at = end
