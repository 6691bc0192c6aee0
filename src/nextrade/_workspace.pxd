"""The memory of a partition, and of the batch that it runs."""

from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memset

from ._door cimport Asked
from ._memory cimport grow, release
from ._netting cimport Posting
from ._postings cimport Market, Money, Ticket
from ._slices cimport Slices, free_slices
from ._types cimport Command, Event, LevelUpdate


cdef struct Span:
    # Where the events of a command are among those of all markets.
    size_t first
    size_t count


cdef struct Batch:
    # What one batch needs while it runs, kept for the next one.
    Command* commands # market by market
    Ticket* tickets # beside them
    Asked* asked # in the order of the batch
    Span* spans # likewise
    size_t capacity
    Event* events
    size_t event_count
    size_t event_capacity
    # Changes of price levels, if they were asked for, and the market of each.
    LevelUpdate* levels
    uint32_t* level_markets
    size_t level_count
    size_t level_capacity


cdef enum:
    # More than so many bytes are not kept for the next batch.
    KEPT_BYTES = 64 << 20


cdef struct State:
    Market* markets
    size_t market_count
    size_t asset_count
    # By market in the listings: which of ``markets``, -1 if it is another partition's.
    int32_t* places
    size_t listed
    Money money
    Batch batch
    Slices slices
    # By asset: all that open orders hold; and the same with what the running batch reserved.
    uint64_t* held
    uint64_t* expected


cdef inline bint room_for_batch(Batch* b, size_t count) noexcept nogil:
    """Memory for a batch of so many commands; on failure all stays as it was."""
    cdef size_t wanted = 64
    if count <= b.capacity:
        return True
    while wanted < count:
        wanted *= 2
    b.capacity = 0
    if not (
        grow(<void**>&b.commands, 0, wanted * sizeof(Command))
        and grow(<void**>&b.tickets, 0, wanted * sizeof(Ticket))
        and grow(<void**>&b.asked, 0, wanted * sizeof(Asked))
        and grow(<void**>&b.spans, 0, wanted * sizeof(Span))
    ):
        return False
    b.capacity = wanted
    return True


cdef inline void free_batch(Batch* b) noexcept nogil:
    release(b.commands)
    release(b.tickets)
    release(b.asked)
    release(b.spans)
    release(b.events)
    release(b.levels)
    release(b.level_markets)
    memset(b, 0, sizeof(Batch))


cdef inline void trim_batch(State* p) noexcept nogil:
    """Give back what an unusually large batch needed."""
    cdef Batch* b = &p.batch
    if (
        b.capacity * sizeof(Command) > KEPT_BYTES
        or b.event_capacity * sizeof(Event) > KEPT_BYTES
        or b.level_capacity * sizeof(LevelUpdate) > KEPT_BYTES
    ):
        free_batch(b)
    if p.slices.posting_capacity * sizeof(Posting) > KEPT_BYTES:
        free_slices(&p.slices)


cdef inline bint room_for_events(Batch* b, size_t more) noexcept nogil:
    cdef size_t wanted = b.event_count + more
    cdef size_t capacity = b.event_capacity
    if wanted <= capacity:
        return True
    capacity = capacity * 2 + 256
    if capacity < wanted:
        capacity = wanted
    if not grow(<void**>&b.events, b.event_count * sizeof(Event), capacity * sizeof(Event)):
        return False
    b.event_capacity = capacity
    return True


cdef inline bint keep_levels(Batch* b, const Market* m, size_t start, const LevelUpdate* updates, size_t count) noexcept nogil:
    """Keep the changes of price levels of a stretch; False if there is no memory."""
    cdef size_t wanted = b.level_count + count
    cdef size_t capacity = b.level_capacity
    cdef LevelUpdate* u
    cdef size_t k
    if wanted > capacity:
        capacity = capacity * 2 + 256
        if capacity < wanted:
            capacity = wanted
        if not grow(
            <void**>&b.levels, b.level_count * sizeof(LevelUpdate), capacity * sizeof(LevelUpdate)
        ):
            return False
        if not grow(
            <void**>&b.level_markets, b.level_count * sizeof(uint32_t), capacity * sizeof(uint32_t)
        ):
            return False
        b.level_capacity = capacity
    for k in range(count):
        u = &b.levels[b.level_count]
        u[0] = updates[k]
        u.command = b.tickets[start + u.command].position
        b.level_markets[b.level_count] = m.number
        b.level_count += 1
    return True
