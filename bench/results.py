"""Figures as JSON, and their comparison with the stored baseline.

Only what travels between machines is compared: ratios to the ladder of the same run,
instruction counts, bytes per order. Nanoseconds are stored to be read, never compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["BASELINE", "TOLERANCE", "check_flow", "compare", "load", "save"]

BASELINE = Path(__file__).parent / "baseline.json"

TOLERANCE = {"ratio_best": 0.35, "instructions": 0.03, "bytes_per_order": 0.03}
"""How much worse a figure may be. Ratios move by a third on a busy machine."""

Figures = dict[str, Any]


def save(figures: Figures, file: Path) -> None:
    """Write ``figures`` in the order of the tables, one to a line, to be compared as text too."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(figures, indent=2) + "\n")


def load(file: Path = BASELINE) -> Figures:
    """Read figures that ``save`` wrote."""
    figures: Figures = json.loads(file.read_text())
    return figures


def check_flow(flow: str, baseline: Figures) -> None:
    """Raise ValueError unless the baseline was measured on the same flow."""
    if baseline["flow"] != flow:
        raise ValueError(
            f"the baseline was measured on the flow {baseline['flow']!r}, not {flow!r}"
        )


def compare(figures: Figures, baseline: Figures) -> list[str]:
    """One line for each figure that is worse than the baseline's by more than its tolerance."""
    check_flow(figures["flow"], baseline)
    return list(_worse(figures, baseline))


def _worse(figures: Figures, baseline: Figures) -> Iterator[str]:
    for workload, then in baseline["workloads"].items():
        now = figures["workloads"].get(workload, {})
        for figure, tolerance in TOLERANCE.items():
            before, after = then.get(figure), now.get(figure)
            if before is None or after is None:
                continue  # not measured then or now: valgrind may be missing
            if after > before * (1 + tolerance):
                yield (
                    f"{workload}: {figure} {before:.3g} -> {after:.3g} "
                    f"({after / before - 1:+.0%}, tolerance {tolerance:.0%})"
                )
