"""Running figures of a replay, taken from each batch of commands and events."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from ..._messages import add_up
from ...enums import CommandKind, EventKind, Reason

_Records = npt.NDArray[np.void]
_CODES = 256


class Tally:
    """Counts and sums that batches add to. Sums are Python integers: they cannot overflow."""

    def __init__(self) -> None:
        self._kinds = np.zeros(_CODES, dtype=np.int64)
        self._events = np.zeros(_CODES, dtype=np.int64)
        self._refusals = np.zeros(_CODES, dtype=np.int64)
        self.volume_lots = 0
        self.notional = 0
        """Sum of price x quantity over all trades, in ticks x lots."""

    def add(self, commands: _Records, events: _Records) -> _Records:
        """Take in one batch; returns its trades."""
        trades = add_up(commands, events, self._kinds, self._events, self._refusals)
        if len(trades):
            prices, lots = trades["price_ticks"], trades["qty_lots"]
            self.volume_lots += exact_sum(lots)
            # Each product fits (the book refuses others); their sum may not.
            self.notional += exact_sum(prices * lots)
        return trades

    @property
    def commands(self) -> int:
        """Number of commands."""
        return int(self._kinds.sum())

    @property
    def events(self) -> int:
        """Number of events."""
        return int(self._events.sum())

    @property
    def trades(self) -> int:
        """Number of trades."""
        return int(self._events[EventKind.TRADE])

    @property
    def vwap_ticks(self) -> Fraction | None:
        """Volume-weighted average price in ticks, exact; None without trades."""
        return Fraction(self.notional, self.volume_lots) if self.volume_lots else None

    def commands_by_kind(self) -> dict[str, int]:
        """Commands of each kind, most frequent first; ``UNKNOWN`` for codes of no kind."""
        return _named(self._kinds, {kind.value: kind.name for kind in CommandKind})

    def events_by_kind(self) -> dict[str, int]:
        """Events of each kind, most frequent first."""
        return _named(self._events, {kind.value: kind.name for kind in EventKind})

    def rejected_by_reason(self) -> dict[str, int]:
        """Refused commands by reason, most frequent first."""
        return _named(self._refusals, {reason.value: reason.name for reason in Reason})


def exact_sum(values: npt.NDArray[np.int64]) -> int:
    """The sum of int64 values as a Python integer, however large."""
    high = int((values >> 32).sum(dtype=np.int64))
    low = int((values & 0xFFFFFFFF).sum(dtype=np.int64))
    return (high << 32) + low


def _named(counts: npt.NDArray[np.int64], names: dict[int, str]) -> dict[str, int]:
    named: Counter[str] = Counter()
    for code in np.flatnonzero(counts).tolist():
        named[names.get(code, "UNKNOWN")] += int(counts[code])
    return dict(named.most_common())
