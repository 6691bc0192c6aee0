"""What an engine traded against what the recording says, fill by fill."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from .report import Check

_Records = npt.NDArray[np.void]

PAIR_DTYPE = np.dtype(
    [("aggressor", "<i8"), ("maker_id", "<u8"), ("price_ticks", "<i8"), ("qty_lots", "<i8")]
)
"""One fill on either side of the comparison."""

SHOWN = 20
"""How many differences are kept with their places."""


@dataclass(slots=True)
class Agreement:
    """Running figures of the comparison, aggressive order by aggressive order."""

    aggressive: int = 0
    """Aggressive orders in the recording."""
    exact: int = 0
    """The same makers in the same order, at the same prices, for the same quantities."""
    same_volume: int = 0
    """The same quantity at every price, the exact ones included."""
    fills: int = 0
    """Fills in the recording."""
    fills_exact: int = 0
    """Fills that the engine made too: same aggressor, maker, price and quantity."""
    fills_beyond: int = 0
    """Fills that the engine made and the recording does not have."""
    causes: Counter[str] = field(default_factory=Counter)
    """Aggressive orders that differ, by what differs."""
    places: list[int] = field(default_factory=list)
    """Where the first of them stand in the file."""

    def add(self, aggressors: _Records, recorded: _Records, made: _Records) -> None:
        """Compare some aggressive orders. ``recorded`` and ``made`` are arrays of PAIR_DTYPE, each
        in the order of ``aggressor``; fills made by nobody there have the aggressor -1."""
        count = len(aggressors)
        beyond = made["aggressor"] < 0
        self.fills_beyond += int(np.count_nonzero(beyond))
        made = made[~beyond]
        self.aggressive += count
        self.fills += len(recorded)
        if not count:
            return
        exact = _all_equal(count, recorded, made)
        recorded_count = np.bincount(recorded["aggressor"], minlength=count)
        made_count = np.bincount(made["aggressor"], minlength=count)
        common, volume = recorded_count, exact
        if not exact.all():
            # The slow comparisons are for those few that differ.
            recorded = recorded[~exact[recorded["aggressor"]]]
            made = made[~exact[made["aggressor"]]]
            common = np.where(exact, recorded_count, _common_fills(count, recorded, made))
            volume = exact | _same_volume(count, recorded, made)
        self.exact += int(np.count_nonzero(exact))
        self.same_volume += int(np.count_nonzero(volume))
        self.fills_exact += int(common.sum())
        self.fills_beyond += int((made_count - common).sum())
        if exact.all():
            return
        wanted = _sums(count, recorded)
        found = _sums(count, made)
        for at in np.flatnonzero(~exact).tolist():
            if common[at] == recorded_count[at] == made_count[at]:
                cause = "have the same fills in another order"
            elif volume[at]:
                cause = "hit other orders of the same prices"
            elif found[at] < wanted[at] and _beyond_shown(recorded, made, at):
                cause = "were filled by more of an order than it showed (an iceberg)"
            elif found[at] < wanted[at]:
                cause = "found less in the engine"
            elif found[at] > wanted[at]:
                cause = "found more in the engine"
            else:
                cause = "traded the same quantity at other prices"
            self.causes[cause] += 1
            if len(self.places) < SHOWN:
                self.places.append(int(aggressors["place"][at]))

    def merge(self, other: Agreement) -> None:
        """Add the figures of another market."""
        for name in (
            "aggressive",
            "exact",
            "same_volume",
            "fills",
            "fills_exact",
            "fills_beyond",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.causes += other.causes
        self.places = sorted({*self.places, *other.places})[:SHOWN]

    def checks(self) -> list[Check]:
        """The figures as rows of a report; none if the recording has no aggressive order."""
        if not self.aggressive:
            return []
        causes = [f"{count:,} {cause}" for cause, count in self.causes.most_common()]
        if self.places:
            first = ", ".join(f"{place:,}" for place in self.places[:5])
            causes.append(f"the first at {first} of the file")
        differ = self.aggressive - self.exact
        note = f"of {differ:,} aggressive orders that differ: {'; '.join(causes)}" if differ else ""
        return [
            Check("aggressive orders: the same fills", self.aggressive, differ, note),
            Check(
                "aggressive orders: the same volume at each price",
                self.aggressive,
                self.aggressive - self.same_volume,
            ),
            Check(
                "fills of the recording",
                self.fills,
                self.fills - self.fills_exact,
                f"the engine made {self.fills_beyond:,} fills that the recording does not have"
                if self.fills_beyond
                else "",
            ),
        ]


def _beyond_shown(recorded: _Records, made: _Records, at: int) -> bool:
    """Whether the recording filled more of an order than the engine, which had used it up."""
    taken: Counter[int] = Counter()
    for fills, sign in ((recorded, 1), (made, -1)):
        own = fills[fills["aggressor"] == at]
        for maker_id, qty_lots in zip(
            own["maker_id"].tolist(), own["qty_lots"].tolist(), strict=True
        ):
            taken[maker_id] += sign * qty_lots
    hit = set(made["maker_id"][made["aggressor"] == at].tolist())
    return any(rest > 0 and maker_id in hit for maker_id, rest in taken.items())


def _sums(count: int, fills: _Records) -> npt.NDArray[np.int64]:
    sums = np.zeros(count, dtype=np.int64)
    np.add.at(sums, fills["aggressor"], fills["qty_lots"])
    return sums


def _all_equal(count: int, recorded: _Records, made: _Records) -> npt.NDArray[np.bool_]:
    """For each aggressor whether both lists are the same, in order."""
    same = np.bincount(recorded["aggressor"], minlength=count) == np.bincount(
        made["aggressor"], minlength=count
    )
    left, right = recorded[same[recorded["aggressor"]]], made[same[made["aggressor"]]]
    differs = left != right
    same[left["aggressor"][differs]] = False
    return same


def _common_fills(count: int, recorded: _Records, made: _Records) -> npt.NDArray[np.int64]:
    """For each aggressor how many fills stand in both lists, whatever their order."""
    both = np.concatenate([recorded, made])
    _, group = np.unique(both, return_inverse=True)
    groups = int(group.max(initial=-1)) + 1
    in_recorded = np.bincount(group[: len(recorded)], minlength=groups)
    in_made = np.bincount(group[len(recorded) :], minlength=groups)
    owner = np.zeros(groups, dtype=np.int64)
    owner[group] = both["aggressor"]
    common = np.zeros(count, dtype=np.int64)
    np.add.at(common, owner, np.minimum(in_recorded, in_made))
    return common


def _same_volume(count: int, recorded: _Records, made: _Records) -> npt.NDArray[np.bool_]:
    """For each aggressor whether both trade the same quantity at every price."""
    both = np.concatenate([recorded, made])
    signed = both["qty_lots"].copy()
    signed[len(recorded) :] *= -1
    order = np.lexsort((both["price_ticks"], both["aggressor"]))
    owner, price = both["aggressor"][order], both["price_ticks"][order]
    same = np.ones(count, dtype=np.bool_)
    if len(order):
        starts = np.flatnonzero(
            np.concatenate([[True], (np.diff(owner) != 0) | (np.diff(price) != 0)])
        )
        differs = np.add.reduceat(signed[order], starts) != 0
        same[owner[starts[differs]]] = False
    return same


class Unordered:
    """Trades and filled quantities compared without time, where fills are not linked to orders."""

    def __init__(self) -> None:
        self._trades: Counter[tuple[int, int]] = Counter()
        self._recorded = self._made = 0
        self._filled: dict[int, int] = {}
        self._orders = self._orders_right = 0

    def add_recorded(self, trades: _Records) -> None:
        """Trades of the recording: records with price_ticks and qty_lots."""
        self._recorded += len(trades)
        self._trades.update(_pairs(trades))

    def add_made(self, trades: _Records) -> None:
        """Trades of the engine, of EVENT_DTYPE."""
        self._made += len(trades)
        self._trades.subtract(_pairs(trades))
        for side in ("order_id", "maker_id"):
            self._fill(trades[side], -trades["qty_lots"])

    def add_fills(self, fills: _Records) -> None:
        """What recorded orders lost to executions: records with order_id and qty_lots."""
        self._fill(fills["order_id"], fills["qty_lots"])

    def settle(self, order_ids: npt.NDArray[np.uint64]) -> None:
        """These recorded orders are gone from both books: judge what was filled of them."""
        for order_id in order_ids.tolist():
            rest = self._filled.pop(order_id, None)
            if rest is not None:
                self._orders += 1
                self._orders_right += rest == 0

    def _fill(self, ids: npt.NDArray[np.uint64], qty: npt.NDArray[np.int64]) -> None:
        for order_id, lots in zip(ids.tolist(), qty.tolist(), strict=True):
            self._filled[order_id] = self._filled.get(order_id, 0) + lots

    def checks(self) -> list[Check]:
        """The figures as rows of a report."""
        if not self._recorded:
            return []
        missing = sum(count for count in self._trades.values() if count > 0)
        beyond = -sum(count for count in self._trades.values() if count < 0)
        open_right = sum(rest == 0 for rest in self._filled.values())
        orders = self._orders + len(self._filled)
        return [
            Check(
                "trades of the recording, by price and quantity",
                self._recorded,
                missing,
                f"of {self._made:,} trades of the engine {beyond:,} are not in the recording",
            ),
            Check(
                "orders filled for the recorded quantity",
                orders,
                orders - self._orders_right - open_right,
            ),
        ]


def _pairs(trades: _Records) -> list[tuple[int, int]]:
    return list(zip(trades["price_ticks"].tolist(), trades["qty_lots"].tolist(), strict=True))
