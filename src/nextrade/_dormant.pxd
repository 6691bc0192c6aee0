"""Dormant orders (stops and take-profits) and the expiry of GTD orders.

Both are heaps with lazy deletion: an entry whose order has left is skipped when it comes
to the top, and when such entries are the majority the heap is rebuilt without them.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from ._index cimport find_order, map_put, tag_of
from ._memory cimport new_extra, new_order
from ._orders cimport forget
from ._report cimport report
from ._types cimport (
    ORDER_DORMANT,
    ORDER_SPECIAL,
    ORDER_TYPE_STOP_LIMIT,
    ORDER_TYPE_STOP_MARKET,
    SIDE_BUY,
    TIME_IN_FORCE_GTD,
    Book,
    Cold,
    Command,
    ExpiryEntry,
    Extra,
    Order,
    StopEntry,
    StopHeap,
)

cdef enum:
    RISING = 0
    FALLING = 1


cdef inline bint stop_before(const StopEntry* a, const StopEntry* z) noexcept nogil:
    if a.key != z.key:
        return a.key < z.key
    if a.timestamp_ns != z.timestamp_ns:
        return a.timestamp_ns < z.timestamp_ns
    return a.arrival < z.arrival


cdef inline void stop_sift_down(StopHeap* h, uint32_t hole, StopEntry entry) noexcept nogil:
    cdef uint32_t child
    while True:
        child = 2 * hole + 1
        if child >= h.count:
            break
        if child + 1 < h.count and stop_before(&h.entries[child + 1], &h.entries[child]):
            child += 1
        if not stop_before(&h.entries[child], &entry):
            break
        h.entries[hole] = h.entries[child]
        hole = child
    h.entries[hole] = entry


cdef inline void stop_push(StopHeap* h, StopEntry entry) noexcept nogil:
    cdef uint32_t hole = h.count
    cdef uint32_t parent
    h.count += 1
    h.live += 1
    while hole:
        parent = (hole - 1) >> 1
        if not stop_before(&entry, &h.entries[parent]):
            break
        h.entries[hole] = h.entries[parent]
        hole = parent
    h.entries[hole] = entry


cdef inline void stop_pop(StopHeap* h) noexcept nogil:
    h.count -= 1
    if h.count:
        stop_sift_down(h, 0, h.entries[h.count])


cdef inline bint is_waiting_for(const Book* b, const StopEntry* entry) noexcept nogil:
    """Whether an entry's order is still dormant under this very arrival."""
    cdef uint32_t extra = b.cold[entry.order].extra
    return extra != 0 and b.extras[extra].arrival == entry.arrival


cdef inline void sweep_stops(Book* b, StopHeap* h) noexcept nogil:
    cdef uint32_t kept = 0
    cdef uint32_t i
    for i in range(h.count):
        if is_waiting_for(b, &h.entries[i]):
            h.entries[kept] = h.entries[i]
            kept += 1
    h.count = kept
    i = kept // 2
    while i:
        i -= 1
        stop_sift_down(h, i, h.entries[i])


cdef inline void stop_gone(Book* b, int direction) noexcept nogil:
    """One dormant order fewer, its entry already made invalid."""
    cdef StopHeap* h = &b.stops[direction]
    h.live -= 1
    if h.count > 64 + 2 * h.live:
        sweep_stops(b, h)


cdef inline bint rises(int order_type, int side) noexcept nogil:
    """Whether the order waits for the price to come up to its trigger."""
    if order_type == ORDER_TYPE_STOP_MARKET or order_type == ORDER_TYPE_STOP_LIMIT:
        return side == SIDE_BUY
    return side != SIDE_BUY


cdef inline bint condition_holds(const Book* b, bint rising, int64_t trigger) noexcept nogil:
    if b.last_price == 0:
        return False
    return b.last_price >= trigger if rising else b.last_price <= trigger


cdef inline void push_stop(Book* b, uint32_t i) noexcept nogil:
    """Queue a dormant order under a new arrival and its timestamp."""
    cdef Extra* x = &b.extras[b.cold[i].extra]
    cdef StopEntry entry
    b.arrival += 1
    x.arrival = b.arrival
    entry.key = x.trigger if x.rising else -x.trigger
    entry.timestamp_ns = b.cold[i].timestamp_ns
    entry.arrival = b.arrival
    entry.order = i
    stop_push(&b.stops[RISING if x.rising else FALLING], entry)


cdef inline uint32_t add_dormant(Book* b, const Command* c) noexcept nogil:
    """Keep a new stop or take-profit order until its trigger."""
    cdef uint32_t i = new_order(b)
    cdef Order* o = &b.orders[i]
    cdef Cold* cold = &b.cold[i]
    cdef Extra* x
    map_put(&b.ids, tag_of(c.order_id), i)
    o.id = c.order_id
    o.owner = c.owner
    o.visible = c.qty_lots
    o.level_flags = ORDER_DORMANT | ORDER_SPECIAL
    cold.timestamp_ns = c.timestamp_ns
    cold.time_in_force = c.time_in_force
    cold.post_only = 0
    cold.self_trade = c.self_trade
    cold.order_type = c.order_type
    cold.extra = new_extra(b)
    if c.time_in_force == TIME_IN_FORCE_GTD:
        b.gtd_count += 1
    x = &b.extras[cold.extra]
    x.hidden = 0
    x.display = c.display_lots if c.display_lots < c.qty_lots else 0
    x.expire_ns = c.expire_ns
    x.trigger = c.trigger_ticks
    x.price = c.price_ticks
    x.side = c.side
    x.rising = rises(c.order_type, c.side)
    b.sides[c.side].open_lots += c.qty_lots
    push_stop(b, i)
    return i


