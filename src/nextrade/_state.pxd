"""The canonical state of a book: writing it, checking it, and building a book from it."""

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint32_t, uint64_t
from libc.string cimport memset

from ._dormant cimport (
    condition_holds,
    is_waiting_for,
    push_expiry,
    push_stop,
    rises,
    stop_sift_down,
)
from ._index cimport find_level, find_order, map_put, tag_of
from ._levels cimport crosses, level_key
from ._match cimport walk_next, walk_push
from ._memory cimport grow_extras, make_room, new_extra, new_order
from ._orders cimport hidden_of, rest
from ._rules cimport too_many_slices
from ._types cimport *


cdef inline void write_resting(const Book* b, uint32_t i, OrderRecord* r) noexcept nogil:
    cdef const Cold* cold = &b.cold[i]
    cdef const Level* level = &b.levels[b.orders[i].level_flags & LEVEL_MASK]
    memset(r, 0, sizeof(OrderRecord))
    r.order_id = b.orders[i].id
    r.timestamp_ns = cold.timestamp_ns
    r.price_ticks = level.price
    r.visible_lots = b.orders[i].visible
    if cold.extra:
        r.hidden_lots = b.extras[cold.extra].hidden
        r.display_lots = b.extras[cold.extra].display
        r.expire_ns = b.extras[cold.extra].expire_ns
    r.owner = b.orders[i].owner
    r.order_type = ORDER_TYPE_LIMIT
    r.side = <unsigned char>level.side
    r.time_in_force = cold.time_in_force
    r.post_only = cold.post_only
    r.self_trade = cold.self_trade


cdef inline void write_dormant(const Book* b, uint32_t i, OrderRecord* r) noexcept nogil:
    cdef const Cold* cold = &b.cold[i]
    cdef const Extra* x = &b.extras[cold.extra]
    memset(r, 0, sizeof(OrderRecord))
    r.order_id = b.orders[i].id
    r.timestamp_ns = cold.timestamp_ns
    r.price_ticks = x.price
    r.visible_lots = b.orders[i].visible
    r.display_lots = x.display
    r.trigger_ticks = x.trigger
    r.expire_ns = x.expire_ns
    r.owner = b.orders[i].owner
    r.order_type = cold.order_type
    r.side = x.side
    r.time_in_force = cold.time_in_force
    r.self_trade = cold.self_trade
    r.dormant = 1


cdef inline size_t write_side(Book* b, int side, OrderRecord* out) noexcept nogil:
    """Resting orders of a side in priority order."""
    cdef BookSide* s = &b.sides[side]
    cdef size_t written = 0
    cdef uint32_t count = 0
    cdef uint32_t i
    if s.heap_count:
        walk_push(s.heap, b.walk, &count, 0)
    while count:
        i = b.levels[s.heap[walk_next(s.heap, b.walk, &count, s.heap_count)].level].head
        while i:
            write_resting(b, i, &out[written])
            written += 1
            i = b.orders[i].next
    return written


