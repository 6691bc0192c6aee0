"""An order meets the book: trades, self-trade prevention, fill-or-kill, elected stops.

Nothing here allocates: make_room and grow_extras have seen to all that a command can need,
except the event buffer, which looks after itself.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t

from ._dormant cimport FALLING, RISING, elect, stop_gone
from ._levels cimport level_emptied, level_key, touch, unlink_head
from ._orders cimport (
    cancel_resting,
    drop_extra,
    forget,
    hidden_of,
    refresh,
    remove_resting,
    rest,
    take_visible,
)
from ._report cimport cancel_taker, reduce_taker, report, report_trade
from ._types cimport (
    EVENT_FLAG_BY_AMOUNT,
    EVENT_KIND_CANCELED,
    EVENT_KIND_REDUCED,
    EVENT_KIND_TRIGGERED,
    ORDER_TYPE_STOP_MARKET,
    ORDER_TYPE_TAKE_PROFIT_MARKET,
    REASON_AMOUNT_TOO_SMALL,
    REASON_FILL_OR_KILL,
    REASON_IMMEDIATE_OR_CANCEL,
    REASON_NO_LIQUIDITY,
    REASON_SELF_TRADE,
    REASON_WORST_PRICE,
    SELF_TRADE_CANCEL_BOTH,
    SELF_TRADE_CANCEL_NEWEST,
    SELF_TRADE_CANCEL_OLDEST,
    SIDE_BUY,
    TIME_IN_FORCE_FOK,
    TIME_IN_FORCE_IOC,
    Book,
    BookSide,
    Extra,
    HeapEntry,
    Level,
    Order,
    Taker,
    prefetch,
    unlikely,
)


cdef inline int64_t unlimited(int side) noexcept nogil:
    """The worst price of an order without one."""
    return INT64_MAX if side == SIDE_BUY else 1


cdef inline void meet_own(Book* b, Taker* t, uint32_t i, int64_t wanted) noexcept nogil:
    """Apply the taker's self-trade rule to the resting order in front of it."""
    cdef Order* o = &b.orders[i]
    cdef int64_t price = b.sides[1 - t.side].best_price
    cdef int64_t lots
    cdef int64_t left
    if t.prevents == SELF_TRADE_CANCEL_NEWEST:
        cancel_taker(b, t, REASON_SELF_TRADE)
        return
    if t.prevents == SELF_TRADE_CANCEL_OLDEST:
        cancel_resting(b, i, EVENT_KIND_CANCELED, REASON_SELF_TRADE)
        return
    if t.prevents == SELF_TRADE_CANCEL_BOTH:
        cancel_resting(b, i, EVENT_KIND_CANCELED, REASON_SELF_TRADE)
        cancel_taker(b, t, REASON_SELF_TRADE)
        return
    lots = wanted if wanted < o.visible else o.visible
    touch(b, &b.levels[b.sides[1 - t.side].best])
    take_visible(b, i, lots)
    left = o.visible + hidden_of(b, i)
    report(
        b,
        EVENT_KIND_REDUCED if left else EVENT_KIND_CANCELED,
        o.id,
        o.owner,
        1 - t.side,
        price,
        lots,
        left,
        REASON_SELF_TRADE,
        0,
    )
    if left == 0:
        remove_resting(b, i)
    elif o.visible == 0:
        refresh(b, i)
    t.leaves -= lots * price if t.by_amount else lots
    if t.leaves == 0:
        t.done = 1
    reduce_taker(b, t, lots, REASON_SELF_TRADE)


cdef inline void trade_with(
    Book* b,
    BookSide* s,
    uint32_t i,
    int64_t lots,
    int64_t hidden,
    uint64_t taker_id,
    uint32_t taker_owner,
    uint8_t taker_side,
    int64_t taker_leaves,
    uint8_t flags,
) noexcept nogil:
    """Trade lots with the order at the head of the best level; used up, it refreshes or leaves."""
    cdef uint32_t level_index = s.best
    cdef Level* level = &b.levels[level_index]
    cdef Order* o = &b.orders[i]
    cdef int64_t price = s.best_price
    prefetch(&b.orders[o.next])
    touch(b, level)
    o.visible -= lots
    level.visible -= lots
    s.open_lots -= lots
    b.last_price = price
    if b.first_price == 0:
        b.first_price = price
    report_trade(
        b, taker_id, taker_owner, taker_side, price, lots, taker_leaves, o, o.visible + hidden, flags
    )
    if o.visible == 0:
        if unlikely(hidden != 0):
            refresh(b, i)
            return
        unlink_head(b, level, o)
        s.order_count -= 1
        forget(b, i)
        if level.count == 0:
            level_emptied(b, 1 - taker_side, level_index)


