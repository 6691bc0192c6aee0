"""The embedded exchange, durable in a folder, as one more face; and the oracle used like it.

A batch here is for all markets at once: each partition's commands reserve, match and settle
before the next partition's. What an order pays is set for its account beforehand.
"""

from pathlib import Path
from random import Random
from typing import Any

from nextrade.errors import ListingsRefused, NexTradeError
from tests.model.compiled import command_array, event_list
from tests.model.exchange_faces import NOTHING, Plain, changed, next_listings, real_listings
from tests.model.exchange_settings import ASSETS
from tests.model.exchange_streams import Batch, Money, Relist, Restart, Step
from tests.oracle.codes import CommandKind
from tests.oracle.exchange.exchange import MarketEvent, OpenHold
from tests.oracle.exchange.listing import Listing
from tests.oracle.records import Command

ACCOUNTS = range(1, 9)
PLACE = CommandKind.PLACE
CHANGES = (CommandKind.CANCEL, CommandKind.REDUCE, CommandKind.REPLACE)


def tier_of(account: int, listings: tuple[Listing, ...]) -> int:
    """Accounts differ in their tier; strangers have the first."""
    return account % len(listings[0].tiers) if account in ACCOUNTS else 0


def for_all_markets(steps: list[Step]) -> list[Step]:
    """Batches that run together become one."""
    joined: list[Step] = []
    for step in steps:
        if isinstance(step, Money | Restart | Relist):
            joined.append(step)
            continue
        batches = (step,) if isinstance(step, Batch) else step
        commands = tuple(command for batch in batches for command in batch.commands)
        joined.append(Batch(0, commands, (0,) * len(commands), (len(commands),)))
    return joined


TEXTS = [b"a", b"b", b"c", b"d", b"~" * 36]


def with_ids(steps: list[Step], seed: int) -> list[Step]:
    """The same batches with client order ids in them, over many days.

    No order has an id that another one had: whose order is still open could not be said.
    """
    random = Random(seed)
    fresh: dict[tuple[int, int], int] = {}
    given = 0
    hours, often, texts = random.choice([1, 5]), random.choice([0.3, 0.9]), TEXTS[: 1 + seed % 5]
    named: list[Step] = []
    for step in steps:
        if not isinstance(step, Batch):
            named.append(step)
            continue
        commands, own_texts = [], []
        for command in step.commands:
            text = random.choice(texts) if random.random() < often else None
            if command.kind not in (PLACE, *CHANGES) or random.random() < 0.01:
                text = None
            place = command.market, command.order_id
            if command.kind == PLACE and 0 < command.order_id < 2**32:
                given += 1
                fresh[place] = given
            command = command._replace(order_id=fresh.get(place, command.order_id))
            if text is not None and command.kind in CHANGES:
                command = command._replace(order_id=0)
            commands.append(later(command, hours))
            own_texts.append(text)
        named.append(step._replace(commands=tuple(commands), texts=tuple(own_texts)))
    return named


def later(command: Command, hours: int) -> Command:
    """A command whose nanoseconds are hours; those that mean to be wrong stay so."""
    times = {
        name: getattr(command, name) * hours * 3600 * 10**9
        for name in ("timestamp_ns", "expire_ns")
        if 0 < getattr(command, name) < 10**5
    }
    return command._replace(**times)


class PlainWhole(Plain):
    """The oracle, given commands of all markets at once."""

    def __init__(self, listings: tuple[Listing, ...]) -> None:
        super().__init__(listings)
        self.founded = listings

    def partition_of(self, command: Command) -> int:
        listings = self.exchange.listings
        return listings[min(command.market, len(listings) - 1)].partition

    def process(self, *batches: Batch) -> list[MarketEvent]:
        (batch,) = batches
        listings = tuple(self.exchange.listings)
        texts: list[bytes | None] = [None] * len(batch.commands)
        if batch.texts:
            commands, texts = self.exchange.client_ids.resolved(batch.commands, batch.texts)
            batch = batch._replace(commands=tuple(commands))
        events: list[MarketEvent] = []
        for partition in sorted({listing.partition for listing in listings}):
            places = [
                place
                for place, command in enumerate(batch.commands)
                if self.partition_of(command) == partition
            ]
            commands = [batch.commands[place] for place in places]
            tiers = [tier_of(command.owner, self.founded) for command in commands]
            own_texts = [texts[place] for place in places]
            events += [
                MarketEvent(market, event._replace(command=places[event.command]))
                for market, event in self.exchange.process_named(
                    partition, commands, tiers, own_texts
                )
            ]
        return sorted(events, key=lambda happened: happened.event.command)

    def requests(self, batch: Batch) -> list[tuple[int, int, int, int]]:
        """Nobody asks an exchange what it will reserve."""
        return [NOTHING for _ in batch.commands]


