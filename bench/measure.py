"""Timing that can be compared: pinned, interleaved, best against best."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Timing", "interleaved", "pin"]


@dataclass(frozen=True)
class Timing:
    """Repeated measurements of one thing, in seconds."""

    seconds: tuple[float, ...]

    @property
    def best(self) -> float:
        """The run that was disturbed least."""
        return min(self.seconds)

    @property
    def median(self) -> float:
        """The run in the middle."""
        return statistics.median(self.seconds)


def pin(core: int | None = None) -> int | None:
    """Keep this process and its children on one core; None where the system has no such call.

    Without ``core`` the last of the cores that this process may use, which is the one that a
    machine at rest uses least.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    chosen = max(os.sched_getaffinity(0)) if core is None else core
    os.sched_setaffinity(0, {chosen})
    return chosen


def interleaved(
    contestants: Mapping[str, Callable[[], float]],
    rounds: int,
    after_each: Callable[[], None] = lambda: None,
) -> dict[str, Timing]:
    """Seconds of every contestant, one after another in each round.

    A disturbance then meets all of them, and a ratio of two columns stays what it is.
    """
    runs: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            runs[name].append(run())
            after_each()
    return {name: Timing(tuple(seconds)) for name, seconds in runs.items()}
