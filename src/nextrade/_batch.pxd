"""Batches: one command after the other, with the memory they need fetched ahead."""

from libc.stdint cimport SIZE_MAX, uint32_t

from ._change cimport cancel, reduce, replace
from ._control cimport expire, mass_cancel, set_state, uncross
from ._index cimport equal_bytes, home_of, lowest_bit, mark_of, tag_of
from ._levels cimport report_levels
from ._memory cimport grow_events
from ._place cimport place
from ._report cimport reject
from ._state cimport write_best, write_levels
from ._types cimport (
    EVENT_RESERVE,
    Book,
    Bucket,
    COMMAND_KIND_CANCEL,
    COMMAND_KIND_EXPIRE,
    COMMAND_KIND_MASS_CANCEL,
    COMMAND_KIND_PLACE,
    COMMAND_KIND_REDUCE,
    COMMAND_KIND_REPLACE,
    COMMAND_KIND_SET_STATE,
    COMMAND_KIND_UNCROSS,
    Command,
    LEVEL_MASK,
    Order,
    REASON_OUT_OF_MEMORY,
    REASON_UNKNOWN_COMMAND,
    SIDE_BUY,
    SIDE_NONE,
    SIDE_SELL,
    Watch,
    likely,
    prefetch,
    unlikely,
)


cdef enum:
    # Commands prepared at a time.
    BLOCK = 16
    # A book with a smaller id map is in the cache as it is.
    CACHED_BUCKETS = 2048


cdef inline bint execute(Book* b, const Command* c, uint32_t tag) noexcept nogil:
    """Run any command but PLACE and CANCEL; False if it was refused."""
    if c.kind == COMMAND_KIND_REPLACE:
        return replace(b, c, tag)
    if c.kind == COMMAND_KIND_REDUCE:
        return reduce(b, c, tag)
    if c.kind == COMMAND_KIND_MASS_CANCEL:
        return mass_cancel(b, c)
    if c.kind == COMMAND_KIND_EXPIRE:
        return expire(b, c)
    if c.kind == COMMAND_KIND_SET_STATE:
        return set_state(b, c)
    if c.kind == COMMAND_KIND_UNCROSS:
        return uncross(b, c)
    reject(b, c, SIDE_NONE, REASON_UNKNOWN_COMMAND)
    return False


cdef inline bint find_events(Book* b) noexcept nogil:
    """More room for events; False if a command had better not begin."""
    if b.stopped:
        return False
    return grow_events(b) or b.event_end - b.event_next >= EVENT_RESERVE // 2


cdef inline void refuse_for_memory(Book* b, const Command* c, uint32_t index) noexcept nogil:
    """Refuse a command while its refusal at least can be reported."""
    b.command = index
    b.timestamp_ns = c.timestamp_ns
    reject(b, c, SIDE_NONE, REASON_OUT_OF_MEMORY)


cdef inline void apply(Book* b, const Command* c, uint32_t index, uint32_t tag) noexcept nogil:
    cdef bint taken
    b.command = index
    b.timestamp_ns = c.timestamp_ns
    if c.kind == COMMAND_KIND_PLACE:
        taken = place(b, c, tag)
    elif c.kind == COMMAND_KIND_CANCEL:
        taken = cancel(b, c, tag)
    else:
        taken = execute(b, c, tag)
    if c.timestamp_ns > b.clock_ns and likely(taken):
        b.clock_ns = c.timestamp_ns
    if unlikely(b.want_levels):
        report_levels(b)
        b.serial += 1


cdef inline uint32_t likely_order(const Book* b, uint32_t tag) noexcept nogil:
    """An order that the id with this hash may name, or 0, without looking at the order itself."""
    cdef Bucket* bucket = home_of(&b.ids, tag)
    cdef uint32_t found = equal_bytes(bucket.marks, mark_of(tag))
    return bucket.refs[lowest_bit(found)] if found else 0


cdef inline size_t min_size(size_t a, size_t z) noexcept nogil:
    return a if a < z else z


cdef struct Ahead:
    # Hashes of the ids of four blocks, and which of their commands name an open order.
    uint32_t tags[4 * BLOCK]
    uint32_t naming[4]


