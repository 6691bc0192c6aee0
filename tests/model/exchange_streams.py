"""Seeded streams for a whole exchange: money comes and goes between batches of commands.

Built on the streams of single markets, with ids that are told apart by market, owners that are
accounts, and worst prices where nothing else bounds an order. The same seed gives the same
steps on every machine, and what a step asks for does not depend on what became of others, so
a failing stream stays one when steps are taken out of it.
"""

import random
from typing import NamedTuple

from tests.model.exchange_settings import SETTINGS, Setting
from tests.model.streams import Stream
from tests.oracle.codes import I64_MAX, CommandKind, Side
from tests.oracle.exchange.listing import Fees
from tests.oracle.records import Command

OPERATORS = (CommandKind.EXPIRE, CommandKind.SET_STATE, CommandKind.UNCROSS)
MOST_IN = 2**61
"""No asset ever gets more from outside, so that no sum meets the ledger's own limits."""


class Batch(NamedTuple):
    """Commands that one partition runs together, and into which frames they are cut."""

    partition: int
    commands: tuple[Command, ...]
    tiers: tuple[int, ...]
    frames: tuple[int, ...]
    texts: tuple[bytes | None, ...] = ()
    """Of each command its client order id, if any has one."""


class Together(NamedTuple):
    """Two batches that have both reserved before either is run."""

    first: Batch
    second: Batch


class Money(NamedTuple):
    """One call of the ledger: its name and its arguments."""

    call: str
    arguments: tuple[object, ...]


class Restart(NamedTuple):
    """Everything that remembers is written down, forgotten and read again."""


class Relist(NamedTuple):
    """Other listings: changes of a market's fields, or a new market behind all others."""

    market: int
    changes: tuple[tuple[str, object], ...]


Step = Batch | Together | Money | Restart | Relist


