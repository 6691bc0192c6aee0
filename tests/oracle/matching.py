"""An order meets the other side: trades, self-trade prevention, fill or kill, what becomes of the
rest (sections 1 to 5)."""

import copy

from .book import Book, Order
from .codes import EventFlag, EventKind, Reason, SelfTrade, Side, TimeInForce


def execute(book: Book, taker: Order) -> list[int]:
    """Let an order trade, then let the rest of it rest or be canceled.

    Answers with the prices at which it traded, for the stops that these elect.
    """
    if taker.time_in_force == TimeInForce.FOK and not would_fill(book, taker):
        cancel_rest(book, taker, Reason.FILL_OR_KILL)
        return []
    prices: list[int] = []
    while is_unfilled(taker):
        maker = next_maker(book, taker)
        if maker is None:
            end_unmatched(book, taker)
            return prices
        lots = lots_between(taker, maker)
        if lots == 0:
            # There is no trade, so there is no self-trade to prevent either.
            cancel_rest(book, taker, Reason.AMOUNT_TOO_SMALL)
            return prices
        if prevents_self_trade(taker, maker):
            if not self_trade_goes_on(book, taker, maker, lots):
                return prices
        else:
            trade(book, taker, maker, lots)
            prices.append(maker.price_ticks)
    return prices


def is_unfilled(taker: Order) -> bool:
    return taker.amount > 0 if taker.by_amount else taker.left > 0


def would_trade_at(taker: Order, price: int) -> bool:
    """Whether a price is within the taker's limit or worst price."""
    if taker.is_market and taker.price_ticks == 0:
        return True
    return price <= taker.price_ticks if taker.side == Side.BUY else price >= taker.price_ticks


def next_maker(book: Book, taker: Order) -> Order | None:
    """The first order of the other side, if the taker may trade at its price."""
    opposite = book.opposite_of(taker)
    if opposite and would_trade_at(taker, opposite[0].price_ticks):
        return opposite[0]
    return None


def lots_between(taker: Order, maker: Order) -> int:
    """How much one trade of these two is."""
    if taker.by_amount:
        return min(maker.visible_lots, taker.amount // maker.price_ticks)
    return min(maker.visible_lots, taker.left)


def take_from_taker(taker: Order, lots: int, price: int) -> None:
    if taker.by_amount:
        taker.amount -= lots * price
    else:
        taker.visible_lots -= lots


def leaves_of_taker(taker: Order) -> int:
    return taker.amount if taker.by_amount else taker.left


def flags_of(taker: Order) -> int:
    return EventFlag.BY_AMOUNT if taker.by_amount else 0


def trade(book: Book, taker: Order, maker: Order, lots: int) -> None:
    maker.visible_lots -= lots
    take_from_taker(taker, lots, maker.price_ticks)
    book.last_price = maker.price_ticks
    book.trade_count += 1
    book.tell(
        EventKind.TRADE,
        taker,
        price_ticks=maker.price_ticks,
        qty_lots=lots,
        leaves_lots=leaves_of_taker(taker),
        maker_id=maker.order_id,
        maker_owner=maker.owner,
        maker_leaves_lots=maker.left,
        trade_index=book.trade_count,
        flags=flags_of(taker),
    )
    book.refresh(maker)


def end_unmatched(book: Book, taker: Order) -> None:
    """Nothing more to trade with: rest or cancel."""
    if taker.is_market:
        empty = not book.opposite_of(taker)
        cancel_rest(book, taker, Reason.NO_LIQUIDITY if empty else Reason.WORST_PRICE)
    elif taker.time_in_force == TimeInForce.IOC:
        cancel_rest(book, taker, Reason.IMMEDIATE_OR_CANCEL)
    else:
        book.rest(taker)


def cancel_rest(book: Book, taker: Order, reason: int) -> None:
    """Cancel what is left of an order that is in no queue."""
    book.tell(
        EventKind.CANCELED,
        taker,
        qty_lots=0 if taker.by_amount else taker.left,
        leaves_lots=taker.amount if taker.by_amount else 0,
        reason=reason,
        flags=flags_of(taker),
    )


# Self-trade prevention (section 3)


def prevents_self_trade(taker: Order, maker: Order) -> bool:
    if taker.self_trade == SelfTrade.ALLOW or taker.owner == 0:
        return False
    return maker.owner == taker.owner


def self_trade_goes_on(book: Book, taker: Order, maker: Order, lots: int) -> bool:
    """Apply the taker's rule. Answers whether the taker goes on."""
    if taker.self_trade == SelfTrade.CANCEL_NEWEST:
        cancel_rest(book, taker, Reason.SELF_TRADE)
        return False
    if taker.self_trade == SelfTrade.CANCEL_OLDEST:
        book.cancel(maker, Reason.SELF_TRADE)
        return True
    if taker.self_trade == SelfTrade.CANCEL_BOTH:
        book.cancel(maker, Reason.SELF_TRADE)
        cancel_rest(book, taker, Reason.SELF_TRADE)
        return False
    return decrement(book, taker, maker, lots)


def decrement(book: Book, taker: Order, maker: Order, lots: int) -> bool:
    if lots == maker.left:
        book.cancel(maker, Reason.SELF_TRADE)
    else:
        maker.visible_lots -= lots
        book.tell(
            EventKind.REDUCED,
            maker,
            qty_lots=lots,
            leaves_lots=maker.left,
            reason=Reason.SELF_TRADE,
        )
        book.refresh(maker)
    take_from_taker(taker, lots, maker.price_ticks)
    goes_on = is_unfilled(taker)
    book.tell(
        EventKind.REDUCED if goes_on else EventKind.CANCELED,
        taker,
        qty_lots=lots,
        leaves_lots=leaves_of_taker(taker),
        reason=Reason.SELF_TRADE,
        flags=flags_of(taker),
    )
    return goes_on


# Fill or kill (section 5)


def would_fill(book: Book, taker: Order) -> bool:
    """Try it on a copy of the book: do its trades add up to its whole quantity?"""
    trial = book.copy()
    tried = copy.copy(taker)
    tried.time_in_force = TimeInForce.IOC
    execute(trial, tried)
    traded = [event.qty_lots for event in trial.events if event.kind == EventKind.TRADE]
    return sum(traded) == taker.left
