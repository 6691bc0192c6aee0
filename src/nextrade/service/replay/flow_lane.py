"""A flow of commands in NexTrade's own formats: each goes into the book as it stands."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..._book import OrderBook
from .engine import SINGLES, Engine
from .lanes import LaneSettings, Samples, Step
from .messages import MESSAGE_DTYPE
from .readers.source import Commands
from .report import Check

_NO_MESSAGES = np.zeros(0, dtype=MESSAGE_DTYPE)


class FlowLane:
    """One market of a flow."""

    def __init__(self, settings: LaneSettings, book: OrderBook | None = None) -> None:
        self._settings = settings
        self.engine = Engine(book)

    def run(
        self, commands: Commands, places: npt.NDArray[np.int64], samples: npt.NDArray[np.int64]
    ) -> list[Step]:
        """Put commands through the book, and sample it after so many of them.

        The first few go in one by one, each timed, and are a step of their own: joining their
        events to the many that follow would cost as much as the matching.
        """
        steps = []
        cut = SINGLES if len(commands) > 64 * SINGLES else 0
        split = int(np.searchsorted(samples, cut, side="right")) if cut else 0
        if cut:
            steps.append(self._step(commands[:cut], places[:cut], samples[:split], singly=True))
        steps.append(self._step(commands[cut:], places[cut:], samples[split:] - cut, singly=False))
        return steps

    def checks(self) -> list[Check]:
        """A flow has nothing to be compared with."""
        return []

    def _step(
        self,
        commands: Commands,
        places: npt.NDArray[np.int64],
        samples: npt.NDArray[np.int64],
        *,
        singly: bool,
    ) -> Step:
        levels = self._settings.levels
        if not singly:
            events, depth = self.engine.run(commands, samples, levels, singles=False)
        else:
            found = []
            for at in range(len(commands)):
                after = samples[samples == at + 1] - at
                happened, depth = self.engine.run(commands[at : at + 1], after, levels)
                happened["command"] += at
                found.append((happened, depth))
            events = np.concatenate([happened for happened, _ in found])
            depth = np.concatenate([depth for _, depth in found])
            samples = samples[samples > 0]
        last = np.maximum(samples - 1, 0)
        taken = Samples(commands["timestamp_ns"][last], places[last], depth)
        return Step(self._settings.market, _NO_MESSAGES, commands, events, places, taken)