cdef inline size_t write_stops(Book* b, int direction, OrderRecord* out) noexcept nogil:
    """Dormant orders of one direction in the order in which they would be elected.

    Sorts the heap in place (a sorted array is a heap), which changes nothing that can be seen.
    """
    cdef StopHeap* h = &b.stops[direction]
    cdef uint32_t total = h.count
    cdef StopEntry entry
    cdef size_t written = 0
    cdef uint32_t k
    while h.count > 1:
        entry = h.entries[0]
        h.count -= 1
        stop_sift_down(h, 0, h.entries[h.count])
        h.entries[h.count] = entry
    h.count = total
    for k in range(total // 2):
        entry = h.entries[k]
        h.entries[k] = h.entries[total - 1 - k]
        h.entries[total - 1 - k] = entry
    for k in range(total):
        if is_waiting_for(b, &h.entries[k]):
            write_dormant(b, h.entries[k].order, &out[written])
            written += 1
    return written


cdef inline size_t write_depth(Book* b, int side, size_t limit, DepthRow* out) noexcept nogil:
    """Visible levels of a side, best first."""
    cdef BookSide* s = &b.sides[side]
    cdef size_t written = 0
    cdef uint32_t count = 0
    cdef Level* level
    if s.heap_count:
        walk_push(s.heap, b.walk, &count, 0)
    while count and written < limit:
        level = &b.levels[s.heap[walk_next(s.heap, b.walk, &count, s.heap_count)].level]
        if level.count:
            out[written].price_ticks = level.price
            out[written].qty_lots = level.visible
            out[written].orders = level.count
            written += 1
    return written


cdef inline void write_levels(Book* b, int side, size_t limit, DepthRow* out) noexcept nogil:
    """The same, and rows of zeros up to the limit."""
    cdef size_t written = write_depth(b, side, limit, out)
    memset(out + written, 0, (limit - written) * sizeof(DepthRow))


cdef inline void write_best(const Book* b, int side, DepthRow* out) noexcept nogil:
    """The same for a limit of one, which needs no walk: the best level is never empty."""
    cdef uint32_t i = b.sides[side].best
    out.price_ticks = b.levels[i].price if i else 0
    out.qty_lots = b.levels[i].visible if i else 0
    out.orders = b.levels[i].count if i else 0


# ---- reading --------------------------------------------------------------------------


cdef inline const char* add_record(Book* b, const OrderRecord* r) noexcept nogil:
    """Add one order of a canonical state; says what is wrong with it, or NULL."""
    cdef Taker t
    cdef uint32_t i
    cdef Extra* x
    cdef int64_t lots
    if r.side > SIDE_SELL or r.self_trade > SELF_TRADE_DECREMENT or r.post_only > POST_ONLY_SLIDE:
        return b"a code is out of range"
    if r.time_in_force > TIME_IN_FORCE_GTD or r.order_type > ORDER_TYPE_TAKE_PROFIT_LIMIT or r.dormant > 1:
        return b"a code is out of range"
    if r.visible_lots <= 0 or r.hidden_lots < 0 or r.display_lots < 0 or r.price_ticks < 0:
        return b"a quantity or price is out of range"
    if r.hidden_lots > INT64_MAX - r.visible_lots:
        return b"a quantity is out of range"
    lots = r.visible_lots + r.hidden_lots
    if lots > INT64_MAX - b.sides[r.side].open_lots or product_overflows(r.price_ticks, lots):
        return b"a quantity is out of range"
    if r.time_in_force != TIME_IN_FORCE_GTD and r.expire_ns:
        return b"an order that is not GTD has an expiry"
    if r.timestamp_ns > b.clock_ns:
        return b"an order is later than the clock"
    if r.display_lots and r.time_in_force != TIME_IN_FORCE_GTC and r.time_in_force != TIME_IN_FORCE_GTD:
        return b"an order that does not stay is an iceberg"
    if r.time_in_force == TIME_IN_FORCE_IOC and r.post_only:
        return b"a post-only order does not stay"
    if find_order(&b.ids, b.orders, r.order_id):
        return b"an order id occurs twice"
    if (b.room == 0 and not make_room(b)) or not grow_extras(b):
        return b"memory"
    if r.dormant:
        if r.order_type < ORDER_TYPE_STOP_MARKET or r.trigger_ticks <= 0 or r.hidden_lots or r.post_only:
            return b"a dormant order contradicts itself"
        if r.order_type == ORDER_TYPE_STOP_MARKET or r.order_type == ORDER_TYPE_TAKE_PROFIT_MARKET:
            if r.display_lots:
                return b"a market order is an iceberg"
        elif r.price_ticks == 0:
            return b"a dormant order has no price"
        if b.state == TRADING_STATE_OPEN and condition_holds(b, rises(r.order_type, r.side), r.trigger_ticks):
            return b"a dormant order should have triggered"
        i = new_order(b)
        map_put(&b.ids, tag_of(r.order_id), i)
        b.orders[i].id = r.order_id
        b.orders[i].owner = r.owner
        b.orders[i].visible = r.visible_lots
        b.orders[i].level_flags = ORDER_DORMANT | ORDER_SPECIAL
        b.cold[i].timestamp_ns = r.timestamp_ns
        b.cold[i].time_in_force = r.time_in_force
        b.cold[i].post_only = 0
        b.cold[i].self_trade = r.self_trade
        b.cold[i].order_type = r.order_type
        b.cold[i].extra = new_extra(b)
        x = &b.extras[b.cold[i].extra]
        x.display = r.display_lots
        x.expire_ns = r.expire_ns
        x.trigger = r.trigger_ticks
        x.price = r.price_ticks
        x.side = r.side
        x.rising = rises(r.order_type, r.side)
        b.sides[r.side].open_lots += lots
        if r.time_in_force == TIME_IN_FORCE_GTD:
            b.gtd_count += 1
        push_stop(b, i)
    else:
        if r.order_type != ORDER_TYPE_LIMIT or r.trigger_ticks or r.price_ticks == 0 or r.time_in_force == TIME_IN_FORCE_FOK:
            return b"a resting order contradicts itself"
        if r.time_in_force == TIME_IN_FORCE_IOC and b.state == TRADING_STATE_OPEN:
            return b"an order waits for an auction in an open market"
        if r.display_lots == 0 and r.hidden_lots or r.display_lots and r.visible_lots > r.display_lots:
            return b"an iceberg contradicts itself"
        if r.display_lots and too_many_slices(lots, r.display_lots):
            return b"an iceberg has too many slices"
        if crosses(b, r.side, r.price_ticks) and b.state == TRADING_STATE_OPEN:
            return b"an open book is crossed"
        memset(&t, 0, sizeof(Taker))
        t.id = r.order_id
        t.owner = r.owner
        t.side = r.side
        t.price = r.price_ticks
        t.leaves = lots
        t.display = r.display_lots
        t.expire_ns = r.expire_ns
        t.time_in_force = r.time_in_force
        t.post_only = r.post_only
        t.self_trade = r.self_trade
        b.timestamp_ns = r.timestamp_ns
        i = rest(b, &t)
        if b.orders[i].next:
            return b"a queue is out of order"
        # A slice may be partly used up, so the visible part is not what rest() chose.
        b.levels[b.orders[i].level_flags & LEVEL_MASK].visible += r.visible_lots - b.orders[i].visible
        b.levels[b.orders[i].level_flags & LEVEL_MASK].hidden -= r.visible_lots - b.orders[i].visible
        b.orders[i].visible = r.visible_lots
        if r.display_lots:
            b.extras[b.cold[i].extra].hidden = r.hidden_lots
    b.room -= 1
    if r.time_in_force == TIME_IN_FORCE_GTD:
        push_expiry(b, r.expire_ns, r.order_id)
    return NULL


cdef inline const char* read_records(Book* b, const OrderRecord* records, size_t bids, size_t asks, size_t dormant) noexcept nogil:
    """Fill an empty book; says what is wrong, or NULL."""
    cdef size_t k
    cdef size_t j
    cdef const OrderRecord* r
    cdef const OrderRecord* before
    cdef int64_t key
    cdef int64_t key_before
    cdef const char* wrong
    for k in range(bids + asks + dormant):
        r = &records[k]
        for j in range(6):
            if r.reserved[j]:
                return b"a reserved byte is not zero"
        if r.dormant != (k >= bids + asks) or (not r.dormant and r.side != (k >= bids)):
            return b"an order stands in the wrong section"
        if k and k != bids and k != bids + asks:
            before = &records[k - 1]
            if r.dormant:
                key = r.trigger_ticks if rises(r.order_type, r.side) else -r.trigger_ticks
                key_before = before.trigger_ticks if rises(before.order_type, before.side) else -before.trigger_ticks
                if rises(r.order_type, r.side) != rises(before.order_type, before.side):
                    if rises(r.order_type, r.side):
                        return b"dormant orders are out of order"
                elif key < key_before or (key == key_before and r.timestamp_ns < before.timestamp_ns):
                    return b"dormant orders are out of order"
            elif level_key(r.side, r.price_ticks) < level_key(r.side, before.price_ticks):
                return b"price levels are out of order"
        wrong = add_record(b, r)
        if wrong != NULL:
            return wrong
    return NULL


# ---- checking -------------------------------------------------------------------------


cdef inline const char* check_level(const Book* b, int side, uint32_t index, int64_t* lots, uint32_t* orders) noexcept nogil:
    cdef const Level* level = &b.levels[index]
    cdef int64_t visible = 0
    cdef int64_t hidden = 0
    cdef uint32_t count = 0
    cdef uint32_t before = 0
    cdef uint32_t i = level.head
    if level.side != <uint32_t>side or find_level(&b.sides[side].prices, b.levels, <uint64_t>level.price) != index:
        return b"a level is not under its price"
    while i:
        if b.orders[i].prev != before or (b.orders[i].level_flags & LEVEL_MASK) != index:
            return b"a queue is not linked both ways"
        if before and b.cold[before].timestamp_ns > b.cold[i].timestamp_ns:
            return b"a queue is not in order of time"
        if b.cold[i].timestamp_ns > level.latest_ns:
            return b"a level does not know its latest timestamp"
        if b.orders[i].visible <= 0 or hidden_of(b, i) < 0:
            return b"a resting order has no visible quantity"
        if find_order(&b.ids, b.orders, b.orders[i].id) != i:
            return b"a resting order is not under its id"
        visible += b.orders[i].visible
        hidden += hidden_of(b, i)
        count += 1
        if count > b.ids.used:
            return b"a queue runs in a circle"
        before = i
        i = b.orders[i].next
    if level.tail != before or level.count != count:
        return b"a level miscounts its orders"
    if level.visible != visible or level.hidden != hidden:
        return b"a level miscounts its quantity"
    lots[0] += visible + hidden
    orders[0] += count
    return NULL


cdef inline const char* check_side(const Book* b, int side, int64_t dormant_lots, uint32_t* orders) noexcept nogil:
    cdef const BookSide* s = &b.sides[side]
    cdef int64_t lots = dormant_lots
    cdef uint32_t resting = 0
    cdef uint32_t empty = 0
    cdef uint32_t k
    cdef const char* wrong
    for k in range(s.heap_count):
        if k and s.heap[(k - 1) >> 1].key > s.heap[k].key:
            return b"a heap of levels is out of order"
        if s.heap[k].key != level_key(side, b.levels[s.heap[k].level].price):
            return b"a heap of levels has a wrong key"
        empty += b.levels[s.heap[k].level].count == 0
        wrong = check_level(b, side, s.heap[k].level, &lots, &resting)
        if wrong != NULL:
            return wrong
    if s.heap_count and (b.levels[s.heap[0].level].count == 0 or s.best != s.heap[0].level):
        return b"the best level is not at the top"
    if s.heap_count == 0 and s.best:
        return b"an empty side has a best level"
    if s.best_price != (b.levels[s.best].price if s.best else 0) or s.best_key != (
        s.heap[0].key if s.best else INT64_MAX
    ):
        return b"the best price is not that of the best level"
    if s.empty_count != empty or s.prices.used != s.heap_count:
        return b"a side miscounts its levels"
    if s.open_lots != lots or s.order_count != resting:
        return b"a side miscounts its orders"
    orders[0] += resting
    return NULL


cdef inline const char* check_book(const Book* b) noexcept nogil:
    """The first contradiction found, or NULL."""
    cdef int64_t dormant_lots[2]
    cdef uint32_t orders = 0
    cdef uint32_t dormant = 0
    cdef uint32_t gtd = 0
    cdef uint32_t waits = 0
    cdef uint32_t i
    cdef int side
    cdef const char* wrong
    dormant_lots[0] = dormant_lots[1] = 0
    for i in range(1, b.order_top + 1):
        if b.orders[i].level_flags == 0:
            continue
        gtd += b.cold[i].time_in_force == TIME_IN_FORCE_GTD
        if b.orders[i].level_flags & ORDER_DORMANT:
            dormant += 1
            dormant_lots[b.extras[b.cold[i].extra].side] += b.orders[i].visible
            if find_order(&b.ids, b.orders, b.orders[i].id) != i:
                return b"a dormant order is not under its id"
            if b.extras[b.cold[i].extra].arrival == 0:
                return b"a dormant order has no place in its list"
            if b.state == TRADING_STATE_OPEN and condition_holds(
                b, b.extras[b.cold[i].extra].rising, b.extras[b.cold[i].extra].trigger
            ):
                return b"a dormant order should have triggered"
        else:
            waits += b.cold[i].time_in_force == TIME_IN_FORCE_IOC
    for side in range(2):
        wrong = check_side(b, side, dormant_lots[side], &orders)
        if wrong != NULL:
            return wrong
    if orders + dormant != b.ids.used:
        return b"the book miscounts its orders"
    if b.stops[0].live + b.stops[1].live != dormant or b.gtd_count != gtd:
        return b"the book miscounts its dormant or GTD orders"
    if b.auction_only_count != waits:
        return b"the book miscounts the orders that wait for an auction"
    if b.state == TRADING_STATE_OPEN and b.sides[0].best and crosses(b, SIDE_BUY, b.sides[0].best_price):
        return b"an open book is crossed"
    return NULL
