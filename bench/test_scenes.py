"""What the flows leave out, each scene as one command or one batch on a prepared book."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from nextrade import EventKind, OrderBook

from . import scenes

Records = npt.NDArray[np.void]


def prepared(before: Records) -> Callable[[], OrderBook]:
    """Makes equal books that have seen ``before``; restoring is quicker than replaying."""
    book = OrderBook()
    book.process(before)
    image = book.snapshot()
    return lambda: OrderBook.from_snapshot(image)


def timed(benchmark: BenchmarkFixture, before: Records, commands: Records) -> Records:
    """Time ``commands`` on a fresh book each round; returns the last round's events."""
    fresh = prepared(before)

    def setup() -> tuple[tuple[OrderBook], dict[str, object]]:
        return (fresh(),), {}

    events: Records = benchmark.pedantic(
        lambda book: book.process(commands), setup=setup, rounds=5, warmup_rounds=1
    )
    benchmark.group = "scene"
    benchmark.extra_info["events"] = len(events)
    if benchmark.stats:  # None with --benchmark-disable
        benchmark.extra_info["ns_per_event"] = round(benchmark.stats["min"] / len(events) * 1e9, 1)
    return events


def count(events: Records, kind: EventKind) -> int:
    return int((events["kind"] == kind).sum())


def test_uncross(benchmark: BenchmarkFixture) -> None:
    """A call auction of 200,000 orders ends."""
    events = timed(benchmark, *scenes.auction(200_000))

    assert count(events, EventKind.TRADE) > 50_000


def test_indicative(benchmark: BenchmarkFixture) -> None:
    """The price that an auction of 200,000 orders would have now."""
    book = prepared(scenes.auction(200_000)[0])()

    assert benchmark(book.indicative).volume_lots > 0


def test_stop_cascade(benchmark: BenchmarkFixture) -> None:
    """One market order sets off 10,000 stops, one after another."""
    events = timed(benchmark, *scenes.cascade(10_000))

    assert count(events, EventKind.TRIGGERED) == 10_000


@pytest.mark.parametrize("fills", [True, False], ids=["filled", "killed"])
def test_fill_or_kill(benchmark: BenchmarkFixture, fills: bool) -> None:
    """A FOK order against 1,000 levels of 10 orders."""
    asks, filled, killed = scenes.levels(1000, 10)

    events = timed(benchmark, asks, filled if fills else killed)

    assert count(events, EventKind.TRADE) == (10_000 if fills else 0)


def test_iceberg_sweep(benchmark: BenchmarkFixture) -> None:
    """One order takes 1,000 icebergs of 100 slices: each slice queues again."""
    events = timed(benchmark, *scenes.icebergs(1000, 100))

    assert count(events, EventKind.TRADE) == 100_000


@pytest.mark.parametrize("lateness", [0, 10, 100, 10_000])
def test_late_arrivals(benchmark: BenchmarkFixture, lateness: int) -> None:
    """10,000 orders at one price, each up to ``lateness`` places late; 10,000: in reverse."""
    late = scenes.late_arrivals(10_000, lateness)

    timed(benchmark, late[:0], late)


def test_mass_cancel(benchmark: BenchmarkFixture) -> None:
    """One owner of ten leaves a book of 200,000 orders."""
    events = timed(benchmark, *scenes.owned(200_000, 10))

    assert count(events, EventKind.CANCELED) == 20_000


def test_expire(benchmark: BenchmarkFixture) -> None:
    """100,000 GTD orders end in one command."""
    events = timed(benchmark, *scenes.expiring(100_000))

    assert count(events, EventKind.EXPIRED) == 100_000
