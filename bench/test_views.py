"""Looking at a book of a million resting orders."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from nextrade import OrderBook

from .conftest import MILLION


def test_top(benchmark: BenchmarkFixture, million: OrderBook) -> None:
    """Best price and quantity of both sides."""
    top = benchmark(million.top)

    assert top.bid_ticks < top.ask_ticks


@pytest.mark.parametrize("levels", [1, 10, 100, 1000])
def test_depth(benchmark: BenchmarkFixture, million: OrderBook, levels: int) -> None:
    """The best levels of both sides as arrays."""
    bids, asks = benchmark(million.depth, levels)

    assert len(bids) == len(asks) == levels


def test_order(benchmark: BenchmarkFixture, million: OrderBook) -> None:
    """One order by id."""
    assert benchmark(million.order, MILLION // 2)["order_id"] == MILLION // 2


def test_orders(benchmark: BenchmarkFixture, million: OrderBook) -> None:
    """All resting orders in priority order as one array of 80 MB."""
    orders = benchmark.pedantic(million.orders, rounds=3)

    assert len(orders) == MILLION


def test_state_hash(benchmark: BenchmarkFixture, million: OrderBook) -> None:
    """The canonical hash of the whole state."""
    assert benchmark.pedantic(million.state_hash, rounds=3)


def test_check_invariants(benchmark: BenchmarkFixture, million: OrderBook) -> None:
    """Every structure compared with every other."""
    benchmark.pedantic(million.check_invariants, rounds=3)
