"""Seeded streams through an exchange whose outcomes are cut into slices, and the oracle."""

from typing import Any

import numpy as np
import pytest

from nextrade.domain.partition import Partition
from tests.model.exchange_comparing import as_text, shortest
from tests.model.exchange_differential import run
from tests.model.exchange_sliced import Sliced
from tests.model.exchange_streams import exchange_stream


def agree(seed: int, commands: int) -> int:
    """Fail with few steps if oracle and exchange differ; else tell how often a slice ended."""
    setting, steps = exchange_stream(seed, commands)
    made: list[Sliced] = []

    def sliced(listings: Any) -> Sliced:
        made.append(Sliced(listings, seed))
        return made[-1]

    found = run(setting, steps, sliced)
    if found:
        few = shortest(steps, lambda tried: bool(run(setting, tried, sliced)))
        text = "\n".join(as_text(step) for step in few)
        pytest.fail(f"seed {seed}, limits {made[0].limits}: {run(setting, few, sliced)}\n{text}")
    return made[0].cuts


@pytest.mark.parametrize("seed", range(0, 40, 8))
def test_slices_are_together_what_the_oracle_says(seed: int) -> None:
    """Events, balances, holds and totals are those of the uncut outcome, whatever the limits."""
    assert sum(agree(seed + one, 120) for one in range(8)) > 100


@pytest.mark.full
@pytest.mark.parametrize("seed", range(3000, 4000, 10))
def test_slices_are_so_for_long(seed: int) -> None:
    """So they are over many longer streams."""
    for one in range(10):
        agree(seed + one, 1000)


class Losing(Partition):
    """A partition that forgets a slice."""

    def proceed(self) -> Any:
        outcome = super().proceed()
        return super().proceed() if self.pending else outcome


class Late(Partition):
    """A partition whose slices come in the wrong order."""

    def proceed(self) -> Any:
        slices = [super().proceed()]
        while super().pending:
            slices.append(super().proceed())
        self._settlement.wait_for([one[:3] for one in slices[:-1]])
        return slices[-1]


class Shifted(Partition):
    """A partition that tells the first event of the next slice too early."""

    def process(self, *arguments: Any, **more: Any) -> Any:
        outcome = super().process(*arguments, **more)
        if not self.pending:
            return outcome
        slices = [one[:3] for one in self._settlement.pending]
        events, markets, postings = slices[0]
        self._settlement.wait_for([(events[1:], markets[1:], postings), *slices[1:]])
        return outcome._replace(
            events=np.concatenate([outcome.events, events[:1]]),
            markets=np.concatenate([outcome.markets, markets[:1]]),
        )


@pytest.mark.parametrize("wrong", [Losing, Late, Shifted])
def test_wrong_slices_are_found_out(wrong: type[Partition]) -> None:
    """Where a slice is lost, comes late or ends elsewhere, some stream shows it."""

    def spoiled(listings: Any, seed: int) -> Sliced:
        exchange = Sliced(listings, seed)
        exchange.partitions = [
            wrong(exchange.listings, one.number, **exchange.limits) for one in exchange.partitions
        ]
        return exchange

    found = []
    for seed in range(8):
        setting, steps = exchange_stream(seed, 120)
        found.append(run(setting, steps, lambda listings, seed=seed: spoiled(listings, seed)))

    assert any(found)
