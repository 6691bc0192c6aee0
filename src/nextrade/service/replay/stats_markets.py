"""Figures of each market of a file, in one table that grows with the markets alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_COUNTS = ("records", "added", "trades", "fills", "hidden")
_SUMS = ("trade_lots", "fill_lots", "hidden_lots")
_HALF = 32
_LOW = (1 << _HALF) - 1

_TABLE_DTYPE = np.dtype(
    [
        ("number", "<u4"),
        *((name, "<i8") for name in _COUNTS),
        # Sums as a high and a low part: each adds up without overflow.
        *((name, "<i8", (2,)) for name in _SUMS),
        ("low_ticks", "<i8"),
        ("high_ticks", "<i8"),
    ]
)
_NO_LOW, _NO_HIGH = np.iinfo(np.int64).max, np.iinfo(np.int64).min
_MOST_AT_ONCE = 1 << 20
"""Records whose halves add up exactly in doubles: 2**20 times 2**32 is below 2**53."""

_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MarketStats:
    """One market. Prices in ticks, quantities in lots."""

    name: str
    records: int
    added: int
    """New orders, without those of a starting book."""
    executions: int
    """Trades, where the recording tells of them; else fills of orders that waited."""
    hidden: int
    volume_lots: int
    """Of both."""
    low_ticks: int | None
    """Of what was executed; in a flow, where nothing has been yet, of what was ordered."""
    high_ticks: int | None


class MarketTable:
    """Takes in records of all markets, part by part."""

    def __init__(self) -> None:
        self._table = np.zeros(0, dtype=_TABLE_DTYPE)

    def __len__(self) -> int:
        return len(self._table)

    def add(
        self,
        records: npt.NDArray[np.void],
        *,
        added: _Mask,
        trades: _Mask,
        fills: _Mask,
        hidden: _Mask,
        priced: _Mask,
    ) -> None:
        """Take in records with masks of what they are; ``priced`` have a part in the range."""
        for at in range(0, len(records), _MOST_AT_ONCE):
            here = slice(at, at + _MOST_AT_ONCE)
            masks = {"added": added, "trades": trades, "fills": fills, "hidden": hidden}
            self._add(records[here], {n: mask[here] for n, mask in masks.items()}, priced[here])

    def _add(self, records: npt.NDArray[np.void], masks: dict[str, _Mask], priced: _Mask) -> None:
        numbers, group = np.unique(records["market"], return_inverse=True)
        table = self._table
        if new := np.setdiff1d(numbers, table["number"], assume_unique=True).tolist():
            grown = np.zeros(len(new), dtype=_TABLE_DTYPE)
            grown["number"], grown["low_ticks"], grown["high_ticks"] = new, _NO_LOW, _NO_HIGH
            table = np.concatenate([table, grown])
            table = table[np.argsort(table["number"])]
        rows = np.searchsorted(table["number"], numbers)
        table["records"][rows] += np.bincount(group, minlength=len(numbers))
        for name, mask in masks.items():
            table[name][rows] += np.bincount(group[mask], minlength=len(numbers))
        lots = records["qty_lots"]
        for kind, name in (("trades", "trade"), ("fills", "fill"), ("hidden", "hidden")):
            which, some = group[masks[kind]], lots[masks[kind]]
            if len(some):
                for half, part in enumerate((some >> _HALF, some & _LOW)):
                    sums = np.bincount(which, weights=part, minlength=len(numbers))
                    table[f"{name}_lots"][rows, half] += sums.astype(np.int64)
        least = np.full(len(numbers), _NO_LOW)
        most = np.full(len(numbers), _NO_HIGH)
        np.minimum.at(least, group[priced], records["price_ticks"][priced])
        np.maximum.at(most, group[priced], records["price_ticks"][priced])
        table["low_ticks"][rows] = np.minimum(table["low_ticks"][rows], least)
        table["high_ticks"][rows] = np.maximum(table["high_ticks"][rows], most)
        self._table = table

    def hidden_lots(self) -> int:
        """What all hidden executions add up to."""
        return _joined(self._table["hidden_lots"].sum(axis=0))

    def total(self) -> MarketStats:
        """All markets as one."""
        table = self._table
        total = np.zeros(1, dtype=_TABLE_DTYPE)[0]
        for name in (*_COUNTS, *_SUMS):
            total[name] = table[name].sum(axis=0)
        total["low_ticks"] = table["low_ticks"].min(initial=_NO_LOW)
        total["high_ticks"] = table["high_ticks"].max(initial=_NO_HIGH)
        return self._stats("", total)

    def busiest(self, most: int, names: Sequence[str]) -> list[MarketStats]:
        """The markets with most records, these first."""
        order = np.argsort(-self._table["records"], kind="stable")[:most]
        found = []
        for row in self._table[order]:
            number = int(row["number"])
            name = names[number] if number < len(names) else str(number)
            found.append(self._stats(name, row))
        return found

    def _stats(self, name: str, row: np.void) -> MarketStats:
        # Which of the two a file tells of is a matter of its format, not of the market.
        kind = ("trades", "trade_lots") if self._table["trades"].any() else ("fills", "fill_lots")
        has_price = int(row["low_ticks"]) != _NO_LOW
        return MarketStats(
            name=name,
            records=int(row["records"]),
            added=int(row["added"]),
            executions=int(row[kind[0]]),
            hidden=int(row["hidden"]),
            volume_lots=_joined(row[kind[1]]) + _joined(row["hidden_lots"]),
            low_ticks=int(row["low_ticks"]) if has_price else None,
            high_ticks=int(row["high_ticks"]) if has_price else None,
        )


def _joined(halves: npt.NDArray[np.int64]) -> int:
    return (int(halves[0]) << _HALF) + int(halves[1])