class Embedded:
    """``nextrade.Exchange`` in a folder."""

    def __init__(self, listings: tuple[Listing, ...], folder: str) -> None:
        self.plain, self.listings = listings, real_listings(listings)
        self.path = Path(folder) / "exchange"
        self.restarts = 0
        self.exchange = self.open()
        for account in ACCOUNTS:
            self.exchange.set_tier(account, tier_of(account, listings))

    def open(self) -> Any:
        from nextrade import Exchange

        return Exchange(self.listings, self.path, fsync=False)

    def money(self, step: Money) -> bool | str:
        """What a call answers: done, done before, or the name of its error."""
        exchange = self.exchange
        try:
            if step.call in ("capture", "refund"):
                return getattr(exchange, step.call)(*step.arguments)
            reference, *accounts, asset, amount = step.arguments
            call = {
                "credit": exchange.deposit,
                "hold": exchange.hold_withdrawal,
                "transfer": exchange.transfer,
            }[step.call]
            return call(*accounts, ASSETS[int(str(asset))], str(amount), reference=reference)
        except (NexTradeError, ValueError) as error:
            return type(error).__name__

    def relist(self, step: Relist) -> bool:
        """Whether the exchange goes on under other listings."""
        plain = changed(self.plain, step)
        if plain is None:
            return False
        listings = next_listings(self.exchange.listings, plain, step.market)
        try:
            self.exchange.relist(listings)
        except ListingsRefused:
            return False
        self.plain = plain
        return True

    def requests(self, batch: Batch) -> list[tuple[int, int, int, int]]:
        """Nobody asks an exchange what it will reserve."""
        return [NOTHING for _ in batch.commands]

    def process(self, *batches: Batch) -> list[MarketEvent]:
        (batch,) = batches
        ids = batch.texts or None
        done = self.exchange.submit(command_array(list(batch.commands)), client_order_ids=ids)
        pairs = zip(done.markets.tolist(), event_list(done.events), strict=True)
        return [MarketEvent(*pair) for pair in pairs]

    def balances(self) -> dict[tuple[int, int], tuple[int, int]]:
        return {
            (account, asset): (available, held)
            for account, asset, available, held in self.exchange.ledger.all_balances().tolist()
        }

    def open_holds(self) -> list[OpenHold]:
        return sorted(
            OpenHold(*(int(hold[name]) for name in OpenHold._fields))
            for hold in self.exchange.open_orders()
        )

    def totals(self) -> dict[int, tuple[int, int, int]]:
        names = ("available", "held", "outside")
        totals = self.exchange.ledger.totals()
        return {int(total["asset"]): tuple(int(total[name]) for name in names) for total in totals}

    def book_hashes(self) -> list[int]:
        names = self.exchange.listings.market_names
        return [self.exchange.book(name).state_hash() for name in names]

    def client_ids(self) -> list[tuple[int, bytes, int, int, int]]:
        """Account, client order id, market and order of each that is taken, and since when."""
        core = self.exchange._core
        return sorted((*key, *kept) for key, kept in core.kept_ids.taken(core.clock_ns))

    def check(self) -> None:
        """Its own proof of money holds."""
        assert self.exchange.verify().holds

    def restart(self) -> None:
        """Close it and open it again, every second time with a snapshot on the way."""
        self.restarts += 1
        if self.restarts % 2:
            self.exchange.snapshot()
        proof = self.exchange.verify(full=True)
        assert proof.holds, proof
        before = self.exchange.state_hash()
        self.exchange.close()
        self.exchange = self.open()
        assert self.exchange.state_hash() == before
