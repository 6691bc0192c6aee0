"""What a book remembers: four sorted lists of open orders and a handful of numbers (section 1)."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from .codes import (
    MARKET_TYPES,
    STOP_TYPES,
    TRIGGER_TYPES,
    EventKind,
    OrderType,
    Reason,
    SelfTrade,
    Side,
    TimeInForce,
    TradingState,
)
from .records import Command, Event


@dataclass(slots=True, eq=False)
class Order:
    """One order, whether it is coming in, resting or dormant.

    An incoming or dormant order has its whole quantity in ``visible_lots``. An incoming
    order by amount has no quantity; ``amount`` is what it may still spend.
    """

    order_id: int
    owner: int
    side: int
    order_type: int
    price_ticks: int
    visible_lots: int
    hidden_lots: int = 0
    display_lots: int = 0
    trigger_ticks: int = 0
    expire_ns: int = 0
    time_in_force: int = TimeInForce.GTC
    post_only: int = 0
    self_trade: int = SelfTrade.ALLOW
    timestamp_ns: int = 0
    arrival: int = 0
    by_amount: bool = False
    amount: int = 0

    @property
    def left(self) -> int:
        """All that is left, hidden part included."""
        return self.visible_lots + self.hidden_lots

    @property
    def is_market(self) -> bool:
        return self.order_type in MARKET_TYPES

    @property
    def is_dormant(self) -> bool:
        return self.order_type in TRIGGER_TYPES

    @property
    def is_rising(self) -> bool:
        """Whether a dormant order is elected by prices at or above its trigger."""
        return (self.order_type in STOP_TYPES) == (self.side == Side.BUY)

    @property
    def waits_for_auction(self) -> bool:
        """Whether a resting order is there for the next uncross only."""
        return not self.is_dormant and self.time_in_force == TimeInForce.IOC


def bid_priority(order: Order) -> tuple[int, int, int]:
    return (-order.price_ticks, order.timestamp_ns, order.arrival)


def ask_priority(order: Order) -> tuple[int, int, int]:
    return (order.price_ticks, order.timestamp_ns, order.arrival)


def rising_priority(order: Order) -> tuple[int, int, int]:
    return (order.trigger_ticks, order.timestamp_ns, order.arrival)


def falling_priority(order: Order) -> tuple[int, int, int]:
    return (-order.trigger_ticks, order.timestamp_ns, order.arrival)


@dataclass(eq=False)
class Book:
    """The whole state. Every list is kept in priority order, first to trade or trigger first."""

    bids: list[Order] = field(default_factory=list)
    asks: list[Order] = field(default_factory=list)
    rising: list[Order] = field(default_factory=list)
    falling: list[Order] = field(default_factory=list)
    state: int = TradingState.OPEN
    clock_ns: int = 0
    last_price: int = 0
    trade_count: int = 0
    arrivals: int = 0
    command: Command = field(default_factory=Command)
    position: int = 0
    events: list[Event] = field(default_factory=list)

    def copy(self) -> Book:
        """An independent book with the same orders, to try something on. It has no events yet."""
        return Book(
            bids=[copy.copy(order) for order in self.bids],
            asks=[copy.copy(order) for order in self.asks],
            rising=[copy.copy(order) for order in self.rising],
            falling=[copy.copy(order) for order in self.falling],
            state=self.state,
            clock_ns=self.clock_ns,
            last_price=self.last_price,
            trade_count=self.trade_count,
            arrivals=self.arrivals,
            command=self.command,
            position=self.position,
        )

    # Queues

    def all_orders(self) -> list[Order]:
        return self.bids + self.asks + self.rising + self.falling

    def find(self, order_id: int) -> Order | None:
        for queue in (self.bids, self.asks, self.rising, self.falling):
            for order in queue:
                if order.order_id == order_id:
                    return order
        return None

    def queue_of(self, order: Order) -> list[Order]:
        if order.is_dormant:
            return self.rising if order.is_rising else self.falling
        return self.bids if order.side == Side.BUY else self.asks

    def opposite_of(self, order: Order) -> list[Order]:
        return self.asks if order.side == Side.BUY else self.bids

    def enter(self, order: Order) -> None:
        """Put an order into its queue as a new arrival with the running command's timestamp."""
        self.arrivals += 1
        order.arrival = self.arrivals
        order.timestamp_ns = self.command.timestamp_ns
        queue = self.queue_of(order)
        queue.append(order)
        if order.is_dormant:
            queue.sort(key=rising_priority if order.is_rising else falling_priority)
        else:
            queue.sort(key=bid_priority if order.side == Side.BUY else ask_priority)

    def rest(self, order: Order) -> None:
        """Let what is left of a limit order stand in the book; an iceberg shows a first slice."""
        left = order.left
        order.order_type = OrderType.LIMIT
        order.trigger_ticks = 0
        order.visible_lots = min(order.display_lots, left) if order.display_lots else left
        order.hidden_lots = left - order.visible_lots
        self.enter(order)

    def leave(self, order: Order) -> None:
        self.queue_of(order).remove(order)

    def refresh(self, order: Order) -> None:
        """After a resting order gave some of its visible part: drop it, or show its next slice."""
        if order.visible_lots > 0:
            return
        self.leave(order)
        if order.hidden_lots > 0:
            order.visible_lots = min(order.display_lots, order.hidden_lots)
            order.hidden_lots -= order.visible_lots
            self.enter(order)
            self.tell(
                EventKind.REFRESHED, order, qty_lots=order.visible_lots, leaves_lots=order.left
            )

    # Events

    def tell(self, kind: int, order: Order, **fields: int) -> None:
        """Report something about an order."""
        fields.setdefault("price_ticks", order.price_ticks)
        fields.setdefault("side", order.side)
        self.events.append(
            Event(
                timestamp_ns=self.command.timestamp_ns,
                command=self.position,
                kind=kind,
                order_id=order.order_id,
                owner=order.owner,
                **fields,
            )
        )

    def tell_command(self, kind: int, **fields: int) -> None:
        """Report something that concerns no single order."""
        fields.setdefault("side", Side.NONE)
        self.events.append(
            Event(
                timestamp_ns=self.command.timestamp_ns,
                command=self.position,
                kind=kind,
                order_id=self.command.order_id,
                owner=self.command.owner,
                **fields,
            )
        )

    def cancel(self, order: Order, reason: int) -> None:
        """Take an open order out and report all that was left of it."""
        self.leave(order)
        self.tell(EventKind.CANCELED, order, qty_lots=order.left, reason=reason)

    def refuse(self, reason: int) -> None:
        command = self.command
        is_place = command.kind == 1 and command.side in (Side.BUY, Side.SELL)
        self.tell_command(
            EventKind.REJECTED,
            side=command.side if is_place else Side.NONE,
            price_ticks=command.price_ticks,
            qty_lots=command.qty_lots,
            reason=reason,
        )

    def cancel_auction_orders(self) -> None:
        """An auction is over: what waited for it goes, in ascending order of id (section 8)."""
        waiting = [order for order in self.bids + self.asks if order.waits_for_auction]
        for order in sorted(waiting, key=lambda order: order.order_id):
            self.cancel(order, Reason.AUCTION_ENDED)
