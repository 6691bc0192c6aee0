"""Instructions per command, counted by valgrind's callgrind.

    python -m bench.instructions                    all workloads, book and ladder
    python -m bench.instructions --top 15           and where the book spends them
    python -m bench.instructions --yardstick FOLDER the same on external workload files

The count does not depend on noise, clock speed or caches. It contains everything between
the first and the last call of ``process``, the interpreter's share of the loop included.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.table import Table

from . import machine
from .workloads import NAMES, Workload, from_folder, generated, native

__all__ = ["NoCounter", "count"]

ROOT = Path(__file__).resolve().parent.parent


class NoCounter(RuntimeError):
    """Valgrind or its headers are missing, so instructions cannot be counted."""


def check_available() -> None:
    """Raise NoCounter, with the remedy, if counting cannot work here."""
    if not shutil.which("valgrind") or not native.library(plain=True).count_available():
        raise NoCounter("counting instructions needs valgrind and its headers: install valgrind")


def count(
    engine: str, workload: Workload, *, batch: int = 4096, capacity: int = 0, top: int = 0
) -> tuple[float, str]:
    """Instructions per record of ``workload``, and the ``top`` functions as callgrind sees them."""
    check_available()
    array = workload.records if engine == "ladder" else workload.commands
    with tempfile.TemporaryDirectory() as folder:
        prepared, profile = Path(folder, "input.npy"), Path(folder, "profile")
        np.save(prepared, array)
        _run(
            [
                "valgrind",
                "--tool=callgrind",
                "--instr-atstart=no",
                f"--callgrind-out-file={profile}",
                sys.executable,
                "-m",
                "bench.counted",
                engine,
                str(prepared),
                f"--batch={batch}",
                f"--capacity={capacity}",
            ]
        )
        totals = [line for line in profile.read_text().splitlines() if line.startswith("totals:")]
        shown = _run(["callgrind_annotate", "--auto=no", str(profile)]) if top else ""
    hottest = [line for line in shown.splitlines() if "%)" in line and "PROGRAM TOTALS" not in line]
    return int(totals[0].split()[1]) / len(workload), "\n".join(hottest[:top])


def _run(command: Sequence[str]) -> str:
    paths = [str(ROOT), *(path for path in sys.path if path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoCounter(f"{command[0]} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def main() -> int:
    """Print one row per workload."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workloads", nargs="*", default=list(NAMES), help=f"of {', '.join(NAMES)}")
    parser.add_argument("--yardstick", type=Path, metavar="FOLDER")
    parser.add_argument("--size", type=int, help="records of each generated workload")
    parser.add_argument("--batch", type=int, default=4096, help="commands a call")
    parser.add_argument("--top", type=int, default=0, help="also list the costliest functions")
    chosen = parser.parse_args()
    console = machine.wide_console()
    table = Table("workload", title=f"Instructions per command, {chosen.batch} commands a call")
    for heading in ("book", "ladder", "ratio"):
        table.add_column(heading, justify="right")
    for name in chosen.workloads:
        if chosen.yardstick:
            workload = from_folder(chosen.yardstick, name)
        else:
            workload = generated(name, chosen.size)
        with console.status(f"counting {name}"):
            book, hottest = count("book", workload, batch=chosen.batch, top=chosen.top)
            ladder, _ = count("ladder", workload)
        if hottest:
            console.print(f"{name}\n{hottest}\n", highlight=False, markup=False)
        table.add_row(name, f"{book:.0f}", f"{ladder:.0f}", f"{book / ladder:.1f}")
    console.print(table)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (NoCounter, native.NoCompiler) as problem:
        sys.exit(str(problem))
