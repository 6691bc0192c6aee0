"""What is set aside for one open order, and how each event changes it.

Money moves at every event, and only between two pockets at a time.
"""

from dataclasses import dataclass
from fractions import Fraction

from tests.oracle.codes import EventFlag, EventKind, Side
from tests.oracle.records import Event

from .accounts import Accounts
from .codes import EXCHANGE
from .listing import Fees, Listing


@dataclass
class Hold:
    """The money of one open order."""

    account: int
    asset: int
    side: int
    tier: int
    price: int
    held: int


def fee_of(received: int, rate: int) -> int:
    """A part of what was received, rounded down."""
    return Fraction(received * rate, 1_000_000).__floor__()


class Holds:
    """The open orders of one market, as money."""

    def __init__(self, listing: Listing, accounts: Accounts) -> None:
        self.listing = listing
        self.accounts = accounts
        self.by_id: dict[int, Hold] = {}

    def needed(self, side: int, price: int, lots: int) -> int:
        """What an order of so many lots must have held."""
        if side == Side.BUY:
            return price * lots * self.listing.quote_units_per_tick_lot
        return lots * self.listing.base_units_per_lot

    def fees(self, hold: Hold) -> Fees:
        """What the order's owner pays: the tier is that of its arrival, the rates are today's."""
        return self.listing.tiers[hold.tier]

    def shrink(self, hold: Hold, amount: int) -> None:
        """Give a part of a hold back to its owner."""
        assert 0 <= amount <= hold.held, "a hold gives back more than it has"
        hold.held -= amount
        self.accounts.give_back(hold.account, hold.asset, amount)

    def take(self, hold: Hold, amount: int) -> None:
        """Take money out of a hold, for whoever the order traded with."""
        assert 0 <= amount <= hold.held, "a hold pays more than it has"
        hold.held -= amount
        self.accounts.add_held(hold.account, hold.asset, -amount)

    def receive(self, hold: Hold, asset: int, amount: int, rate: int) -> None:
        """Let the owner of an order have what it traded for, less the fee."""
        fee = fee_of(amount, rate)
        self.accounts.add_available(hold.account, asset, amount - fee)
        self.accounts.add_available(EXCHANGE, asset, fee)

    def end(self, order_id: int) -> None:
        """The order is no more: everything that it still holds comes back."""
        hold = self.by_id.pop(order_id)
        self.shrink(hold, hold.held)

    # One event after the other

    def accepted(self, event: Event, reserved: int, asset: int, tier: int) -> None:
        hold = Hold(
            account=event.owner,
            asset=asset,
            side=event.side,
            tier=tier,
            price=event.price_ticks,
            held=reserved,
        )
        self.by_id[event.order_id] = hold
        if not event.flags & EventFlag.BY_AMOUNT:
            self.keep_only_what_is_needed(hold, event)

    def replaced(self, event: Event, reserved: int) -> None:
        hold = self.by_id[event.order_id]
        hold.price = event.price_ticks
        hold.held += reserved
        self.keep_only_what_is_needed(hold, event)

    def keep_only_what_is_needed(self, hold: Hold, event: Event) -> None:
        needed = self.needed(hold.side, event.price_ticks, event.qty_lots)
        self.shrink(hold, hold.held - needed)

    def reduced(self, event: Event) -> None:
        hold = self.by_id[event.order_id]
        if not event.flags & EventFlag.BY_AMOUNT:
            self.shrink(hold, self.needed(hold.side, hold.price, event.qty_lots))
        elif hold.side == Side.BUY:
            left = event.leaves_lots * self.listing.quote_units_per_tick_lot
            self.shrink(hold, hold.held - left)
        else:
            most_lots = event.leaves_lots // hold.price
            self.shrink(hold, hold.held - most_lots * self.listing.base_units_per_lot)

    def traded(self, event: Event) -> None:
        first, second = self.by_id[event.order_id], self.by_id[event.maker_id]
        # In an auction the event names the buyer first, and both are makers.
        own, others = self.fees(first), self.fees(second)
        rate_of_first = own.maker if event.flags & EventFlag.AUCTION else own.taker
        price, lots = event.price_ticks, event.qty_lots
        if first.side == Side.BUY:
            buyer, buyer_rate, seller, seller_rate = (
                first,
                rate_of_first,
                second,
                others.maker,
            )
        else:
            buyer, buyer_rate, seller, seller_rate = (
                second,
                others.maker,
                first,
                rate_of_first,
            )
        cost = price * lots * self.listing.quote_units_per_tick_lot
        base = lots * self.listing.base_units_per_lot
        by_amount = event.flags & EventFlag.BY_AMOUNT and buyer is first
        if not by_amount:
            self.shrink(buyer, self.needed(Side.BUY, buyer.price - price, lots))
        self.take(buyer, cost)
        self.take(seller, base)
        self.receive(buyer, self.listing.base, base, buyer_rate)
        self.receive(seller, self.listing.quote, cost, seller_rate)
        if event.leaves_lots == 0:
            self.end(event.order_id)
        if event.maker_leaves_lots == 0:
            self.end(event.maker_id)

    def settle(self, event: Event, reserved: int, asset: int, tier: int) -> None:
        """Let one event of the book move the money that it moves."""
        kind = event.kind
        if kind == EventKind.ACCEPTED and event.side != Side.NONE:
            self.accepted(event, reserved, asset, tier)
        elif kind == EventKind.REPLACED:
            self.replaced(event, reserved)
        elif kind == EventKind.TRADE:
            self.traded(event)
        elif kind == EventKind.REDUCED:
            self.reduced(event)
        elif kind in (EventKind.CANCELED, EventKind.EXPIRED):
            self.end(event.order_id)
