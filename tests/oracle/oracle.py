"""The oracle's face: commands in, events and level updates out."""

from . import auction, changing, placing, state
from .book import Book, Order
from .codes import CommandKind, Reason, Side
from .records import Command, Event, LevelUpdate

Ladder = dict[int, tuple[int, int]]

CARRY_OUT = {
    CommandKind.PLACE: placing.place,
    CommandKind.CANCEL: changing.cancel,
    CommandKind.REDUCE: changing.reduce,
    CommandKind.REPLACE: changing.replace,
    CommandKind.MASS_CANCEL: changing.mass_cancel,
    CommandKind.EXPIRE: changing.expire,
    CommandKind.SET_STATE: auction.set_state,
    CommandKind.UNCROSS: auction.uncross,
}


class Oracle:
    """A plain order book that follows the matching rules to the letter."""

    def __init__(self) -> None:
        self.book = Book()

    def process(self, commands: list[Command]) -> tuple[list[Event], list[LevelUpdate]]:
        """Carry out commands in order. Answers with their events and level updates."""
        book = self.book
        book.events = []
        updates: list[LevelUpdate] = []
        before = ladder(book.bids), ladder(book.asks)
        for position, command in enumerate(commands):
            book.command, book.position = command, position
            carry_out = CARRY_OUT.get(command.kind)
            reason = carry_out(book, command) if carry_out else Reason.UNKNOWN_COMMAND
            if reason:
                book.refuse(reason)
                continue
            book.clock_ns = max(book.clock_ns, command.timestamp_ns)
            after = ladder(book.bids), ladder(book.asks)
            updates += changed_levels(before, after, position)
            before = after
        return book.events, updates

    def indicative(self, reference: int = 0) -> auction.Crossing:
        return auction.best_crossing(self.book, reference)

    def depth(self) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        """(price, visible quantity, orders) of every level of each side, best first."""
        bids, asks = ladder(self.book.bids), ladder(self.book.asks)
        return (
            [(price, *bids[price]) for price in sorted(bids, reverse=True)],
            [(price, *asks[price]) for price in sorted(asks)],
        )

    def orders_bytes(self) -> bytes:
        return state.orders_bytes(self.book)

    def state_bytes(self) -> bytes:
        return state.state_bytes(self.book)

    def state_hash(self) -> int:
        return state.state_hash(self.book)

    def check(self) -> None:
        state.check(self.book)


def ladder(queue: list[Order]) -> Ladder:
    """Visible quantity and number of orders at each price."""
    levels: Ladder = {}
    for order in queue:
        lots, orders = levels.get(order.price_ticks, (0, 0))
        levels[order.price_ticks] = (lots + order.visible_lots, orders + 1)
    return levels


def changed_levels(
    before: tuple[Ladder, Ladder], after: tuple[Ladder, Ladder], position: int
) -> list[LevelUpdate]:
    """One record for each level that is not what it was: bids, then asks, each best first."""
    updates = []
    for side in (Side.BUY, Side.SELL):
        old, new = before[side], after[side]
        for price in sorted(old.keys() | new.keys(), reverse=side == Side.BUY):
            lots, orders = new.get(price, (0, 0))
            if (lots, orders) != old.get(price, (0, 0)):
                updates.append(LevelUpdate(price, lots, orders, position, side))
    return updates
