"""The real exchange with limits so small that most batches are cut into many slices."""

import random
from typing import Any

import numpy as np

from tests.model.exchange_faces import Real
from tests.model.exchange_settings import MARKETS
from tests.oracle.exchange.listing import Listing


class Sliced(Real):
    """Each slice is a batch of the ledger; now and then all is written down between two slices."""

    def __init__(self, listings: tuple[Listing, ...], seed: int) -> None:
        self.random = random.Random(seed)
        self.posting_limit = self.random.choice([1, 2, 3, 5, 7, 1000])
        self.event_limit = self.random.choice([1, 2, 3, 5, 1000])
        self.limits = {"posting_limit": self.posting_limit, "event_limit": self.event_limit}  # type: ignore[misc]
        self.cuts = 0
        super().__init__(listings, MARKETS)

    def settle(self, number: int, outcome: Any, frames: list[int]) -> None:
        """Slice by slice: none is too large, none makes a balance negative."""
        slices = [outcome]
        self.settle_slice(number, outcome, frames)
        while self.partitions[number].pending:
            self.in_between(number)
            slices.append(self.partitions[number].proceed())
            self.settle_slice(number, slices[-1], [])
        self.cuts += len(slices) - 1
        for cut in slices[:-1]:
            # Cells that come to nothing count, so a slice may end with fewer postings.
            assert len(cut.events) == self.event_limit or self.posting_limit < 1000
        self.last = joined(slices)

    def settle_slice(self, number: int, outcome: Any, frames: list[int]) -> None:
        super().settle_slice(number, outcome, frames)
        assert len(outcome.events) <= self.event_limit
        own = int((outcome.postings["account"] != 0).sum())
        assert own < self.posting_limit + 4
        for available, held in self.balances().values():
            assert available >= 0 <= held

    def in_between(self, number: int) -> None:
        """What is held is what the orders hold and what is pending, and that outlives a restart."""
        partition = self.partitions[number]
        if self.random.random() < 0.1:
            self.restart()
            partition = self.partitions[number]
        partition.check_invariants()
        waiting = partition.pending_postings()
        totals = np.zeros(len(self.listings.assets), np.int64)
        np.subtract.at(totals, waiting["asset"], waiting["held"])
        assert totals.tolist() == partition.pending_held().tolist()
        expected: dict[tuple[int, int], int] = {}
        for each in self.partitions:
            for hold in each.open_orders():
                key = int(hold["account"]), int(hold["asset"])
                expected[key] = expected.get(key, 0) + int(hold["held"])
            for account, asset, _, held in each.pending_postings().tolist():
                expected[account, asset] = expected.get((account, asset), 0) - held
        balances = self.balances()
        for key, held in expected.items():
            # Withdrawals and a batch that has reserved and not run hold the rest.
            assert balances.get(key, (0, 0))[1] >= held


def joined(slices: list[Any]) -> Any:
    """All slices as one outcome; each market tells its events in order by itself."""
    whole = type(slices[0])(*(np.concatenate(parts) for parts in zip(*slices, strict=True)))
    for market in np.unique(whole.markets):
        positions = whole.events["command"][whole.markets == market].astype(np.int64)
        assert (np.diff(positions) >= 0).all()
    order = np.argsort(whole.events["command"], kind="stable")
    return whole._replace(events=whole.events[order], markets=whole.markets[order])
