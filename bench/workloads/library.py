"""Workloads by name: generated here, or read from an external workload folder."""

from __future__ import annotations

import ctypes
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from . import native
from .records import RECORD_DTYPE, to_commands

__all__ = [
    "NAMES",
    "Expectation",
    "Workload",
    "expected",
    "from_folder",
    "generated",
    "ladder_seconds",
]

NAMES = ("realistic", "realistic_reduce", "deep_match", "burst_insert")
FULL_SIZE = {
    "realistic": 2_000_000,
    "realistic_reduce": 2_000_000,
    "deep_match": 2_010_000,
    "burst_insert": 1_000_000,
}
SEED = 20_260_101
CROWD = {"realistic": 20_000, "realistic_reduce": 20_000, "deep_match": 10_000}
"""Orders that these flows keep resting, or a tenth of a flow if that is fewer."""


@dataclass(frozen=True)
class Expectation:
    """What any correct price-time book ends with. ``checksum`` folds every trade in order."""

    trades: int
    traded_qty: int
    notional: int
    checksum: int
    resting: int
    resting_qty: int
    bid_levels: int
    ask_levels: int
    best_bid: int
    """-1 if nobody bids."""
    best_ask: int

    def differences(self, other: Expectation) -> list[str]:
        """One line for each figure in which ``other`` is not the same."""
        mine, theirs = asdict(self), asdict(other)
        return [
            f"{name}: expected {value}, got {theirs[name]}"
            for name, value in mine.items()
            if theirs[name] != value
        ]


@dataclass(frozen=True)
class Workload:
    """A flow of records and what it must end with."""

    name: str
    records: npt.NDArray[np.void]
    expectation: Expectation

    def __len__(self) -> int:
        return len(self.records)

    @cached_property
    def commands(self) -> npt.NDArray[np.void]:
        """The same flow as commands for an order book."""
        return to_commands(self.records)


def expected(records: npt.NDArray[np.void]) -> Expectation:
    """What the ladder ends with after ``records``."""
    found = native.NativeExpectation()
    status = native.library().ladder_expect(
        native.pointer(records), ctypes.c_size_t(len(records)), ctypes.byref(found)
    )
    if status:
        raise MemoryError("the ladder found no memory")
    return Expectation(
        trades=found.tally.trades,
        traded_qty=found.tally.lots,
        notional=found.tally.notional,
        checksum=found.tally.checksum,
        resting=found.resting,
        resting_qty=found.resting_lots,
        bid_levels=found.bid_levels,
        ask_levels=found.ask_levels,
        best_bid=found.best_bid,
        best_ask=found.best_ask,
    )


def ladder_seconds(workload: Workload) -> float:
    """Seconds of one pass of a fresh ladder."""
    return native.run_ladder(workload.records).seconds


def generated(name: str, size: int | None = None, seed: int = SEED) -> Workload:
    """The project's own flow of that name, from the cache if it was generated before."""
    if name not in NAMES:
        raise KeyError(f"no workload {name!r}; there are {', '.join(NAMES)}")
    size = FULL_SIZE[name] if size is None else size
    kept = native.cache_folder() / f"{name}-{size}-{seed}-{native.source_digest()}.npy"
    if kept.exists():
        records: npt.NDArray[np.void] = np.load(kept)
    else:
        records = _generate(name, size, seed)
        fresh = kept.with_suffix(".part.npy")
        np.save(fresh, records)
        fresh.replace(kept)
    return Workload(name, records, expected(records))


def _generate(name: str, size: int, seed: int) -> npt.NDArray[np.void]:
    records = np.zeros(size, dtype=RECORD_DTYPE)
    flows, out, count = native.library(), native.pointer(records), ctypes.c_size_t(size)
    chosen = ctypes.c_uint64(seed)
    crowd = ctypes.c_uint32(min(CROWD.get(name, size), max(size // 10, 1)))
    if name == "deep_match":
        status = flows.flow_deep_match(out, count, chosen, crowd)
    elif name == "burst_insert":
        status = flows.flow_burst_insert(out, count, chosen)
    else:
        reduces = int(name == "realistic_reduce")
        status = flows.flow_realistic(out, count, chosen, crowd, reduces)
    if status:
        raise MemoryError("no memory to generate a workload")
    return records


def from_folder(folder: Path, name: str) -> Workload:
    """A workload of an external folder: NAME.bin and NAME.expect.json."""
    records = np.fromfile(folder / f"{name}.bin", dtype=RECORD_DTYPE)
    stated = json.loads((folder / f"{name}.expect.json").read_text())
    fields = Expectation.__dataclass_fields__
    return Workload(name, records, Expectation(**{field: stated[field] for field in fields}))
