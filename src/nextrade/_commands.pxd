"""Commands: what each asks for, when it is refused, and the loop over a batch.

Section numbers refer to docs/explanation/matching-rules.md. Every handler returns whether
the command was taken; a refused one has written its event and changed nothing.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport qsort

from ._auction cimport AuctionPrice, auction_price, trade_auction
from ._dormant cimport (
    FALLING,
    RISING,
    add_dormant,
    cancel_dormant,
    condition_holds,
    expiring_order,
    leave_stops,
    pop_expiry,
    push_expiry,
    push_stop,
    rises,
    stop_gone,
)
from ._index cimport equal_bytes, find_from, find_order, find_tagged, home_of, lowest_bit, mark_of, tag_of
from ._levels cimport crosses, level_key, report_levels
from ._match cimport run, run_on, settle_elections, trade_with, unlimited
from ._memory cimport allocate, grow_events, grow_extras, make_room, release
from ._orders cimport (
    cancel_resting,
    hidden_of,
    leave_queue,
    price_of,
    rest,
    rest_plain,
    shrink_resting,
    side_of,
)
from ._report cimport cancel_taker, reject, report
from ._types cimport *


cdef enum:
    # Of the word that begins at ``kind``: everything but the lowest bit of the side,
    # self_trade, and the two bytes that PLACE does not use.
    PLAIN_MASK = 0xFFFFFEFFFF
    # Commands prepared at a time.
    BLOCK = 16
    # A book with a smaller id map is in the cache as it is.
    CACHED_BUCKETS = 2048


# ---- values ---------------------------------------------------------------------------


cdef inline uint8_t bad_combination(const Command* c, bint priced, bint dormant) noexcept nogil:
    cdef bint may_rest = c.time_in_force == TIME_IN_FORCE_GTC or c.time_in_force == TIME_IN_FORCE_GTD
    if c.quote_amount and (
        c.order_type != ORDER_TYPE_MARKET or c.qty_lots or c.time_in_force == TIME_IN_FORCE_FOK
    ):
        return REASON_BAD_COMBINATION
    if c.trigger_ticks and not dormant:
        return REASON_BAD_COMBINATION
    if c.display_lots and not (priced and may_rest):
        return REASON_BAD_COMBINATION
    if c.time_in_force == TIME_IN_FORCE_GTD:
        if c.order_type == ORDER_TYPE_MARKET:
            return REASON_BAD_COMBINATION
    elif c.expire_ns:
        return REASON_BAD_COMBINATION
    if c.post_only and not (c.order_type == ORDER_TYPE_LIMIT and may_rest):
        return REASON_BAD_COMBINATION
    return REASON_NONE


cdef inline uint8_t bad_value(const Command* c) noexcept nogil:
    """Section 2, points 1 to 9: the first rule that the fields of a PLACE break."""
    cdef bint priced = (
        c.order_type == ORDER_TYPE_LIMIT
        or c.order_type == ORDER_TYPE_STOP_LIMIT
        or c.order_type == ORDER_TYPE_TAKE_PROFIT_LIMIT
    )
    cdef bint dormant = c.order_type >= ORDER_TYPE_STOP_MARKET
    if c.order_type > ORDER_TYPE_TAKE_PROFIT_LIMIT:
        return REASON_UNKNOWN_ORDER_TYPE
    if c.side > SIDE_SELL:
        return REASON_UNKNOWN_SIDE
    if c.time_in_force > TIME_IN_FORCE_GTD:
        return REASON_UNKNOWN_TIME_IN_FORCE
    if c.post_only > POST_ONLY_SLIDE:
        return REASON_UNKNOWN_POST_ONLY
    if c.self_trade > SELF_TRADE_DECREMENT:
        return REASON_UNKNOWN_SELF_TRADE
    if c.qty_lots < 0 or (
        c.qty_lots == 0 and not (c.order_type == ORDER_TYPE_MARKET and c.quote_amount)
    ):
        return REASON_BAD_QUANTITY
    if c.price_ticks < 0 or (priced and c.price_ticks == 0):
        return REASON_BAD_PRICE
    if dormant and c.trigger_ticks <= 0:
        return REASON_BAD_TRIGGER
    if c.display_lots < 0:
        return REASON_BAD_DISPLAY
    if c.quote_amount < 0:
        return REASON_BAD_AMOUNT
    if c.time_in_force == TIME_IN_FORCE_GTD and c.expire_ns <= c.timestamp_ns:
        return REASON_BAD_EXPIRY
    if bad_combination(c, priced, dormant):
        return REASON_BAD_COMBINATION
    if product_overflows(c.price_ticks, c.qty_lots):
        return REASON_NOTIONAL_OVERFLOW
    return REASON_NONE


cdef inline uint8_t bad_state(const Book* b, const Command* c) noexcept nogil:
    """Section 2, point 10."""
    if b.state == TRADING_STATE_OPEN:
        return REASON_NONE
    if b.state == TRADING_STATE_HALTED:
        return REASON_HALTED
    if b.state == TRADING_STATE_CANCEL_ONLY:
        return REASON_CANCEL_ONLY
    if c.order_type >= ORDER_TYPE_STOP_MARKET:
        return REASON_NONE
    if (
        c.order_type == ORDER_TYPE_MARKET_TO_LIMIT
        or c.quote_amount
        or (c.order_type == ORDER_TYPE_MARKET and c.price_ticks == 0)
        or c.time_in_force == TIME_IN_FORCE_FOK
        or c.post_only
    ):
        return REASON_NOT_IN_AUCTION
    return REASON_NONE


cdef inline uint8_t slide(const Book* b, int side, uint8_t post_only, int64_t qty, int64_t* price) noexcept nogil:
    """Section 4: keep a post-only order from taking, or say why it cannot stand."""
    if b.state != TRADING_STATE_OPEN or not crosses(b, side, price[0]):
        return REASON_NONE
    if post_only == POST_ONLY_REJECT:
        return REASON_POST_ONLY_WOULD_TRADE
    if side == SIDE_BUY:
        price[0] = b.sides[1].best_price - 1
        if price[0] < 1:
            return REASON_POST_ONLY_WOULD_TRADE
    else:
        if b.sides[0].best_price == INT64_MAX:
            return REASON_POST_ONLY_WOULD_TRADE
        price[0] = b.sides[0].best_price + 1
    if product_overflows(price[0], qty):
        return REASON_NOTIONAL_OVERFLOW
    return REASON_NONE


# ---- placing --------------------------------------------------------------------------


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


cdef inline void trigger_now(Book* b, uint32_t i) noexcept nogil:
    """A dormant order whose condition holds already joins the waiting list by itself."""
    cdef Extra* x = &b.extras[b.cold[i].extra]
    x.arrival = 0
    stop_gone(b, RISING if x.rising else FALLING)
    b.waiting[b.waiting_count] = i
    b.waiting_count += 1
    b.high = 0
    settle_elections(b)


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


cdef inline void cross_plain(Book* b, const Command* c, Bucket* home) noexcept nogil:
    """A plain limit order takes from plain orders; at anything else the general way takes over."""
    cdef BookSide* s = &b.sides[1 - c.side]
    cdef int64_t key = level_key(1 - c.side, c.price_ticks)
    cdef int64_t leaves = c.qty_lots
    cdef int64_t lots
    cdef uint32_t i
    cdef Order* o
    cdef Taker t
    b.high = 0
    b.low = INT64_MAX
    while s.best_key <= key and s.best:
        i = b.levels[s.best].head
        o = &b.orders[i]
        if unlikely(o.level_flags & ORDER_SPECIAL or (c.self_trade and c.owner and o.owner == c.owner)):
            new_taker(c, c.price_ticks, &t)
            t.leaves = leaves
            run_on(b, &t)
            settle_elections(b)
            return
        lots = leaves if leaves < o.visible else o.visible
        leaves -= lots
        trade_with(b, s, i, lots, 0, c.order_id, c.owner, c.side, leaves, 0)
        if leaves == 0:
            settle_elections(b)
            return
    rest_plain(b, c, leaves, home)
    settle_elections(b)


cdef inline bint place(Book* b, const Command* c) noexcept nogil:
    """Place an order. The path below is for a GTC limit order that may take, in an open market."""
    cdef uint8_t side = c.side
    cdef bint roomy
    cdef Bucket* home
    # All that a plain order does not have, in one value: codes other than its side (the eight
    # bytes from ``kind`` on), other fields, another state.
    cdef uint64_t special = (
        ((<const uint64_t*>&c.kind)[0] & PLAIN_MASK ^ COMMAND_KIND_PLACE)
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
    roomy = likely(b.room != 0) or make_room(b)
    home = home_of(&b.ids, b.tag)
    if unlikely(find_from(&b.ids, home, mark_of(b.tag), b.orders, c.order_id) != 0):
        reject(b, c, side, REASON_DUPLICATE_ORDER_ID)
        return False
    if unlikely(c.qty_lots > INT64_MAX - b.sides[side].open_lots):
        reject(b, c, side, REASON_BOOK_OVERFLOW)
        return False
    if unlikely(not roomy):
        reject(b, c, side, REASON_OUT_OF_MEMORY)
        return False
    b.room -= 1
    report(
        b,
        EVENT_KIND_ACCEPTED,
        c.order_id,
        c.owner,
        side,
        c.price_ticks,
        c.qty_lots,
        c.qty_lots,
        0,
        0,
    )
    if crosses(b, side, c.price_ticks):
        cross_plain(b, c, home)
    else:
        rest_plain(b, c, c.qty_lots, home)
    return True


# ---- changing and leaving -------------------------------------------------------------


cdef inline uint32_t owned_order(Book* b, const Command* c) noexcept nogil:
    """The open order that a command names and may touch; 0 after reporting why not."""
    cdef uint32_t i = find_tagged(&b.ids, b.orders, c.order_id, b.tag)
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


cdef inline bint cancel(Book* b, const Command* c) noexcept nogil:
    cdef uint32_t i
    if unlikely(b.state == TRADING_STATE_HALTED):
        reject(b, c, SIDE_NONE, REASON_HALTED)
        return False
    i = owned_order(b, c)
    if unlikely(i == 0):
        return False
    cancel_open(b, i, EVENT_KIND_CANCELED, REASON_REQUESTED)
    return True


cdef inline bint reduce(Book* b, const Command* c) noexcept nogil:
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
    i = owned_order(b, c)
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
    cdef int64_t left
    cdef uint8_t reason
    if c.price_ticks == 0 and not (
        kind == ORDER_TYPE_STOP_MARKET or kind == ORDER_TYPE_TAKE_PROFIT_MARKET
    ):
        return REASON_BAD_PRICE
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


cdef inline bint replace(Book* b, const Command* c) noexcept nogil:
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
    i = owned_order(b, c)
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


# ---- many orders at once --------------------------------------------------------------

cdef struct Picked:
    uint64_t order_id
    uint32_t order


cdef inline int compare_picked(const void* a, const void* z) noexcept nogil:
    cdef uint64_t first = (<const Picked*>a).order_id
    cdef uint64_t second = (<const Picked*>z).order_id
    return -1 if first < second else (1 if first > second else 0)


cdef inline bint is_picked(const Book* b, uint32_t i, bint by_owner, uint32_t owner) noexcept nogil:
    if b.orders[i].level_flags == 0:
        return False
    if by_owner:
        return b.orders[i].owner == owner
    return (
        not (b.orders[i].level_flags & ORDER_DORMANT)
        and b.cold[i].time_in_force == TIME_IN_FORCE_IOC
    )


cdef inline bint pick(Book* b, bint by_owner, uint32_t owner, Picked** picked, size_t* count) noexcept nogil:
    """Find an owner's orders, or those that wait for an auction, in ascending order of id."""
    cdef size_t found = 0
    cdef uint32_t i
    picked[0] = NULL
    count[0] = 0
    if b.order_count == 0 or not (by_owner or b.auction_only_count):
        return True
    for i in range(1, b.order_top + 1):
        found += is_picked(b, i, by_owner, owner)
    if found == 0:
        return True
    picked[0] = <Picked*>allocate(found * sizeof(Picked))
    if picked[0] == NULL:
        return False
    for i in range(1, b.order_top + 1):
        if is_picked(b, i, by_owner, owner):
            picked[0][count[0]].order_id = b.orders[i].id
            picked[0][count[0]].order = i
            count[0] += 1
    qsort(picked[0], count[0], sizeof(Picked), compare_picked)
    return True


