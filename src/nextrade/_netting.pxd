"""Postings of a batch, netted: one cell for each account and asset that the batch touched.

Within a batch what is available only grows and what is held only shrinks, and all that a
partition holds of an asset fits in int64; so no sum here can overflow. Sums are formed without
sign all the same, for which C defines what too much would be.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from ._memory cimport allocate, release
from ._types cimport likely, unlikely

cdef enum:
    SMALLEST_NET = 128
    # So few are sorted by insertion.
    FEW = 32


cdef packed struct Posting:
    uint32_t account
    uint32_t asset
    int64_t available
    int64_t held


cdef struct Cell:
    # Account in the upper half, asset in the lower: ascending keys are the order of postings.
    uint64_t key
    uint64_t available
    uint64_t held
    size_t slot


cdef struct Ranked:
    uint64_t key
    size_t cell


cdef struct Net:
    Cell* cells
    size_t count
    # Places in the table, a power of two; at most half as many cells.
    size_t size
    int shift
    uint32_t* table # which cell, counted from 1; 0: free
    Ranked* ranked # twice as many as cells: sorting goes to and fro
    # Cells could not be kept for want of memory.
    bint failed
    Cell lost


cdef inline size_t slot_of_key(const Net* n, uint64_t key) noexcept nogil:
    key = (key ^ (key >> 29)) * <uint64_t>0x9E3779B97F4A7C15
    return key >> n.shift


cdef inline void enter_cell(Net* n, size_t cell) noexcept nogil:
    cdef size_t slot = slot_of_key(n, n.cells[cell].key)
    while n.table[slot]:
        slot = (slot + 1) & (n.size - 1)
    n.table[slot] = <uint32_t>(cell + 1)
    n.cells[cell].slot = slot


cdef inline bint resize_net(Net* n, size_t size) noexcept nogil:
    """Another table for the same cells; on failure the old one stays."""
    cdef Cell* cells = <Cell*>allocate(size // 2 * sizeof(Cell))
    cdef uint32_t* table = <uint32_t*>allocate(size * sizeof(uint32_t))
    cdef Ranked* ranked = <Ranked*>allocate(size * sizeof(Ranked))
    cdef size_t k
    if cells == NULL or table == NULL or ranked == NULL:
        release(cells)
        release(table)
        release(ranked)
        return False
    memset(table, 0, size * sizeof(uint32_t))
    if n.count:
        memcpy(cells, n.cells, n.count * sizeof(Cell))
    free_net(n)
    n.cells = cells
    n.table = table
    n.ranked = ranked
    n.size = size
    n.shift = 64
    while size > 1:
        n.shift -= 1
        size >>= 1
    for k in range(n.count):
        enter_cell(n, k)
    return True


cdef inline void free_net(Net* n) noexcept nogil:
    release(n.cells)
    release(n.table)
    release(n.ranked)
    n.cells = NULL
    n.table = NULL
    n.ranked = NULL


cdef inline void clear_net(Net* n) noexcept nogil:
    """Forget all cells; what one large batch needed is given back."""
    cdef size_t k
    if n.size > 64 * (n.count + SMALLEST_NET):
        n.count = 0
        if not resize_net(n, n.size // 16):
            memset(n.table, 0, n.size * sizeof(uint32_t))
    elif n.count > n.size // 16:
        memset(n.table, 0, n.size * sizeof(uint32_t))
    else:
        for k in range(n.count):
            n.table[n.cells[k].slot] = 0
    n.count = 0
    n.failed = False


cdef inline Cell* new_cell(Net* n, uint64_t key) noexcept nogil:
    cdef Cell* cell
    if n.count == n.size // 2 and (n.count >= 1 << 30 or not resize_net(n, 2 * n.size)):
        n.failed = True
        return &n.lost
    cell = &n.cells[n.count]
    cell.key = key
    cell.available = 0
    cell.held = 0
    enter_cell(n, n.count)
    n.count += 1
    return cell


cdef inline void post(
    Net* n, uint32_t account, uint32_t asset, int64_t available, int64_t held
) noexcept nogil:
    """Change what an account has of an asset."""
    cdef uint64_t key = <uint64_t>account << 32 | asset
    cdef size_t slot = slot_of_key(n, key)
    cdef Cell* cell = NULL
    while n.table[slot]:
        if likely(n.cells[n.table[slot] - 1].key == key):
            cell = &n.cells[n.table[slot] - 1]
            break
        slot = (slot + 1) & (n.size - 1)
    if unlikely(cell == NULL):
        cell = new_cell(n, key)
    cell.available += <uint64_t>available
    cell.held += <uint64_t>held


cdef inline void insert_sorted(Ranked* ranked, size_t count) noexcept nogil:
    cdef Ranked moving
    cdef size_t k
    cdef size_t hole
    for k in range(1, count):
        moving = ranked[k]
        hole = k
        while hole and ranked[hole - 1].key > moving.key:
            ranked[hole] = ranked[hole - 1]
            hole -= 1
        ranked[hole] = moving


cdef inline Ranked* sort_by_digits(Ranked* ranked, Ranked* other, size_t count) noexcept nogil:
    """Sort by one byte of the key after the other, the lowest first; returns where it ended."""
    cdef size_t starts[8][256]
    cdef size_t k
    cdef size_t place
    cdef size_t length
    cdef int digit
    cdef uint8_t byte
    cdef Ranked* swapped
    memset(starts, 0, sizeof(starts))
    for k in range(count):
        for digit in range(8):
            starts[digit][<uint8_t>(ranked[k].key >> (8 * digit))] += 1
    for digit in range(8):
        # A byte that is the same in all keys orders nothing.
        if starts[digit][<uint8_t>(ranked[0].key >> (8 * digit))] == count:
            continue
        place = 0
        for k in range(256):
            length = starts[digit][k]
            starts[digit][k] = place
            place += length
        for k in range(count):
            byte = <uint8_t>(ranked[k].key >> (8 * digit))
            other[starts[digit][byte]] = ranked[k]
            starts[digit][byte] += 1
        swapped = ranked
        ranked = other
        other = swapped
    return ranked


cdef inline const Ranked* sorted_cells(Net* n, size_t* count) noexcept nogil:
    """The cells that are not zero, in the order of postings."""
    cdef size_t k
    cdef size_t found = 0
    for k in range(n.count):
        if n.cells[k].available or n.cells[k].held:
            n.ranked[found].key = n.cells[k].key
            n.ranked[found].cell = k
            found += 1
    count[0] = found
    if found <= FEW:
        insert_sorted(n.ranked, found)
        return n.ranked
    return sort_by_digits(n.ranked, n.ranked + n.size // 2, found)
