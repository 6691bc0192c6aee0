"""Writes stored figures into the last section of bench/README.md.

python bench/run.py --json bench/results/figures.json
python -m bench.report bench/results/figures.json
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import results
from .ladder_table import COLUMNS

__all__ = ["markdown"]

README = Path(__file__).parent / "README.md"
MARK = "<!-- figures: written by bench/report.py -->"


def row(cells: list[str]) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |"


def head(cells: list[str]) -> list[str]:
    """Heading and rule of a table whose figures stand to the right."""
    return [row(cells), row(["---"] + ["---:"] * (len(cells) - 1))]


def markdown(figures: dict[str, Any]) -> Iterator[str]:
    """The figures as lines of Markdown."""
    about = figures["machine"]
    yield (
        f"{about['cpu']}, {about['cores']} cores, {about['system']}; {about['python']}, NumPy "
        f"{about['numpy']}; {about['compiler']}. Flow: {figures['flow']}; best of "
        f"{figures['rounds']} passes; batches of {figures['batch']:,}."
    )
    yield ""
    rows = figures["workloads"]
    shown = [column for column in COLUMNS if any(column[1] in cells for cells in rows.values())]
    yield from head(["workload", *(heading for heading, _, _ in shown)])
    for name, cells in rows.items():
        texts = [form.format(cells[key]) if key in cells else "" for _, key, form in shown]
        yield row([f"`{name}`", *texts])
    if figures.get("batches"):
        yield ""
        names = list(figures["batches"])
        yield from head(["commands a call: ns (× ladder)", *(f"`{name}`" for name in names)])
        for size in sorted(next(iter(figures["batches"].values())), key=int):
            cells = [figures["batches"][name][size] for name in names]
            texts = [f"{cell['book_ns']:,.1f} ({cell['ratio_best']:.1f})" for cell in cells]
            yield row([f"{int(size):,}", *texts])
    if figures.get("packages"):
        yield ""
        names = list(next(iter(figures["packages"].values())))
        yield from head(["from Python: × ladder (ns)", *(f"`{name}`" for name in names)])
        for package, by_workload in figures["packages"].items():
            cells = [by_workload[name] for name in names]
            texts = [f"{cell['ratio_best']:,.1f} ({cell['ns']:,.0f})" for cell in cells]
            yield row([package, *texts])


def main() -> int:
    """Replace what stands below the mark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("figures", type=Path, help="what `bench/run.py --json` wrote")
    chosen = parser.parse_args()
    above = README.read_text().partition(MARK)[0]
    below = "\n".join(markdown(results.load(chosen.figures)))
    README.write_text(f"{above}{MARK}\n\n{below}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