cdef inline void cancel_picked(Book* b, Picked* picked, size_t count, uint8_t reason) noexcept nogil:
    cdef size_t k
    for k in range(count):
        # An uncross may have filled it since it was picked.
        if find_order(&b.ids, b.orders, picked[k].order_id):
            cancel_open(b, picked[k].order, EVENT_KIND_CANCELED, reason)
    if picked != NULL:
        release(picked)


cdef inline void accept_control(Book* b, const Command* c, uint8_t kind, int64_t price, int64_t volume) noexcept nogil:
    """The answer to a command about the whole book."""
    report(b, kind, c.order_id, c.owner, SIDE_NONE, price, volume, 0, 0, 0)


cdef inline bint mass_cancel(Book* b, const Command* c) noexcept nogil:
    cdef Picked* picked
    cdef size_t count
    if b.state == TRADING_STATE_HALTED:
        reject(b, c, SIDE_NONE, REASON_HALTED)
        return False
    if not pick(b, True, c.owner, &picked, &count):
        reject(b, c, SIDE_NONE, REASON_OUT_OF_MEMORY)
        return False
    accept_control(b, c, EVENT_KIND_ACCEPTED, 0, 0)
    cancel_picked(b, picked, count, REASON_MASS_CANCELED)
    return True


cdef inline bint expire(Book* b, const Command* c) noexcept nogil:
    cdef ExpiryEntry entry
    cdef uint32_t i
    accept_control(b, c, EVENT_KIND_ACCEPTED, 0, 0)
    while b.expiry_count and b.expiries[0].expire_ns <= c.timestamp_ns:
        entry = pop_expiry(b)
        i = expiring_order(b, &entry)
        if i:
            cancel_open(b, i, EVENT_KIND_EXPIRED, REASON_NONE)
    return True


