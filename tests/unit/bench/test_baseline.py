"""Figures are compared with the baseline by what travels: ratios, counts and bytes."""

from copy import deepcopy
from pathlib import Path

import pytest

pytest.importorskip("bench", reason="bench/ is not part of this checkout")

from bench import results

FIGURES = {
    "flow": "own",
    "workloads": {
        "realistic": {
            "book_ns": 30.0,
            "ratio_best": 2.0,
            "instructions": 200.0,
            "bytes_per_order": 60.0,
        }
    },
}


def test_equal_figures_are_not_worse() -> None:
    """Nothing is reported where nothing changed."""
    assert results.compare(FIGURES, FIGURES) == []


@pytest.mark.parametrize("figure", results.TOLERANCE)
def test_worse_beyond_tolerance_is_reported(figure: str) -> None:
    """The line names workload and figure."""
    worse = deepcopy(FIGURES)
    worse["workloads"]["realistic"][figure] *= 1.02 + results.TOLERANCE[figure]

    (line,) = results.compare(worse, FIGURES)

    assert line.startswith(f"realistic: {figure}")


def test_within_tolerance_is_silent() -> None:
    """Half of the tolerance is noise."""
    noisy = deepcopy(FIGURES)
    for figure, tolerance in results.TOLERANCE.items():
        noisy["workloads"]["realistic"][figure] *= 1 + tolerance / 2

    assert results.compare(noisy, FIGURES) == []


def test_nanoseconds_are_never_compared() -> None:
    """Another machine may be slower altogether."""
    slower = deepcopy(FIGURES)
    slower["workloads"]["realistic"]["book_ns"] *= 10

    assert results.compare(slower, FIGURES) == []


def test_figures_of_another_flow_are_refused() -> None:
    """A baseline of one flow says nothing about another."""
    with pytest.raises(ValueError, match="own"):
        results.compare({**FIGURES, "flow": "external"}, FIGURES)


def test_saved_figures_are_read_again(tmp_path: Path) -> None:
    """What is saved is what is loaded."""
    results.save(FIGURES, tmp_path / "some" / "figures.json")

    assert results.load(tmp_path / "some" / "figures.json") == FIGURES
