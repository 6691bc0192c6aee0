"""The compiled book behind the face of the oracle, and both ways into it."""

import numpy as np

from nextrade._book import OrderBook, Outcome
from nextrade.dtypes import COMMAND_DTYPE
from nextrade.errors import Rejected
from tests.oracle.codes import CommandKind, OrderType, PostOnly
from tests.oracle.records import Command, Event, LevelUpdate


def command_array(commands: list[Command]) -> np.ndarray:
    """Commands as the records that ``process`` takes."""
    return np.array(list(commands), dtype=COMMAND_DTYPE)


def event_list(events: np.ndarray) -> list[Event]:
    """Event records as plain tuples."""
    return [Event._make(record) for record in events.tolist()]


class Compiled:
    """The compiled book, answering in the plain tuples of the oracle."""

    def __init__(self, book: OrderBook | None = None) -> None:
        self.book = OrderBook() if book is None else book

    def process(self, commands: list[Command]) -> tuple[list[Event], list[LevelUpdate]]:
        events, levels = self.book.process(command_array(commands), levels=True)
        return event_list(events), [LevelUpdate(*level[:5]) for level in levels.tolist()]

    def indicative(self, reference: int = 0) -> tuple[int, int, int]:
        price, volume, imbalance = self.book.indicative(reference)
        return price or 0, volume, imbalance

    def depth(self) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        bids, asks = self.book.depth(10_000)
        return bids.tolist(), asks.tolist()

    def orders_bytes(self) -> bytes:
        return self.book.orders().tobytes()

    def state_hash(self) -> int:
        return self.book.state_hash()

    def check(self) -> None:
        self.book.check_invariants()


def single_call(book: OrderBook, command: Command) -> Outcome | None:
    """Carry out one command by its own method. None: no method can express this command."""
    call = _call_of(book, command)
    return None if call is None else call()


def _call_of(book, command):
    """The method and arguments that mean the same as a command, ready to be called."""
    kind, time = command.kind, {"timestamp_ns": command.timestamp_ns}
    owned = time | {"owner": command.owner}
    if kind == CommandKind.PLACE:
        return _place_of(book, command, owned)
    if kind == CommandKind.CANCEL:
        return lambda: book.cancel(command.order_id, **owned)
    if kind == CommandKind.REDUCE:
        return lambda: book.reduce(command.order_id, command.qty_lots, **owned)
    if kind == CommandKind.REPLACE:
        if command.display_lots or command.quote_amount or command.expire_ns:
            return None
        return lambda: book.replace(
            command.order_id,
            price_ticks=command.price_ticks,
            qty_lots=command.qty_lots,
            trigger_ticks=command.trigger_ticks,
            **owned,
        )
    if command.order_id != 0:
        return None
    if kind == CommandKind.MASS_CANCEL:
        return lambda: book.mass_cancel(command.owner, **time)
    if command.owner != 0:
        return None
    if kind == CommandKind.EXPIRE:
        return lambda: book.expire(command.timestamp_ns)
    if kind == CommandKind.SET_STATE:
        return lambda: book.set_state(command.state, **time)
    if kind == CommandKind.UNCROSS:
        return lambda: book.uncross(command.price_ticks, then=command.state, **time)
    return None


def _place_of(book, command, owned):
    owned = owned | {"time_in_force": command.time_in_force, "self_trade": command.self_trade}
    order_type, amount, trigger = command.order_type, command.quote_amount, command.trigger_ticks
    order_id, side, lots, price = (
        command.order_id,
        command.side,
        command.qty_lots,
        command.price_ticks,
    )
    display = {"display_lots": command.display_lots}
    expiry = {"expire_ns": command.expire_ns}
    is_by_amount = amount != 0
    if order_type == OrderType.LIMIT and not (is_by_amount or trigger):
        post_only = {"post_only": command.post_only}
        return lambda: book.limit(
            order_id, side, price, lots, **owned, **display, **expiry, **post_only
        )
    if command.post_only != PostOnly.NO:
        return None
    worst = {"worst_price_ticks": price}
    if order_type == OrderType.MARKET and not (trigger or any(display.values())):
        if command.expire_ns:
            return None
        return lambda: book.market(order_id, side, lots, quote_amount=amount, **worst, **owned)
    if is_by_amount:
        return None
    if order_type == OrderType.MARKET_TO_LIMIT and not (trigger or command.display_lots):
        return lambda: book.market_to_limit(order_id, side, lots, **worst, **owned, **expiry)
    method = {
        OrderType.STOP_MARKET: book.stop,
        OrderType.STOP_LIMIT: book.stop,
        OrderType.TAKE_PROFIT_MARKET: book.take_profit,
        OrderType.TAKE_PROFIT_LIMIT: book.take_profit,
    }.get(order_type)
    if method is None:
        return None
    has_limit = order_type in (OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
    where = {"limit_ticks": price} if has_limit else worst
    return lambda: method(order_id, side, trigger, lots, **where, **owned, **display, **expiry)


def events_or_reason(book: OrderBook, command: Command) -> list[Event] | int | None:
    """The events of a single call, or the reason of its refusal, or None (see single_call)."""
    try:
        outcome = single_call(book, command)
    except Rejected as refusal:
        return int(refusal.reason)
    return None if outcome is None else event_list(outcome.events)
