"""From the file to the summary: records a second for each format and mode, and where time goes.

    python -m bench.formats                      generated flow and feeds
    python -m bench.formats --data FOLDER        recorded files too (or the variable NEXTRADE_DATA)
    python -m bench.formats --format lobster     only names that begin so
    python -m bench.formats --profile            and the functions of each
    python -m bench.formats --memory             also files a hundred times as long

Each measurement is a process of its own, all of them in turn in each round, and the median
counts. The time is the processor's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from . import machine, results
from .format_inputs import Input, generated_inputs, large_inputs, recorded_inputs
from .format_stages import STAGES, profile
from .workloads import NoCompiler

__all__ = ["measured", "memory_of"]

ROOT = Path(__file__).resolve().parent.parent
STORED = Path(__file__).parent / "results" / "formats.json"
_SHORT = {
    "unpacking": "unpack",
    "decoding": "decode",
    "recorded book": "recorded",
    "all else": "else",
}


def child(what: str, path: Path, mode: str) -> dict[str, float]:
    """One measurement in a fresh process."""
    command = [sys.executable, "-m", "bench.format_stages", what, str(path), mode]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{what} of {path.name} in mode {mode} failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measured(inputs: list[Input], times: int) -> dict[str, dict[str, Any]]:
    """The figures of every input and mode, by ``name: mode``."""
    runs: dict[str, list[dict[str, float]]] = {}
    parts: dict[str, list[dict[str, float]]] = {}
    for _ in range(times):
        for one in inputs:
            for mode in one.modes:
                key = f"{one.name}: {mode}"
                runs.setdefault(key, []).append(child("measure", one.path, mode))
                parts.setdefault(key, []).append(child("stages", one.path, mode))
    return {key: _figures(runs[key], parts[key]) for key in runs}


def _figures(runs: list[dict[str, float]], parts: list[dict[str, float]]) -> dict[str, Any]:
    hashes = {run["state_hash"] for run in runs}
    if len(hashes) > 1:
        raise RuntimeError(f"runs of one file end in {len(hashes)} states")
    records = max(int(runs[0]["records"]), 1)
    cpu = statistics.median(run["cpu_seconds"] for run in runs)
    wall = statistics.median(run["wall_seconds"] for run in runs)
    return {
        "records": records,
        "bytes": int(runs[0]["bytes"]),
        "records_a_second": records / cpu,
        "cpu_ns": cpu / records * 1e9,
        "wall_ns": wall / records * 1e9,
        "state_hash": f"{int(runs[0]['state_hash']):016x}",
        "stages_ns": {
            stage: statistics.median(part[stage] for part in parts) / records * 1e9
            for stage in STAGES
        },
    }


def memory_of(inputs: Iterator[Input]) -> dict[str, dict[str, float]]:
    """Resident memory of every input and mode, by ``name: mode``."""
    return {
        f"{one.name}: {mode}": child("memory", one.path, mode)
        for one in inputs
        for mode in one.modes
    }


def show(console: Console, figures: dict[str, Any]) -> None:
    """The figures as tables."""
    table = Table("file: mode", title="From the file to the summary; ns of processor time a record")
    headings = ["records", "M records/s", "wall", "all", *(_SHORT.get(s, s) for s in STAGES)]
    for heading in headings:
        table.add_column(heading, justify="right")
    for key, found in figures["formats"].items():
        cells = [
            f"{found['records']:,}",
            f"{found['records_a_second'] / 1e6:.2f}",
            f"{found['wall_ns']:,.0f}",
            f"{found['cpu_ns']:,.0f}",
            *(f"{found['stages_ns'][stage]:,.0f}" for stage in STAGES),
        ]
        table.add_row(key, *cells)
    console.print(table)
    if figures.get("memory"):
        table = Table("file: mode", title="Resident MiB of files a hundred times as long")
        for heading in ("records", "file MiB", "at a tenth", "at the end", "most"):
            table.add_column(heading, justify="right")
        for key, found in figures["memory"].items():
            names = ("at_tenth_mib", "at_end_mib", "most_mib")
            cells = [f"{int(found['records']):,}", f"{found['bytes'] / (1 << 20):,.0f}"]
            table.add_row(key, *cells, *(f"{found[name]:,.0f}" for name in names))
        console.print(table)


def main() -> int:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="recorded files")
    parser.add_argument("--times", type=int, default=3, metavar="N", help="rounds, 3")
    parser.add_argument("--format", default="", metavar="NAME", help="only names that begin so")
    parser.add_argument("--records", type=int, default=1_000_000, help="of generated files")
    parser.add_argument("--profile", action="store_true", help="print the costliest functions")
    parser.add_argument("--memory", action="store_true", help="also files of 100 times the length")
    parser.add_argument("--memory-records", type=int, default=100_000, help="of each of 100 copies")
    parser.add_argument("--json", type=Path, default=STORED, metavar="FILE")
    chosen = parser.parse_args()
    data = chosen.data or (
        Path(os.environ["NEXTRADE_DATA"]) if os.environ.get("NEXTRADE_DATA") else None
    )
    console = machine.wide_console()
    with tempfile.TemporaryDirectory(prefix="nextrade-bench-") as name:
        folder = Path(name)
        inputs = list(generated_inputs(folder, chosen.records))
        if data is not None:
            inputs += recorded_inputs(data, folder)
        inputs = [one for one in inputs if one.name.startswith(chosen.format)]
        figures: dict[str, Any] = {
            "machine": machine.describe(),
            "times": chosen.times,
            "formats": measured(inputs, chosen.times),
        }
        if chosen.profile:
            for one in inputs:
                for mode in one.modes:
                    console.print(f"{one.name}: {mode}", markup=False)
                    profile(one.path, mode)
        if chosen.memory:
            for one in inputs:
                if folder in one.path.parents:
                    one.path.unlink(missing_ok=True)
            figures["memory"] = memory_of(large_inputs(folder, chosen.memory_records))
    show(console, figures)
    about = figures["machine"]
    console.print(f"{about['cpu']}, {about['cores']} cores, {about['system']}, {about['python']}")
    results.save(figures, chosen.json)
    console.print(f"Stored in {chosen.json}", highlight=False)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NoCompiler as problem:
        sys.exit(str(problem))
