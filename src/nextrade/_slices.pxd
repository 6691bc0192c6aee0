"""The outcome of a batch, cut into slices that a ledger can take one at a time.

The books run every command of a batch, however much comes of it. As their events are settled,
a slice is closed behind the event with which it has grown to a limit: its postings, netted and
sorted, are written down, and netting begins anew. Each event moves money out of holds that
exist, so the postings of any events from the first one on leave no balance negative.

A batch within the limits closes no slice; its postings are read from the net itself.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from ._memory cimport grow, release
from ._netting cimport Posting, Ranked, clear_net, sorted_cells
from ._postings cimport Money


cdef struct Slice:
    # Where it ends among the events and among the postings that were written down.
    size_t events
    size_t postings


cdef struct Slices:
    Slice* closed
    size_t count
    size_t capacity
    Posting* postings
    size_t posting_count
    size_t posting_capacity
    # The first event of the slice that is open.
    size_t first_event
    # A slice is closed when it has this many cells of the net, or events.
    size_t posting_limit
    size_t event_limit


cdef inline void open_slices(Slices* s) noexcept nogil:
    """Forget those of the batch before."""
    s.count = 0
    s.posting_count = 0
    s.first_event = 0


cdef inline void free_slices(Slices* s) noexcept nogil:
    """Give the memory back; the limits stay."""
    release(s.closed)
    release(s.postings)
    s.closed = NULL
    s.postings = NULL
    s.count = s.capacity = s.posting_count = s.posting_capacity = 0


cdef inline bint room_for_slice(Slices* s, size_t postings) noexcept nogil:
    cdef size_t wanted = s.posting_count + postings
    cdef size_t capacity = s.posting_capacity
    if s.count == s.capacity:
        if not grow(
            <void**>&s.closed, s.count * sizeof(Slice), (2 * s.count + 16) * sizeof(Slice)
        ):
            return False
        s.capacity = 2 * s.count + 16
    if wanted > capacity:
        capacity = 2 * capacity if 2 * capacity > wanted else wanted
        if not grow(
            <void**>&s.postings, s.posting_count * sizeof(Posting), capacity * sizeof(Posting)
        ):
            return False
        s.posting_capacity = capacity
    return True


cdef inline size_t fee_count(const Money* money, size_t assets) noexcept nogil:
    """Of how many assets fees were taken: account 0 gets a posting for each."""
    cdef size_t count = 0
    cdef size_t k
    for k in range(assets):
        count += money.fees[k] != 0
    return count


cdef inline void write_postings(const Money* money, size_t assets, const Ranked* ranked, size_t cells, uint64_t* held, Posting* p) noexcept nogil:
    """The postings of what is netted; what they take from holds is held no longer."""
    cdef size_t k
    for k in range(assets):
        if money.fees[k]:
            p.account = 0
            p.asset = <uint32_t>k
            p.available = <int64_t>money.fees[k]
            p.held = 0
            p += 1
    for k in range(cells):
        p.account = <uint32_t>(ranked[k].key >> 32)
        p.asset = <uint32_t>ranked[k].key
        p.available = <int64_t>money.net.cells[ranked[k].cell].available
        p.held = <int64_t>money.net.cells[ranked[k].cell].held
        held[p.asset] += <uint64_t>p.held
        p += 1


cdef inline void close_slice(Slices* s, Money* money, size_t assets, uint64_t* held, size_t event_count) noexcept nogil:
    """End the open slice behind the last event. Without memory the batch has failed."""
    cdef size_t cells = 0
    cdef const Ranked* ranked
    if money.net.failed:
        return
    ranked = sorted_cells(&money.net, &cells)
    if not room_for_slice(s, cells + fee_count(money, assets)):
        money.net.failed = True
        return
    write_postings(money, assets, ranked, cells, held, s.postings + s.posting_count)
    s.posting_count += cells + fee_count(money, assets)
    s.closed[s.count].events = event_count
    s.closed[s.count].postings = s.posting_count
    s.count += 1
    s.first_event = event_count
    clear_net(&money.net)
    memset(money.fees, 0, assets * sizeof(uint64_t))