# ---- trading states -------------------------------------------------------------------


cdef inline void enter_state(Book* b, const Command* c) noexcept nogil:
    b.state = c.state
    accept_control(b, c, <uint8_t>(EVENT_KIND_STATE_OPEN + c.state), 0, 0)
    if b.state == TRADING_STATE_OPEN and b.last_price:
        b.high = b.low = b.last_price
        settle_elections(b)


cdef inline bint set_state(Book* b, const Command* c) noexcept nogil:
    cdef Picked* picked = NULL
    cdef size_t count = 0
    cdef uint8_t reason = REASON_NONE
    if c.state > TRADING_STATE_HALTED:
        reason = REASON_UNKNOWN_STATE
    elif c.state == TRADING_STATE_OPEN and b.sides[0].best and crosses(b, SIDE_BUY, b.sides[0].best_price):
        reason = REASON_BOOK_CROSSED
    elif c.state == TRADING_STATE_OPEN and not pick(b, False, 0, &picked, &count):
        reason = REASON_OUT_OF_MEMORY
    if reason:
        reject(b, c, SIDE_NONE, reason)
        return False
    cancel_picked(b, picked, count, REASON_AUCTION_ENDED)
    enter_state(b, c)
    return True


cdef inline bint uncross(Book* b, const Command* c) noexcept nogil:
    cdef AuctionPrice result
    cdef Picked* picked = NULL
    cdef size_t count = 0
    cdef uint8_t reason = REASON_NONE
    if c.state > TRADING_STATE_HALTED:
        reason = REASON_UNKNOWN_STATE
    elif c.price_ticks < 0:
        reason = REASON_BAD_PRICE
    elif b.state != TRADING_STATE_AUCTION:
        reason = REASON_ONLY_IN_AUCTION
    elif not auction_price(b, c.price_ticks if c.price_ticks else b.last_price, &result):
        reason = REASON_OUT_OF_MEMORY
    elif not pick(b, False, 0, &picked, &count):
        reason = REASON_OUT_OF_MEMORY
    if reason:
        reject(b, c, SIDE_NONE, reason)
        return False
    accept_control(b, c, EVENT_KIND_UNCROSSED, result.price, result.volume)
    trade_auction(b, result.price, result.volume)
    cancel_picked(b, picked, count, REASON_AUCTION_ENDED)
    enter_state(b, c)
    return True


