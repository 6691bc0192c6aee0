"""What a replay adds up over all its markets."""

from __future__ import annotations

from .lanes import Samples, Step
from .latency import LatencyHistogram
from .markets import Market
from .report import Spread
from .tally import Tally, exact_sum


class SpreadTally:
    """Best ask minus best bid over all samples in which both sides stood uncrossed."""

    def __init__(self) -> None:
        self._sum = self._count = 0
        self._least: int | None = None
        self._most: int | None = None

    def add(self, samples: Samples) -> None:
        """Take in some samples."""
        if not len(samples.depth):
            return
        prices = samples.depth["price_ticks"][:, :, 0]
        spreads = prices[:, 1] - prices[:, 0]
        spreads = spreads[(prices > 0).all(axis=1) & (spreads > 0)]
        if not len(spreads):
            return
        self._sum += int(spreads.sum())
        self._count += len(spreads)
        least, most = int(spreads.min()), int(spreads.max())
        self._least = least if self._least is None else min(self._least, least)
        self._most = most if self._most is None else max(self._most, most)

    def figures(self) -> Spread | None:
        """Mean, least and greatest; None without samples."""
        if self._least is None or self._most is None:
            return None
        return Spread(self._count, self._sum, self._least, self._most)


class Totals:
    """Counts and sums that steps add to."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.spread = SpreadTally()
        self.latency = LatencyHistogram()
        """Nanoseconds that single commands took."""
        self.messages = 0
        """Messages of a recording, orders from before its start included."""
        self.place = 0
        """Where the last of them stands in the file."""
        self.seconds = 0.0

    def add(self, step: Step, market: Market) -> None:
        """Take in a step of a market."""
        trades = self.tally.add(step.commands, step.events)
        self.spread.add(step.samples)
        self.latency.add(market.lane.engine.take_latencies())
        if len(trades):
            market.trades += len(trades)
            market.volume_lots += exact_sum(trades["qty_lots"])
        self.messages += len(step.messages)
        if len(step.places):
            self.place = int(step.places[-1])
