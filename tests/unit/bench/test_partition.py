"""The benchmark of a whole cycle measures orders that are taken, not refusals."""

import numpy as np
from bench.partition import cost_of, exchange_flow, listings, two_markets

from nextrade import EventKind
from nextrade.domain.partition import Partition


def test_flows_are_taken() -> None:
    """Nothing in a flow is refused, and nearly all accounts have orders."""
    for flow, markets in ((exchange_flow("realistic", 20_000), 1), (two_markets(20_000), 2)):
        partition = Partition(listings(markets), 0)
        asked = partition.reservations(flow)
        outcome = partition.process(flow, np.zeros(len(flow), np.uint8), asked.amount)

        assert not np.any(outcome.events["kind"] == EventKind.REJECTED)
        assert len(np.unique(flow["owner"])) > 4_000
        assert set(outcome.markets.tolist()) == set(range(markets))


def test_parts_add_up() -> None:
    """The parts of a cycle are above nothing, and the cycle is their sum."""
    cost = cost_of(exchange_flow("deep_match", 10_000), 500, rounds=1)

    parts = (cost.reservations, cost.book, cost.postings, cost.netting)
    assert cost.cycle == sum(parts)
    assert cost.reservations > 0 < cost.book
    assert cost.events > 1
