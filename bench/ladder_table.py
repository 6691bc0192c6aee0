"""One table: the order book as multiples of the ladder, measured in one run.

    python bench/run.py                       the project's own flows, everything
    python bench/run.py --quick               a tenth of each flow, a first impression
    python bench/run.py --yardstick FOLDER    external workload files, with their own ladder
    python bench/run.py --compare             exit status 1 if worse than bench/baseline.json

What each number means and leaves out stands in bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from nextrade import OrderBook

from . import instructions, machine, measure, packages, replay, results
from .workloads import NAMES, NoCompiler, Workload, from_folder, generated, ladder_seconds, native
from .workloads.library import FULL_SIZE

__all__ = ["main"]

BATCH = 4096
BATCH_SIZES = (1, 10, 100, 1000, 4096, 65536)
ROUNDS = 21


class WrongResult(AssertionError):
    """The book's events do not add up to what the workload must end with."""


@dataclass(frozen=True)
class Entry:
    """One row of the table: a workload, and what the book is told before it."""

    title: str
    workload: Workload
    capacity: int = 0


def entries(names: Sequence[str], folder: Path | None, *, quick: bool) -> Iterator[Entry]:
    """The rows in the order of the table; burst_insert comes with and without a capacity."""
    for name in names:
        if folder:
            workload = from_folder(folder, name)
        else:
            workload = generated(name, FULL_SIZE[name] // 10 if quick else None)
        yield Entry(name, workload)
        if name == "burst_insert":
            yield Entry(f"{name} (capacity=)", workload, workload.expectation.resting)


def verify(entry: Entry) -> dict[str, float]:
    """Check the book's events against the expectation; returns their number and its memory."""
    book = OrderBook(capacity=entry.capacity)
    events = replay.events_of(book, entry.workload.commands, BATCH)
    found = replay.outcome(events)
    wrong = entry.workload.expectation.differences(found)
    if wrong:
        raise WrongResult(f"{entry.title}: " + "; ".join(wrong))
    return {
        "events": len(events),
        "resting": len(book),
        "bytes_per_order": book.memory_bytes / max(len(book), 1),
    }


def external_ladder(folder: Path, name: str) -> Callable[[], float] | None:
    """Seconds of the folder's own ladder program on the file ``name``, if it is there."""
    program = folder / "ladder"
    if not program.exists():
        return None

    def run() -> float:
        command = [str(program.resolve()), str(folder / f"{name}.bin"), "4", "0"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return float(json.loads(shown)["sec_min"])

    return run


def timing_figures(
    entry: Entry, folder: Path | None, rounds: int, batch: int, events: int
) -> dict[str, float]:
    """Best and median of book and ladder(s), interleaved."""
    workload = entry.workload
    contestants: dict[str, Callable[[], float]] = {
        "ladder": partial(ladder_seconds, workload),
        "book": partial(replay.seconds, workload.commands, batch, capacity=entry.capacity),
        "stream": partial(native.stream_seconds, workload.commands, events, batch),
    }
    outside = external_ladder(folder, workload.name) if folder else None
    if outside:
        contestants["external"] = outside
    timings = measure.interleaved(contestants, rounds)
    book, ladder = timings["book"], timings["ladder"]
    figures = {
        "book_ns": book.best / len(workload) * 1e9,
        "book_median_ns": book.median / len(workload) * 1e9,
        "ladder_ns": ladder.best / len(workload) * 1e9,
        "stream_ns": timings["stream"].best / len(workload) * 1e9,
        "ratio_best": book.best / ladder.best,
        "ratio_median": book.median / ladder.median,
    }
    if outside:
        external = timings["external"]
        figures["external_ladder_ns"] = external.best / len(workload) * 1e9
        figures["external_ratio_best"] = book.best / external.best
        figures["external_ratio_median"] = book.median / external.median
    return figures


def instruction_figures(entry: Entry, batch: int) -> dict[str, float]:
    """Instructions per command of book and ladder."""
    book, _ = instructions.count("book", entry.workload, batch=batch, capacity=entry.capacity)
    ladder, _ = instructions.count("ladder", entry.workload)
    return {"instructions": book, "ladder_instructions": ladder}


def batch_figures(workload: Workload, rounds: int) -> dict[str, dict[str, float]]:
    """Nanoseconds per command and ratio at every batch size."""
    contestants: dict[str, Callable[[], float]] = {
        str(size): partial(replay.seconds, workload.commands, size) for size in BATCH_SIZES
    }
    contestants["ladder"] = partial(ladder_seconds, workload)
    timings = measure.interleaved(contestants, rounds)
    ladder = timings.pop("ladder").best
    return {
        size: {"book_ns": timing.best / len(workload) * 1e9, "ratio_best": timing.best / ladder}
        for size, timing in timings.items()
    }


COLUMNS = (
    ("ns/command", "book_ns", "{:.1f}"),
    ("stream ns", "stream_ns", "{:.1f}"),
    ("ladder ns", "ladder_ns", "{:.1f}"),
    ("× ladder", "ratio_best", "{:.2f}"),
    ("(median)", "ratio_median", "{:.2f}"),
    ("external ns", "external_ladder_ns", "{:.1f}"),
    ("× external", "external_ratio_best", "{:.2f}"),
    ("(median)", "external_ratio_median", "{:.2f}"),
    ("instr/command", "instructions", "{:.0f}"),
    ("ladder's", "ladder_instructions", "{:.0f}"),
    ("bytes/order", "bytes_per_order", "{:.0f}"),
)


def main_table(figures: dict[str, Any]) -> Table:
    """The table that ``make bench`` is about; columns that were not measured are left out."""
    rows = figures["workloads"]
    title = f"Order book and ladder, batches of {figures['batch']:,} commands, events on"
    table = Table("workload", title=title)
    shown = [column for column in COLUMNS if any(column[1] in row for row in rows.values())]
    for heading, _, _ in shown:
        table.add_column(heading, justify="right")
    for name, row in rows.items():
        cells = [form.format(row[key]) if key in row else "" for _, key, form in shown]
        table.add_row(name, *cells)
    return table


def batch_table(figures: dict[str, Any]) -> Table:
    """Nanoseconds per command, and multiples of the ladder, by commands per call."""
    table = Table("commands a call", title="ns/command (× ladder) by batch size")
    for name in figures["batches"]:
        table.add_column(name, justify="right")
    for size in map(str, BATCH_SIZES):
        cells = [by_size[size] for by_size in figures["batches"].values()]
        shown = [f"{cell['book_ns']:.1f} ({cell['ratio_best']:.2f})" for cell in cells]
        table.add_row(f"{int(size):,}", *shown)
    return table


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workloads", nargs="*", default=list(NAMES), help=f"of {', '.join(NAMES)}")
    parser.add_argument("--yardstick", type=Path, metavar="FOLDER", help="external workload files")
    parser.add_argument("--quick", action="store_true", help="a tenth of each flow, three rounds")
    parser.add_argument("--rounds", type=int, help=f"passes of each contestant ({ROUNDS})")
    parser.add_argument("--batch", type=int, default=BATCH, help=f"commands a call ({BATCH})")
    parser.add_argument("--core", type=int, help="core to run on (the last)")
    parser.add_argument("--no-instructions", action="store_true", help="do not run valgrind")
    parser.add_argument("--no-batches", action="store_true", help="leave out the second table")
    parser.add_argument("--no-packages", action="store_true", help="leave out the third table")
    parser.add_argument(
        "--keep-memory",
        action="store_true",
        help="tell the C library to keep freed memory for the next pass; as it is otherwise",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures")
    parser.add_argument(
        "--compare",
        action="store_true",
        help="exit with status 1 if worse than the baseline beyond tolerance",
    )
    parser.add_argument(
        "--baseline", type=Path, default=results.BASELINE, metavar="FILE", help="other figures"
    )
    parser.add_argument("--save-baseline", action="store_true", help="write it instead")
    return parser.parse_args(arguments)


def flow_name(chosen: argparse.Namespace) -> str:
    """What was measured, in words: figures of different flows are never compared."""
    if chosen.yardstick:
        return "external"
    return "own, a tenth" if chosen.quick else "own"


def measured(chosen: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """All figures that the command line asks for."""
    rounds = chosen.rounds or (3 if chosen.quick else ROUNDS)
    figures: dict[str, Any] = {
        "machine": machine.describe(),
        "flow": flow_name(chosen),
        "batch": chosen.batch,
        "rounds": rounds,
        "workloads": {},
        "batches": {},
    }
    counting = not chosen.no_instructions
    if counting:
        try:
            instructions.check_available()
        except instructions.NoCounter as problem:
            progress.console.print(f"No instruction counts: {problem}.")
            counting = False
    rows = list(entries(chosen.workloads, chosen.yardstick, quick=chosen.quick))
    steps = ["verify", "time"] + ["count"] * counting + ["batches"] * (not chosen.no_batches)
    bar = progress.add_task("", total=len(rows) * len(steps))
    for entry in rows:
        row: dict[str, float] = {"commands": len(entry.workload)}
        for step in steps:
            progress.update(bar, description=f"{entry.title}: {step}")
            if step == "verify":
                row |= verify(entry)
            elif step == "time":
                events = int(row["events"])
                row |= timing_figures(entry, chosen.yardstick, rounds, chosen.batch, events)
            elif step == "count":
                row |= instruction_figures(entry, chosen.batch)
            elif not entry.capacity:
                figures["batches"][entry.title] = batch_figures(entry.workload, min(rounds, 3))
            progress.advance(bar)
        figures["workloads"][entry.title] = row
    if not chosen.no_packages:
        progress.update(bar, description="other order books")
        figures["packages"] = packages.compared(packages.SIZE, min(rounds, packages.ROUNDS))
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, store and compare as the command line says."""
    chosen = parsed(arguments)
    console = machine.wide_console()
    baseline = {}
    if chosen.compare:  # first of all: nobody shall wait for figures that cannot be compared
        try:
            baseline = results.load(chosen.baseline)
            results.check_flow(flow_name(chosen), baseline)
        except (OSError, ValueError) as problem:
            console.print(f"No comparison: {problem}.", style="red", highlight=False)
            return 2
    core = measure.pin(chosen.core)
    kept = chosen.keep_memory and native.keep_freed_memory()
    try:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            figures = measured(chosen, progress)
    except (NoCompiler, WrongResult, instructions.NoCounter) as problem:
        console.print(str(problem), style="red", highlight=False)
        return 1
    figures["keeps_freed_memory"] = kept
    about = figures["machine"]
    console.print(
        f"{about['cpu']}, core {core} of {about['cores']}; {about['python']}, NumPy "
        f"{about['numpy']}; {about['compiler']}; best of {figures['rounds']} interleaved passes",
        highlight=False,
    )
    console.print(main_table(figures))
    if figures["batches"]:
        console.print(batch_table(figures))
    if "packages" in figures:
        console.print(packages.table_of(figures["packages"], packages.SIZE))
        console.print(packages.missing(), highlight=False)
    console.print("Every result equals what the workload must end with, trade by trade.")
    if chosen.json:
        results.save(figures, chosen.json)
    if chosen.save_baseline:
        results.save(figures, chosen.baseline)
    if chosen.compare:
        worse = results.compare(figures, baseline)
        for line in worse:
            console.print(f"worse: {line}", style="red", highlight=False)
        return int(bool(worse))
    return 0


if __name__ == "__main__":
    sys.exit(main())
