"""One file, one mode, one fresh process: what ``bench.formats`` starts and reads the answer of.

The whole way is timed first, without anything in between. Then the same again with a
clock around each stage; each clock counts its own stage without those inside it.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time, thread_time_ns
from typing import Any

from nextrade.service.replay import incoming, lanes, match_lane, walk
from nextrade.service.replay.compare import Agreement, Unordered
from nextrade.service.replay.depth_check import DepthCheck, StepCheck
from nextrade.service.replay.engine import Engine
from nextrade.service.replay.readers import Flow, open_source
from nextrade.service.replay.readers.unpacked import BLOCK_BYTES, unpacked
from nextrade.service.replay.run import DEFAULT_BATCH, Replay
from nextrade.service.replay.starters import find_starters
from nextrade.service.replay.totals import Totals

from .machine import resident_bytes

__all__ = ["STAGES", "measure", "memory", "profile", "stages"]

STAGES = (
    "unpacking",
    "decoding",
    "first pass",
    "commands",
    "engine",
    "recorded book",
    "comparing",
    "putting right",
    "adding up",
    "all else",
)
MIB = 1 << 20

_Wrapped = tuple[Any, str, str]

_CLOCKS: tuple[_Wrapped, ...] = (
    (lanes, "rebuild_commands", "commands"),
    (walk, "rebuild_commands", "commands"),
    (match_lane, "requests", "commands"),
    (incoming.Incoming, "take", "commands"),
    (Engine, "run", "engine"),
    (walk.Recorded, "run", "recorded book"),
    (Agreement, "add", "comparing"),
    (Unordered, "add_made", "comparing"),
    (Unordered, "add_fills", "comparing"),
    (Unordered, "add_recorded", "comparing"),
    (DepthCheck, "add", "comparing"),
    (StepCheck, "add", "comparing"),
    (match_lane.MatchLane, "_end_stretch", "putting right"),
    (Totals, "add", "adding up"),
)
"""Where a clock is put: owner, name, stage. What a version does not have is left out."""


def _replay(path: Path, mode: str) -> Replay:
    return Replay(path, mode=None if mode == "flow" else mode)


def measure(path: Path, mode: str) -> dict[str, float]:
    """Seconds of the way from the file to the report, by the processor and by the clock."""
    next(iter(_reading(path)))  # what is imported on first use is not the file's fault
    started, began = process_time(), perf_counter()
    report = _replay(path, mode).run()
    spent, passed = process_time() - started, perf_counter() - began
    records = report.messages or report.commands
    return {
        "records": records,
        "bytes": path.stat().st_size,
        "cpu_seconds": spent,
        "wall_seconds": passed,
        "state_hash": report.state_hash,
    }


def _reading(path: Path) -> Any:
    source = open_source(path)
    return source.batches(DEFAULT_BATCH) if isinstance(source, Flow) else source.parts()


def _seconds(work: Callable[[], object]) -> float:
    started = process_time()
    work()
    return process_time() - started


def _unpack(path: Path) -> None:
    with unpacked(path) as stream:
        while len(stream.read(BLOCK_BYTES)) == BLOCK_BYTES:
            pass


def stages(path: Path, mode: str) -> dict[str, float]:
    """Processor seconds of each of STAGES."""
    next(iter(_reading(path)))
    source = open_source(path)
    found = dict.fromkeys(STAGES, 0.0)
    # A Parquet file is opened by Arrow, which unpacks and decodes at once.
    if path.suffix != ".parquet":
        found["unpacking"] = _seconds(lambda: _unpack(path))
    reading = _seconds(lambda: [None for _ in _reading(path)])
    found["decoding"] = max(reading - found["unpacking"], 0.0)
    if not isinstance(source, Flow) and not source.starts_empty:
        recording = source
        found["first pass"] = _seconds(lambda: [None for _ in find_starters(recording)])
    spent, total = _clocked(lambda: _replay(path, mode).run())
    for stage, seconds in spent.items():
        found[stage] = seconds
    found["all else"] = max(total - sum(found.values()), 0.0)
    return found


def _clocked(work: Callable[[], object]) -> tuple[dict[str, float], float]:
    """Seconds in each stage that has a clock, without those inside it, and of the whole."""
    spent: dict[str, int] = defaultdict(int)
    inside = [0]

    def clock(function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            started = thread_time_ns()
            inside.append(0)
            try:
                return function(*arguments, **named)
            finally:
                passed = thread_time_ns() - started
                spent[stage] += passed - inside.pop()
                inside[-1] += passed

        return timed

    before = [
        (owner, name, getattr(owner, name)) for owner, name, _ in _CLOCKS if hasattr(owner, name)
    ]
    kinds = {(owner, name): stage for owner, name, stage in _CLOCKS}
    try:
        for owner, name, function in before:
            setattr(owner, name, clock(function, kinds[owner, name]))
        total = _seconds(work)
    finally:
        for owner, name, function in before:
            setattr(owner, name, function)
    return {stage: ns / 1e9 for stage, ns in spent.items()}, total


def memory(path: Path, mode: str) -> dict[str, float]:
    """Resident MiB when a tenth of the file is through, at its end, and the most in between."""
    seen: list[tuple[float, int]] = []

    def progress(position: int, length: int, _records: int) -> None:
        seen.append((position / max(length, 1), resident_bytes()))

    replay = Replay(path, mode=None if mode == "flow" else mode, progress=progress)
    records = replay.run()
    late = [resident for share, resident in seen if share >= 0.1]
    return {
        "records": records.messages or records.commands,
        "bytes": path.stat().st_size,
        "at_tenth_mib": late[0] / MIB,
        "at_end_mib": late[-1] / MIB,
        "most_mib": max(late) / MIB,
    }


def profile(path: Path, mode: str, lines: int = 25) -> None:
    """Print in which functions the time goes."""
    _replay(path, mode).run()
    profiler = cProfile.Profile()
    replay = _replay(path, mode)
    profiler.runcall(replay.run)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(lines)


def main() -> None:
    """Answer in JSON on standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("measure", "stages", "memory"))
    parser.add_argument("path", type=Path)
    parser.add_argument("mode")
    chosen = parser.parse_args()
    work = {"measure": measure, "stages": stages, "memory": memory}[chosen.what]
    print(json.dumps(work(chosen.path, chosen.mode)))


if __name__ == "__main__":
    main()
