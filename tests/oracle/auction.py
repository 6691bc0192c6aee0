"""Trading states and call auctions (section 8). The auction price is found by trying prices."""

from typing import NamedTuple

from . import refusals
from .book import Book
from .codes import EventFlag, EventKind, Reason, Side, TradingState
from .records import Command
from .stops import market_opened

NARROW = 200
"""Up to this many ticks between lowest and highest limit, every price in between is tried."""


class Crossing(NamedTuple):
    """What an uncross at one price would bring; price 0: there is none."""

    price: int
    volume: int
    imbalance: int


def at_price(book: Book, price: int) -> Crossing:
    buying = sum(order.left for order in book.bids if order.price_ticks >= price)
    selling = sum(order.left for order in book.asks if order.price_ticks <= price)
    return Crossing(price, min(buying, selling), buying - selling)


def candidate_prices(book: Book) -> list[int]:
    """Prices worth trying. Buying and selling quantity change only at a limit or one tick off."""
    limits = [order.price_ticks for order in book.bids + book.asks]
    if max(limits) - min(limits) <= NARROW:
        return list(range(min(limits), max(limits) + 1))
    near = {price + step for price in limits for step in (-1, 0, 1)}
    return sorted(price for price in near if min(limits) <= price <= max(limits))


def best_crossing(book: Book, reference: int) -> Crossing:
    """The auction price with its volume and imbalance; reference 0: the last price, if any."""
    if not book.bids or not book.asks or book.bids[0].price_ticks < book.asks[0].price_ticks:
        return Crossing(0, 0, 0)
    tried = [at_price(book, price) for price in candidate_prices(book)]
    volume = max(crossing.volume for crossing in tried)
    tried = [crossing for crossing in tried if crossing.volume == volume]
    smallest = min(abs(crossing.imbalance) for crossing in tried)
    tried = [crossing for crossing in tried if abs(crossing.imbalance) == smallest]
    lowest, highest = tried[0].price, tried[-1].price
    reference = reference or book.last_price
    if reference == 0:
        price = (lowest + highest) // 2
    elif reference < lowest:
        price = lowest
    elif reference > highest:
        price = highest
    else:
        price = reference
    return at_price(book, price)


def set_state(book: Book, command: Command) -> int:
    reason = refusals.of_set_state(book, command)
    if reason:
        return reason
    if command.state == TradingState.OPEN:
        book.cancel_auction_orders()
    enter_state(book, command.state)
    return Reason.NONE


def enter_state(book: Book, state: int) -> None:
    book.state = state
    book.tell_command(EventKind.STATE_OPEN + state)
    if state == TradingState.OPEN:
        market_opened(book)


def uncross(book: Book, command: Command) -> int:
    reason = refusals.of_uncross(book, command)
    if reason:
        return reason
    price, volume, _ = best_crossing(book, command.price_ticks)
    book.tell_command(EventKind.UNCROSSED, price_ticks=price, qty_lots=volume)
    while volume > 0:
        volume -= trade_first_two(book, price, volume)
    book.cancel_auction_orders()
    enter_state(book, command.state)
    return Reason.NONE


def trade_first_two(book: Book, price: int, volume: int) -> int:
    """The first bid meets the first ask at the auction price. Answers how much they traded."""
    bid, ask = book.bids[0], book.asks[0]
    lots = min(bid.visible_lots, ask.visible_lots, volume)
    bid.visible_lots -= lots
    ask.visible_lots -= lots
    book.last_price = price
    book.trade_count += 1
    book.tell(
        EventKind.TRADE,
        bid,
        side=Side.NONE,
        price_ticks=price,
        qty_lots=lots,
        leaves_lots=bid.left,
        maker_id=ask.order_id,
        maker_owner=ask.owner,
        maker_leaves_lots=ask.left,
        trade_index=book.trade_count,
        flags=EventFlag.AUCTION,
    )
    book.refresh(bid)
    book.refresh(ask)
    return lots
