"""The way of a replay through its file: records in, steps of the markets out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

import numpy as np
import numpy.typing as npt

from .flow_lane import FlowLane
from .gather import Gather
from .lanes import Step
from .markets import Market, Markets
from .messages import MESSAGE_DTYPE, DepthRows, Flag, Messages, Part
from .readers import Commands, Flow, Recording, Source
from .starters import find_starters

_Numbers = npt.NDArray[np.int64]

Progress = Callable[[int, int, int], None]
"""Called after each batch with position, length (both in the source's unit) and records so far."""

Steps = Generator[Step, None, None]


class Course:
    """Reads a source from the start and runs what it reads, chunk by chunk."""

    def __init__(
        self,
        source: Source,
        markets: Markets,
        *,
        batch: int,
        hindsight: bool,
        gathers: bool,
        progress: Progress,
    ) -> None:
        self.stopping = False
        """Set from outside: no further chunk is run."""
        self.inside = False
        """Whether more steps of the present chunk are to come."""
        self._source = source
        self._markets = markets
        self._batch = batch
        self._hindsight = hindsight
        self._gather = Gather() if gathers else Gather(enough=1)
        self._progress = progress

    def steps(self) -> Steps:
        """Walk through the file."""
        if isinstance(self._source, Flow):
            return self._flow_steps(self._source)
        return self._recording_steps(self._source)

    def _flow_steps(self, flow: Flow) -> Steps:
        count = 0
        for part in flow.batches(self._batch):
            places = np.arange(count, count + len(part.commands))
            for number, commands, where in self._gather.take(part.commands, places):
                yield from self._flow_chunk(number, commands, where)
            count += len(part.commands)
            self._progress(part.position, flow.length, count)
        for number, commands, where in self._gather.rest():
            yield from self._flow_chunk(number, commands, where)

    def _flow_chunk(self, number: int, commands: Commands, places: _Numbers) -> Iterator[Step]:
        if self._markets.passed_over(number):
            return
        market = self._markets[number]
        samples = market.sampling.points(commands["timestamp_ns"])
        if market.ran_before():
            return
        lane = market.lane
        assert isinstance(lane, FlowLane)
        delivered = _delivered(market, number, commands)
        steps = lane.run(commands, places, samples)
        if market.desk is not None:
            for step in steps:
                market.desk.ask(lane.engine, step, int(step.commands["timestamp_ns"][-1]))
        yield from self._together([*delivered, *steps])

    def _recording_steps(self, recording: Recording) -> Steps:
        passes = 1
        if self._hindsight and not recording.starts_empty:
            passes = 2
            for position, found in find_starters(recording):
                self._markets.starters = found
                self._progress(position, passes * recording.length, 0)
                if self.stopping:
                    return
        before = (passes - 1) * recording.length
        count = 0
        for whole in recording.parts():
            for part in _sliced(whole, self._batch):
                yield from self._part(part)
                count += len(part.messages)
            self._progress(before + whole.position, passes * recording.length, count)
        for number, messages, _ in self._gather.rest():
            yield from self._chunk(number, messages, None, last=False)
        for number in list(self._markets.by_number):
            yield from self._chunk(number, np.zeros(0, dtype=MESSAGE_DTYPE), None, last=True)

    def _part(self, part: Part) -> Iterator[Step]:
        # Recorded levels belong to the only market of a file, whose messages are not held up.
        for number, messages, _ in self._gather.take(part.messages, part.messages["place"]):
            depth = part.depth if number == 0 and len(messages) == len(part.messages) else None
            yield from self._chunk(number, messages, depth, last=False)

    def _chunk(
        self, number: int, messages: Messages, depth: DepthRows | None, *, last: bool
    ) -> Iterator[Step]:
        if self._markets.passed_over(number):
            return
        market = self._markets[number]
        lane = market.lane
        assert market.incoming is not None
        assert not isinstance(lane, FlowLane)
        samples = market.sampling.points(messages["timestamp_ns"])
        chunk = market.incoming.take(messages, samples, depth, last=last)
        if not len(chunk.messages) or market.ran_before():
            return
        steps = _delivered(market, number, chunk.messages)
        steps.append(lane.run(chunk))
        if market.desk is not None:
            now_ns = int(chunk.messages["timestamp_ns"][-1])
            market.desk.ask(lane.engine, steps[-1], now_ns)
        yield from self._together(steps)

    def _together(self, steps: list[Step]) -> Iterator[Step]:
        """The steps of one chunk: a replay stops before or after all of them."""
        for number, step in enumerate(steps):
            self.inside = number < len(steps) - 1
            yield step


def _delivered(market: Market, number: int, records: npt.NDArray[np.void]) -> list[Step]:
    """What an agent sent and arrives before the first of these records."""
    if market.desk is None:
        return []
    return market.desk.deliver(market.lane.engine, number, int(records["timestamp_ns"][0]))


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
            first = np.searchsorted(depth.after, at, side="right") if at else 0
            beyond = np.searchsorted(depth.after, end, side="right")
            inside = slice(int(first), int(beyond))
            depth = depth._replace(after=depth.after[inside] - at, levels=depth.levels[inside])
        yield Part(messages[at:end], part.position, depth)
        at = end
