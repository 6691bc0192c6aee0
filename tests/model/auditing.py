"""An auditor that knows a book only by its events.

It keeps what every order has left by adding and subtracting what the events say, and objects
when two of them contradict each other: section 11 of the rules, from the outside.
"""

from collections.abc import Iterable

from tests.oracle.codes import EventFlag, EventKind, Side
from tests.oracle.records import Event


class Auditor:
    """What is left of each open order, as far as its events tell."""

    def __init__(self) -> None:
        self.left: dict[int, int] = {}
        self.trades = 0

    def audit(self, events: Iterable[Event]) -> None:
        for event in events:
            self.note(event)

    def note(self, event: Event) -> None:
        kind, order_id = event.kind, event.order_id
        about_order = event.side != Side.NONE or event.flags & EventFlag.AUCTION
        if kind == EventKind.REJECTED or not about_order:
            return
        if kind == EventKind.ACCEPTED:
            assert order_id not in self.left, "an id is open twice"
            self.left[order_id] = event.leaves_lots
        elif kind == EventKind.REPLACED:
            assert order_id in self.left
            assert event.leaves_lots == event.qty_lots > 0
            self.left[order_id] = event.qty_lots
        elif kind == EventKind.TRADE:
            self.note_trade(event)
        elif kind in (EventKind.CANCELED, EventKind.EXPIRED):
            self.note_end(event)
        elif kind == EventKind.REDUCED:
            self.note_reduction(event)
        else:
            assert kind in (EventKind.TRIGGERED, EventKind.REFRESHED)
            assert event.leaves_lots == self.left[order_id]
            assert 0 < event.qty_lots <= event.leaves_lots

    def note_trade(self, event: Event) -> None:
        self.trades += 1
        assert event.trade_index == self.trades
        by_amount = event.flags & EventFlag.BY_AMOUNT
        worth = event.price_ticks if by_amount else 1
        self.take(event.order_id, event.qty_lots * worth, event.leaves_lots)
        self.take(event.maker_id, event.qty_lots, event.maker_leaves_lots)

    def note_end(self, event: Event) -> None:
        left = self.left.pop(event.order_id)
        if not event.flags & EventFlag.BY_AMOUNT:
            assert (event.qty_lots, event.leaves_lots) == (left, 0)
        elif event.qty_lots == 0:
            assert event.leaves_lots == left > 0
        else:
            # Decremented to exactly nothing: what it lost has a price that no event names.
            assert event.leaves_lots == 0
            assert left % event.qty_lots == 0

    def note_reduction(self, event: Event) -> None:
        if event.flags & EventFlag.BY_AMOUNT:
            lost = self.left[event.order_id] - event.leaves_lots
            assert lost > 0 == lost % event.qty_lots
            self.left[event.order_id] = event.leaves_lots
        else:
            self.take(event.order_id, event.qty_lots, event.leaves_lots)
        assert event.leaves_lots > 0

    def take(self, order_id: int, lots: int, leaves: int) -> None:
        assert lots > 0
        self.left[order_id] -= lots
        assert self.left[order_id] == leaves >= 0
        if leaves == 0:
            del self.left[order_id]
