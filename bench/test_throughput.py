"""The way in for machines: whole workloads through ``process``."""

from functools import partial

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from nextrade import OrderBook

from . import replay
from .workloads import NAMES, generated, ladder_seconds

SIZE = 200_000


@pytest.mark.parametrize("batch", [1, 100, 4096, 65_536])
@pytest.mark.parametrize("name", NAMES)
def test_workload(benchmark: BenchmarkFixture, name: str, batch: int) -> None:
    """A tenth of the workload in calls of ``batch`` commands; the ladder's time goes beside it."""
    workload = generated(name, SIZE)
    cut = replay.batches(workload.commands, batch)

    def run() -> None:
        process = OrderBook().process
        for commands in cut:
            process(commands)

    benchmark.group = name
    benchmark.pedantic(run, rounds=5, warmup_rounds=1)

    ladder = min(ladder_seconds(workload) for _ in range(5))
    benchmark.extra_info["commands"] = SIZE
    if benchmark.stats:  # None with --benchmark-disable
        benchmark.extra_info["times_the_ladder"] = round(benchmark.stats["min"] / ladder, 2)


@pytest.mark.parametrize("capacity", [0, SIZE])
def test_capacity(benchmark: BenchmarkFixture, capacity: int) -> None:
    """Inserts only, with and without telling the book how many orders will come."""
    commands = generated("burst_insert", SIZE).commands
    benchmark.group = "capacity"

    benchmark.pedantic(
        partial(replay.seconds, commands, 4096, capacity=capacity), rounds=5, warmup_rounds=1
    )


def test_level_updates(benchmark: BenchmarkFixture) -> None:
    """The realistic workload with L2 deltas asked for."""
    cut = replay.batches(generated("realistic", SIZE).commands, 4096)
    benchmark.group = "realistic"

    def run() -> None:
        process = OrderBook().process
        for commands in cut:
            process(commands, levels=True)

    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
