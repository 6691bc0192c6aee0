"""The orders that a feed has open: a hash map from order id to what later messages leave out.

Open addressing with linear probing. An order that leaves pulls those behind it forward, so
there are no tombstones, and memory follows the orders open: the map doubles at five eighths
and shrinks again. Ids come from a file that somebody else wrote, so the hash is mixed with a
seed: nobody can choose ids that all meet in one place.

A market can be cleared at once: its generation goes up, and what was added before is dropped
when it is met, or when the map would have to grow.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from ._memory cimport allocate, release
from ._types cimport likely, unlikely

cdef enum:
    SMALLEST_MAP = 1024
    MAX_MARKETS = 65536


cdef struct OpenOrder:
    uint64_t id
    int64_t price_ticks
    uint32_t leaves_lots # 0: the slot is free
    uint32_t market
    uint32_t generation
    uint8_t side


cdef struct OpenOrders:
    OpenOrder* slots
    size_t mask # the number of slots, a power of two, less one
    int shift
    size_t used
    uint64_t seed
    bint cleared # orders of an earlier generation may be in the map
    uint32_t generation[MAX_MARKETS]


cdef inline uint64_t mixed(uint64_t key, uint64_t seed) noexcept nogil:
    key = (key ^ seed) * <uint64_t>0x9E3779B97F4A7C15
    key = (key ^ (key >> 32)) * <uint64_t>0xD6E8FEB86659FD93
    return key


cdef inline OpenOrder* slot_of(const OpenOrders* m, uint64_t order_id) noexcept nogil:
    """Where to begin looking for an order."""
    return m.slots + (mixed(order_id, m.seed) >> m.shift)


cdef inline bint resize(OpenOrders* m, size_t capacity) noexcept nogil:
    """Move the orders that are still open to a map of another size; the old one stays on failure."""
    cdef size_t i, k
    cdef OpenOrder* order
    cdef OpenOrder* fresh
    cdef OpenOrder* old = m.slots
    cdef size_t old_capacity = m.mask + 1 if old != NULL else 0
    fresh = <OpenOrder*>allocate(capacity * sizeof(OpenOrder))
    if fresh == NULL:
        return False
    memset(fresh, 0, capacity * sizeof(OpenOrder))
    m.slots = fresh
    m.mask = capacity - 1
    m.shift = 64
    while capacity > 1:
        m.shift -= 1
        capacity >>= 1
    m.used = 0
    m.cleared = False
    for k in range(old_capacity):
        order = old + k
        if order.leaves_lots == 0 or order.generation != m.generation[order.market]:
            continue
        i = slot_of(m, order.id) - m.slots
        while m.slots[i].leaves_lots:
            i = (i + 1) & m.mask
        m.slots[i] = order[0]
        m.used += 1
    release(old)
    return True


cdef inline bint start_orders(OpenOrders* m, uint64_t seed) noexcept nogil:
    memset(m, 0, sizeof(OpenOrders))
    m.seed = seed
    return resize(m, SMALLEST_MAP)


cdef inline bint reserve(OpenOrders* m) noexcept nogil:
    """Make sure that one more order finds room; False if there is no memory for it."""
    cdef size_t capacity = m.mask + 1
    if likely(8 * m.used < 5 * capacity):
        return True
    if m.cleared:
        if not resize(m, capacity):
            return False
        if 2 * m.used < capacity:
            return True
    return resize(m, 2 * capacity)


cdef inline void trim(OpenOrders* m) noexcept nogil:
    """Give memory back when few orders are left; without memory to move to, all stays."""
    if m.mask + 1 > SMALLEST_MAP and 16 * m.used < m.mask + 1:
        resize(m, (m.mask + 1) >> 2)


cdef inline void take_out(OpenOrders* m, OpenOrder* order) noexcept nogil:
    """Free a slot. Orders move, so no pointer into the map is good afterwards."""
    cdef size_t hole = order - m.slots
    cdef size_t i = hole
    cdef size_t home
    while True:
        i = (i + 1) & m.mask
        if m.slots[i].leaves_lots == 0:
            break
        home = slot_of(m, m.slots[i].id) - m.slots
        # It may move to the hole unless it wants to live behind it.
        if ((i - home) & m.mask) >= ((i - hole) & m.mask):
            m.slots[hole] = m.slots[i]
            hole = i
    m.slots[hole].leaves_lots = 0
    m.used -= 1


cdef inline OpenOrder* find(OpenOrders* m, uint64_t order_id) noexcept nogil:
    """The open order with this id, or NULL."""
    cdef OpenOrder* order = slot_of(m, order_id)
    cdef OpenOrder* end = m.slots + m.mask
    while order.leaves_lots:
        if likely(order.id == order_id):
            if unlikely(order.generation != m.generation[order.market]):
                take_out(m, order)
                return NULL
            return order
        order = order + 1 if order != end else m.slots
    return NULL


cdef inline OpenOrder* place_for(OpenOrders* m, uint64_t order_id) noexcept nogil:
    """The slot of an id: its open order, or a free slot that is now its own.

    Call ``reserve`` before. A free slot must be filled at once.
    """
    cdef OpenOrder* order = slot_of(m, order_id)
    cdef OpenOrder* end = m.slots + m.mask
    while order.leaves_lots:
        if order.id == order_id:
            return order
        order = order + 1 if order != end else m.slots
    order.id = order_id
    m.used += 1
    return order


cdef inline void clear_market(OpenOrders* m, uint32_t market) noexcept nogil:
    m.generation[market] += 1
    m.cleared = True
