"""Commands about the whole book: MASS_CANCEL, EXPIRE, SET_STATE and UNCROSS (sections 7, 8).

A handler returns whether the command was taken; a refused one has written its event and
changed nothing.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t
from libc.stdlib cimport qsort

from ._auction cimport AuctionPrice, auction_price, trade_auction
from ._change cimport cancel_open
from ._dormant cimport expiring_order, pop_expiry
from ._index cimport find_order
from ._levels cimport crosses
from ._match cimport settle_elections
from ._memory cimport allocate, release
from ._report cimport reject, report
from ._types cimport (
    Book,
    Command,
    EVENT_KIND_ACCEPTED,
    EVENT_KIND_CANCELED,
    EVENT_KIND_EXPIRED,
    EVENT_KIND_STATE_OPEN,
    EVENT_KIND_UNCROSSED,
    ExpiryEntry,
    ORDER_DORMANT,
    REASON_AUCTION_ENDED,
    REASON_BAD_PRICE,
    REASON_BOOK_CROSSED,
    REASON_HALTED,
    REASON_MASS_CANCELED,
    REASON_NONE,
    REASON_ONLY_IN_AUCTION,
    REASON_OUT_OF_MEMORY,
    REASON_UNKNOWN_STATE,
    SIDE_BUY,
    SIDE_NONE,
    TIME_IN_FORCE_IOC,
    TRADING_STATE_AUCTION,
    TRADING_STATE_HALTED,
    TRADING_STATE_OPEN,
)


cdef struct Picked:
    uint64_t order_id
    uint32_t order


cdef inline int compare_picked(const void* a, const void* z) noexcept nogil:
    cdef uint64_t first = (<const Picked*>a).order_id
    cdef uint64_t second = (<const Picked*>z).order_id
    return -1 if first < second else (1 if first > second else 0)


cdef inline bint is_picked(const Book* b, uint32_t i, bint by_owner, uint32_t owner) noexcept nogil:
    if b.orders[i].level_flags == 0:
        return False
    if by_owner:
        return b.orders[i].owner == owner
    return (
        not (b.orders[i].level_flags & ORDER_DORMANT)
        and b.cold[i].time_in_force == TIME_IN_FORCE_IOC
    )


cdef inline bint pick(Book* b, bint by_owner, uint32_t owner, Picked** picked, size_t* count) noexcept nogil:
    """Find an owner's orders, or those that wait for an auction, in ascending order of id."""
    cdef size_t found = 0
    cdef uint32_t i
    picked[0] = NULL
    count[0] = 0
    if b.ids.used == 0 or not (by_owner or b.auction_only_count):
        return True
    for i in range(1, b.order_top + 1):
        found += is_picked(b, i, by_owner, owner)
    if found == 0:
        return True
    picked[0] = <Picked*>allocate(found * sizeof(Picked))
    if picked[0] == NULL:
        return False
    for i in range(1, b.order_top + 1):
        if is_picked(b, i, by_owner, owner):
            picked[0][count[0]].order_id = b.orders[i].id
            picked[0][count[0]].order = i
            count[0] += 1
    qsort(picked[0], count[0], sizeof(Picked), compare_picked)
    return True


cdef inline void cancel_picked(Book* b, Picked* picked, size_t count, uint8_t reason) noexcept nogil:
    cdef size_t k
    for k in range(count):
        # An uncross may have filled it since it was picked.
        if find_order(&b.ids, b.orders, picked[k].order_id):
            cancel_open(b, picked[k].order, EVENT_KIND_CANCELED, reason)
    if picked != NULL:
        release(picked)


cdef inline void accept_control(Book* b, const Command* c, uint8_t kind, int64_t price, int64_t volume) noexcept nogil:
    """The answer to a command about the whole book."""
    report(b, kind, c.order_id, c.owner, SIDE_NONE, price, volume, 0, 0, 0)


cdef inline bint mass_cancel(Book* b, const Command* c) noexcept nogil:
    cdef Picked* picked
    cdef size_t count
    if b.state == TRADING_STATE_HALTED:
        reject(b, c, SIDE_NONE, REASON_HALTED)
        return False
    if not pick(b, True, c.owner, &picked, &count):
        reject(b, c, SIDE_NONE, REASON_OUT_OF_MEMORY)
        return False
    accept_control(b, c, EVENT_KIND_ACCEPTED, 0, 0)
    cancel_picked(b, picked, count, REASON_MASS_CANCELED)
    return True


cdef inline bint expire(Book* b, const Command* c) noexcept nogil:
    cdef ExpiryEntry entry
    cdef uint32_t i
    accept_control(b, c, EVENT_KIND_ACCEPTED, 0, 0)
    while b.expiry_count and b.expiries[0].expire_ns <= c.timestamp_ns:
        entry = pop_expiry(b)
        i = expiring_order(b, &entry)
        if i:
            cancel_open(b, i, EVENT_KIND_EXPIRED, REASON_NONE)
    return True


cdef inline void enter_state(Book* b, const Command* c) noexcept nogil:
    b.state = c.state
    accept_control(b, c, <uint8_t>(EVENT_KIND_STATE_OPEN + c.state), 0, 0)
    if b.state == TRADING_STATE_OPEN and b.last_price:
        b.first_price = b.last_price
        settle_elections(b)


cdef inline bint set_state(Book* b, const Command* c) noexcept nogil:
    cdef Picked* picked = NULL
    cdef size_t count = 0
    cdef uint8_t reason = REASON_NONE
    if c.state > TRADING_STATE_HALTED:
        reason = REASON_UNKNOWN_STATE
    elif c.state == TRADING_STATE_OPEN and b.sides[0].best and crosses(b, SIDE_BUY, b.sides[0].best_price):
        reason = REASON_BOOK_CROSSED
    elif c.state == TRADING_STATE_OPEN and not pick(b, False, 0, &picked, &count):
        reason = REASON_OUT_OF_MEMORY
    if reason:
        reject(b, c, SIDE_NONE, reason)
        return False
    cancel_picked(b, picked, count, REASON_AUCTION_ENDED)
    enter_state(b, c)
    return True


cdef inline bint uncross(Book* b, const Command* c) noexcept nogil:
    cdef AuctionPrice result
    cdef Picked* picked = NULL
    cdef size_t count = 0
    cdef uint8_t reason = REASON_NONE
    if c.state > TRADING_STATE_HALTED:
        reason = REASON_UNKNOWN_STATE
    elif c.price_ticks < 0:
        reason = REASON_BAD_PRICE
    elif b.state != TRADING_STATE_AUCTION:
        reason = REASON_ONLY_IN_AUCTION
    elif not auction_price(b, c.price_ticks if c.price_ticks else b.last_price, &result):
        reason = REASON_OUT_OF_MEMORY
    elif not pick(b, False, 0, &picked, &count):
        reason = REASON_OUT_OF_MEMORY
    if reason:
        reject(b, c, SIDE_NONE, reason)
        return False
    accept_control(b, c, EVENT_KIND_UNCROSSED, result.price, result.volume)
    trade_auction(b, result.price, result.volume)
    cancel_picked(b, picked, count, REASON_AUCTION_ENDED)
    enter_state(b, c)
    return True
