"""The life of one open order: rest, shrink, show the next slice, leave.

Order records are recycled, so every function here keeps the side totals and the id map in
step with the queues; ``check_invariants`` compares them.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from ._index cimport map_put, map_remove, mark_of, put_from, tag_of
from ._levels cimport enqueue, level_at, level_emptied, touch, unlink
from ._memory cimport free_extra, free_order, new_extra, new_order
from ._report cimport report
from ._types cimport (
    EVENT_KIND_REFRESHED,
    LEVEL_MASK,
    ORDER_DORMANT,
    ORDER_ICEBERG,
    ORDER_SPECIAL,
    ORDER_TYPE_LIMIT,
    TIME_IN_FORCE_GTC,
    TIME_IN_FORCE_GTD,
    TIME_IN_FORCE_IOC,
    Book,
    BookSide,
    Bucket,
    Cold,
    Command,
    Extra,
    Level,
    Order,
    Taker,
    unlikely,
)


cdef inline int64_t hidden_of(const Book* b, uint32_t i) noexcept nogil:
    if b.orders[i].level_flags & ORDER_ICEBERG:
        return b.extras[b.cold[i].extra].hidden
    return 0


cdef inline int side_of(const Book* b, uint32_t i) noexcept nogil:
    if b.orders[i].level_flags & ORDER_DORMANT:
        return b.extras[b.cold[i].extra].side
    return <int>b.levels[b.orders[i].level_flags & LEVEL_MASK].side


cdef inline int64_t price_of(const Book* b, uint32_t i) noexcept nogil:
    """Limit or worst price of an open order; 0 for a dormant one without."""
    if b.orders[i].level_flags & ORDER_DORMANT:
        return b.extras[b.cold[i].extra].price
    return b.levels[b.orders[i].level_flags & LEVEL_MASK].price


cdef inline void drop_extra(Book* b, uint32_t i) noexcept nogil:
    """Give an order's extra record back, if it has one."""
    cdef Cold* cold = &b.cold[i]
    if cold.extra:
        if cold.time_in_force == TIME_IN_FORCE_GTD:
            b.gtd_count -= 1
        # No entry of a stop heap may take the recycled record for its own.
        b.extras[cold.extra].arrival = 0
        free_extra(b, cold.extra)
        cold.extra = 0


cdef inline void forget(Book* b, uint32_t i) noexcept nogil:
    """An order that stands in no queue any more is gone."""
    map_remove(&b.ids, tag_of(b.orders[i].id), i)
    if unlikely(b.orders[i].level_flags & ORDER_SPECIAL):
        drop_extra(b, i)
    free_order(b, i)


cdef inline void leave_queue(Book* b, uint32_t i) noexcept nogil:
    """Take a resting order with all its quantity off its level and side."""
    cdef Order* o = &b.orders[i]
    cdef uint32_t level_index = o.level_flags & LEVEL_MASK
    cdef Level* level = &b.levels[level_index]
    cdef BookSide* s = &b.sides[level.side]
    cdef int64_t hidden
    touch(b, level)
    unlink(b, level, o)
    level.visible -= o.visible
    s.open_lots -= o.visible
    s.order_count -= 1
    if unlikely(o.level_flags & ORDER_SPECIAL):
        hidden = hidden_of(b, i)
        level.hidden -= hidden
        s.open_lots -= hidden
        b.auction_only_count -= b.cold[i].time_in_force == TIME_IN_FORCE_IOC
    if level.count == 0:
        level_emptied(b, <int>level.side, level_index)


cdef inline void remove_resting(Book* b, uint32_t i) noexcept nogil:
    leave_queue(b, i)
    forget(b, i)


cdef inline void cancel_resting(Book* b, uint32_t i, unsigned char kind, unsigned char reason) noexcept nogil:
    """Report a resting order as canceled (or expired) and remove it."""
    cdef Order* o = &b.orders[i]
    cdef Level* level = &b.levels[o.level_flags & LEVEL_MASK]
    report(
        b,
        kind,
        o.id,
        o.owner,
        <unsigned char>level.side,
        level.price,
        o.visible + hidden_of(b, i),
        0,
        reason,
        0,
    )
    remove_resting(b, i)


