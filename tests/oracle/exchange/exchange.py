"""The exchange: a door, accounts, a book for each market, and money that follows the events."""

from collections.abc import Sequence
from typing import NamedTuple

from tests.oracle.book import Order
from tests.oracle.codes import CommandKind, EventKind, Side
from tests.oracle.oracle import Oracle
from tests.oracle.records import Command, Event

from .accounts import Accounts
from .client_ids import ClientIds, Named, Text
from .codes import NO_REFUSAL, Refusal
from .door import Request, is_order, request_of
from .holds import Holds
from .listing import Listing


class MarketEvent(NamedTuple):
    """An event and the market in which it happened."""

    market: int
    event: Event


class Reserved(NamedTuple):
    """What a command asked for, and whether it could be had."""

    request: Request
    granted: bool
    refusal: int = NO_REFUSAL
    """Why it may not even ask, for its name."""


class OpenHold(NamedTuple):
    """One open order as money."""

    market: int
    order_id: int
    account: int
    asset: int
    side: int
    tier: int
    held: int


class Exchange:
    """Everything in one place, one thing after the other."""

    def __init__(self, listings: Sequence[Listing]) -> None:
        self.listings = list(listings)
        self.accounts = Accounts()
        self.books = [Oracle() for _ in listings]
        self.holds = [Holds(listing, self.accounts) for listing in listings]
        self.clock_ns = 0
        self.client_ids = ClientIds(self)

    def requests(self, partition: int, commands: Sequence[Command]) -> list[Request]:
        """What each command must get held before it may run."""
        return [request_of(command, self.listings, partition) for command in commands]

    def reserve(self, partition: int, commands: Sequence[Command]) -> list[Reserved]:
        """Set aside what each command of a batch may need, in their order."""
        return [
            Reserved(
                request,
                granted=not request.refusal
                and self.accounts.set_aside(request.account, request.asset, request.amount),
            )
            for request in self.requests(partition, commands)
        ]

    def run_batch(
        self, commands: Sequence[Command], tiers: Sequence[int], reserved: Sequence[Reserved]
    ) -> list[MarketEvent]:
        """Run a batch for which everything was reserved."""
        events: list[MarketEvent] = []
        for position, command in enumerate(commands):
            request, granted, refusal = reserved[position]
            happened = (
                [rejected(command, refusal)]
                if refusal
                else self.run(command, tiers[position], request, granted)
            )
            events += [
                MarketEvent(command.market, event._replace(command=position)) for event in happened
            ]
        for _, event in events:
            if event.kind != EventKind.REJECTED:
                self.clock_ns = max(self.clock_ns, event.timestamp_ns)
        return events

    def process(
        self, partition: int, commands: Sequence[Command], tiers: Sequence[int]
    ) -> list[MarketEvent]:
        """Reserve for a whole batch, then run it."""
        return self.run_batch(commands, tiers, self.reserve(partition, commands))

    def process_named(
        self,
        partition: int,
        commands: Sequence[Command],
        tiers: Sequence[int],
        texts: Sequence[Text],
    ) -> list[MarketEvent]:
        """The same for commands of which some bring a name; of changes only unknown ones do."""
        now_ns = self.client_ids.now(commands, texts)
        new: dict[tuple[int, bytes], Named] = {}
        reserved = []
        requests = self.requests(partition, commands)
        for command, text, request in zip(commands, texts, requests, strict=True):
            asks = request.amount or (text and command.kind != CommandKind.PLACE)
            refusal = NO_REFUSAL
            if asks and not request.refusal:
                refusal = self.client_ids.refusal(command, text, now_ns, new)
            granted = (
                not refusal
                and not request.refusal
                and self.accounts.set_aside(request.account, request.asset, request.amount)
            )
            if granted and text and request.amount:
                new[command.owner, text] = Named(command.market, command.order_id, 0)
            reserved.append(Reserved(request, granted, refusal))
        events = self.run_batch(commands, tiers, reserved)
        for key, named in new.items():
            self.client_ids.orders[key] = named._replace(since_ns=self.clock_ns)
        return events

    def run(self, command: Command, tier: int, request: Request, granted: bool) -> list[Event]:
        """Carry out one command for which everything is held, or say why not."""
        if request.refusal:
            return [rejected(command, request.refusal)]
        if not granted:
            return [rejected(command, Refusal.INSUFFICIENT_FUNDS)]
        refusal = self.refusal_of_state(command, tier)
        if refusal:
            events = [rejected(command, refusal)]
        else:
            events, _ = self.books[command.market].process([command])
        holds = self.holds[command.market]
        for event in events:
            if event.kind == EventKind.REJECTED:
                self.accounts.give_back(request.account, request.asset, request.amount)
            else:
                holds.settle(event, request.amount, request.asset, tier)
        return events

    def refusal_of_state(self, command: Command, tier: int) -> int:
        """What only the exchange knows: whose side an order is on, and how many tiers there are."""
        if command.kind == CommandKind.REPLACE:
            order = self.books[command.market].book.find(command.order_id)
            if order and order.owner == command.owner and order.side != command.side:
                return Refusal.WRONG_SIDE
        if is_order(command) and tier >= len(self.listings[command.market].tiers):
            return Refusal.BAD_TIER
        return NO_REFUSAL

    # What can be seen

    def open_orders(self) -> list[tuple[int, Order]]:
        return [
            (market, order)
            for market, oracle in enumerate(self.books)
            for order in oracle.book.all_orders()
        ]

    def open_holds(self) -> list[OpenHold]:
        return sorted(
            OpenHold(market, order_id, hold.account, hold.asset, hold.side, hold.tier, hold.held)
            for market, holds in enumerate(self.holds)
            for order_id, hold in holds.by_id.items()
        )

    def totals(self) -> dict[int, tuple[int, int, int]]:
        """(available, held, outside) of each asset that ever came in."""
        balances = self.accounts.balances()
        return {
            asset: (
                sum(both[0] for key, both in balances.items() if key[1] == asset),
                sum(both[1] for key, both in balances.items() if key[1] == asset),
                outside,
            )
            for asset, outside in sorted(self.accounts.outside.items())
        }


def rejected(command: Command, reason: int) -> Event:
    """The event of a command that never came to its book."""
    is_placed = is_order(command) and command.side in (Side.BUY, Side.SELL)
    return Event(
        timestamp_ns=command.timestamp_ns,
        order_id=command.order_id,
        price_ticks=command.price_ticks,
        qty_lots=command.qty_lots,
        owner=command.owner,
        kind=EventKind.REJECTED,
        reason=reason,
        side=command.side if is_placed else Side.NONE,
    )
