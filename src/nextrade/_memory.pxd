"""All memory of a book: allocation, growth and recycling of orders, extras and levels.

``make_room`` is the only place where a command can run out of memory before it has done
anything, which is why it asks for everything that the command may need at once. Arrays grow by
doubling, so memory follows the number of open orders.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from ._index cimport home_of, map_put, tag_of
from ._types cimport (
    MAX_LEVELS,
    MAX_ORDERS,
    EVENT_RESERVE,
    Book,
    BookSide,
    Bucket,
    Cold,
    Event,
    ExpiryEntry,
    Extra,
    HeapEntry,
    Level,
    LevelUpdate,
    Map,
    Order,
    StopEntry,
    Touched,
    prefetch,
)

cdef extern from *:
    """
    #include <stdlib.h>
    #include <string.h>
    #if defined(_WIN32)
      #include <malloc.h>
    #elif defined(__linux__)
      #include <sys/mman.h>
    #endif

    /* For tests: allocations left before they fail; negative: they do not. */
    static int64_t nx_allocations_left = -1;

    static void *nx_allocate(size_t bytes)
    {
        void *p = NULL;
        size_t alignment = 64;
        if (nx_allocations_left == 0) return NULL;
        if (nx_allocations_left > 0) nx_allocations_left--;
        if (bytes == 0) bytes = 64;
    #if defined(_WIN32)
        p = _aligned_malloc(bytes, alignment);
    #else
      #if defined(__linux__) && defined(MADV_HUGEPAGE)
        if (bytes >= ((size_t)8 << 20)) alignment = (size_t)2 << 20;
      #endif
        if (posix_memalign(&p, alignment, bytes) != 0) return NULL;
      #if defined(__linux__) && defined(MADV_HUGEPAGE)
        /* Random access to many megabytes is mostly address translation otherwise. */
        if (alignment > 64) (void)madvise(p, bytes, MADV_HUGEPAGE);
      #endif
    #endif
        return p;
    }

    static void nx_free(void *p)
    {
    #if defined(_WIN32)
        _aligned_free(p);
    #else
        free(p);
    #endif
    }
    """
    int64_t allocations_left "nx_allocations_left"
    void* allocate "nx_allocate"(size_t) noexcept nogil
    void release "nx_free"(void*) noexcept nogil


cdef inline bint grow(void** array, size_t used_bytes, size_t new_bytes) noexcept nogil:
    """Move an array to a larger place; on failure the old one stays."""
    cdef void* larger = allocate(new_bytes)
    if larger == NULL:
        return False
    replace_array(array, larger, used_bytes)
    return True


cdef inline size_t larger_capacity(size_t capacity, size_t wanted) noexcept nogil:
    cdef size_t grown = 2 * capacity + 64
    return grown if grown > wanted else wanted


cdef inline void replace_array(void** array, void* larger, size_t used_bytes) noexcept nogil:
    if array[0] != NULL:
        memcpy(larger, array[0], used_bytes)
        release(array[0])
    array[0] = larger


cdef inline bint allocate_all(void** arrays, const size_t* bytes, int count) noexcept nogil:
    """All of these or none: a book that cannot grow must not pay for trying."""
    cdef int i
    cdef bint complete = True
    for i in range(count):
        arrays[i] = allocate(bytes[i])
        complete = complete and arrays[i] != NULL
    if not complete:
        for i in range(count):
            release(arrays[i])
    return complete


cdef inline size_t bucket_count(size_t keys) noexcept nogil:
    """Buckets of a map for this many keys: eight of the twelve places of each."""
    return keys // 8 + 2


cdef inline void start_map(Map* map, void* memory, size_t buckets) noexcept nogil:
    memset(memory, 0, buckets * sizeof(Bucket))
    map.buckets = <Bucket*>memory
    map.size = <uint32_t>buckets
    map.used = 0


cdef inline void fill_ids(Book* b, Map* larger) noexcept nogil:
    cdef uint32_t i
    for i in range(1, b.order_top + 1):
        # The buckets come in no order; ask for them some orders ahead.
        prefetch(home_of(larger, tag_of(b.orders[i + 16 if i + 16 <= b.order_top else i].id)))
        if b.orders[i].level_flags:
            map_put(larger, tag_of(b.orders[i].id), i)
    release(b.ids.buckets)
    b.ids = larger[0]


cdef inline bint grow_orders(Book* b, size_t wanted) noexcept nogil:
    cdef size_t capacity = larger_capacity(b.order_capacity, wanted)
    cdef size_t bytes[3]
    cdef void* arrays[3]
    cdef Map ids
    if capacity > MAX_ORDERS:
        capacity = MAX_ORDERS
    if capacity < wanted:
        return False
    bytes[0] = capacity * sizeof(Order)
    bytes[1] = capacity * sizeof(Cold)
    bytes[2] = bucket_count(capacity) * sizeof(Bucket)
    if not allocate_all(arrays, bytes, 3):
        return False
    start_map(&ids, arrays[2], bucket_count(capacity))
    fill_ids(b, &ids)
    replace_array(<void**>&b.orders, arrays[0], b.order_capacity * sizeof(Order))
    replace_array(<void**>&b.cold, arrays[1], b.order_capacity * sizeof(Cold))
    b.order_capacity = <uint32_t>capacity
    return True


cdef inline void fill_prices(Book* b, BookSide* s, Map* larger) noexcept nogil:
    cdef uint32_t k
    for k in range(s.heap_count):
        map_put(larger, tag_of(<uint64_t>b.levels[s.heap[k].level].price), s.heap[k].level)
    release(s.prices.buckets)
    s.prices = larger[0]


cdef inline bint grow_levels(Book* b, size_t wanted) noexcept nogil:
    cdef size_t capacity = larger_capacity(b.level_capacity, wanted)
    cdef size_t used = b.level_capacity
    cdef size_t bytes[6]
    cdef void* arrays[6]
    cdef Map prices
    cdef int side
    if capacity > MAX_LEVELS:
        capacity = MAX_LEVELS
    if capacity < wanted:
        return False
    bytes[0] = bytes[1] = capacity * sizeof(HeapEntry)
    bytes[2] = bytes[3] = bucket_count(capacity) * sizeof(Bucket)
    bytes[4] = capacity * sizeof(uint32_t)
    bytes[5] = capacity * sizeof(Level)
    if not allocate_all(arrays, bytes, 6):
        return False
    for side in range(2):
        start_map(&prices, arrays[2 + side], bucket_count(capacity))
        fill_prices(b, &b.sides[side], &prices)
        replace_array(<void**>&b.sides[side].heap, arrays[side], used * sizeof(HeapEntry))
    replace_array(<void**>&b.walk, arrays[4], 0)
    replace_array(<void**>&b.levels, arrays[5], used * sizeof(Level))
    memset(b.levels + used, 0, (capacity - used) * sizeof(Level))
    b.level_capacity = <uint32_t>capacity
    return True


cdef inline bint grow_extras(Book* b) noexcept nogil:
    """Room for one more iceberg, GTD or dormant order in every structure it may stand in."""
    cdef size_t capacity
    cdef size_t i
    if b.extra_count + 2 > b.extra_capacity:
        capacity = larger_capacity(b.extra_capacity, 0)
        if not grow(<void**>&b.extras, b.extra_capacity * sizeof(Extra), capacity * sizeof(Extra)):
            return False
        b.extra_capacity = <uint32_t>capacity
    for i in range(2):
        if b.stops[i].count >= b.stops[i].capacity:
            capacity = larger_capacity(b.stops[i].capacity, 0)
            if not grow(
                <void**>&b.stops[i].entries,
                b.stops[i].count * sizeof(StopEntry),
                capacity * sizeof(StopEntry),
            ):
                return False
            b.stops[i].capacity = <uint32_t>capacity
    # One command may put every dormant order on the waiting list.
    if b.stops[0].live + b.stops[1].live >= b.waiting_capacity:
        capacity = larger_capacity(b.waiting_capacity, 0)
        if not grow(
            <void**>&b.waiting,
            b.waiting_capacity * sizeof(uint32_t),
            capacity * sizeof(uint32_t),
        ):
            return False
        b.waiting_capacity = capacity
    if b.expiry_count >= b.expiry_capacity:
        capacity = larger_capacity(b.expiry_capacity, 0)
        if not grow(
            <void**>&b.expiries,
            b.expiry_count * sizeof(ExpiryEntry),
            capacity * sizeof(ExpiryEntry),
        ):
            return False
        b.expiry_capacity = capacity
    return True


cdef inline bint make_room(Book* b) noexcept nogil:
    """Room for one more order and its level, or False; then ``room`` says for how many."""
    cdef size_t dormant = b.stops[0].live + b.stops[1].live
    cdef size_t orders
    cdef size_t levels
    # Index 0 stays unused. Each dormant order may need a level when it triggers.
    if b.ids.used + 2 > b.order_capacity:
        if not grow_orders(b, b.ids.used + 2):
            return False
    if b.level_count + dormant + 2 > b.level_capacity:
        if not grow_levels(b, b.level_count + dormant + 2):
            return False
    orders = b.order_capacity - b.ids.used - 1
    levels = b.level_capacity - b.level_count - dormant - 1
    b.room = <uint32_t>(orders if orders < levels else levels)
    return True


cdef inline uint32_t new_order(Book* b) noexcept nogil:
    cdef uint32_t i = b.order_free
    if i:
        b.order_free = b.orders[i].next
        return i
    b.order_top += 1
    return b.order_top


cdef inline void free_order(Book* b, uint32_t i) noexcept nogil:
    b.orders[i].next = b.order_free
    # Neither resting nor dormant: walks over all records pass it by.
    b.orders[i].level_flags = 0
    b.order_free = i


cdef inline uint32_t new_extra(Book* b) noexcept nogil:
    cdef uint32_t i = b.extra_free
    b.extra_count += 1
    if i:
        b.extra_free = b.extras[i].next_free
    else:
        b.extra_top += 1
        i = b.extra_top
    memset(&b.extras[i], 0, sizeof(Extra))
    return i


cdef inline void free_extra(Book* b, uint32_t i) noexcept nogil:
    b.extras[i].next_free = b.extra_free
    b.extra_free = i
    b.extra_count -= 1


cdef inline uint32_t new_level(Book* b) noexcept nogil:
    cdef uint32_t i = b.level_free
    b.level_count += 1
    if i:
        b.level_free = b.levels[i].head
        return i
    b.level_top += 1
    return b.level_top


cdef inline void free_level(Book* b, uint32_t i) noexcept nogil:
    b.levels[i].head = b.level_free
    b.level_free = i
    b.level_count -= 1


cdef inline void stop_book(Book* b) noexcept nogil:
    """Something that was to be reported is lost: run no further command."""
    b.stopped = 1
    # No place is below this one, so the next command looks why.
    b.event_low = NULL


cdef inline bint grow_events(Book* b) noexcept nogil:
    cdef size_t count = b.event_next - b.events
    cdef size_t capacity = (b.event_end - b.events) * 2 + 1024
    if not grow(<void**>&b.events, count * sizeof(Event), capacity * sizeof(Event)):
        return False
    b.event_next = b.events + count
    b.event_end = b.events + capacity
    b.event_low = b.event_end - EVENT_RESERVE
    return True


cdef inline bint grow_updates(Book* b) noexcept nogil:
    cdef size_t capacity = b.update_capacity * 2 + 1024
    if not grow(
        <void**>&b.updates,
        b.update_count * sizeof(LevelUpdate),
        capacity * sizeof(LevelUpdate),
    ):
        return False
    b.update_capacity = capacity
    return True


cdef inline bint grow_touched(Book* b) noexcept nogil:
    cdef size_t capacity = b.touched_capacity * 2 + 64
    if not grow(<void**>&b.touched, b.touched_count * sizeof(Touched), capacity * sizeof(Touched)):
        return False
    b.touched_capacity = capacity
    return True


cdef inline void free_book(Book* b) noexcept nogil:
    """Give everything back; the book is then all zeros."""
    cdef int i
    release(b.orders)
    release(b.cold)
    release(b.extras)
    release(b.levels)
    release(b.ids.buckets)
    release(b.expiries)
    release(b.waiting)
    release(b.walk)
    release(b.touched)
    release(b.events)
    release(b.updates)
    for i in range(2):
        release(b.sides[i].heap)
        release(b.sides[i].prices.buckets)
        release(b.stops[i].entries)
    memset(b, 0, sizeof(Book))


cdef inline size_t book_bytes(const Book* b) noexcept nogil:
    """Bytes reserved for open orders and all their indexes; event buffers are not counted."""
    cdef size_t total = <size_t>b.order_capacity * (sizeof(Order) + sizeof(Cold))
    cdef int i
    total += <size_t>b.extra_capacity * sizeof(Extra)
    total += <size_t>b.level_capacity * (sizeof(Level) + sizeof(uint32_t) + 2 * sizeof(HeapEntry))
    total += <size_t>b.ids.size * sizeof(Bucket)
    total += b.expiry_capacity * sizeof(ExpiryEntry) + b.waiting_capacity * sizeof(uint32_t)
    for i in range(2):
        total += <size_t>b.sides[i].prices.size * sizeof(Bucket)
        total += <size_t>b.stops[i].capacity * sizeof(StopEntry)
    return total
