"""Hash map from a 64-bit key to a 32-bit reference, one cache line a bucket.

A bucket holds twelve references, a byte of hash for each (0: free), and how many keys
wanted to live here or before and had to pass on. All twelve bytes are compared at once, so
a look-up takes no branch that depends on luck; removing a key clears its byte and leaves
no tombstone. The map stores no keys: the caller compares the key behind a reference.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from ._types cimport Bucket, Level, Map, Order, likely, unlikely

cdef extern from *:
    """
    #include <stdint.h>
    #if defined(__SSE2__) || defined(_M_X64)
      #include <emmintrin.h>
      static inline uint32_t nx_equal_bytes(const uint8_t *marks, uint8_t mark)
      {
          __m128i bytes = _mm_loadu_si128((const __m128i *)marks);
          __m128i equal = _mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)mark));
          return (uint32_t)_mm_movemask_epi8(equal) & 0xFFF;
      }
    #else
      static inline uint32_t nx_equal_bytes(const uint8_t *marks, uint8_t mark)
      {
          uint32_t found = 0;
          for (int k = 0; k < 12; k++) found |= (uint32_t)(marks[k] == mark) << k;
          return found;
      }
    #endif
    #if defined(__GNUC__) || defined(__clang__)
      #define NX_LOWEST_BIT(x) ((uint32_t)__builtin_ctz(x))
    #else
      #include <intrin.h>
      static inline uint32_t NX_LOWEST_BIT(uint32_t x)
      { unsigned long k; _BitScanForward(&k, x); return (uint32_t)k; }
    #endif
    """
    # Bit k is set where marks[k] is the mark.
    uint32_t equal_bytes "nx_equal_bytes"(const uint8_t*, uint8_t) noexcept nogil
    uint32_t lowest_bit "NX_LOWEST_BIT"(uint32_t) noexcept nogil


cdef inline uint32_t tag_of(uint64_t key) noexcept nogil:
    # Fibonacci hashing: the neighbours that ids and prices are end up far apart and evenly.
    return <uint32_t>(((key ^ (key >> 32)) * <uint64_t>0x9E3779B97F4A7C15) >> 32)


cdef inline uint8_t mark_of(uint32_t tag) noexcept nogil:
    cdef uint8_t mark = <uint8_t>tag
    return mark + (mark == 0)


cdef inline Bucket* home_of(const Map* map, uint32_t tag) noexcept nogil:
    """The first bucket to look into: the hash scaled to the number of buckets."""
    return map.buckets + ((<uint64_t>tag * map.size) >> 32)


cdef inline Bucket* bucket_after(const Map* map, Bucket* bucket) noexcept nogil:
    bucket += 1
    return bucket if likely(bucket < map.buckets + map.size) else map.buckets


cdef inline uint32_t find_from(const Map* map, Bucket* bucket, uint8_t mark, const Order* orders, uint64_t order_id) noexcept nogil:
    """Index of the open order with this id, whose home and mark are known, or 0."""
    cdef const Bucket* home = bucket
    cdef uint32_t found
    cdef uint32_t ref
    while True:
        found = equal_bytes(bucket.marks, mark)
        while found:
            ref = bucket.refs[lowest_bit(found)]
            if likely(orders[ref].id == order_id):
                return ref
            found &= found - 1
        if likely(bucket.passed == 0):
            return 0
        bucket = bucket_after(map, bucket)
        # Keys chosen with malice can make every bucket one that some key has passed.
        if unlikely(bucket == home):
            return 0


cdef inline uint32_t find_tagged(const Map* map, const Order* orders, uint64_t order_id, uint32_t tag) noexcept nogil:
    """Index of the open order with this id, whose hash is known, or 0."""
    return find_from(map, home_of(map, tag), mark_of(tag), orders, order_id)


cdef inline uint32_t find_order(const Map* map, const Order* orders, uint64_t order_id) noexcept nogil:
    """Index of the open order with this id, or 0."""
    return find_tagged(map, orders, order_id, tag_of(order_id))


cdef inline uint32_t find_level(const Map* map, const Level* levels, uint64_t price) noexcept nogil:
    """Index of the level at this price, or 0."""
    cdef uint32_t tag = tag_of(price)
    cdef Bucket* bucket = home_of(map, tag)
    cdef const Bucket* home = bucket
    cdef uint8_t mark = mark_of(tag)
    cdef uint32_t found
    cdef uint32_t ref
    while True:
        found = equal_bytes(bucket.marks, mark)
        while found:
            ref = bucket.refs[lowest_bit(found)]
            if likely(<uint64_t>levels[ref].price == price):
                return ref
            found &= found - 1
        if likely(bucket.passed == 0):
            return 0
        bucket = bucket_after(map, bucket)
        if unlikely(bucket == home):
            return 0


cdef inline void put_from(Map* map, Bucket* bucket, uint8_t mark, uint32_t ref) noexcept nogil:
    """Add a key that is not there, whose home and mark are known; there must be a free place."""
    cdef uint32_t free = equal_bytes(bucket.marks, 0)
    cdef uint32_t k
    while unlikely(free == 0):
        bucket.passed += 1
        bucket = bucket_after(map, bucket)
        free = equal_bytes(bucket.marks, 0)
    k = lowest_bit(free)
    bucket.marks[k] = mark
    bucket.refs[k] = ref
    map.used += 1


cdef inline void map_put(Map* map, uint32_t tag, uint32_t ref) noexcept nogil:
    """Add a key that is not there (make_room has seen to the place)."""
    put_from(map, home_of(map, tag), mark_of(tag), ref)


cdef inline void map_remove(Map* map, uint32_t tag, uint32_t ref) noexcept nogil:
    """Remove a key that is there."""
    cdef Bucket* bucket = home_of(map, tag)
    cdef uint8_t mark = mark_of(tag)
    cdef uint32_t found
    cdef uint32_t k
    while True:
        found = equal_bytes(bucket.marks, mark)
        while found:
            k = lowest_bit(found)
            if likely(bucket.refs[k] == ref):
                bucket.marks[k] = 0
                map.used -= 1
                return
            found &= found - 1
        bucket.passed -= 1
        bucket = bucket_after(map, bucket)