class MarketStream(Stream):
    """Commands for one market of an exchange."""

    def __init__(
        self, seed: int, market: int, setting: Setting, accounts: int, crowded: bool = False
    ) -> None:
        super().__init__(seed)
        self.market = market
        self.listing = setting.listings[market]
        self.ids = self.random.choice([10, 40, 200])
        self.id_stride, self.id_base = 3, 1 + market
        self.owners = accounts
        self.center = setting.price
        self.width = self.random.choice([1, setting.width])
        self.max_lots = setting.max_lots
        self.amount_step = self.center
        self.huge = self.random.choice([0.0, 0.0, 0.02, 0.05])
        self.time = 0
        if crowded:
            # Hundreds of orders at once, and trades that end both of their orders.
            self.ids, self.max_lots, self.odd = 3000, 2, 0.0
            self.kind_weights = list(range(1, 9)), [85, 5, 2, 6, 0.02, 0.02, 0.1, 0.1]
            self.type_weights = list(range(7)), [60, 1, 1, 3, 3, 3, 3]
        self.sides: dict[int, int] = {}
        self.tangle: list[Command] = []

    def command(self) -> Command:
        if self.tangle:
            return self.tangle.pop(0)
        if self.recent_ids and self.chance(0.01):
            self.tangle = self.an_id_used_again()
        command = super().command()._replace(market=self.market)
        if command.kind == CommandKind.PLACE:
            self.sides[command.order_id] = command.side
        elif command.kind == CommandKind.REPLACE and not self.chance(0.03):
            command = command._replace(side=self.sides.get(command.order_id, Side.BUY))
        return self.spoil(command) if self.chance(self.odd / 5) else command

    def an_id_used_again(self) -> list[Command]:
        """An order leaves, another comes with its id, and a change means one or the other."""
        order_id = self.random.choice(self.recent_ids)
        placed = self.place(CommandKind.PLACE, 0)._replace(time_in_force=0, expire_ns=0)
        leaves = self.base(CommandKind.CANCEL)
        changes = self.base(CommandKind.REPLACE)._replace(
            price_ticks=self.price(),
            qty_lots=self.lots(),
            side=self.random.randrange(2),
            owner=placed.owner,
        )
        self.sides[order_id] = placed.side
        return [
            command._replace(order_id=order_id, market=self.market)
            for command in (leaves, placed, changes)
        ]

    def meant_command(self) -> Command:
        command = super().meant_command()
        if command.kind in OPERATORS and self.chance(0.02):
            return command._replace(owner=self.owner())
        if command.kind == CommandKind.REPLACE and not self.chance(0.02):
            return command._replace(owner=max(command.owner, 1))
        return command

    def place(self, kind: int, order_type: int) -> Command:
        command = super().place(kind, order_type)
        if command.price_ticks == 0 and not self.chance(0.1):
            return command._replace(price_ticks=self.price())
        return command

    def lots(self) -> int:
        """Now and then as many as a hold can just be worth, or one more."""
        if self.chance(self.huge):
            worth = self.listing.base_units_per_lot
            if self.chance(0.5):
                worth = self.listing.quote_units_per_tick_lot * self.center
            return min(I64_MAX, I64_MAX // worth + self.random.randint(-1, 1))
        return super().lots()

    def owner(self) -> int:
        return 0 if self.chance(0.01) else self.random.randint(1, self.owners)


class ExchangeStream:
    """A source of steps with a temperament of its own."""

    def __init__(self, seed: int, setting: Setting | None = None, relisting: bool = False) -> None:
        self.random = random.Random(seed)
        pick = self.random.choice
        self.setting = setting or pick(SETTINGS)
        self.accounts = pick([1, 2, 3, 5, 8])
        self.riches = pick([2, 20, 200, 2000])
        crowded = self.chance(0.2)
        if crowded:
            self.riches = 10_000
        self.markets = [
            MarketStream(seed * 8 + number, number, self.setting, self.accounts, crowded)
            for number in range(len(self.setting.listings))
        ]
        self.batch_sizes = [60, 200] if crowded else pick([[1], [1, 2, 5], [1, 10, 60], [60, 200]])
        self.money = pick([0.05, 0.3, 0.6])
        self.restarts = pick([0.0, 0.05])
        self.strays = pick([0.0, 0.02])
        self.overlaps = pick([0.0, 0.3])
        self.references = 0
        self.known: list[Money] = []
        self.withdrawals: list[str] = []
        self.relisting = pick([0.05, 0.2, 0.5]) if relisting else 0.0
        self.partitions_of = [listing.partition for listing in self.setting.listings]
        if relisting:
            self.new_market(seed)
        self.came_in = dict.fromkeys(range(3), 0)

    def steps(self, commands: int) -> list[Step]:
        """Steps with about so many commands in their batches."""
        steps: list[Step] = [
            self.credit(account, asset)
            for account in range(1, self.accounts + 1)
            for asset in range(3)
            if self.chance(0.9)
        ]
        given = 0
        while given < commands:
            if self.chance(self.restarts):
                steps.append(Restart())
            if self.relisting and self.chance(self.relisting):
                steps.append(self.relist())
            if self.chance(self.money):
                steps.append(self.some_money())
            batch = self.batch(min(self.random.choice(self.batch_sizes), commands - given))
            given += len(batch.commands)
            if given < commands and self.chance(self.overlaps):
                second = self.batch(min(self.random.choice(self.batch_sizes), commands - given))
                given += len(second.commands)
                steps.append(Together(batch, second))
            else:
                steps.append(batch)
        return steps

    def batch(self, size: int) -> Batch:
        partition = self.random.randrange(self.setting.partitions)
        own = [
            market
            for market, its in zip(self.markets, self.partitions_of, strict=False)
            if its == partition
        ]
        commands, tiers = [], []
        for _ in range(size):
            stray = self.chance(self.strays)
            command = self.random.choice(self.markets if stray else own).command()
            if stray and self.chance(0.2):
                command = command._replace(market=self.random.choice([3, 2**32 - 1]))
            commands.append(command)
            known_tiers = len(self.setting.listings[0].tiers)
            tiers.append(255 if self.chance(0.005) else self.random.randrange(known_tiers))
        frames = []
        left = size
        while left:
            frames.append(self.random.randint(1, left))
            left -= frames[-1]
        return Batch(partition, tuple(commands), tuple(tiers), tuple(frames))

    def new_market(self, seed: int) -> None:
        """A fourth market, which comes some time; ids leave room for it."""
        one = self.setting.listings[0]
        setting = self.setting._replace(listings=(*self.setting.listings, one))
        self.coming = MarketStream(seed * 8 + 3, 3, setting, self.accounts)
        for market in (*self.markets, self.coming):
            market.id_stride = 4

    def relist(self) -> Relist:
        """Another fee, limit, tick or lot of a market, or the market that is to come."""
        pick = self.random.choice
        if len(self.markets) == 3 and self.chance(0.3):
            self.markets.append(self.coming)
            self.partitions_of.append(self.partitions_of[0])
            return Relist(3, tuple(self.setting.listings[0]._asdict().items()))
        market = self.random.randrange(len(self.markets))
        listing = self.markets[market].listing
        lot, tick_lot = listing.base_units_per_lot, listing.quote_units_per_tick_lot
        limit = pick([("min_qty", pick([1, 2])), ("max_qty", pick([3, 15, I64_MAX]))])
        fees = tuple(
            Fees(self.random.randrange(500_000), self.random.randrange(10**6))
            for _ in range(len(listing.tiers) + self.random.randrange(2))
        )
        units = (
            ("base_units_per_lot", lot * pick([1, 2, 5])),
            ("quote_units_per_tick_lot", tick_lot * pick([1, 2, 10])),
        )
        few = (("max_notional", pick([500, 5000, I64_MAX])),)
        return Relist(market, pick([(limit,), (("tiers", fees),), units, units, few]))

    def some_money(self) -> Money:
        """A deposit, a step of a withdrawal, a transfer, or one of these once more."""
        kind = self.random.choice(["credit", "hold", "capture", "refund", "transfer", "again"])
        account, asset = self.random.randint(1, self.accounts), self.random.randrange(3)
        if kind in ("capture", "refund") and self.withdrawals:
            return Money(kind, (self.random.choice(self.withdrawals),))
        if kind == "again" and self.known:
            return self.again()
        if kind == "hold":
            money = Money("hold", (self.reference(), account, asset, self.amount(asset)))
            self.withdrawals.append(str(money.arguments[0]))
        elif kind == "transfer":
            other = self.random.randint(1, self.accounts)
            amount = self.amount(asset)
            money = Money("transfer", (self.reference(), account, other, asset, amount))
        else:
            return self.credit(account, asset)
        self.known.append(money)
        return money

    def again(self) -> Money:
        """A reference that was given before, with the same details or with others."""
        money = self.random.choice(self.known)
        if self.chance(0.7):
            return money
        *rest, amount = money.arguments
        return Money(money.call, (*rest, int(str(amount)) + 1))

    def credit(self, account: int, asset: int) -> Money:
        amount = min(self.amount(asset) * self.riches, MOST_IN - self.came_in[asset])
        amount = max(amount, 1)
        self.came_in[asset] += amount
        money = Money("credit", (self.reference(), account, asset, amount))
        self.known.append(money)
        return money

    def amount(self, asset: int) -> int:
        return self.random.randint(1, self.setting.worth(asset))

    def reference(self) -> str:
        self.references += 1
        return f"reference {self.references}"

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability


def exchange_stream(
    seed: int, commands: int, relisting: bool = False
) -> tuple[Setting, list[Step]]:
    """The setting and steps of a seed; with ``relisting`` other listings come among them."""
    source = ExchangeStream(seed, relisting=relisting)
    return source.setting, source.steps(commands)
