"""The oracle's exchange and the real one behind one face, which answers in plain values."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from nextrade.domain.assets import Asset
from nextrade.domain.listings import Fees, Listings
from nextrade.domain.listings import Listing as RealListing
from nextrade.domain.markets import Market
from nextrade.domain.partition import Partition
from nextrade.domain.postings import REQUEST_DTYPE
from nextrade.errors import ListingsRefused, NexTradeError
from nextrade.service.ledger import MemoryLedger
from tests.model.compiled import command_array, event_list
from tests.model.exchange_settings import ASSETS, MARKETS
from tests.model.exchange_streams import Batch, Money, Relist
from tests.oracle.exchange import checking
from tests.oracle.exchange.accounts import LedgerObjects
from tests.oracle.exchange.exchange import Exchange, MarketEvent, OpenHold
from tests.oracle.exchange.listing import Listing
from tests.oracle.exchange.relisting import relist

NOTHING = (0, 0, 0, 0)


class Plain:
    """The oracle."""

    def __init__(self, listings: tuple[Listing, ...]) -> None:
        self.exchange = Exchange(listings)

    def money(self, step: Money) -> bool | str:
        """What a call of the ledger answers: done, done before, or the name of its error."""
        try:
            return getattr(self.exchange.accounts, step.call)(*step.arguments)
        except LedgerObjects as objection:
            return objection.args[0]

    def process(self, *batches: Batch) -> list[MarketEvent]:
        """Batches that have all reserved before the first of them is run."""
        reserved = [self.exchange.reserve(batch.partition, batch.commands) for batch in batches]
        return [
            event
            for batch, held in zip(batches, reserved, strict=True)
            for event in self.exchange.run_batch(batch.commands, batch.tiers, held)
        ]

    def relist(self, step: Relist) -> bool:
        """Whether the exchange goes on under other listings."""
        listings = changed(self.exchange.listings, step)
        return listings is not None and relist(self.exchange, listings)

    def requests(self, batch: Batch) -> list[tuple[int, int, int, int]]:
        requests = self.exchange.requests(batch.partition, batch.commands)
        return [(one.refusal, one.account, one.asset, one.amount) for one in requests]

    def balances(self) -> dict[tuple[int, int], tuple[int, int]]:
        return self.exchange.accounts.balances()

    def open_holds(self) -> list[OpenHold]:
        return self.exchange.open_holds()

    def totals(self) -> dict[int, tuple[int, int, int]]:
        return self.exchange.totals()

    def book_hashes(self) -> list[int]:
        return [book.state_hash() for book in self.exchange.books]

    def client_ids(self) -> list[tuple[int, bytes, int, int, int]]:
        """Account, client order id, market and order of each that is taken, and since when."""
        taken = self.exchange.client_ids.taken(self.exchange.clock_ns)
        return sorted((*key, *named) for key, named in taken.items())

    def check(self) -> None:
        checking.check(self.exchange)

    def restart(self) -> None:
        """An oracle forgets nothing."""


def changed(listings: Sequence[Listing], step: Relist) -> tuple[Listing, ...] | None:
    """The listings after a step; None if they would have no form, or fewer tiers than before."""
    if step.market > len(listings):
        return None
    if step.market == len(listings):
        made = Listing(**dict(step.changes))
    else:
        before = listings[step.market]
        made = before._replace(**dict(step.changes))
        if len(made.tiers) < len(before.tiers):
            return None
    impossible = made.min_qty > made.max_qty or made.min_notional > made.max_notional
    if impossible or made.base_units_per_lot > 2**60 or made.quote_units_per_tick_lot > 2**60:
        return None
    if Fraction(made.quote_units_per_tick_lot, made.base_units_per_lot) * 10**18 % 1:
        return None
    return (*listings[: step.market], made, *listings[step.market + 1 :])


def decimal_text(number: Fraction) -> str:
    """A fraction as decimal text, exactly."""
    decimals = next(count for count in range(19) if (number * 10**count).denominator == 1)
    digits = str(int(number * 10**decimals)).zfill(decimals + 1)
    return f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits


def real_listings(listings: tuple[Listing, ...], names: tuple[str, ...] = MARKETS) -> Any:
    """The same listings for the package: assets without decimals, so a unit is a unit."""
    assets = tuple(Asset(name, 0) for name in ASSETS)
    made = []
    for name, listing in zip(names, listings, strict=False):
        tick_size = Fraction(listing.quote_units_per_tick_lot, listing.base_units_per_lot)
        market = Market(
            name,
            assets[listing.base],
            assets[listing.quote],
            tick_size=decimal_text(tick_size),
            lot_size=str(listing.base_units_per_lot),
        )
        made.append(
            RealListing(
                market,
                partition=listing.partition,
                min_qty_lots=listing.min_qty,
                max_qty_lots=listing.max_qty,
                min_notional=listing.min_notional,
                max_notional=listing.max_notional,
                tiers=tuple(Fees(maker=fees.maker, taker=fees.taker) for fees in listing.tiers),
            )
        )
    return Listings(assets, tuple(made))


def units_of(listing: RealListing) -> tuple[int, int]:
    """What a lot, and a tick on a lot, are worth."""
    return listing.market.base_units_per_lot, listing.market.quote_units_per_tick_lot


def next_listings(
    current: Any, plain: tuple[Listing, ...], market: int, names: tuple[str, ...] = MARKETS
) -> Any:
    """The version behind the current one, as ``plain`` says, in which one market is changed."""
    made = real_listings(plain, (*names, "NEW"))
    version = current.version + 1
    kept = dict(enumerate(current.listings))
    markets = [
        replace(now, units_version=kept[at].units_version if at in kept else version)
        for at, now in enumerate(made.listings)
    ]
    before, now = kept.get(market), markets[market]
    if before is not None and units_of(before) != units_of(now):
        markets[market] = replace(now, units_version=version)
    return Listings(made.assets, tuple(markets), version)


class Real:
    """The package: a Partition for each queue over one MemoryLedger, frames reserved one by one."""

    limits: ClassVar[dict[str, int]] = {}
    """Where an outcome is cut into slices; the package's own limits are never reached here."""

    def __init__(
        self,
        listings: tuple[Listing, ...],
        names: tuple[str, ...] = MARKETS,
        ledger: Any = None,
    ) -> None:
        self.plain, self.names = listings, names
        self.listings = real_listings(listings, names)
        numbers = range(1 + max(listing.partition for listing in listings))
        self.partitions = [Partition(self.listings, number, **self.limits) for number in numbers]
        self.batches = [0 for _ in numbers]
        self.frames = 0
        self.ledger = MemoryLedger() if ledger is None else ledger

    def money(self, step: Money) -> bool | str:
        """What a call of the ledger answers: done, done before, or the name of its error."""
        try:
            return getattr(self.ledger, step.call)(*step.arguments)
        except (NexTradeError, ValueError) as error:
            return type(error).__name__

    def relist(self, step: Relist) -> bool:
        """Whether all partitions go on under other listings: the market's own is asked first."""
        plain = changed(self.plain, step)
        if plain is None:
            return False
        listings = next_listings(self.listings, plain, step.market, self.names)
        version = listings.version
        own = listings.listings[step.market].partition
        try:
            self.partitions[own].relist(listings)
        except ListingsRefused:
            listings = replace(self.listings, version=version)
            self.partitions[own].relist(listings)
            plain = self.plain
        for number, partition in enumerate(self.partitions):
            if number != own:
                partition.relist(listings)
        self.listings = listings
        accepted = plain is not self.plain
        self.plain = plain
        return accepted

    def client_ids(self) -> list[tuple[int, bytes, int, int, int]]:
        """A partition knows none."""
        return []

    def requests(self, batch: Batch) -> list[tuple[int, int, int, int]]:
        asked = self.partitions[batch.partition].reservations(command_array(list(batch.commands)))
        columns = (asked.refusal, asked.account, asked.asset, asked.amount)
        return [
            (int(refusal), int(account), int(asset), int(amount)) if amount or refusal else NOTHING
            for refusal, account, asset, amount in zip(*columns, strict=True)
        ]

    def process(self, *batches: Batch) -> list[MarketEvent]:
        """The way of batches: reserve frame by frame, then match and settle one by one."""
        events: list[MarketEvent] = []
        reserved = [self.reserve(batch) for batch in batches]
        for batch, (granted, frames) in zip(batches, reserved, strict=True):
            number, commands = batch.partition, command_array(list(batch.commands))
            tiers = np.array(batch.tiers, dtype=np.uint8)
            self.settle(number, self.run(self.partitions[number], commands, tiers, granted), frames)
            pairs = zip(self.last.markets.tolist(), event_list(self.last.events), strict=True)
            events += [MarketEvent(*pair) for pair in pairs]
        return events

    def settle(self, number: int, outcome: Any, frames: list[int]) -> None:
        """Let the ledger follow; the outcome of the batch is then the last."""
        assert not self.partitions[number].pending
        self.settle_slice(number, outcome, frames)
        self.last = outcome

    def settle_slice(self, number: int, outcome: Any, frames: list[int]) -> None:
        postings_are_in_order(outcome.postings)
        self.batches[number] += 1
        self.ledger.settle(number, 1, self.batches[number], outcome.postings, frames)

    def run(
        self, partition: Any, commands: np.ndarray, tiers: np.ndarray, granted: np.ndarray
    ) -> Any:
        """Match. Now and then a copy does the same, and must do the same byte for byte."""
        if len(commands) % 4 != 1:
            return partition.process(commands, tiers, granted)
        twin = self.restored(partition)
        outcome = partition.process(commands, tiers, granted)
        again = twin.process(commands, tiers, granted)
        assert [one.tobytes() for one in outcome] == [one.tobytes() for one in again]
        assert partition.snapshot() == twin.snapshot()
        return outcome

    def restored(self, partition: Any) -> Any:
        """The same partition, out of its snapshot."""
        snapshot = partition.snapshot()
        return type(partition).restore(self.listings, partition.number, snapshot, **self.limits)

    def reserve(self, batch: Batch) -> tuple[np.ndarray, list[int]]:
        """Ask the ledger for each frame, and ask again. Answers with what was granted."""
        number, commands = batch.partition, command_array(list(batch.commands))
        asked = self.partitions[number].reservations(commands)
        granted = np.zeros(len(commands), dtype=np.int64)
        frames, start = [], 0
        for size in batch.frames:
            frame = np.arange(start, start + size)
            start += size
            wanting = frame[(asked.refusal[frame] == 0) & (asked.amount[frame] > 0)]
            requests = np.zeros(len(wanting), dtype=REQUEST_DTYPE)
            for name in ("account", "asset", "amount"):
                requests[name] = getattr(asked, name)[wanting]
            self.frames += 1
            frames.append(self.frames)
            answer = self.ledger.reserve(number, 1, self.frames, requests)
            again = self.ledger.reserve(number, 1, self.frames, requests)
            assert answer.tolist() == again.tolist()
            granted[wanting] = np.where(answer, requests["amount"], -1)
        return granted, frames

    def balances(self) -> dict[tuple[int, int], tuple[int, int]]:
        return {
            (account, asset): (available, held)
            for account, asset, available, held in self.ledger.all_balances().tolist()
        }

    def open_holds(self) -> list[OpenHold]:
        holds = np.concatenate([partition.open_orders() for partition in self.partitions])
        return sorted(OpenHold(*(int(hold[name]) for name in OpenHold._fields)) for hold in holds)

    def totals(self) -> dict[int, tuple[int, int, int]]:
        totals = self.ledger.totals()
        assert not totals["in_flight"].any()
        names = ("available", "held", "outside")
        return {int(total["asset"]): tuple(int(total[name]) for name in names) for total in totals}

    def book_hashes(self) -> list[int]:
        hashes = {
            market: partition.book(market).state_hash()
            for partition in self.partitions
            for market in partition.markets
        }
        return [hashes[market] for market in sorted(hashes)]

    def check(self) -> None:
        """What must hold whatever the oracle says."""
        for partition in self.partitions:
            partition.check_invariants()
        held: dict[tuple[int, int], int] = {}
        for hold in self.open_holds():
            assert hold.held >= 0
            held[hold.account, hold.asset] = held.get((hold.account, hold.asset), 0) + hold.held
        for key, (available, amount) in self.balances().items():
            assert available >= 0
            assert amount >= held.get(key, 0)

    def restart(self) -> None:
        """Write everything down, forget it, and read it again."""
        self.restart_partitions()
        before = self.ledger.state_hash()
        self.ledger = MemoryLedger.restore(self.ledger.snapshot())
        assert self.ledger.state_hash() == before

    def restart_partitions(self) -> None:
        hashes = [partition.state_hash() for partition in self.partitions]
        self.partitions = [self.restored(partition) for partition in self.partitions]
        assert [partition.state_hash() for partition in self.partitions] == hashes


def postings_are_in_order(postings: np.ndarray) -> None:
    """Netted, ascending, none for nothing, and nothing made or lost in any asset."""
    keys = [(int(one["account"]), int(one["asset"])) for one in postings]
    assert keys == sorted(set(keys))
    assert all(one["available"] != 0 or one["held"] != 0 for one in postings)
    sums: dict[int, int] = {}
    for one in postings:
        asset = int(one["asset"])
        sums[asset] = sums.get(asset, 0) + int(one["available"]) + int(one["held"])
    assert not any(sums.values())
