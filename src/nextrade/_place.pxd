"""PLACE: a short way for plain limit orders, a thorough one for all others.

Section numbers refer to docs/explanation/matching-rules.md. A handler returns whether the
command was taken; a refused one has written its event and changed nothing.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memcpy

from ._dormant cimport add_dormant, condition_holds, push_expiry, rises
from ._index cimport find_from, find_order, home_of, mark_of
from ._levels cimport crosses, level_key
from ._match cimport run, run_on, settle_elections, trade_with, trigger_now, unlimited
from ._memory cimport grow_extras, make_room
from ._orders cimport rest, rest_plain
from ._report cimport cancel_taker, reject, report, report_accepted
from ._rules cimport bad_state, bad_value, slide
from ._types cimport (
    Book,
    BookSide,
    Bucket,
    COMMAND_KIND_PLACE,
    Command,
    EVENT_FLAG_BY_AMOUNT,
    EVENT_KIND_ACCEPTED,
    ORDER_SPECIAL,
    ORDER_TYPE_MARKET,
    ORDER_TYPE_MARKET_TO_LIMIT,
    ORDER_TYPE_STOP_MARKET,
    Order,
    REASON_BOOK_OVERFLOW,
    REASON_DUPLICATE_ORDER_ID,
    REASON_NONE,
    REASON_NOTIONAL_OVERFLOW,
    REASON_NO_LIQUIDITY,
    REASON_OUT_OF_MEMORY,
    REASON_WORST_PRICE,
    SELF_TRADE_DECREMENT,
    SIDE_NONE,
    SIDE_SELL,
    TIME_IN_FORCE_GTD,
    TIME_IN_FORCE_IOC,
    TRADING_STATE_AUCTION,
    TRADING_STATE_OPEN,
    Taker,
    product_overflows,
    sum_overflows,
    unlikely,
)


cdef enum:
    # Of the word that begins at ``kind``: everything but the lowest bit of the side,
    # self_trade, and the two bytes that PLACE does not use.
    PLAIN_MASK = 0xFFFFFEFFFF


cdef inline void accept(Book* b, const Command* c, int64_t price) noexcept nogil:
    report(
        b,
        EVENT_KIND_ACCEPTED,
        c.order_id,
        c.owner,
        c.side,
        price,
        c.qty_lots,
        c.quote_amount if c.quote_amount else c.qty_lots,
        0,
        EVENT_FLAG_BY_AMOUNT if c.quote_amount else 0,
    )


cdef inline void new_taker(const Command* c, int64_t price, Taker* t) noexcept nogil:
    t.id = c.order_id
    t.owner = c.owner
    t.order = 0
    t.side = c.side
    t.price = price if price else unlimited(c.side)
    t.key = level_key(1 - c.side, t.price)
    t.shown_price = price
    t.by_amount = c.quote_amount != 0
    t.leaves = c.quote_amount if c.quote_amount else c.qty_lots
    t.display = c.display_lots if c.display_lots < c.qty_lots else 0
    t.expire_ns = c.expire_ns
    t.is_market = c.order_type == ORDER_TYPE_MARKET
    t.time_in_force = c.time_in_force
    t.post_only = c.post_only
    t.self_trade = c.self_trade
    t.prevents = c.self_trade if c.owner else 0
    t.done = 0


cdef inline void place_dormant(Book* b, const Command* c) noexcept nogil:
    cdef uint32_t i
    cdef Taker t
    cdef bint now = b.state == TRADING_STATE_OPEN and condition_holds(
        b, rises(c.order_type, c.side), c.trigger_ticks
    )
    accept(b, c, c.price_ticks)
    i = add_dormant(b, c)
    if c.time_in_force == TIME_IN_FORCE_GTD:
        push_expiry(b, c.expire_ns, c.order_id)
    if now:
        trigger_now(b, i)


cdef inline void market_to_limit(Book* b, const Command* c, int64_t price, Taker* t) noexcept nogil:
    """Section 2: a limit order at the best opposite price, if there is an acceptable one."""
    cdef int other = 1 - c.side
    accept(b, c, price)
    new_taker(c, price, t)
    if price == 0:
        cancel_taker(
            b, t, REASON_WORST_PRICE if b.sides[other].best else REASON_NO_LIQUIDITY
        )


cdef inline bint place_special(Book* b, const Command* c) noexcept nogil:
    """Everything but a plain limit order; values, state, id and room are checked already."""
    cdef int64_t price = c.price_ticks
    cdef uint8_t reason
    cdef int other = 1 - c.side
    cdef Taker t
    if c.order_type >= ORDER_TYPE_STOP_MARKET:
        place_dormant(b, c)
        return True
    if c.post_only:
        reason = slide(b, c.side, c.post_only, c.qty_lots, &price)
        if reason:
            reject(b, c, c.side, reason)
            return False
    if c.order_type == ORDER_TYPE_MARKET_TO_LIMIT:
        price = 0
        if b.sides[other].best and (c.price_ticks == 0 or crosses(b, c.side, c.price_ticks)):
            price = b.sides[other].best_price
            if product_overflows(price, c.qty_lots):
                reject(b, c, c.side, REASON_NOTIONAL_OVERFLOW)
                return False
        market_to_limit(b, c, price, &t)
    else:
        accept(b, c, price)
        new_taker(c, price, &t)
    if b.state == TRADING_STATE_AUCTION:
        if t.is_market:
            t.time_in_force = TIME_IN_FORCE_IOC
        rest(b, &t)
    elif not t.done:
        run(b, &t)
        settle_elections(b)
    if t.time_in_force == TIME_IN_FORCE_GTD and find_order(&b.ids, b.orders, c.order_id):
        push_expiry(b, c.expire_ns, c.order_id)
    return True


cdef inline bint place_checked(Book* b, const Command* c) noexcept nogil:
    """Any order but the commonest: check everything, then place it."""
    cdef uint8_t reason = bad_value(c)
    cdef uint8_t side = c.side if c.side <= SIDE_SELL else SIDE_NONE
    if reason == REASON_NONE:
        reason = bad_state(b, c)
    if reason == REASON_NONE:
        if find_order(&b.ids, b.orders, c.order_id):
            reason = REASON_DUPLICATE_ORDER_ID
        elif c.qty_lots > INT64_MAX - b.sides[side].open_lots:
            reason = REASON_BOOK_OVERFLOW
        elif (b.room == 0 and not make_room(b)) or not grow_extras(b):
            reason = REASON_OUT_OF_MEMORY
    if reason:
        reject(b, c, side, reason)
        return False
    b.room -= 1
    return place_special(b, c)


cdef inline int64_t cross_plain(Book* b, const Command* c) noexcept nogil:
    """A plain limit order takes from plain orders; returns the lots that are still to rest.

    At anything else the general way takes over.
    """
    cdef BookSide* s = &b.sides[1 - c.side]
    cdef int64_t key = level_key(1 - c.side, c.price_ticks)
    cdef int64_t leaves = c.qty_lots
    cdef int64_t lots
    cdef uint32_t i
    cdef Order* o
    cdef Taker t
    b.first_price = 0
    while s.best_key <= key and s.best:
        i = b.levels[s.best].head
        o = &b.orders[i]
        if unlikely(o.level_flags & ORDER_SPECIAL or (c.self_trade and c.owner and o.owner == c.owner)):
            new_taker(c, c.price_ticks, &t)
            t.leaves = leaves
            run_on(b, &t)
            return 0
        lots = leaves if leaves < o.visible else o.visible
        leaves -= lots
        trade_with(b, s, i, lots, 0, c.order_id, c.owner, c.side, leaves, 0)
        if leaves == 0:
            break
    return leaves


cdef inline bint place(Book* b, const Command* c, uint32_t tag) noexcept nogil:
    """Place an order. The path below is for a GTC limit order that may take, in an open market."""
    cdef uint8_t side = c.side
    cdef Bucket* home
    cdef int64_t leaves = c.qty_lots
    # All that a plain order does not have, in one value: codes other than its side (the eight
    # bytes from ``kind`` on), other fields, another state.
    cdef uint64_t special
    memcpy(&special, &c.kind, sizeof(special))
    special = (
        (special & PLAIN_MASK ^ COMMAND_KIND_PLACE)
        | <uint64_t>(c.trigger_ticks | c.display_lots | c.quote_amount | c.expire_ns)
        | b.state
    )
    if unlikely(
        special != 0
        or c.price_ticks <= 0
        or c.qty_lots <= 0
        or c.self_trade > SELF_TRADE_DECREMENT
        or product_overflows(c.price_ticks, c.qty_lots)
    ):
        return place_checked(b, c)
    # Making room may move the id map, so it comes before looking for the id.
    if unlikely(b.room == 0) and not make_room(b):
        return place_checked(b, c)
    home = home_of(&b.ids, tag)
    if unlikely(find_from(&b.ids, home, mark_of(tag), b.orders, c.order_id) != 0):
        reject(b, c, side, REASON_DUPLICATE_ORDER_ID)
        return False
    if unlikely(sum_overflows(b.sides[side].open_lots, c.qty_lots)):
        reject(b, c, side, REASON_BOOK_OVERFLOW)
        return False
    b.room -= 1
    report_accepted(b, c)
    if crosses(b, side, c.price_ticks):
        leaves = cross_plain(b, c)
        if leaves == 0:
            settle_elections(b)
            return True
    rest_plain(b, c, leaves, home, tag)
    if unlikely(leaves != c.qty_lots):
        settle_elections(b)
    return True
