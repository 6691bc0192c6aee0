"""The way in for people: one method call at a time, with median and 99.9th percentile."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from .latency import CASES, latency_of

CALLS = 20_000


@pytest.mark.parametrize("case", CASES)
def test_call(benchmark: BenchmarkFixture, case: str) -> None:
    """The benchmark's own time covers books and clock reads; read ``extra_info``."""
    benchmark.group = "one call"

    latency = benchmark.pedantic(latency_of, args=(CASES[case], CALLS), rounds=1)

    benchmark.extra_info["median_ns"] = round(latency.median_ns)
    benchmark.extra_info["p999_ns"] = round(latency.p999_ns)
    benchmark.extra_info["calls_per_second"] = round(latency.calls_per_second)
