"""The book that decides, with what a replay wants to know about its running."""

from __future__ import annotations

from time import perf_counter, perf_counter_ns

import numpy as np
import numpy.typing as npt

from ..._book import OrderBook
from .readers.source import Commands
from .rebuild import joined

SINGLES = 16
"""So many commands of a long run go in one by one, each timed."""

_LONG = 1024


class Engine:
    """A book, the time spent inside it, and the latency of some single commands."""

    def __init__(self, book: OrderBook | None = None) -> None:
        self.book = OrderBook() if book is None else book
        self.seconds = 0.0
        self._latencies: list[int] = []

    def run(
        self,
        commands: Commands,
        after: npt.NDArray[np.int64],
        levels: int,
        *,
        singles: bool = True,
    ) -> tuple[npt.NDArray[np.void], npt.NDArray[np.void]]:
        """Process commands; events, and the levels ``after`` so many of them, as ``observe``.

        With ``singles`` the first commands of a long run are timed one by one.
        """
        if singles and len(commands) >= _LONG:
            return self._run_long(commands, after, levels)
        started = perf_counter_ns()
        found = self.book.observe(commands, after, levels)
        taken = perf_counter_ns() - started
        self.seconds += taken / 1e9
        if len(commands) == 1:
            self._latencies.append(taken)
        return found

    def take_latencies(self) -> npt.NDArray[np.int64]:
        """Nanoseconds that single commands took since the last call: one call of the book each."""
        taken = np.array(self._latencies, dtype=np.int64)
        self._latencies.clear()
        return taken

    def _run_long(
        self, commands: Commands, after: npt.NDArray[np.int64], levels: int
    ) -> tuple[npt.NDArray[np.void], npt.NDArray[np.void]]:
        events, depths = [], []
        inner = np.searchsorted(after, np.arange(SINGLES + 1), side="left")
        for at in range(SINGLES):
            wanted = after[inner[at] : inner[at + 1]] - at
            started = perf_counter_ns()
            happened, depth = self.book.observe(commands[at : at + 1], wanted, levels)
            self._latencies.append(perf_counter_ns() - started)
            happened["command"] += at
            events.append(happened)
            depths.append(depth)
        before = perf_counter()
        happened, depth = self.book.observe(
            commands[SINGLES:], after[inner[SINGLES] :] - SINGLES, levels
        )
        self.seconds += perf_counter() - before + sum(self._latencies[-SINGLES:]) / 1e9
        happened["command"] += SINGLES
        if len(depth) < len(after):
            depth = np.concatenate([*depths, depth])
        return joined([*events, happened]), depth
