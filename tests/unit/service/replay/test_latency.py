"""Durations in a histogram of fixed size: what it says, against NumPy on the values themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextrade.service.replay.latency import LatencyHistogram

PERCENTS = (0.0, 1.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0)
ERROR = 0.02


def filled(values: np.ndarray, parts: int = 1) -> LatencyHistogram:
    """A histogram of these, put in by parts."""
    histogram = LatencyHistogram()
    for part in np.array_split(values, parts):
        histogram.add(part)
    return histogram


def agrees(histogram: LatencyHistogram, values: np.ndarray) -> None:
    """The percentiles are those of the values, but for the error that is allowed."""
    for percent in PERCENTS:
        exact = int(np.percentile(values, percent, method="inverted_cdf"))
        assert abs(histogram.percentile(percent) - exact) <= ERROR * exact + 0.5, percent


@pytest.mark.parametrize("scale", [3.0, 6.0, 12.0, 25.0])
def test_percentiles_of_random_durations(scale: float) -> None:
    """From some nanoseconds to minutes, each percentile is right to within two per cent."""
    values = np.random.default_rng(int(scale)).lognormal(scale, 1.5, 50_000).astype(np.int64)
    histogram = filled(values, 7)

    agrees(histogram, values)
    assert (histogram.count, histogram.max) == (50_000, values.max())
    assert histogram.min == values.min()


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=50))
def test_any_durations(values: list[int]) -> None:
    """Also of few durations, of zero and of the greatest that there are."""
    agrees(filled(np.array(values, dtype=np.int64)), np.array(values, dtype=np.int64))


def test_small_durations_are_exact() -> None:
    """Below 63 ns every whole number has a bin of its own."""
    values = np.arange(63, dtype=np.int64)

    bins = filled(values).bins()

    assert bins.low_ns.tolist() == bins.high_ns.tolist() == values.tolist()
    assert bins.counts.tolist() == [1] * 63


def test_bins_hold_every_duration_once() -> None:
    """Bins follow each other without a gap, and each duration is in the one it belongs to."""
    values = np.random.default_rng(3).integers(0, 10**7, 20_000)
    bins = filled(values).bins()

    assert (bins.low_ns[1:] == bins.high_ns[:-1] + 1).all()
    for low, high, count in zip(*bins, strict=True):
        assert count == ((values >= low) & (values <= high)).sum()


def test_merging_is_adding_all() -> None:
    """Two histograms made one say the same as one of all durations."""
    values = np.random.default_rng(4).integers(5, 10**6, 3_000)
    one, other = filled(values[:1000]), filled(values[1000:])
    one.merge(other)
    one.merge(LatencyHistogram())
    together = filled(values)

    assert (one.count, one.min, one.max) == (together.count, together.min, together.max)
    assert [one.percentile(p) for p in PERCENTS] == [together.percentile(p) for p in PERCENTS]


def test_merging_into_an_empty_one_keeps_the_least() -> None:
    """The least duration of an empty histogram is none, and does not stay zero."""
    empty = LatencyHistogram()
    empty.merge(filled(np.array([7, 9], dtype=np.int64)))

    assert (empty.min, empty.max, empty.count) == (7, 9, 2)


def test_without_durations_everything_is_zero() -> None:
    """An empty histogram answers, and has no bins."""
    histogram = LatencyHistogram()
    histogram.add(np.zeros(0, dtype=np.int64))

    assert (histogram.count, histogram.max, histogram.percentile(99)) == (0, 0, 0)
    assert len(histogram.bins().counts) == 0


def test_a_clock_that_was_set_back_counts_as_zero() -> None:
    """A negative duration is no reason to fail."""
    histogram = filled(np.array([-5, 10], dtype=np.int64))

    assert (histogram.count, histogram.min, histogram.percentile(50)) == (2, 0, 0)


@pytest.mark.parametrize("percent", [-0.1, 100.1])
def test_a_percentile_outside_is_refused(percent: float) -> None:
    """Percentages go from 0 to 100."""
    with pytest.raises(ValueError, match="between 0 and 100"):
        LatencyHistogram().percentile(percent)
