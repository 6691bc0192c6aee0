"""The canonical bytes of a book and their hash (section 10); what is never so (section 11)."""

import hashlib
import struct

from .book import Book, Order, ask_priority, bid_priority, falling_priority, rising_priority
from .codes import LIMIT_PRICE_TYPES, OrderType, TimeInForce, TradingState

HEADER = "<BqqqQQQ"
ORDER = "<QqqqqqqqIBBBBBB6x"


def order_bytes(order: Order) -> bytes:
    return struct.pack(
        ORDER,
        order.order_id,
        order.timestamp_ns,
        order.price_ticks,
        order.visible_lots,
        order.hidden_lots,
        order.display_lots,
        order.trigger_ticks,
        order.expire_ns,
        order.owner,
        order.order_type,
        order.side,
        order.time_in_force,
        order.post_only,
        order.self_trade,
        order.is_dormant,
    )


def orders_bytes(book: Book) -> bytes:
    return b"".join(order_bytes(order) for order in book.all_orders())


def state_bytes(book: Book) -> bytes:
    header = struct.pack(
        HEADER,
        book.state,
        book.clock_ns,
        book.last_price,
        book.trade_count,
        len(book.bids),
        len(book.asks),
        len(book.rising) + len(book.falling),
    )
    return header + orders_bytes(book)


def state_hash(book: Book) -> int:
    digest = hashlib.blake2b(state_bytes(book), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def check(book: Book) -> None:
    """Raise AssertionError if the book contradicts itself."""
    if book.state == TradingState.OPEN and book.bids and book.asks:
        assert book.bids[0].price_ticks < book.asks[0].price_ticks, "crossed"
    ids = [order.order_id for order in book.all_orders()]
    assert len(ids) == len(set(ids)), "an id is open twice"
    assert book.bids == sorted(book.bids, key=bid_priority)
    assert book.asks == sorted(book.asks, key=ask_priority)
    assert book.rising == sorted(book.rising, key=rising_priority)
    assert book.falling == sorted(book.falling, key=falling_priority)
    for order in book.bids + book.asks:
        assert order.order_type == OrderType.LIMIT
        assert order.visible_lots > 0 <= order.hidden_lots
        assert order.price_ticks > 0
        if order.hidden_lots:
            assert 0 < order.visible_lots <= order.display_lots
        if order.waits_for_auction:
            assert book.state != TradingState.OPEN
    for order in book.rising + book.falling:
        assert order.is_dormant
        assert order.visible_lots > 0 == order.hidden_lots
        assert order.trigger_ticks > 0
        if order.order_type in LIMIT_PRICE_TYPES:
            assert order.price_ticks > 0
        if book.state == TradingState.OPEN and book.last_price:
            due = book.last_price >= order.trigger_ticks
            if not order.is_rising:
                due = book.last_price <= order.trigger_ticks
            assert not due, "a due order still sleeps"
    for order in book.all_orders():
        assert (order.expire_ns != 0) <= (order.time_in_force == TimeInForce.GTD)
