"""Open-addressing map from a 64-bit key to a 32-bit reference.

The map stores no keys: a slot holds 32 bits of the hash and the reference, and the caller
compares the key behind it. A slot's home is the hash scaled to the table size, which keeps
slots nearly sorted by hash: growing is one sequential pass, and any size is possible.
"""

from libc.stdint cimport uint32_t, uint64_t

from ._types cimport Level, Map, Order, Slot, likely


cdef inline uint32_t tag_of(uint64_t key) noexcept nogil:
    # Fibonacci hashing: the neighbours that ids and prices are end up far apart and evenly.
    return <uint32_t>(((key ^ (key >> 32)) * <uint64_t>0x9E3779B97F4A7C15) >> 32)


cdef inline uint32_t home_of(const Map* map, uint32_t tag) noexcept nogil:
    return <uint32_t>((<uint64_t>tag * map.size) >> 32)


cdef inline uint32_t after(const Map* map, uint32_t i) noexcept nogil:
    i += 1
    return i if likely(i < map.size) else 0


cdef inline uint32_t find_order(const Map* map, const Order* orders, uint64_t order_id) noexcept nogil:
    """Index of the open order with this id, or 0."""
    cdef uint32_t tag = tag_of(order_id)
    cdef uint32_t i = home_of(map, tag)
    while map.slots[i].ref:
        if map.slots[i].tag == tag and orders[map.slots[i].ref].id == order_id:
            return map.slots[i].ref
        i = after(map, i)
    return 0


cdef inline uint32_t find_level(const Map* map, const Level* levels, uint64_t price) noexcept nogil:
    """Index of the level at this price, or 0."""
    cdef uint32_t tag = tag_of(price)
    cdef uint32_t i = home_of(map, tag)
    while map.slots[i].ref:
        if map.slots[i].tag == tag and <uint64_t>levels[map.slots[i].ref].price == price:
            return map.slots[i].ref
        i = after(map, i)
    return 0


cdef inline void map_insert(Map* map, uint64_t key, uint32_t ref) noexcept nogil:
    """Add a key that is not there; there must be a free slot besides (see make_room)."""
    cdef uint32_t tag = tag_of(key)
    cdef uint32_t i = home_of(map, tag)
    while map.slots[i].ref:
        i = after(map, i)
    map.slots[i].tag = tag
    map.slots[i].ref = ref
    map.used += 1


cdef inline void map_erase(Map* map, uint64_t key, uint32_t ref) noexcept nogil:
    """Remove a key that is there, and close the gap so that no probe stops early."""
    cdef uint32_t hole = home_of(map, tag_of(key))
    cdef uint32_t i
    cdef uint32_t home
    cdef uint32_t size = map.size
    cdef Slot* slots = map.slots
    while slots[hole].ref != ref:
        hole = after(map, hole)
    i = hole
    while True:
        i = after(map, i)
        if slots[i].ref == 0:
            break
        home = home_of(map, slots[i].tag)
        # The slot may move into the hole unless its home lies behind the hole, up to itself.
        if (i - home if i >= home else i + size - home) >= (i - hole if i >= hole else i + size - hole):
            slots[hole] = slots[i]
            hole = i
    slots[hole].ref = 0
    map.used -= 1


cdef inline void map_move_slots(Map* target, const Slot* slots, uint32_t size) noexcept nogil:
    """Fill an empty, larger map with the slots of a smaller one."""
    cdef uint32_t i
    cdef uint32_t j
    for i in range(size):
        if slots[i].ref:
            j = home_of(target, slots[i].tag)
            while target.slots[j].ref:
                j = after(target, j)
            target.slots[j] = slots[i]
            target.used += 1
