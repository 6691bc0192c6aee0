"""Drive books through a recording or a flow, and report what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from time import perf_counter

from ..._book import OrderBook
from ...errors import DataError
from .agent import Agent
from .checkpoint import fingerprint, read_checkpoint, write_checkpoint
from .course import Course, Progress
from .figures import report_of
from .lanes import Step
from .latency import LatencyHistogram
from .markets import Markets
from .readers import Flow, Source, open_source
from .report import Report
from .totals import Totals

DEFAULT_BATCH = 65_536
"""Records a call of the book: large enough that a call costs nothing, small in memory."""

MODES = ("flow", "rebuild", "match", "guided")

_MOST_SAMPLED = 1 << 20
"""So many levels of a side are sampled in one batch at most, if each record is sampled."""


def _silent(position: int, length: int, records: int) -> None:
    """The progress of a caller who does not ask."""


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
    the best ``levels`` levels. ``hindsight`` is the first pass that looks for orders which
    rested before the recording starts; it is made unless books that have them are given.

    Raises DataError if the file cannot be read or the mode does not fit it, ValueError for a
    batch or levels below 1, a negative latency, or a sampling that is neither number nor
    duration; RuntimeError when it is walked a second time, since the books have moved on.
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
        sample_every: str | int = "",
        skip_bad: bool = False,
        hindsight: bool | None = None,
        progress: Progress = _silent,
    ) -> None:
        if batch < 1:
            raise ValueError(f"batch must be at least 1, not {batch}")
        if levels < 1:
            raise ValueError(f"levels must be at least 1, not {levels}")
        if agent_latency_ns < 0:
            raise ValueError(f"agent_latency_ns must not be negative, as {agent_latency_ns} is")
        sample_every = str(sample_every)
        if hindsight is None:
            hindsight = book is None and not books
        self.source = (
            open_source(path, format_name, skip_bad=skip_bad)
            if isinstance(path, str | Path)
            else path
        )
        self.mode = _mode_for(self.source, mode)
        self.levels = levels
        """How many price levels a sample has."""
        self._has_agent = agent is not None
        self._markets = Markets(
            self.source,
            self.mode,
            only=market,
            levels=levels,
            sample_every=sample_every,
            book=book,
            books=books or {},
            agent=agent,
            agent_latency_ns=agent_latency_ns,
        )
        self._course = Course(
            self.source,
            self._markets,
            # Dense samples of deep books would need memory without end.
            batch=min(batch, max(1, _MOST_SAMPLED // max(1, levels))) if sample_every else batch,
            hindsight=hindsight,
            # Who asks for small steps wants them when they happen, all markets in step.
            gathers=batch >= DEFAULT_BATCH and agent is None,
            progress=progress,
        )
        self._totals = Totals()
        self._ended = self._walked = False
        self._settings = {
            "mode": self.mode,
            "market": market,
            "batch": batch,
            "levels": levels,
            "sample_every": sample_every,
            "skip_bad": skip_bad,
            "hindsight": hindsight,
        }

    @property
    def books(self) -> dict[str, OrderBook]:
        """The deciding book of each market, by its name."""
        return {
            self.market_name(number): market.lane.engine.book
            for number, market in self._markets.by_number.items()
        }

    @property
    def latency(self) -> LatencyHistogram:
        """Nanoseconds that single commands took so far."""
        return self._totals.latency

    def market_name(self, number: int) -> str:
        """The name of a market, given ``Step.market``; its number where it has none."""
        return self._markets.name(number)

    def __iter__(self) -> Iterator[Step]:
        """Walk through the file once, from the start or from where it was resumed."""
        if self._walked:
            raise RuntimeError("a replay is walked once; make a new one to walk again")
        self._walked = True
        started = perf_counter()
        walk = self._course.steps()
        for step in walk:
            self._totals.add(step, self._markets[step.market])
            self._totals.seconds += perf_counter() - started
            yield step
            started = perf_counter()
            if self._course.stopping and not self._course.inside:
                walk.close()
                break
        else:
            self._ended = not self._course.stopping
            if self._ended:
                self._markets.check_wanted()
        self._totals.seconds += perf_counter() - started

    def run(self) -> Report:
        """Walk to the end (or to a ``stop``) and report."""
        for _ in self:
            pass
        return self.report()

    def stop(self) -> None:
        """End the walk after the present chunk of records."""
        self._course.stopping = True

    def checkpoint(self, path: str | Path) -> None:
        """Write the state between two steps to a file, for ``Replay.resume``.

        Raises ValueError with an agent, whose mind cannot be written down, and inside a chunk
        (after a ``stop`` the walk is never there); DataError if the file cannot be written.
        """
        if self._has_agent:
            raise ValueError("a replay with an agent cannot be resumed: the agent has a state too")
        if self._course.inside:
            raise ValueError("more steps of this chunk are to come; call stop() and walk on")
        state = {
            "file": fingerprint(self.source.path),
            "format": self.source.format_name,
            "settings": self._settings,
            "markets": self._markets.state(),
            "totals": self._totals,
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
        replay._totals = state["totals"]
        replay._markets.go_on_from(state["markets"])
        return replay

    def report(self) -> Report:
        """The figures so far."""
        return report_of(self.source, self.mode, self._markets, self._totals, ended=self._ended)


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