# ---- batches --------------------------------------------------------------------------


cdef inline bint execute(Book* b, const Command* c) noexcept nogil:
    """Run any command but PLACE and CANCEL; False if it was refused."""
    if c.kind == COMMAND_KIND_REPLACE:
        return replace(b, c)
    if c.kind == COMMAND_KIND_REDUCE:
        return reduce(b, c)
    if c.kind == COMMAND_KIND_MASS_CANCEL:
        return mass_cancel(b, c)
    if c.kind == COMMAND_KIND_EXPIRE:
        return expire(b, c)
    if c.kind == COMMAND_KIND_SET_STATE:
        return set_state(b, c)
    if c.kind == COMMAND_KIND_UNCROSS:
        return uncross(b, c)
    reject(b, c, SIDE_NONE, REASON_UNKNOWN_COMMAND)
    return False


cdef inline bint short_of_events(Book* b, const Command* c) noexcept nogil:
    """Refuse a command while hardly more than its refusal could be reported."""
    if grow_events(b) or b.event_end - b.event_next >= 512:
        return False
    reject(b, c, SIDE_NONE, REASON_OUT_OF_MEMORY)
    return True


cdef inline void apply(Book* b, const Command* c, uint32_t index, uint32_t tag) noexcept nogil:
    cdef bint taken
    b.command = index
    b.tag = tag
    b.timestamp_ns = c.timestamp_ns
    if unlikely(b.event_next > b.event_low) and short_of_events(b, c):
        return
    if c.kind == COMMAND_KIND_PLACE:
        taken = place(b, c)
    elif c.kind == COMMAND_KIND_CANCEL:
        taken = cancel(b, c)
    else:
        taken = execute(b, c)
    if c.timestamp_ns > b.clock_ns and likely(taken):
        b.clock_ns = c.timestamp_ns
    if unlikely(b.want_levels):
        report_levels(b)
        b.serial += 1