cdef inline void match(Book* b, Taker* t) noexcept nogil:
    """Trade with the best opposite orders until the order is done or finds no acceptable price.

    Loop invariant: ``leaves`` plus everything reported is what the order brought, and every
    level before the best one is gone.
    """
    cdef BookSide* s = &b.sides[1 - t.side]
    cdef Order* o
    cdef uint32_t i
    cdef int64_t wanted
    cdef int64_t lots
    while t.leaves > 0 and not t.done and s.best and s.best_key <= t.key:
        i = b.levels[s.best].head
        o = &b.orders[i]
        wanted = t.leaves
        if unlikely(t.by_amount):
            wanted = t.leaves // s.best_price
            if wanted == 0:
                cancel_taker(b, t, REASON_AMOUNT_TOO_SMALL)
                break
        if unlikely(t.prevents and o.owner == t.owner):
            meet_own(b, t, i, wanted)
            continue
        lots = wanted if wanted < o.visible else o.visible
        t.leaves -= lots * s.best_price if t.by_amount else lots
        trade_with(
            b,
            s,
            i,
            lots,
            hidden_of(b, i),
            t.id,
            t.owner,
            t.side,
            t.leaves,
            EVENT_FLAG_BY_AMOUNT if t.by_amount else 0,
        )


cdef inline void walk_push(const HeapEntry* heap, uint32_t* walk, uint32_t* count, uint32_t position) noexcept nogil:
    cdef uint32_t hole = count[0]
    cdef uint32_t parent
    count[0] += 1
    while hole:
        parent = (hole - 1) >> 1
        if heap[walk[parent]].key <= heap[position].key:
            break
        walk[hole] = walk[parent]
        hole = parent
    walk[hole] = position


cdef inline uint32_t walk_next(const HeapEntry* heap, uint32_t* walk, uint32_t* count, uint32_t heap_count) noexcept nogil:
    """Best position not yet visited; its children in the level heap join the walk."""
    cdef uint32_t first = walk[0]
    cdef uint32_t last
    cdef uint32_t hole = 0
    cdef uint32_t child
    count[0] -= 1
    if count[0]:
        last = walk[count[0]]
        while True:
            child = 2 * hole + 1
            if child >= count[0]:
                break
            if child + 1 < count[0] and heap[walk[child + 1]].key < heap[walk[child]].key:
                child += 1
            if heap[walk[child]].key >= heap[last].key:
                break
            walk[hole] = walk[child]
            hole = child
        walk[hole] = last
    if 2 * first + 1 < heap_count:
        walk_push(heap, walk, count, 2 * first + 1)
    if 2 * first + 2 < heap_count:
        walk_push(heap, walk, count, 2 * first + 2)
    return first


cdef inline int fills_from_level(const Book* b, const Taker* t, const Level* level, int64_t* need) noexcept nogil:
    """Take what a level would give off ``need``: 1 filled, -1 an own order stops it, 0 go on."""
    cdef uint32_t i
    cdef const Order* o
    cdef int64_t visible = 0
    cdef int64_t hidden = 0
    if t.prevents == 0:
        need[0] -= level.visible + level.hidden
        return 1 if need[0] <= 0 else 0
    i = level.head
    while i:
        o = &b.orders[i]
        if o.owner != t.owner:
            visible += o.visible
            hidden += hidden_of(b, i)
        elif t.prevents != SELF_TRADE_CANCEL_OLDEST:
            # Slices that come up meanwhile stand before the own order only if it is "later"
            # than the running command.
            if b.cold[i].timestamp_ns > b.timestamp_ns:
                visible += hidden
            return 1 if need[0] <= visible else -1
        i = o.next
    need[0] -= visible + hidden
    return 1 if need[0] <= 0 else 0