cdef inline void leave_stops(Book* b, uint32_t i) noexcept nogil:
    """Take a dormant order out of its heap; its record stays."""
    cdef Extra* x = &b.extras[b.cold[i].extra]
    b.sides[x.side].open_lots -= b.orders[i].visible
    x.arrival = 0
    stop_gone(b, RISING if x.rising else FALLING)


cdef inline void cancel_dormant(Book* b, uint32_t i, unsigned char kind, unsigned char reason) noexcept nogil:
    cdef Order* o = &b.orders[i]
    cdef Extra* x = &b.extras[b.cold[i].extra]
    report(b, kind, o.id, o.owner, x.side, x.price, o.visible, 0, reason, 0)
    leave_stops(b, i)
    forget(b, i)


cdef inline void elect_from(Book* b, int direction, int64_t limit) noexcept nogil:
    """Move every dormant order with a key up to the limit to the waiting list."""
    cdef StopHeap* h = &b.stops[direction]
    cdef StopEntry entry
    while h.count:
        entry = h.entries[0]
        if is_waiting_for(b, &entry):
            if entry.key > limit:
                return
            b.extras[b.cold[entry.order].extra].arrival = 0
            h.live -= 1
            b.waiting[b.waiting_first + b.waiting_count] = entry.order
            b.waiting_count += 1
        stop_pop(h)


cdef inline void elect(Book* b, int64_t high, int64_t low) noexcept nogil:
    elect_from(b, RISING, high)
    elect_from(b, FALLING, -low)


# ---- expiry ---------------------------------------------------------------------------


cdef inline bint expiry_before(const ExpiryEntry* a, const ExpiryEntry* z) noexcept nogil:
    if a.expire_ns != z.expire_ns:
        return a.expire_ns < z.expire_ns
    return a.order_id < z.order_id


cdef inline void expiry_sift_down(ExpiryEntry* heap, size_t count, size_t hole) noexcept nogil:
    cdef ExpiryEntry entry = heap[hole]
    cdef size_t child
    while True:
        child = 2 * hole + 1
        if child >= count:
            break
        if child + 1 < count and expiry_before(&heap[child + 1], &heap[child]):
            child += 1
        if not expiry_before(&heap[child], &entry):
            break
        heap[hole] = heap[child]
        hole = child
    heap[hole] = entry


cdef inline ExpiryEntry pop_expiry(Book* b) noexcept nogil:
    cdef ExpiryEntry first = b.expiries[0]
    b.expiry_count -= 1
    if b.expiry_count:
        b.expiries[0] = b.expiries[b.expiry_count]
        expiry_sift_down(b.expiries, b.expiry_count, 0)
    return first


cdef inline uint32_t expiring_order(const Book* b, const ExpiryEntry* entry) noexcept nogil:
    """The open order that an entry speaks of, or 0 if it has left."""
    cdef uint32_t i = find_order(&b.ids, b.orders, entry.order_id)
    if i == 0 or b.cold[i].time_in_force != TIME_IN_FORCE_GTD:
        return 0
    if b.extras[b.cold[i].extra].expire_ns != entry.expire_ns:
        return 0
    return i


cdef inline void sweep_expiries(Book* b) noexcept nogil:
    """Keep one entry for each open GTD order, in order: a sorted array is a heap."""
    cdef size_t kept = 0
    cdef ExpiryEntry entry
    cdef size_t count = b.expiry_count
    cdef size_t k
    # Popping leaves the entries in order; the room behind the shrinking heap holds them.
    for k in range(count):
        entry = pop_expiry(b)
        b.expiries[b.expiry_count] = entry
    # They stand latest first now.
    for k in range(count // 2):
        entry = b.expiries[k]
        b.expiries[k] = b.expiries[count - 1 - k]
        b.expiries[count - 1 - k] = entry
    for k in range(count):
        entry = b.expiries[k]
        if expiring_order(b, &entry) == 0:
            continue
        if kept and not expiry_before(&b.expiries[kept - 1], &entry):
            continue
        b.expiries[kept] = entry
        kept += 1
    b.expiry_count = kept


cdef inline void push_expiry(Book* b, int64_t expire_ns, uint64_t order_id) noexcept nogil:
    cdef ExpiryEntry entry
    cdef size_t hole
    cdef size_t parent
    if b.expiry_count > 64 + 2 * <size_t>b.gtd_count:
        sweep_expiries(b)
    entry.expire_ns = expire_ns
    entry.order_id = order_id
    hole = b.expiry_count
    b.expiry_count += 1
    while hole:
        parent = (hole - 1) >> 1
        if not expiry_before(&entry, &b.expiries[parent]):
            break
        b.expiries[hole] = b.expiries[parent]
        hole = parent
    b.expiries[hole] = entry
