"""Markets whose truth is known: the plain book, driven by random but lifelike requests.

Limit orders gather around a price that drifts, some trade on arrival, most are canceled or
changed before they ever trade. What happened is told in full, as no exchange does; what each
kind of exchange publishes of it is left to the recorders.

The file is long because it is one market: each kind of request is a few lines beside its like.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.oracle.book import Book, Order
from tests.oracle.codes import (
    CommandKind,
    EventKind,
    OrderType,
    Reason,
    SelfTrade,
    Side,
    TimeInForce,
    TradingState,
)
from tests.oracle.oracle import Oracle
from tests.oracle.records import Command, Event

START_NS = 34_200_000_000_000
"""Half past nine."""


@dataclass(frozen=True)
class Manners:
    """What participants of a market can do, and how its clock runs."""

    markets: tuple[str, ...] = ("ONE",)
    reduces: bool = True
    replaces: bool = True
    keeps_place: bool = True
    """Orders may be changed so that they keep their place in the queue."""
    new_id: bool = False
    """A replaced order gets another id."""
    hidden: bool = False
    """Executions of orders that are never shown are published."""
    icebergs: bool = False
    into_icebergs: bool = False
    """One order may trade with more than one slice of an iceberg."""
    prevents: bool = False
    """Participants have names, and their own orders are canceled before they would meet them."""
    auctions: int = 0
    """How many call auctions are held, the first at the start."""
    unpriced: bool = False
    """Market orders that stand at the best opposite price for what they could not trade."""
    waiting: bool = False
    """Such orders may come while the other side is empty; they wait for an auction."""
    cuts_short: bool = True
    """There are orders whose rest is canceled at once."""
    unfair: float = 0.0
    """How often the market passes over the head of a queue."""
    time_unit_ns: int = 1
    same_time: float = 0.2
    """How often two things happen at the same time."""


class Fill(NamedTuple):
    """What an aggressive order took of a resting one."""

    maker_id: int
    price_ticks: int
    qty_lots: int
    left_lots: int
    """Shown of the maker right afterwards: 0 once its shown part is used up."""
    next_lots: int
    """What an iceberg then shows at the back of its queue; 0 if there is no more."""


class Gone(NamedTuple):
    """An order that was taken out since its owner came from the other side."""

    order_id: int
    side: int
    price_ticks: int
    qty_lots: int


class Pair(NamedTuple):
    """A trade of a call auction."""

    bid_id: int
    ask_id: int
    price_ticks: int
    qty_lots: int
    bid_left_lots: int
    ask_left_lots: int


@dataclass
class Happening:
    """One request and all that it did."""

    market: int
    time_ns: int
    kind: str
    """new, cancel, reduce, replace, hidden, wait (for an auction) or uncross."""
    order_id: int = 0
    side: int = Side.NONE
    price_ticks: int = 0
    """Of new and replace: what was asked for; 0 if no price was."""
    qty_lots: int = 0
    """Of new and replace: of the whole request. Of cancel and reduce: what was taken off."""
    old_id: int = 0
    old_ticks: int = 0
    old_lots: int = 0
    """Of replace, cancel and reduce: what the order showed before."""
    fills: list[Fill] = field(default_factory=list)
    prevented: list[Gone] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    rest_ticks: int = 0
    rest_lots: int = 0
    """What the order shows afterwards."""
    cut_lots: int = 0
    """What was canceled at once, because the order was not to rest."""
    calling: bool = False
    """It happened during a call, in which nothing matches."""
    unfair: bool = False
    """It would have traded otherwise if the queues had been served in order."""
    hidden_after: int = -1
    """Of hidden: after how many fills of the request before it; -1 if on its own."""

    @property
    def hits_again(self) -> bool:
        """Whether it traded with more than one slice of an iceberg."""
        ids = [fill.maker_id for fill in self.fills]
        return len(set(ids)) < len(ids)


class Market:
    """One book and the participants that drive it."""

    def __init__(self, number: int, manners: Manners, source: random.Random) -> None:
        self.number = number
        self.manners = manners
        self.random = source
        self.oracle = Oracle()
        self.middle = 1_000 + 100 * number
        self.calling = False
        self.waiting: dict[int, Happening] = {}

    @property
    def book(self) -> Book:
        """The plain book."""
        return self.oracle.book

    def standing(self, tick: int = 1, lot: int = 1) -> list[tuple[int, int, int, int]]:
        """(side, id, price, shown quantity) of all that rests, in the order of priority."""
        return [
            (order.side, order.order_id, order.price_ticks * tick, order.visible_lots * lot)
            for order in self.book.bids + self.book.asks
        ]

    def ask(self, time_ns: int, ids: list[int]) -> list[Happening]:
        """A random request; more than one thing happens if hidden orders trade along."""
        pick = self.random.random()
        self.middle += self.random.choice((-1, 0, 0, 0, 1))
        orders = self.book.bids + self.book.asks
        if self.waiting and pick > 0.9:
            return [self._stop_waiting(time_ns)]
        if self.manners.hidden and pick < 0.06 and not self.calling:
            return [self._hidden(time_ns, -1)]
        if len(orders) < 8 or pick < 0.45:
            return self._new(time_ns, ids)
        order = self.random.choice(orders)
        plain = not order.display_lots
        if plain and self.manners.replaces and pick < 0.6:
            return [self._replace(time_ns, order, ids)]
        if (
            plain
            and self.manners.reduces
            and self.manners.keeps_place
            and pick < 0.7
            and order.left > 1
        ):
            return [self._reduce(time_ns, order)]
        return [self._cancel(time_ns, order)]

    # --- single requests -------------------------------------------------------------------

    def _new(self, time_ns: int, ids: list[int]) -> list[Happening]:
        order_id = self._next_id(ids)
        side = self.random.choice((Side.BUY, Side.SELL))
        price = self._some_price(side)
        lots = self.random.choice((1, 1, 2, 3, 5, 8, 13))
        happening = Happening(
            self.number, time_ns, "new", order_id, side, price, lots, calling=self.calling
        )
        command = Command(
            timestamp_ns=time_ns,
            order_id=order_id,
            price_ticks=price,
            qty_lots=lots,
            owner=self.random.randint(1, 3) if self.manners.prevents else 1,
            kind=CommandKind.PLACE,
            side=side,
            self_trade=SelfTrade.CANCEL_OLDEST if self.manners.prevents else SelfTrade.ALLOW,
        )
        kind = self.random.random()
        if self.manners.unpriced and kind < 0.12 and not self.calling:
            opposite = self.book.asks if side == Side.BUY else self.book.bids
            happening.price_ticks = 0
            if not opposite or (self.manners.waiting and kind < 0.03):
                if not self.manners.waiting or opposite:
                    return []
                happening.kind = "wait"
                self.waiting[order_id] = happening
                return [happening]
            command = command._replace(order_type=OrderType.MARKET_TO_LIMIT, price_ticks=0)
        elif self.manners.cuts_short and kind < 0.3 and not self.calling:
            command = command._replace(time_in_force=TimeInForce.IOC)
        elif self.manners.icebergs and kind < 0.5 and not self.calling:
            shown = self.random.randint(1, 4)
            command = command._replace(display_lots=shown, qty_lots=shown * 3)
            happening.qty_lots = shown * 3
        if not self._is_wanted(command):
            return []
        if self.random.random() < self.manners.unfair:
            self._carry_out_unfairly(command, happening)
        else:
            self._carry_out(command, happening)
        said = [happening]
        if self.manners.hidden and happening.fills and self.random.random() < 0.3:
            among = self.random.randint(0, len(happening.fills))
            said.append(self._hidden(time_ns, among))
        return said

    def _replace(self, time_ns: int, order: Order, ids: list[int]) -> Happening:
        price = self.random.choice((order.price_ticks, self._some_price(order.side)))
        lots = self.random.choice((order.left, max(order.left - 1, 1), order.left + 2))
        if not self.manners.keeps_place:
            lots = order.left + 2
        if self.manners.new_id:
            return self._replace_with_another(time_ns, order, price, lots, ids)
        happening = self._of_resting(time_ns, "replace", order)
        happening.price_ticks, happening.qty_lots = price, lots
        command = Command(
            timestamp_ns=time_ns,
            order_id=order.order_id,
            price_ticks=price,
            qty_lots=lots,
            kind=CommandKind.REPLACE,
        )
        if not self._is_wanted(command):
            command = command._replace(price_ticks=order.price_ticks)
            happening.price_ticks = order.price_ticks
        self._carry_out(command, happening)
        return happening

    def _replace_with_another(
        self, time_ns: int, order: Order, price: int, lots: int, ids: list[int]
    ) -> Happening:
        happening = self._of_resting(time_ns, "replace", order)
        happening.order_id = self._next_id(ids)
        happening.price_ticks, happening.qty_lots = price, lots
        self._process(self._command(CommandKind.CANCEL, time_ns, order.order_id))
        command = Command(
            timestamp_ns=time_ns,
            order_id=happening.order_id,
            price_ticks=price,
            qty_lots=lots,
            owner=1,
            kind=CommandKind.PLACE,
            side=order.side,
        )
        self._carry_out(command, happening)
        return happening

    def _reduce(self, time_ns: int, order: Order) -> Happening:
        happening = self._of_resting(time_ns, "reduce", order)
        happening.qty_lots = self.random.randint(1, order.left - 1)
        command = self._command(CommandKind.REDUCE, time_ns, order.order_id)
        self._process(command._replace(qty_lots=happening.qty_lots))
        happening.rest_lots = order.visible_lots
        return happening

    def _cancel(self, time_ns: int, order: Order) -> Happening:
        happening = self._of_resting(time_ns, "cancel", order)
        happening.qty_lots = order.visible_lots
        self._process(self._command(CommandKind.CANCEL, time_ns, order.order_id))
        return happening

    def _stop_waiting(self, time_ns: int) -> Happening:
        order_id = self.random.choice(sorted(self.waiting))
        was = self.waiting.pop(order_id)
        return Happening(
            self.number, time_ns, "cancel", order_id, was.side, 0, was.qty_lots, old_lots=0
        )

    def _hidden(self, time_ns: int, after: int) -> Happening:
        side = self.random.choice((Side.BUY, Side.SELL))
        lots = self.random.randint(1, 9)
        return Happening(
            self.number, time_ns, "hidden", 0, side, self.middle, lots, hidden_after=after
        )

    # --- call auctions ---------------------------------------------------------------------

    def call(self, time_ns: int) -> None:
        """From now on orders gather and nothing matches."""
        command = self._command(CommandKind.SET_STATE, time_ns, 0)
        self._process(command._replace(state=TradingState.AUCTION))
        self.calling = True

    def uncross(self, time_ns: int) -> Happening:
        """The call ends with the trades at one price."""
        happening = Happening(self.number, time_ns, "uncross")
        command = self._command(CommandKind.UNCROSS, time_ns, 0)
        for event in self._process(command._replace(state=TradingState.OPEN)):
            if event.kind == EventKind.TRADE:
                happening.pairs.append(
                    Pair(
                        event.order_id,
                        event.maker_id,
                        event.price_ticks,
                        event.qty_lots,
                        event.leaves_lots,
                        event.maker_leaves_lots,
                    )
                )
        self.calling = False
        return happening

    # --- below -----------------------------------------------------------------------------

    def _next_id(self, ids: list[int]) -> int:
        ids[0] += self.random.randint(1, 3)
        return ids[0]

    def _some_price(self, side: int) -> int:
        """Mostly behind the middle; now and then far into the other side."""
        away = self.random.choice((-4, -2, -1, 0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8))
        return self.middle - away if side == Side.BUY else self.middle + away

    def _of_resting(self, time_ns: int, kind: str, order: Order) -> Happening:
        return Happening(
            self.number,
            time_ns,
            kind,
            order.order_id,
            order.side,
            old_id=order.order_id,
            old_ticks=order.price_ticks,
            old_lots=order.visible_lots,
            rest_ticks=order.price_ticks,
            calling=self.calling,
        )

    def _command(self, kind: int, time_ns: int, order_id: int) -> Command:
        return Command(timestamp_ns=time_ns, order_id=order_id, kind=kind)

    def _process(self, command: Command) -> list[Event]:
        events, _ = self.oracle.process([command])
        assert all(event.kind != EventKind.REJECTED for event in events), command
        return events

    def _is_wanted(self, command: Command) -> bool:
        """Whether the manners allow what would come of it."""
        if not self.manners.icebergs or self.manners.into_icebergs:
            return True
        return not self._tried(command).hits_again

    def _tried(self, command: Command) -> Happening:
        """What would come of it: it is tried on a copy of the book."""
        tried = Market(self.number, self.manners, self.random)
        tried.oracle.book = self.book.copy()
        happening = Happening(self.number, command.timestamp_ns, "new", command.order_id)
        tried._carry_out(command, happening)
        return happening

    def _carry_out_unfairly(self, command: Command, happening: Happening) -> None:
        """As ``_carry_out``, but the first two orders of the best price change places meanwhile."""
        fair = self._tried(command)
        queue = self.book.asks if command.side == Side.BUY else self.book.bids
        two = queue[:2] if len(queue) > 1 and queue[0].price_ticks == queue[1].price_ticks else []
        queue[: len(two)] = two[::-1]
        self._carry_out(command, happening)
        queue = self.book.asks if command.side == Side.BUY else self.book.bids
        if len(queue) > 1 and two and queue[0] is two[1] and queue[1] is two[0]:
            queue[:2] = two
        happening.unfair = fair.fills != happening.fills

    def _carry_out(self, command: Command, happening: Happening) -> None:
        """Process a new or replacing order and note what it did."""
        for event in self._process(command):
            if event.kind == EventKind.TRADE:
                maker = self.book.find(event.maker_id)
                shown = 0 if maker is None else maker.visible_lots
                happening.fills.append(
                    Fill(event.maker_id, event.price_ticks, event.qty_lots, shown, 0)
                )
            elif event.kind == EventKind.REFRESHED:
                last = happening.fills[-1]
                happening.fills[-1] = last._replace(left_lots=0, next_lots=event.qty_lots)
            elif event.kind == EventKind.CANCELED and event.reason == Reason.SELF_TRADE:
                happening.prevented.append(
                    Gone(event.order_id, event.side, event.price_ticks, event.qty_lots)
                )
            elif event.kind == EventKind.CANCELED:
                happening.cut_lots = event.qty_lots
        happening.fills = _shown_then(happening.fills, self.book)
        rest = self.book.find(command.order_id)
        if rest is not None:
            happening.rest_ticks, happening.rest_lots = rest.price_ticks, rest.visible_lots


def _shown_then(fills: list[Fill], book: Book) -> list[Fill]:
    """The fills with what each maker showed right after it: the book shows what it shows last."""
    shown: dict[int, int] = {}
    result = []
    for fill in reversed(fills):
        later = shown.get(fill.maker_id)
        if later is None:
            maker = book.find(fill.maker_id)
            later = 0 if maker is None else maker.visible_lots
        left = 0 if fill.next_lots else later
        shown[fill.maker_id] = left + fill.qty_lots
        result.append(fill._replace(left_lots=left))
    return result[::-1]


@dataclass
class Session:
    """Some markets over a day, and all that happened in them."""

    manners: Manners
    markets: list[Market]
    happened: list[Happening]
    standing_before: list[list[tuple[int, int, int, int]]]
    """What rested in each market before the recording starts, as ``Market.standing``."""

    def of(self, market: int) -> list[Happening]:
        """What happened in one market."""
        return [one for one in self.happened if one.market == market]


def play(seed: int, manners: Manners, requests: int, *, before: int = 0) -> Session:
    """A session of so many requests, after ``before`` of them that nobody recorded."""
    source = random.Random(seed)
    markets = [Market(at, manners, source) for at in range(len(manners.markets))]
    ids, time_ns = [1_000], START_NS // manners.time_unit_ns
    for _ in range(before):
        time_ns += 1
        source.choice(markets).ask(time_ns * manners.time_unit_ns, ids)
    standing = [market.standing() for market in markets]
    happened: list[Happening] = []
    every = requests // max(manners.auctions, 1)
    for number in range(requests):
        if source.random() >= manners.same_time:
            time_ns += source.randint(1, 5_000)
        now_ns = time_ns * manners.time_unit_ns
        if manners.auctions and number % every == 0:
            for market in markets:
                market.call(now_ns)
        happened += source.choice(markets).ask(now_ns, ids)
        if manners.auctions and number % every == 12:
            time_ns += 1_000
            happened += [market.uncross(time_ns * manners.time_unit_ns) for market in markets]
            time_ns += 1_000
    return Session(manners, markets, happened, standing)
