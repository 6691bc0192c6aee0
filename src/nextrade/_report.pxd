"""Events: one function for each kind, the only places that write into the event buffer.

Every function fills all fields, so that recycled memory never shows through.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from ._memory cimport grow_events, stop_book
from ._types cimport (
    EVENT_FLAG_BY_AMOUNT,
    EVENT_KIND_ACCEPTED,
    EVENT_KIND_CANCELED,
    EVENT_KIND_REDUCED,
    EVENT_KIND_REJECTED,
    EVENT_KIND_TRADE,
    Book,
    Command,
    Event,
    Order,
    Taker,
    unlikely,
)


cdef inline Event* next_event(Book* b) noexcept nogil:
    cdef Event* e = b.event_next
    if unlikely(e == b.event_end):
        if not grow_events(b):
            # The command goes on, so that the book stays consistent, but its story has a gap:
            # the book takes no more commands until it is restored.
            stop_book(b)
            b.event_next -= 1
        e = b.event_next
    b.event_next = e + 1
    return e


cdef inline void report(
    Book* b,
    uint8_t kind,
    uint64_t order_id,
    uint32_t owner,
    uint8_t side,
    int64_t price,
    int64_t qty,
    int64_t leaves,
    uint8_t reason,
    uint8_t flags,
) noexcept nogil:
    cdef Event* e = next_event(b)
    e.timestamp_ns = b.timestamp_ns
    e.order_id = order_id
    e.price_ticks = price
    e.qty_lots = qty
    e.leaves_lots = leaves
    e.maker_id = 0
    e.maker_leaves_lots = 0
    e.trade_index = 0
    e.owner = owner
    e.maker_owner = 0
    e.command = b.command
    e.kind = kind
    e.reason = reason
    e.side = side
    e.flags = flags


cdef inline void report_accepted(Book* b, const Command* c) noexcept nogil:
    """ACCEPTED for a plain order. Commands and events begin with the same four fields."""
    cdef Event* e = next_event(b)
    memcpy(e, c, 32)
    memset(&e.leaves_lots, 0, 32)
    e.leaves_lots = c.qty_lots
    e.owner = c.owner
    e.maker_owner = 0
    e.command = b.command
    e.kind = EVENT_KIND_ACCEPTED
    e.reason = 0
    e.side = c.side
    e.flags = 0


cdef inline void report_trade(
    Book* b,
    uint64_t taker_id,
    uint32_t taker_owner,
    uint8_t side,
    int64_t price,
    int64_t qty,
    int64_t leaves,
    const Order* maker,
    int64_t maker_leaves,
    uint8_t flags,
) noexcept nogil:
    cdef Event* e = next_event(b)
    b.trade_count += 1
    e.timestamp_ns = b.timestamp_ns
    e.order_id = taker_id
    e.price_ticks = price
    e.qty_lots = qty
    e.leaves_lots = leaves
    e.maker_id = maker.id
    e.maker_leaves_lots = maker_leaves
    e.trade_index = b.trade_count
    e.owner = taker_owner
    e.maker_owner = maker.owner
    e.command = b.command
    e.kind = EVENT_KIND_TRADE
    e.reason = 0
    e.side = side
    e.flags = flags


cdef inline void reject(Book* b, const Command* c, uint8_t side, uint8_t reason) noexcept nogil:
    report(
        b, EVENT_KIND_REJECTED, c.order_id, c.owner, side, c.price_ticks, c.qty_lots, 0, reason, 0
    )


cdef inline void cancel_taker(Book* b, Taker* t, uint8_t reason) noexcept nogil:
    """End an order on its way: what is left of it is canceled."""
    t.done = 1
    if t.by_amount:
        report(
            b,
            EVENT_KIND_CANCELED,
            t.id,
            t.owner,
            t.side,
            t.shown_price,
            0,
            t.leaves,
            reason,
            EVENT_FLAG_BY_AMOUNT,
        )
    else:
        report(
            b, EVENT_KIND_CANCELED, t.id, t.owner, t.side, t.shown_price, t.leaves, 0, reason, 0
        )


cdef inline void reduce_taker(Book* b, const Taker* t, int64_t lots, uint8_t reason) noexcept nogil:
    """Tell that an order on its way lost lots without trading; nothing left ends it."""
    report(
        b,
        EVENT_KIND_REDUCED if t.leaves else EVENT_KIND_CANCELED,
        t.id,
        t.owner,
        t.side,
        t.shown_price,
        lots,
        t.leaves,
        reason,
        EVENT_FLAG_BY_AMOUNT if t.by_amount else 0,
    )
