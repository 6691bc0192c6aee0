"""Price levels: a binary heap of levels for each side, and the queue of orders in each.

The top of a heap always has orders, so the best price is one look away. A level that runs
empty elsewhere stays in the heap and in the price map until it gets to the top, is used
again, or too many of its kind have gathered: creating and emptying levels away from the
touch costs no heap work at all.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint32_t, uint64_t

from ._index cimport find_level, map_put, map_remove, tag_of
from ._memory cimport free_level, grow_touched, grow_updates, new_level, stop_book
from ._types cimport (
    Book,
    BookSide,
    HeapEntry,
    Level,
    LevelUpdate,
    Order,
    Touched,
    likely,
    unlikely,
)


cdef inline int64_t level_key(int side, int64_t price) noexcept nogil:
    """Minus the price for bids, the price for asks: the smallest key is the best price.

    Without a branch: which side comes next is a coin toss.
    """
    cdef int64_t mask = <int64_t>side - 1
    return (price ^ mask) - mask


cdef inline bint crosses(const Book* b, int side, int64_t price) noexcept nogil:
    """Whether an order of this side and price could trade with the best opposite level."""
    cdef const BookSide* s = &b.sides[1 - side]
    return s.best_key <= level_key(1 - side, price) and s.best != 0


cdef inline void sift_down(HeapEntry* heap, uint32_t count, uint32_t hole, HeapEntry entry) noexcept nogil:
    cdef uint32_t child
    while True:
        child = 2 * hole + 1
        if child >= count:
            break
        if child + 1 < count and heap[child + 1].key < heap[child].key:
            child += 1
        if heap[child].key >= entry.key:
            break
        heap[hole] = heap[child]
        hole = child
    heap[hole] = entry


cdef inline void heap_push(BookSide* s, int64_t key, uint32_t level) noexcept nogil:
    cdef HeapEntry* heap = s.heap
    cdef uint32_t hole = s.heap_count
    cdef uint32_t parent
    s.heap_count += 1
    while hole:
        parent = (hole - 1) >> 1
        if heap[parent].key <= key:
            break
        heap[hole] = heap[parent]
        hole = parent
    heap[hole].key = key
    heap[hole].level = level


cdef inline void set_best(Book* b, int side) noexcept nogil:
    cdef BookSide* s = &b.sides[side]
    if s.heap_count:
        s.best = s.heap[0].level
        s.best_key = s.heap[0].key
        s.best_price = b.levels[s.best].price
    else:
        s.best = 0
        s.best_key = INT64_MAX
        s.best_price = 0


cdef inline void drop_level(Book* b, int side, uint32_t i) noexcept nogil:
    """Forget an empty level that has left the heap."""
    map_remove(&b.sides[side].prices, tag_of(<uint64_t>b.levels[i].price), i)
    free_level(b, i)
    b.sides[side].empty_count -= 1


cdef inline void clean_top(Book* b, int side) noexcept nogil:
    """Take empty levels off the top of the heap until the best one has orders."""
    cdef BookSide* s = &b.sides[side]
    cdef uint32_t i
    while s.heap_count and b.levels[s.heap[0].level].count == 0:
        i = s.heap[0].level
        s.heap_count -= 1
        if s.heap_count:
            sift_down(s.heap, s.heap_count, 0, s.heap[s.heap_count])
        drop_level(b, side, i)
    set_best(b, side)


cdef inline void sweep_empty_levels(Book* b, int side) noexcept nogil:
    """Rebuild a heap without its empty levels."""
    cdef BookSide* s = &b.sides[side]
    cdef uint32_t kept = 0
    cdef uint32_t i
    for i in range(s.heap_count):
        if b.levels[s.heap[i].level].count:
            s.heap[kept] = s.heap[i]
            kept += 1
        else:
            drop_level(b, side, s.heap[i].level)
    s.heap_count = kept
    i = kept // 2
    while i:
        i -= 1
        sift_down(s.heap, kept, i, s.heap[i])
    set_best(b, side)


cdef inline void level_emptied(Book* b, int side, uint32_t i) noexcept nogil:
    cdef BookSide* s = &b.sides[side]
    s.empty_count += 1
    b.levels[i].latest_ns = INT64_MIN
    if s.best == i:
        clean_top(b, side)
    elif s.empty_count > 64 + (s.heap_count >> 1):
        # At least half of the heap goes, so each sweep is paid for by what emptied since the last.
        sweep_empty_levels(b, side)


cdef inline void note_touched(Book* b, int side, int64_t price, int64_t visible, uint32_t count) noexcept nogil:
    cdef Touched* t
    if b.touched_count == b.touched_capacity and not grow_touched(b):
        stop_book(b)
        return
    t = &b.touched[b.touched_count]
    t.price = price
    t.visible = visible
    t.count = count
    t.side = <uint32_t>side
    t.sequence = b.touched_count
    b.touched_count += 1


cdef inline void touch(Book* b, Level* level) noexcept nogil:
    """Remember how a level looked before the running command changed it, if anyone asks."""
    if unlikely(b.want_levels) and level.touched != b.serial:
        level.touched = b.serial
        note_touched(b, <int>level.side, level.price, level.visible, level.count)


cdef inline uint32_t level_at(Book* b, int side, int64_t price) noexcept nogil:
    """The level at this price, made if need be (make_room has seen to the space)."""
    cdef BookSide* s = &b.sides[side]
    if s.best_price == price and s.best:
        touch(b, &b.levels[s.best])
        return s.best
    return level_away(b, side, price)


cdef inline uint32_t level_away(Book* b, int side, int64_t price) noexcept nogil:
    """The same where the price is not the best one."""
    cdef BookSide* s = &b.sides[side]
    cdef Level* level
    cdef uint32_t i = find_level(&s.prices, b.levels, <uint64_t>price)
    if likely(i != 0):
        touch(b, &b.levels[i])
        if b.levels[i].count == 0:
            # It waits in the heap below the best level, so it cannot become the best now.
            s.empty_count -= 1
        return i
    i = new_level(b)
    level = &b.levels[i]
    level.price = price
    level.visible = 0
    level.hidden = 0
    level.latest_ns = INT64_MIN
    level.head = 0
    level.tail = 0
    level.count = 0
    level.side = <uint32_t>side
    level.touched = b.serial
    map_put(&s.prices, tag_of(<uint64_t>price), i)
    heap_push(s, level_key(side, price), i)
    if s.heap[0].level == i:
        s.best = i
        s.best_key = s.heap[0].key
        s.best_price = price
    if unlikely(b.want_levels):
        note_touched(b, side, price, 0, 0)
    return i


cdef inline void link_late(Book* b, Level* level, uint32_t i, int64_t timestamp_ns) noexcept nogil:
    """Link an order that is earlier than some order of its queue, and arrives after it."""
    cdef uint32_t before = level.tail
    cdef uint32_t behind = 0
    if before and timestamp_ns < b.cold[level.head].timestamp_ns:
        behind = level.head
        before = 0
    while before and b.cold[before].timestamp_ns > timestamp_ns:
        behind = before
        before = b.orders[before].prev
    b.orders[i].prev = before
    b.orders[i].next = behind
    b.orders[before].next = i
    b.orders[behind].prev = i
    level.head = level.head if before else i
    level.tail = level.tail if behind else i


cdef inline void enqueue(Book* b, uint32_t level_index, uint32_t i, int64_t timestamp_ns) noexcept nogil:
    """Put an order into the queue by (timestamp, arrival); its quantities are set already."""
    cdef Level* level = &b.levels[level_index]
    cdef Order* o = &b.orders[i]
    cdef uint32_t before = level.tail
    b.cold[i].timestamp_ns = timestamp_ns
    level.count += 1
    level.visible += o.visible
    if unlikely(timestamp_ns < level.latest_ns):
        link_late(b, level, i, timestamp_ns)
        return
    level.latest_ns = timestamp_ns
    o.prev = before
    o.next = 0
    # Order 0 takes the writes of missing neighbours: a branch here would be a coin toss.
    b.orders[before].next = i
    level.head = level.head if before else i
    level.tail = i


cdef inline void unlink_head(Book* b, Level* level, const Order* o) noexcept nogil:
    """Take the first order out of its queue; the level may be empty afterwards."""
    cdef uint32_t behind = o.next
    b.orders[behind].prev = 0
    level.head = behind
    level.tail = level.tail if behind else 0
    level.count -= 1


cdef inline void unlink(Book* b, Level* level, const Order* o) noexcept nogil:
    """Take an order out of its queue; the level may be empty afterwards."""
    cdef uint32_t before = o.prev
    cdef uint32_t behind = o.next
    # Without branches, as in enqueue.
    b.orders[before].next = behind
    b.orders[behind].prev = before
    level.head = level.head if before else behind
    level.tail = level.tail if behind else before
    level.count -= 1


cdef inline bint touched_before(const Touched* a, const Touched* z) noexcept nogil:
    cdef int64_t key_a
    cdef int64_t key_z
    if a.side != z.side:
        return a.side < z.side
    key_a = level_key(<int>a.side, a.price)
    key_z = level_key(<int>z.side, z.price)
    if key_a != key_z:
        return key_a < key_z
    return a.sequence < z.sequence


cdef inline void sift_touched(Touched* heap, size_t count, size_t hole) noexcept nogil:
    cdef Touched entry = heap[hole]
    cdef size_t child
    while True:
        child = 2 * hole + 1
        if child >= count:
            break
        if child + 1 < count and touched_before(&heap[child], &heap[child + 1]):
            child += 1
        if not touched_before(&entry, &heap[child]):
            break
        heap[hole] = heap[child]
        hole = child
    heap[hole] = entry


cdef inline void sort_touched(Touched* t, size_t count) noexcept nogil:
    # Heap sort: a sweep may touch every level of a side, and this needs no memory.
    cdef size_t i = count // 2
    cdef Touched last
    while i:
        i -= 1
        sift_touched(t, count, i)
    i = count
    while i > 1:
        i -= 1
        last = t[i]
        t[i] = t[0]
        t[0] = last
        sift_touched(t, i, 0)


cdef inline void report_levels(Book* b) noexcept nogil:
    """Write one update for each level that the command left different from before."""
    cdef Touched* t
    cdef LevelUpdate* u
    cdef Level* level
    cdef uint32_t i
    cdef size_t k
    cdef int64_t visible
    cdef uint32_t count
    if b.touched_count > 1:
        sort_touched(b.touched, b.touched_count)
    for k in range(b.touched_count):
        t = &b.touched[k]
        # A level that went and came back was noted twice; the first note is the true "before".
        if k and t.price == b.touched[k - 1].price and t.side == b.touched[k - 1].side:
            continue
        visible = 0
        count = 0
        i = find_level(&b.sides[t.side].prices, b.levels, <uint64_t>t.price)
        if i:
            level = &b.levels[i]
            visible = level.visible
            count = level.count
        if visible == t.visible and count == t.count:
            continue
        if b.update_count == b.update_capacity and not grow_updates(b):
            stop_book(b)
            break
        u = &b.updates[b.update_count]
        b.update_count += 1
        u.price_ticks = t.price
        u.qty_lots = visible
        u.orders = count
        u.command = b.command
        u.side = <unsigned char>t.side
        u.reserved[0] = u.reserved[1] = u.reserved[2] = u.reserved[3] = 0
        u.reserved[4] = u.reserved[5] = u.reserved[6] = 0
    b.touched_count = 0
