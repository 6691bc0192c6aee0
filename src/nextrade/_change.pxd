"""CANCEL, REDUCE and REPLACE: commands that name an open order (section 7 of the rules).

A handler returns whether the command was taken; a refused one has written its event and
changed nothing.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint8_t

from ._dormant cimport cancel_dormant, condition_holds, leave_stops, push_stop
from ._index cimport find_tagged
from ._levels cimport level_key
from ._match cimport run, settle_elections, trigger_now
from ._memory cimport grow_extras, make_room
from ._orders cimport (
    cancel_resting,
    hidden_of,
    leave_queue,
    price_of,
    rest,
    shrink_resting,
    side_of,
)
from ._report cimport reject, report
from ._rules cimport slide, too_many_slices
from ._types cimport (
    REASON_BAD_DISPLAY,
    Book,
    Cold,
    Command,
    EVENT_FLAG_KEPT_PRIORITY,
    EVENT_KIND_CANCELED,
    EVENT_KIND_REDUCED,
    EVENT_KIND_REPLACED,
    Extra,
    ORDER_DORMANT,
    ORDER_TYPE_STOP_MARKET,
    ORDER_TYPE_TAKE_PROFIT_MARKET,
    Order,
    REASON_BAD_COMBINATION,
    REASON_BAD_PRICE,
    REASON_BAD_QUANTITY,
    REASON_BAD_TRIGGER,
    REASON_BOOK_OVERFLOW,
    REASON_CANCEL_ONLY,
    REASON_HALTED,
    REASON_NONE,
    REASON_NOTIONAL_OVERFLOW,
    REASON_NOT_OWNER,
    REASON_OUT_OF_MEMORY,
    REASON_REQUESTED,
    REASON_UNKNOWN_ORDER,
    SIDE_NONE,
    TRADING_STATE_CANCEL_ONLY,
    TRADING_STATE_HALTED,
    TRADING_STATE_OPEN,
    Taker,
    product_overflows,
    unlikely,
)


cdef inline uint32_t owned_order(Book* b, const Command* c, uint32_t tag) noexcept nogil:
    """The open order that a command names and may touch; 0 after reporting why not."""
    cdef uint32_t i = find_tagged(&b.ids, b.orders, c.order_id, tag)
    if unlikely(i == 0):
        reject(b, c, SIDE_NONE, REASON_UNKNOWN_ORDER)
        return 0
    if unlikely(c.owner != 0 and c.owner != b.orders[i].owner):
        reject(b, c, SIDE_NONE, REASON_NOT_OWNER)
        return 0
    return i


cdef inline void cancel_open(Book* b, uint32_t i, uint8_t kind, uint8_t reason) noexcept nogil:
    if unlikely(b.orders[i].level_flags & ORDER_DORMANT):
        cancel_dormant(b, i, kind, reason)
    else:
        cancel_resting(b, i, kind, reason)


cdef inline bint cancel(Book* b, const Command* c, uint32_t tag) noexcept nogil:
    cdef uint32_t i
    if unlikely(b.state == TRADING_STATE_HALTED):
        reject(b, c, SIDE_NONE, REASON_HALTED)
        return False
    i = owned_order(b, c, tag)
    if unlikely(i == 0):
        return False
    cancel_open(b, i, EVENT_KIND_CANCELED, REASON_REQUESTED)
    return True


cdef inline bint reduce(Book* b, const Command* c, uint32_t tag) noexcept nogil:
    cdef uint32_t i
    cdef int64_t left
    cdef uint8_t reason = REASON_NONE
    if c.qty_lots <= 0:
        reason = REASON_BAD_QUANTITY
    elif b.state == TRADING_STATE_HALTED:
        reason = REASON_HALTED
    if unlikely(reason):
        reject(b, c, SIDE_NONE, reason)
        return False
    i = owned_order(b, c, tag)
    if unlikely(i == 0):
        return False
    left = b.orders[i].visible + hidden_of(b, i)
    if c.qty_lots >= left:
        cancel_open(b, i, EVENT_KIND_CANCELED, REASON_REQUESTED)
        return True
    report(
        b,
        EVENT_KIND_REDUCED,
        c.order_id,
        b.orders[i].owner,
        <uint8_t>side_of(b, i),
        price_of(b, i),
        c.qty_lots,
        left - c.qty_lots,
        REASON_REQUESTED,
        0,
    )
    if b.orders[i].level_flags & ORDER_DORMANT:
        b.orders[i].visible -= c.qty_lots
        b.sides[side_of(b, i)].open_lots -= c.qty_lots
    else:
        shrink_resting(b, i, c.qty_lots)
    return True


cdef inline void report_replaced(Book* b, uint32_t i, int64_t price, int64_t qty, uint8_t flags) noexcept nogil:
    report(
        b,
        EVENT_KIND_REPLACED,
        b.orders[i].id,
        b.orders[i].owner,
        <uint8_t>side_of(b, i),
        price,
        qty,
        qty,
        0,
        flags,
    )


cdef inline void replace_dormant(Book* b, const Command* c, uint32_t i) noexcept nogil:
    cdef Extra* x = &b.extras[b.cold[i].extra]
    cdef int64_t trigger = c.trigger_ticks if c.trigger_ticks else x.trigger
    cdef int64_t old = b.orders[i].visible
    if c.price_ticks == x.price and trigger == x.trigger and c.qty_lots <= old:
        report_replaced(b, i, c.price_ticks, c.qty_lots, EVENT_FLAG_KEPT_PRIORITY)
        b.orders[i].visible = c.qty_lots
        b.sides[x.side].open_lots -= old - c.qty_lots
        return
    report_replaced(b, i, c.price_ticks, c.qty_lots, 0)
    leave_stops(b, i)
    x.price = c.price_ticks
    x.trigger = trigger
    b.orders[i].visible = c.qty_lots
    b.cold[i].timestamp_ns = c.timestamp_ns
    b.sides[x.side].open_lots += c.qty_lots
    push_stop(b, i)
    if b.state == TRADING_STATE_OPEN and condition_holds(b, x.rising, trigger):
        trigger_now(b, i)


cdef inline void load_resting(Book* b, uint32_t i, int64_t price, int64_t qty, Taker* t) noexcept nogil:
    """A resting order on its way again, with a new price and quantity; it keeps its record."""
    cdef Order* o = &b.orders[i]
    cdef Cold* cold = &b.cold[i]
    t.id = o.id
    t.owner = o.owner
    t.order = i
    t.side = <uint8_t>side_of(b, i)
    t.price = price
    t.key = level_key(1 - t.side, price)
    t.shown_price = price
    t.leaves = qty
    t.display = 0
    t.expire_ns = 0
    if cold.extra:
        t.display = b.extras[cold.extra].display
        t.expire_ns = b.extras[cold.extra].expire_ns
    t.is_market = 0
    t.by_amount = 0
    t.time_in_force = cold.time_in_force
    t.post_only = cold.post_only
    t.self_trade = cold.self_trade
    t.prevents = cold.self_trade if o.owner else 0
    t.done = 0


cdef inline void replace_resting(Book* b, uint32_t i, int64_t price, int64_t qty) noexcept nogil:
    cdef int64_t left = b.orders[i].visible + hidden_of(b, i)
    cdef Taker t
    if price == price_of(b, i) and qty <= left:
        report_replaced(b, i, price, qty, EVENT_FLAG_KEPT_PRIORITY)
        if qty < left:
            shrink_resting(b, i, left - qty)
        return
    report_replaced(b, i, price, qty, 0)
    load_resting(b, i, price, qty, &t)
    leave_queue(b, i)
    if b.state == TRADING_STATE_OPEN:
        run(b, &t)
        settle_elections(b)
    else:
        rest(b, &t)


cdef inline uint8_t bad_replacement(Book* b, const Command* c, uint32_t i, int64_t* price) noexcept nogil:
    """Section 7: what can be wrong with a REPLACE once its order is known."""
    cdef bint dormant = (b.orders[i].level_flags & ORDER_DORMANT) != 0
    cdef uint8_t kind = b.cold[i].order_type
    cdef int64_t display
    cdef int64_t left
    cdef uint8_t reason
    if c.price_ticks == 0 and not (
        kind == ORDER_TYPE_STOP_MARKET or kind == ORDER_TYPE_TAKE_PROFIT_MARKET
    ):
        return REASON_BAD_PRICE
    if b.cold[i].extra:
        display = b.extras[b.cold[i].extra].display
        if display and too_many_slices(c.qty_lots, display):
            return REASON_BAD_DISPLAY
    if c.trigger_ticks and not dormant:
        return REASON_BAD_COMBINATION
    if product_overflows(c.price_ticks, c.qty_lots):
        return REASON_NOTIONAL_OVERFLOW
    left = b.orders[i].visible + hidden_of(b, i)
    if c.qty_lots > INT64_MAX - (b.sides[side_of(b, i)].open_lots - left):
        return REASON_BOOK_OVERFLOW
    if unlikely(b.room == 0) and not make_room(b):
        return REASON_OUT_OF_MEMORY
    if dormant:
        return REASON_NONE if grow_extras(b) else REASON_OUT_OF_MEMORY
    if b.cold[i].post_only:
        reason = slide(b, side_of(b, i), b.cold[i].post_only, c.qty_lots, price)
        if reason:
            return reason
    return REASON_NONE


cdef inline bint replace(Book* b, const Command* c, uint32_t tag) noexcept nogil:
    cdef uint32_t i
    cdef int64_t price = c.price_ticks
    cdef uint8_t reason = REASON_NONE
    if c.qty_lots <= 0:
        reason = REASON_BAD_QUANTITY
    elif c.price_ticks < 0:
        reason = REASON_BAD_PRICE
    elif c.trigger_ticks < 0:
        reason = REASON_BAD_TRIGGER
    elif c.display_lots | c.quote_amount | c.expire_ns:
        reason = REASON_BAD_COMBINATION
    elif b.state == TRADING_STATE_HALTED:
        reason = REASON_HALTED
    elif b.state == TRADING_STATE_CANCEL_ONLY:
        reason = REASON_CANCEL_ONLY
    if unlikely(reason):
        reject(b, c, SIDE_NONE, reason)
        return False
    i = owned_order(b, c, tag)
    if unlikely(i == 0):
        return False
    reason = bad_replacement(b, c, i, &price)
    if unlikely(reason):
        reject(b, c, SIDE_NONE, reason)
        return False
    b.room -= 1
    if b.orders[i].level_flags & ORDER_DORMANT:
        replace_dormant(b, c, i)
    else:
        replace_resting(b, i, price, c.qty_lots)
    return True
