"""The call auction: one price for all, and the trades at it."""

from libc.stdint cimport INT64_MAX, int64_t, uint32_t

from ._levels cimport level_emptied, touch, unlink_head
from ._match cimport walk_next, walk_push
from ._memory cimport allocate, release
from ._orders cimport forget, hidden_of, refresh, take_visible
from ._report cimport report_trade
from ._types cimport (
    EVENT_FLAG_AUCTION,
    SIDE_BUY,
    SIDE_NONE,
    SIDE_SELL,
    TIME_IN_FORCE_IOC,
    Book,
    BookSide,
    Level,
    Order,
)

cdef struct Crossing:
    # Price and whole quantity of a level that could take part.
    int64_t price
    int64_t lots

cdef struct AuctionPrice:
    int64_t price
    int64_t volume
    int64_t imbalance


cdef inline size_t crossing_levels(Book* b, int side, int64_t limit, Crossing* out) noexcept nogil:
    """Levels of a side that reach the limit, best first."""
    cdef BookSide* s = &b.sides[side]
    cdef size_t found = 0
    cdef uint32_t count = 0
    cdef uint32_t position
    cdef Level* level
    if s.heap_count:
        walk_push(s.heap, b.walk, &count, 0)
    while count:
        position = walk_next(s.heap, b.walk, &count, s.heap_count)
        level = &b.levels[s.heap[position].level]
        if level.price < limit if side == SIDE_BUY else level.price > limit:
            break
        if level.count:
            out[found].price = level.price
            out[found].lots = level.visible + level.hidden
            found += 1
    return found


cdef inline int auction_price(Book* b, int64_t reference, AuctionPrice* result) noexcept nogil:
    """Find the price of docs/explanation/matching-rules.md section 8; 0 if memory is short.

    The volume and the imbalance only change just after a bid's price and at an ask's price,
    so going up through these points visits every interval of prices that are all alike. The
    imbalance falls from interval to interval, so the best ones are neighbours.
    """
    cdef BookSide* bids = &b.sides[SIDE_BUY]
    cdef BookSide* asks = &b.sides[SIDE_SELL]
    cdef Crossing* levels
    cdef Crossing* offers
    cdef size_t bid_count
    cdef size_t ask_count
    cdef size_t ask = 0
    cdef size_t k
    cdef int64_t demand = 0
    cdef int64_t supply = 0
    cdef int64_t low
    cdef int64_t high
    cdef int64_t volume
    cdef int64_t gap
    cdef int64_t best_gap = 0
    cdef int64_t best_low = 0
    cdef int64_t best_high = 0
    cdef int64_t first_high = 0
    cdef int64_t tied_imbalance = 0
    result.price = 0
    result.volume = 0
    result.imbalance = 0
    if bids.best == 0 or asks.best == 0 or bids.best_price < asks.best_price:
        return 1
    levels = <Crossing*>allocate((bids.heap_count + <size_t>asks.heap_count) * sizeof(Crossing))
    if levels == NULL:
        return 0
    bid_count = crossing_levels(b, SIDE_BUY, asks.best_price, levels)
    offers = levels + bid_count
    ask_count = crossing_levels(b, SIDE_SELL, bids.best_price, offers)
    for k in range(bid_count):
        demand += levels[k].lots
    low = offers[0].price
    while True:
        # [low, high] is the next run of prices with the same supply and demand.
        while ask < ask_count and offers[ask].price <= low:
            supply += offers[ask].lots
            ask += 1
        high = levels[bid_count - 1].price
        if ask < ask_count and offers[ask].price - 1 < high:
            high = offers[ask].price - 1
        volume = demand if demand < supply else supply
        gap = demand - supply if demand > supply else supply - demand
        if volume > result.volume or (volume == result.volume and gap < best_gap):
            result.volume = volume
            result.imbalance = demand - supply
            best_gap = gap
            best_low = low
            best_high = first_high = high
        elif volume == result.volume and gap == best_gap:
            # The imbalance falls at every step, so this is the one run with the opposite sign.
            best_high = high
            tied_imbalance = demand - supply
        if high == levels[bid_count - 1].price:
            bid_count -= 1
            demand -= levels[bid_count].lots
            if bid_count == 0:
                break
        low = high + 1
    release(levels)
    if reference == 0:
        result.price = best_low + (best_high - best_low) // 2
    elif reference < best_low:
        result.price = best_low
    elif reference > best_high:
        result.price = best_high
    else:
        result.price = reference
    if result.price > first_high:
        result.imbalance = tied_imbalance
    return 1


cdef inline void used_up(Book* b, int side, uint32_t i) noexcept nogil:
    """After an auction trade: the next slice, or the order leaves; or some of it still shows."""
    cdef Order* o = &b.orders[i]
    cdef BookSide* s = &b.sides[side]
    cdef uint32_t level_index = s.best
    if o.visible:
        return
    if hidden_of(b, i):
        refresh(b, i)
        return
    unlink_head(b, &b.levels[level_index], o)
    s.order_count -= 1
    b.auction_only_count -= b.cold[i].time_in_force == TIME_IN_FORCE_IOC
    forget(b, i)
    if b.levels[level_index].count == 0:
        level_emptied(b, side, level_index)


cdef inline void trade_auction(Book* b, int64_t price, int64_t volume) noexcept nogil:
    """Trade the volume between the heads of both sides, all at one price."""
    cdef uint32_t bid
    cdef uint32_t ask
    cdef Order* buyer
    cdef Order* seller
    cdef int64_t lots
    while volume:
        touch(b, &b.levels[b.sides[SIDE_BUY].best])
        touch(b, &b.levels[b.sides[SIDE_SELL].best])
        bid = b.levels[b.sides[SIDE_BUY].best].head
        ask = b.levels[b.sides[SIDE_SELL].best].head
        buyer = &b.orders[bid]
        seller = &b.orders[ask]
        lots = buyer.visible if buyer.visible < seller.visible else seller.visible
        if volume < lots:
            lots = volume
        volume -= lots
        take_visible(b, bid, lots)
        take_visible(b, ask, lots)
        report_trade(
            b,
            buyer.id,
            buyer.owner,
            SIDE_NONE,
            price,
            lots,
            buyer.visible + hidden_of(b, bid),
            seller,
            seller.visible + hidden_of(b, ask),
            EVENT_FLAG_AUCTION,
        )
        used_up(b, SIDE_BUY, bid)
        used_up(b, SIDE_SELL, ask)
        b.last_price = price
