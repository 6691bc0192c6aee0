"""Memory per resting order at a million of them, each flow in a process of its own."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from .conftest import MILLION
from .memory import FLOWS, footprint


@pytest.mark.parametrize("flow", FLOWS)
def test_bytes_per_order(benchmark: BenchmarkFixture, flow: str) -> None:
    """The benchmark's own time is that of a whole process; read ``extra_info``."""
    benchmark.group = "memory"

    found = benchmark.pedantic(footprint, args=(flow, MILLION), rounds=1)

    benchmark.extra_info["book_bytes_per_order"] = round(found["book"], 1)
    benchmark.extra_info["resident_bytes_per_order"] = round(found["resident"], 1)