cdef inline bint fillable(Book* b, const Taker* t) noexcept nogil:
    """Whether the book would fill the order completely by trades."""
    cdef BookSide* s = &b.sides[1 - t.side]
    cdef int64_t need = t.leaves
    cdef uint32_t count = 0
    cdef uint32_t position
    cdef const Level* level
    cdef int verdict
    if s.heap_count:
        walk_push(s.heap, b.walk, &count, 0)
    while count:
        position = walk_next(s.heap, b.walk, &count, s.heap_count)
        level = &b.levels[s.heap[position].level]
        if s.heap[position].key > t.key:
            return False
        verdict = fills_from_level(b, t, level, &need)
        if verdict:
            return verdict > 0
    return False


cdef inline void run(Book* b, Taker* t) noexcept nogil:
    """Match an order and deal with what is left of it; remember its first trade price."""
    b.first_price = 0
    run_on(b, t)


cdef inline void run_on(Book* b, Taker* t) noexcept nogil:
    """The same for an order that has traded already."""
    if unlikely(t.time_in_force == TIME_IN_FORCE_FOK) and not fillable(b, t):
        cancel_taker(b, t, REASON_FILL_OR_KILL)
    else:
        match(b, t)
    if t.leaves and not t.done:
        if t.is_market:
            cancel_taker(
                b, t, REASON_WORST_PRICE if b.sides[1 - t.side].best else REASON_NO_LIQUIDITY
            )
        elif t.time_in_force == TIME_IN_FORCE_IOC:
            cancel_taker(b, t, REASON_IMMEDIATE_OR_CANCEL)
        else:
            rest(b, t)
            return
    if t.order:
        forget(b, t.order)


cdef inline void load_dormant(Book* b, uint32_t i, Taker* t) noexcept nogil:
    """Turn an elected dormant order into one on its way; its record stays in the id map."""
    cdef Order* o = &b.orders[i]
    cdef Extra* x = &b.extras[b.cold[i].extra]
    t.id = o.id
    t.owner = o.owner
    t.order = i
    t.side = x.side
    t.price = x.price if x.price else unlimited(x.side)
    t.key = level_key(1 - x.side, t.price)
    t.shown_price = x.price
    t.leaves = o.visible
    t.display = x.display
    t.expire_ns = x.expire_ns
    t.is_market = (
        b.cold[i].order_type == ORDER_TYPE_STOP_MARKET
        or b.cold[i].order_type == ORDER_TYPE_TAKE_PROFIT_MARKET
    )
    t.by_amount = 0
    t.time_in_force = b.cold[i].time_in_force
    t.post_only = 0
    t.self_trade = b.cold[i].self_trade
    t.prevents = t.self_trade if o.owner else 0
    t.done = 0
    b.sides[x.side].open_lots -= o.visible
    drop_extra(b, i)


cdef inline void settle_elections(Book* b) noexcept nogil:
    """Let what the running command traded elect dormant orders, and run these in turn."""
    if unlikely(b.stops[0].count + b.stops[1].count + b.waiting_count != 0):
        run_elected(b)


cdef inline void run_elected(Book* b) noexcept nogil:
    cdef Taker t
    cdef uint32_t i
    while True:
        if b.first_price:
            elect(
                b,
                b.first_price if b.first_price > b.last_price else b.last_price,
                b.first_price if b.first_price < b.last_price else b.last_price,
            )
            b.first_price = 0
        if b.waiting_count == 0:
            break
        i = b.waiting[b.waiting_first]
        b.waiting_first += 1
        b.waiting_count -= 1
        load_dormant(b, i, &t)
        report(
            b, EVENT_KIND_TRIGGERED, t.id, t.owner, t.side, t.shown_price, t.leaves, t.leaves, 0, 0
        )
        run(b, &t)
    b.waiting_first = 0


cdef inline void trigger_now(Book* b, uint32_t i) noexcept nogil:
    """A dormant order whose condition holds already joins the waiting list by itself."""
    cdef Extra* x = &b.extras[b.cold[i].extra]
    x.arrival = 0
    stop_gone(b, RISING if x.rising else FALLING)
    b.waiting[b.waiting_count] = i
    b.waiting_count += 1
    b.first_price = 0
    settle_elections(b)
