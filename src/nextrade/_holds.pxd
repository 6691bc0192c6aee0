"""What each open order of a market still holds: a hash map from order id to its hold.

Open addressing with linear probing, two holds to a cache line. A hold that ends pulls those
behind it forward, so there are no tombstones, and memory follows the orders open. Order ids
are never 0 here, so an id of 0 marks a free slot.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from ._memory cimport allocate, release
from ._types cimport likely, prefetch

cdef enum:
    SMALLEST_HOLDS = 64


cdef struct Hold:
    uint64_t order_id
    # In base units of the quote asset for a buy, of the base asset for a sale.
    int64_t held
    # What each lot of a buy by quantity is held at; 0 for all others.
    int64_t price_ticks
    uint32_t account
    uint8_t side
    uint8_t tier
    uint8_t by_amount
    uint8_t spare


cdef struct Holds:
    Hold* slots
    size_t mask # the number of slots, a power of two, less one
    int shift
    size_t used


cdef inline Hold* home_of_hold(const Holds* m, uint64_t order_id) noexcept nogil:
    """Where to begin looking. Ids that follow each other come to lie far apart."""
    return m.slots + ((order_id * <uint64_t>0x9E3779B97F4A7C15) >> m.shift)


cdef inline void fetch_hold(const Holds* m, uint64_t order_id) noexcept nogil:
    prefetch(home_of_hold(m, order_id))


cdef inline Hold* find_hold(const Holds* m, uint64_t order_id) noexcept nogil:
    """The hold of an open order, or NULL."""
    cdef Hold* hold = home_of_hold(m, order_id)
    cdef Hold* end = m.slots + m.mask
    while hold.order_id:
        if likely(hold.order_id == order_id):
            return hold
        hold = hold + 1 if hold != end else m.slots
    return NULL


cdef inline Hold* add_hold(Holds* m, uint64_t order_id) noexcept nogil:
    """A new hold, to be filled in; NULL if the order has one. ``reserve_holds`` made room."""
    cdef Hold* hold = home_of_hold(m, order_id)
    cdef Hold* end = m.slots + m.mask
    while hold.order_id:
        if hold.order_id == order_id:
            return NULL
        hold = hold + 1 if hold != end else m.slots
    hold.order_id = order_id
    m.used += 1
    return hold


cdef inline void remove_hold(Holds* m, Hold* hold) noexcept nogil:
    """Free a slot. Holds move, so no pointer into the map is good afterwards."""
    cdef size_t hole = hold - m.slots
    cdef size_t i = hole
    cdef size_t home
    while True:
        i = (i + 1) & m.mask
        if m.slots[i].order_id == 0:
            break
        home = home_of_hold(m, m.slots[i].order_id) - m.slots
        # It may move to the hole unless it wants to live behind it.
        if ((i - home) & m.mask) >= ((i - hole) & m.mask):
            m.slots[hole] = m.slots[i]
            hole = i
    m.slots[hole].order_id = 0
    m.used -= 1


cdef inline bint resize_holds(Holds* m, size_t capacity) noexcept nogil:
    """Move to a map of another size, a power of two; on failure the old one stays."""
    cdef Hold* old = m.slots
    cdef size_t old_capacity = m.mask + 1 if old != NULL else 0
    cdef size_t k
    cdef Hold* fresh = <Hold*>allocate(capacity * sizeof(Hold))
    if fresh == NULL:
        return False
    memset(fresh, 0, capacity * sizeof(Hold))
    m.slots = fresh
    m.mask = capacity - 1
    m.used = 0
    m.shift = 64
    while capacity > 1:
        m.shift -= 1
        capacity >>= 1
    for k in range(old_capacity):
        if old[k].order_id:
            add_hold(m, old[k].order_id)[0] = old[k]
    release(old)
    return True


cdef inline bint reserve_holds(Holds* m, size_t more) noexcept nogil:
    """Make sure that so many more orders find room; False if there is no memory for them."""
    cdef size_t capacity = m.mask + 1 if m.slots != NULL else SMALLEST_HOLDS
    while 8 * (m.used + more) > 5 * capacity:
        capacity *= 2
    if m.slots != NULL and capacity == m.mask + 1:
        return True
    return resize_holds(m, capacity)


cdef inline void trim_holds(Holds* m, size_t expected) noexcept nogil:
    """Give memory back when there is far too much of it; without memory to move to, all stays."""
    cdef size_t capacity = m.mask + 1
    if capacity > SMALLEST_HOLDS and 16 * (m.used + expected) < capacity:
        resize_holds(m, capacity >> 2 if capacity >> 2 > SMALLEST_HOLDS else SMALLEST_HOLDS)
