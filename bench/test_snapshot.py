"""Snapshot and restore of a million resting orders."""

from pytest_benchmark.fixture import BenchmarkFixture

from nextrade import OrderBook

from .conftest import MILLION


def test_snapshot(benchmark: BenchmarkFixture, million: OrderBook) -> None:
    """State to checksummed bytes."""
    image = benchmark.pedantic(million.snapshot, rounds=3)

    benchmark.extra_info["bytes_per_order"] = round(len(image) / MILLION, 1)


def test_restore(benchmark: BenchmarkFixture, million: OrderBook) -> None:
    """Checksummed bytes to a book that goes on where the other stood."""
    image = million.snapshot()

    restored = benchmark.pedantic(OrderBook.from_snapshot, args=(image,), rounds=3)

    assert restored.state_hash() == million.state_hash()