cdef inline void fetch_buckets(const Book* b, const Command* commands, size_t first, size_t end, Ahead* ahead) noexcept nogil:
    cdef size_t k
    cdef uint32_t tag
    cdef uint32_t naming = 0
    for k in range(first, end):
        tag = tag_of(commands[k].order_id)
        ahead.tags[k % (4 * BLOCK)] = tag
        prefetch(home_of(&b.ids, tag))
        naming |= <uint32_t>(commands[k].kind != COMMAND_KIND_PLACE) << (k % BLOCK)
    ahead.naming[first // BLOCK % 4] = naming


cdef inline void fetch_orders(const Book* b, size_t first, const Ahead* ahead) noexcept nogil:
    cdef uint32_t naming = ahead.naming[first // BLOCK % 4]
    while naming:
        prefetch(&b.orders[likely_order(b, ahead.tags[(first + lowest_bit(naming)) % (4 * BLOCK)])])
        naming &= naming - 1


cdef inline void fetch_neighbours(const Book* b, size_t first, const Ahead* ahead) noexcept nogil:
    cdef uint32_t naming = ahead.naming[first // BLOCK % 4]
    cdef const Order* o
    while naming:
        o = &b.orders[likely_order(b, ahead.tags[(first + lowest_bit(naming)) % (4 * BLOCK)])]
        prefetch(&b.orders[o.prev])
        prefetch(&b.orders[o.next])
        prefetch(&b.levels[o.level_flags & LEVEL_MASK])
        naming &= naming - 1


cdef inline size_t look(Book* b, Watch* watch, size_t done) noexcept nogil:
    """Look as often as is asked for after so many commands; returns when to look again."""
    while watch.count and <size_t>watch.after[0] == done:
        if watch.levels == 1:
            write_best(b, SIDE_BUY, watch.rows)
            write_best(b, SIDE_SELL, watch.rows + 1)
        else:
            write_levels(b, SIDE_BUY, watch.levels, watch.rows)
            write_levels(b, SIDE_SELL, watch.levels, watch.rows + watch.levels)
        watch.rows += 2 * watch.levels
        watch.after += 1
        watch.count -= 1
    return <size_t>watch.after[0] if watch.count else SIZE_MAX


cdef inline size_t apply_part(
    Book* b, const Command* commands, size_t start, size_t end, const Ahead* ahead
) noexcept nogil:
    """Run part of a batch; returns ``end``, or the command before which the book had to stop.

    ``ahead`` is NULL where no hashes have been taken beforehand.
    """
    cdef size_t k
    for k in range(start, end):
        if unlikely(b.event_next > b.event_low) and not find_events(b):
            if b.stopped:
                return k
            refuse_for_memory(b, &commands[k], <uint32_t>k)
            continue
        apply(
            b,
            &commands[k],
            <uint32_t>k,
            ahead.tags[k % (4 * BLOCK)] if ahead != NULL else tag_of(commands[k].order_id),
        )
    return end


cdef inline size_t apply_all(
    Book* b, const Command* commands, size_t count, Watch* watch
) noexcept nogil:
    """Run a batch; returns how many commands were run, fewer only if the book had to stop.

    With a ``watch`` (or NULL) it looks at the book between commands.

    A batch tells what comes next. So while one block of commands runs, the memory that the
    next three will touch is on its way into the cache: their buckets in the id map, then
    their orders, then what stands beside these. What changes meanwhile makes a hint useless
    and nothing wrong. A small book is in the cache as it is.
    """
    cdef Ahead ahead
    cdef bint large = b.ids.size > CACHED_BUCKETS
    cdef size_t next_look = look(b, watch, 0) if watch != NULL else SIZE_MAX
    cdef size_t start = 0
    cdef size_t end
    cdef size_t part_end
    cdef size_t k
    while large and start < count and start < 3 * BLOCK:
        fetch_buckets(b, commands, start, min_size(count, start + BLOCK), &ahead)
        start += BLOCK
    start = 0
    while start < count:
        end = min_size(count, start + BLOCK)
        for k in range(0, BLOCK * sizeof(Command), 64):
            # The commands themselves may lie in far memory.
            prefetch(<const char*>&commands[start] + 4 * BLOCK * sizeof(Command) + k)
        if large and start + 3 * BLOCK < count:
            fetch_buckets(
                b, commands, start + 3 * BLOCK, min_size(count, start + 4 * BLOCK), &ahead
            )
        if large and start + 2 * BLOCK < count:
            fetch_orders(b, start + 2 * BLOCK, &ahead)
        if large and end < count:
            fetch_neighbours(b, end, &ahead)
        while start < end:
            # A look divides the running block only, not what is fetched ahead.
            part_end = min_size(end, next_look)
            start = apply_part(b, commands, start, part_end, &ahead if large else NULL)
            if unlikely(start != part_end):
                return start
            if unlikely(start == next_look):
                next_look = look(b, watch, start)
    return count