cdef inline uint32_t likely_order(const Book* b, uint32_t tag) noexcept nogil:
    """An order that the id with this hash may name, or 0, without looking at the order itself."""
    cdef Bucket* bucket = home_of(&b.ids, tag)
    cdef uint32_t found = equal_bytes(bucket.marks, mark_of(tag))
    return bucket.refs[lowest_bit(found)] if found else 0


cdef inline size_t min_size(size_t a, size_t z) noexcept nogil:
    return a if a < z else z


cdef struct Ahead:
    # Hashes of the ids of four blocks, and which of their commands name an open order.
    uint32_t tags[4 * BLOCK]
    uint32_t naming[4]


cdef inline void fetch_buckets(const Book* b, const Command* commands, size_t first, size_t end, Ahead* ahead) noexcept nogil:
    cdef size_t k
    cdef uint32_t tag
    cdef uint32_t naming = 0
    for k in range(first, end):
        tag = tag_of(commands[k].order_id)
        ahead.tags[k % (4 * BLOCK)] = tag
        prefetch(home_of(&b.ids, tag))
        naming |= <uint32_t>(commands[k].kind != COMMAND_KIND_PLACE) << (k % BLOCK)
    ahead.naming[first // BLOCK % 4] = naming


cdef inline void fetch_orders(const Book* b, size_t first, const Ahead* ahead) noexcept nogil:
    cdef uint32_t naming = ahead.naming[first // BLOCK % 4]
    while naming:
        prefetch(&b.orders[likely_order(b, ahead.tags[(first + lowest_bit(naming)) % (4 * BLOCK)])])
        naming &= naming - 1


cdef inline void fetch_neighbours(const Book* b, size_t first, const Ahead* ahead) noexcept nogil:
    cdef uint32_t naming = ahead.naming[first // BLOCK % 4]
    cdef const Order* o
    while naming:
        o = &b.orders[likely_order(b, ahead.tags[(first + lowest_bit(naming)) % (4 * BLOCK)])]
        prefetch(&b.orders[o.prev])
        prefetch(&b.orders[o.next])
        prefetch(&b.levels[o.level_flags & LEVEL_MASK])
        naming &= naming - 1


cdef inline size_t apply_all(Book* b, const Command* commands, size_t count) noexcept nogil:
    """Run a batch; returns how many commands were run, fewer only if the book had to stop.

    A batch tells what comes next. So while one block of commands runs, the memory that the
    next three will touch is on its way into the cache: their buckets in the id map, then
    their orders, then what stands beside these. What changes meanwhile makes a hint useless
    and nothing wrong. A small book is in the cache as it is.
    """
    cdef Ahead ahead
    cdef bint large = b.ids.size > CACHED_BUCKETS
    cdef size_t start = 0
    cdef size_t end
    cdef size_t k
    while large and start < count and start < 3 * BLOCK:
        fetch_buckets(b, commands, start, min_size(count, start + BLOCK), &ahead)
        start += BLOCK
    start = 0
    while start < count:
        end = min_size(count, start + BLOCK)
        for k in range(start, end):
            # The commands themselves may lie in far memory.
            prefetch(<const char*>&commands[k] + 4 * BLOCK * sizeof(Command))
            prefetch(<const char*>&commands[k] + 4 * BLOCK * sizeof(Command) + 64)
        if large and start + 3 * BLOCK < count:
            fetch_buckets(
                b, commands, start + 3 * BLOCK, min_size(count, start + 4 * BLOCK), &ahead
            )
        if large and start + 2 * BLOCK < count:
            fetch_orders(b, start + 2 * BLOCK, &ahead)
        if large and end < count:
            fetch_neighbours(b, end, &ahead)
        for k in range(start, end):
            if unlikely(b.stopped):
                return k
            apply(
                b,
                &commands[k],
                <uint32_t>k,
                ahead.tags[k % (4 * BLOCK)] if large else tag_of(commands[k].order_id),
            )
        start = end
    return count
