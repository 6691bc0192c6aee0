"""How price levels changed, told with a batch: enough to follow the depth of every book."""

import numpy as np
import pytest

from nextrade import LEVEL_DTYPE, Side
from nextrade.domain.partition import Outcome, Partition

from .partition_tables import commands, one_market, three_markets
from .random_commands import random_commands

Depths = dict[tuple[int, int, int], tuple[int, int]]
"""By market, side and price: visible quantity and number of orders."""


def run(partition: Partition, batch: np.ndarray, tiers: np.ndarray) -> list[Outcome]:
    """All slices of a batch, with the changes of levels."""
    asked = partition.reservations(batch)
    slices = [partition.process(batch, tiers, asked.amount, levels=True)]
    while partition.pending:
        slices.append(partition.proceed())
    return slices


def follow(depths: Depths, outcome: Outcome) -> None:
    """What a subscriber does with changes of levels."""
    for level, market in zip(outcome.levels, outcome.level_markets.tolist(), strict=True):
        key = market, int(level["side"]), int(level["price_ticks"])
        depths[key] = int(level["qty_lots"]), int(level["orders"])
        if level["qty_lots"] == 0:
            del depths[key]


def depths_of(partition: Partition) -> Depths:
    """The same of all books, as they say it themselves."""
    return {
        (market, int(side), int(row["price_ticks"])): (int(row["qty_lots"]), int(row["orders"]))
        for market in partition.markets
        for side, rows in zip(
            (Side.BUY, Side.SELL), partition.book(market).depth(10_000), strict=True
        )
        for row in rows
    }


@pytest.mark.parametrize("seed", range(8))
def test_depth_can_be_followed(seed: int) -> None:
    """Whoever applies each change to what was there before has the depth after every batch."""
    stream, tiers = random_commands(seed, 1200)
    partition = Partition(three_markets(), 0)
    silent = Partition(three_markets(), 0)
    depths: Depths = {}
    told = 0
    for at in range(0, 1200, 60):
        batch, of_them = stream[at : at + 60], tiers[at : at + 60]
        (outcome,) = run(partition, batch, of_them)
        asked = silent.reservations(batch)
        without = silent.process(batch, of_them, asked.amount)
        follow(depths, outcome)
        told += len(outcome.levels)

        assert depths == depths_of(partition)
        assert outcome.events.tobytes() == without.events.tobytes()
        assert outcome.levels.dtype == LEVEL_DTYPE
        assert np.all(np.diff(outcome.levels["command"].astype(np.int64)) >= 0)
        assert np.array_equal(batch["market"][outcome.levels["command"]], outcome.level_markets)
        assert len(without.levels) == len(without.level_markets) == 0
    assert told > 150


@pytest.mark.parametrize("seed", range(4))
def test_levels_stand_in_the_last_slice(seed: int) -> None:
    """However an outcome is cut, the changes are the same, and come when the events are over."""
    batch, tiers = random_commands(seed, 300)
    whole = Partition(three_markets(), 0)
    cut = Partition(three_markets(), 0, posting_limit=5, event_limit=7)
    (expected,) = run(whole, batch, tiers)

    slices = run(cut, batch, tiers)

    assert len(slices) > 40
    assert not any(len(one.levels) or len(one.level_markets) for one in slices[:-1])
    assert slices[-1].levels.tobytes() == expected.levels.tobytes()
    assert slices[-1].level_markets.tobytes() == expected.level_markets.tobytes()
    assert len(expected.levels) > 30


def test_levels_that_wait_are_part_of_a_snapshot() -> None:
    """A partition that is restored between two slices tells the changes all the same."""
    batch, tiers = random_commands(5, 200)
    partition = Partition(three_markets(), 0, event_limit=9)
    asked = partition.reservations(batch)
    partition.process(batch, tiers, asked.amount, levels=True)
    restored = Partition.restore(three_markets(), 0, partition.snapshot(), event_limit=9)

    assert restored.state_hash() == partition.state_hash()
    while partition.pending:
        one, other = partition.proceed(), restored.proceed()
        assert [part.tobytes() for part in one] == [part.tobytes() for part in other]
    assert len(one.levels) > 20
    assert restored.pending == 0


def test_a_level_that_changes_in_two_stretches_is_told_of_twice() -> None:
    """An id that comes up again begins a stretch; both changes are told, the later one last."""
    partition = Partition(one_market(), 0)
    batch = commands(
        "1 sell #1 5 @ 100",
        "1 replace #1 sell 3 @ 100",
        "1 sell #0 5 @ 100",
        "2 sell #2 4 @ 100",
        "2 replace #2 sell 1 @ 101",
    )
    (outcome,) = run(partition, batch, np.zeros(5, np.uint8))

    assert [
        (int(one["command"]), int(one["price_ticks"]), int(one["qty_lots"]), int(one["orders"]))
        for one in outcome.levels
    ] == [(0, 100, 5, 1), (1, 100, 3, 1), (3, 100, 7, 2), (4, 100, 3, 1), (4, 101, 1, 1)]