cdef inline void refresh(Book* b, uint32_t i) noexcept nogil:
    """Show an iceberg's next slice, as a new arrival in its queue."""
    cdef Order* o = &b.orders[i]
    cdef Extra* x = &b.extras[b.cold[i].extra]
    cdef uint32_t level_index = o.level_flags & LEVEL_MASK
    cdef Level* level = &b.levels[level_index]
    unlink(b, level, o)
    o.visible = x.display if x.display < x.hidden else x.hidden
    x.hidden -= o.visible
    level.hidden -= o.visible
    enqueue(b, level_index, i, b.timestamp_ns)
    report(
        b,
        EVENT_KIND_REFRESHED,
        o.id,
        o.owner,
        <unsigned char>level.side,
        level.price,
        o.visible,
        o.visible + x.hidden,
        0,
        0,
    )


cdef inline void take_visible(Book* b, uint32_t i, int64_t lots) noexcept nogil:
    """Take lots off the visible part of a resting order, which stays where it is."""
    cdef Order* o = &b.orders[i]
    cdef Level* level = &b.levels[o.level_flags & LEVEL_MASK]
    o.visible -= lots
    level.visible -= lots
    b.sides[level.side].open_lots -= lots


cdef inline void shrink_resting(Book* b, uint32_t i, int64_t lots) noexcept nogil:
    """Take lots off a resting order, hidden part first; less than all that is left."""
    cdef Order* o = &b.orders[i]
    cdef Level* level = &b.levels[o.level_flags & LEVEL_MASK]
    cdef Extra* x
    cdef int64_t from_hidden
    touch(b, level)
    if o.level_flags & ORDER_ICEBERG:
        x = &b.extras[b.cold[i].extra]
        from_hidden = lots if lots < x.hidden else x.hidden
        x.hidden -= from_hidden
        level.hidden -= from_hidden
        b.sides[level.side].open_lots -= from_hidden
        lots -= from_hidden
    take_visible(b, i, lots)


cdef inline void rest_plain(Book* b, const Command* c, int64_t lots, Bucket* home, uint32_t tag) noexcept nogil:
    """A GTC limit order with nothing special about it: the common case. ``home`` is its id's."""
    cdef int side = c.side
    cdef uint32_t i = new_order(b)
    cdef uint32_t level_index = level_at(b, side, c.price_ticks)
    cdef Order* o = &b.orders[i]
    cdef Cold* cold = &b.cold[i]
    put_from(&b.ids, home, mark_of(tag), i)
    o.id = c.order_id
    o.visible = lots
    o.level_flags = level_index
    o.owner = c.owner
    cold.extra = 0
    cold.time_in_force = TIME_IN_FORCE_GTC
    cold.post_only = 0
    cold.self_trade = c.self_trade
    cold.order_type = ORDER_TYPE_LIMIT
    b.sides[side].open_lots += lots
    b.sides[side].order_count += 1
    enqueue(b, level_index, i, c.timestamp_ns)


cdef inline uint32_t rest(Book* b, const Taker* t) noexcept nogil:
    """Put what is left of an order on the book; its record may exist already. Returns its index."""
    cdef uint32_t i = t.order
    cdef uint32_t level_index
    cdef Order* o
    cdef Cold* cold
    cdef Extra* x
    if i == 0:
        i = new_order(b)
        map_put(&b.ids, tag_of(t.id), i)
        b.cold[i].extra = 0
    level_index = level_at(b, t.side, t.price)
    o = &b.orders[i]
    cold = &b.cold[i]
    o.id = t.id
    o.owner = t.owner
    o.visible = t.leaves
    o.level_flags = level_index
    cold.time_in_force = t.time_in_force
    cold.post_only = t.post_only
    cold.self_trade = t.self_trade
    cold.order_type = ORDER_TYPE_LIMIT
    if t.display or t.time_in_force == TIME_IN_FORCE_GTD:
        if cold.extra == 0:
            cold.extra = new_extra(b)
            if t.time_in_force == TIME_IN_FORCE_GTD:
                b.gtd_count += 1
        o.level_flags |= ORDER_SPECIAL
        x = &b.extras[cold.extra]
        x.expire_ns = t.expire_ns
        x.display = t.display
        x.hidden = 0
        if t.display:
            o.level_flags |= ORDER_ICEBERG
            if t.display < t.leaves:
                o.visible = t.display
                x.hidden = t.leaves - t.display
                b.levels[level_index].hidden += x.hidden
    if t.time_in_force == TIME_IN_FORCE_IOC:
        o.level_flags |= ORDER_SPECIAL
        b.auction_only_count += 1
    b.sides[t.side].open_lots += t.leaves
    b.sides[t.side].order_count += 1
    enqueue(b, level_index, i, b.timestamp_ns)
    return i
