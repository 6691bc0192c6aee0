"""The exchange as a state machine: partitions and a ledger, driven by what the journal records.

Nothing here reads a clock, draws a number or touches a disk. ``Exchange`` wraps it with those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...domain.listings import Listings
from ...domain.partition import EVENT_LIMIT, POSTING_LIMIT, Outcome, Partition
from ...domain.postings import REQUEST_DTYPE
from ...enums import CommandKind, EventKind
from ...errors import BatchPending, ListingsRefused
from ..ledger.protocol import Ledger
from .kept_ids import KeptIds
from .naming import reserve_named

EPOCH = 1
"""The only one: an exchange in one process is never taken over."""

MONEY_CALLS = ("credit", "hold", "capture", "refund", "transfer")
"""What a MONEY record may ask of the ledger."""


class State(NamedTuple):
    """What a core knows beside its ledger, for a snapshot."""

    partitions: list[bytes]
    batches: list[int]
    tiers: dict[int, int]
    highest_order_id: int
    clock_ns: int
    kept_ids: bytes
    """Client order ids; empty for none."""


class Core:
    """Partitions over one ledger, and what an account's orders pay.

    What commands do that are run together may be more than the limits, which are those of
    ``Partition``: then it is settled in several of the ledger's batches.
    """

    def __init__(
        self,
        listings: Listings,
        ledger: Ledger,
        *,
        posting_limit: int = POSTING_LIMIT,
        event_limit: int = EVENT_LIMIT,
    ) -> None:
        self.founded = self.listings = listings
        self.ledger = ledger
        self._limits = {"posting_limit": posting_limit, "event_limit": event_limit}
        numbers = sorted({listing.partition for listing in listings.listings})
        self.partitions = {
            number: Partition(listings, number, **self._limits) for number in numbers
        }
        self.batches = {number: ledger.open_partition(number, EPOCH) for number in numbers}
        self.partition_of = _partition_of(listings)
        self.tiers: dict[int, int] = {}
        self.highest_order_id = 0
        self.clock_ns = 0
        self.kept_ids = KeptIds(self._is_open)

    def _is_open(self, market: int, order_id: int) -> bool:
        return order_id in self.partitions[int(self.partition_of[market])].book(market)

    def tiers_of(self, commands: npt.NDArray[np.void]) -> npt.NDArray[np.uint8]:
        """The fee tier that each command's account has now."""
        if not self.tiers:
            return np.zeros(len(commands), dtype=np.uint8)
        accounts, inverse = np.unique(commands["owner"], return_inverse=True)
        tiers = [self.tiers.get(account, 0) for account in accounts.tolist()]
        return np.array(tiers, dtype=np.uint8)[inverse]

    def run(
        self,
        number: int,
        commands: npt.NDArray[np.void],
        tiers: npt.NDArray[np.uint8],
        names: npt.NDArray[np.void] | None = None,
    ) -> Outcome:
        """One batch of one partition: reserve, match, settle slice by slice.

        ``names`` are client order ids (NAME_DTYPE): of new orders, and of changes whose order
        nobody knows. The outcome is the whole one: events in the order of the commands, postings
        of one slice after the other. Raises BatchPending if slices of an earlier batch wait for
        ``finish``.
        """
        partition = self.partitions[number]
        if partition.pending:
            # Reserving now would hold money for commands that cannot run.
            raise BatchPending(f"slices of partition {number} wait and go first; call finish()")
        batch = self.batches[number] + 1
        asked = partition.reservations(commands)
        requests = np.empty(len(commands), dtype=REQUEST_DTYPE)
        requests["account"], requests["asset"] = asked.account, asked.asset
        requests["amount"] = np.where(asked.refusal == 0, asked.amount, 0)
        frames = [batch]
        if names is None:
            granted = self.ledger.reserve(number, EPOCH, batch, requests)
            amounts = np.where(granted, requests["amount"], -1)
        else:
            amounts, frames, taken = reserve_named(
                self.ledger,
                self.kept_ids,
                (number, EPOCH, batch),
                commands,
                requests,
                asked.refusal != 0,
                names,
                self.clock_ns,
            )
        outcome = partition.process(commands, tiers, amounts)
        self._settle(number, outcome, frames)
        self._note_ids(commands)
        self._note_time(outcome)
        try:
            return joined([outcome, *self.finish(number)])
        finally:
            # What has run has taken its ids, even if slices of it wait for the ledger.
            if names is not None:
                self.kept_ids.keep(taken, self.clock_ns)

    def finish(self, number: int) -> list[Outcome]:
        """Settle the slices of a partition's last batch that wait, each a batch of the ledger."""
        slices = []
        while self.partitions[number].pending:
            slices.append(self.partitions[number].proceed())
            self._settle(number, slices[-1])
            self._note_time(slices[-1])
        return slices

    def _settle(self, number: int, outcome: Outcome, frames: Sequence[int] = ()) -> None:
        batch = self.batches[number] + 1
        self.ledger.settle(number, EPOCH, batch, outcome.postings, frames)
        self.batches[number] = batch

    def _note_time(self, outcome: Outcome) -> None:
        """Follow the time of what was not refused; a slip would leave no later time."""
        times = outcome.events["timestamp_ns"][outcome.events["kind"] != EventKind.REJECTED]
        self.clock_ns = max(self.clock_ns, int(times.max(initial=0)))

    def _note_ids(self, commands: npt.NDArray[np.void]) -> None:
        """Follow the ids that orders were given.

        An id that is only asked for (by a cancel, say) is nobody's: one slip would leave no
        higher one.
        """
        ids = commands["order_id"][commands["kind"] == CommandKind.PLACE]
        ids = ids[ids < 1 << 62]
        self.highest_order_id = max(self.highest_order_id, int(ids.max(initial=0)))

    def check_relist(self, listings: Listings) -> None:
        """Raise what ``relist`` would raise."""
        if listings == self.listings:
            return
        if listings.version == self.listings.version:
            raise ListingsRefused(f"version {listings.version} of the listings is another one")
        for partition in self.partitions.values():
            partition.check_relist(listings)

    def relist(self, listings: Listings) -> None:
        """Go on under the next listings; what is so already is left.

        All partitions are asked before the first of them changes. Raises what
        ``Partition.relist`` raises, and ListingsRefused for others of the same version.
        """
        self.check_relist(listings)
        if listings == self.listings:
            return
        for partition in self.partitions.values():
            partition.relist(listings)
        self.listings, self.partition_of = listings, _partition_of(listings)

    def money(self, name: str, *arguments: Any) -> bool:
        """One call of the ledger beside the batches."""
        call: Callable[..., bool] = getattr(self.ledger, name)
        return call(*arguments)

    def state(self) -> State:
        """What a snapshot keeps beside the ledger."""
        numbers = sorted(self.partitions)
        return State(
            [self.partitions[number].snapshot() for number in numbers],
            [self.batches[number] for number in numbers],
            dict(self.tiers),
            self.highest_order_id,
            self.clock_ns,
            self.kept_ids.snapshot(),
        )

    def restore(self, state: State) -> None:
        """Take up what ``state`` gave, over a ledger of the same moment."""
        for number, snapshot, batch in zip(
            sorted(self.partitions), state.partitions, state.batches, strict=True
        ):
            self.partitions[number] = Partition.restore(
                self.listings, number, snapshot, **self._limits
            )
            self.batches[number] = batch
        self.tiers = dict(state.tiers)
        self.highest_order_id = state.highest_order_id
        self.clock_ns = state.clock_ns
        if state.kept_ids:
            self.kept_ids.restore(state.kept_ids)


def _partition_of(listings: Listings) -> npt.NDArray[np.uint32]:
    return np.array([one.partition for one in listings.listings], dtype=np.uint32)


def joined(slices: list[Outcome]) -> Outcome:
    """All slices of a batch as one outcome, its events in the order of the commands."""
    if len(slices) == 1:
        return slices[0]
    whole = Outcome(*(np.concatenate(parts) for parts in zip(*slices, strict=True)))
    # Those of a market are in order across slices, and a command belongs to one market.
    order = np.argsort(whole.events["command"], kind="stable")
    return whole._replace(events=whole.events[order], markets=whole.markets[order])
