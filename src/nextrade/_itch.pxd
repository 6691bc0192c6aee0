"""NASDAQ TotalView-ITCH 5.0: framed binary messages to records.

Each message stands behind a length of two bytes, big endian like every number. A length of 0
means that of the type. The first eleven bytes are the same in all: type, stock locate,
tracking number, and nanoseconds since midnight in six bytes.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from ._open_orders cimport OpenOrder, find, reserve, slot_of
from ._types cimport SIDE_BUY, SIDE_NONE, SIDE_SELL, prefetch, unlikely
from ._wire cimport (
    ACTION_ADD,
    ACTION_CANCEL,
    ACTION_FILL,
    ACTION_HIDDEN,
    ACTION_NOTE,
    ACTION_REDUCE,
    DAY_NS,
    FAULT_LENGTH,
    FAULT_MEMORY,
    FAULT_NONE,
    FAULT_QUANTITY,
    FAULT_SIDE,
    FAULT_TIME,
    FAULT_TYPE,
    FLAG_AUCTION,
    FLAG_LAST,
    Message,
    Wire,
    execute,
    located_market,
    name_market,
    open_order,
    shrink,
    write,
)

cdef extern from *:
    """
    #include <stdint.h>
    /* Bytes of a message by its type; 0: there is no such type. */
    static const uint8_t nx_itch_length[256] = {
        ['S'] = 12, ['R'] = 39, ['H'] = 25, ['Y'] = 20, ['L'] = 26, ['V'] = 35, ['W'] = 12,
        ['K'] = 28, ['J'] = 35, ['h'] = 21, ['A'] = 36, ['F'] = 40, ['E'] = 31, ['C'] = 36,
        ['X'] = 23, ['D'] = 19, ['U'] = 35, ['P'] = 44, ['Q'] = 40, ['B'] = 19, ['I'] = 50,
        ['N'] = 20, ['O'] = 48};
    /* Where the stock's name stands; 0: the type has none. */
    static const uint8_t nx_itch_name[256] = {
        ['R'] = 11, ['H'] = 11, ['Y'] = 11, ['L'] = 15, ['K'] = 11, ['J'] = 11, ['h'] = 11,
        ['Q'] = 19, ['I'] = 28, ['N'] = 11, ['O'] = 11};
    /* Whether bytes 11 to 18 are an order's id. */
    static const uint8_t nx_itch_order[256] = {
        ['A'] = 1, ['F'] = 1, ['E'] = 1, ['C'] = 1, ['X'] = 1, ['D'] = 1, ['U'] = 1};
    static inline uint16_t nx_be16(const uint8_t *p)
    { return (uint16_t)(p[0] << 8 | p[1]); }
    static inline uint32_t nx_be32(const uint8_t *p)
    { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }
    static inline uint64_t nx_be64(const uint8_t *p)
    { return (uint64_t)nx_be32(p) << 32 | nx_be32(p + 4); }
    static inline uint64_t nx_be48(const uint8_t *p)
    { return (uint64_t)nx_be16(p) << 32 | nx_be32(p + 2); }
    """
    const uint8_t* itch_length "nx_itch_length"
    const uint8_t* itch_name "nx_itch_name"
    const uint8_t* itch_order "nx_itch_order"
    uint16_t be16 "nx_be16"(const uint8_t*) noexcept nogil
    uint32_t be32 "nx_be32"(const uint8_t*) noexcept nogil
    uint64_t be64 "nx_be64"(const uint8_t*) noexcept nogil
    uint64_t be48 "nx_be48"(const uint8_t*) noexcept nogil

cdef enum:
    # How far ahead the map is told which orders will be asked for, in bytes of the feed.
    LOOK_AHEAD = 400
    # Messages in a row that make a place in damaged data believable.
    BELIEVED = 3


cdef inline uint8_t side_of(uint8_t letter) noexcept nogil:
    return SIDE_BUY if letter == b"B" else SIDE_SELL if letter == b"S" else SIDE_NONE


cdef inline const uint8_t* fetch_ahead(
    Wire* w, const uint8_t* ahead, const uint8_t* until, const uint8_t* end
) noexcept nogil:
    """Ask the memory for what the messages before ``until`` will need."""
    cdef OpenOrder* slot
    while ahead < until and end - ahead >= 32:
        if itch_length[ahead[2]] == 0:
            return end
        if itch_order[ahead[2]]:
            slot = slot_of(&w.orders, be64(ahead + 13))
            prefetch(slot)
            # The search may go on in the next cache line, of two slots each.
            prefetch(slot + 2)
            if ahead[2] == b"U":
                prefetch(slot_of(&w.orders, be64(ahead + 21)))
        ahead += 2 + itch_length[ahead[2]]
    return ahead


cdef inline void decode_itch(Wire* w) noexcept nogil:
    """Read messages until the data, the room for records or a message without fault ends."""
    cdef const uint8_t* end = w.data + w.size
    cdef const uint8_t* p = w.data + w.at
    cdef const uint8_t* ahead = p
    cdef size_t length
    cdef uint16_t announced
    w.fault = FAULT_NONE
    while w.out_end - w.out >= 2 and end - p >= 3:
        length = itch_length[p[2]]
        announced = be16(p)
        if unlikely(length == 0):
            w.fault = FAULT_TYPE
            break
        if unlikely(announced != 0 and announced != length):
            w.fault = FAULT_LENGTH
            break
        if unlikely(<size_t>(end - p) < 2 + length):
            break
        ahead = fetch_ahead(w, ahead, p + LOOK_AHEAD, end)
        w.place += 2
        w.fault = decode_itch_message(w, p + 2)
        w.place -= 2
        if unlikely(w.fault != FAULT_NONE):
            break
        w.counts[p[2]] += 1
        p += 2 + length
        w.place += 2 + length
    w.at = p - w.data


cdef inline int decode_itch_message(Wire* w, const uint8_t* p) noexcept nogil:
    """One whole message of a known type; says what is wrong with it and then changes nothing."""
    cdef uint8_t kind = p[0]
    cdef int64_t time = <int64_t>be48(p + 5)
    cdef uint32_t market
    cdef uint32_t qty_lots
    cdef uint64_t name
    cdef uint64_t order_id
    cdef uint8_t side
    cdef int fault
    cdef OpenOrder* order
    cdef Message* m
    if unlikely(time >= DAY_NS):
        return FAULT_TIME
    if kind == b"S" or kind == b"V" or kind == b"W":
        # About no stock, and there is no message without a market.
        return FAULT_NONE
    market = located_market(w, be16(p + 1))

    if kind == b"A" or kind == b"F":
        side = side_of(p[19])
        qty_lots = be32(p + 20)
        memcpy(&name, p + 24, 8)
        if unlikely(side == SIDE_NONE):
            return FAULT_SIDE
        if unlikely(qty_lots == 0):
            return FAULT_QUANTITY
        fault = name_market(w, market, name)
        if unlikely(fault != FAULT_NONE):
            return fault
        if unlikely(not reserve(&w.orders)):
            return FAULT_MEMORY
        m = write(w, ACTION_ADD, time, market)
        open_order(w, m, be64(p + 11), side, be32(p + 32), qty_lots)

    elif kind == b"D":
        order_id = be64(p + 11)
        order = find(&w.orders, order_id)
        m = write(w, ACTION_CANCEL, time, market)
        cancel(w, m, order, order_id)

    elif kind == b"E" or kind == b"C":
        order_id = be64(p + 11)
        qty_lots = be32(p + 19)
        if unlikely(qty_lots == 0):
            return FAULT_QUANTITY
        order = find(&w.orders, order_id)
        m = write(w, ACTION_FILL, time, market)
        if unlikely(order == NULL):
            not_known(w, m, order_id)
            m.qty_lots = qty_lots
        else:
            m.market = order.market
            execute(w, m, order, qty_lots)
        if kind == b"C":
            m.price_ticks = be32(p + 32)
            if p[31] == b"N":
                m.flags = FLAG_LAST | FLAG_AUCTION

    elif kind == b"X":
        order_id = be64(p + 11)
        qty_lots = be32(p + 19)
        if unlikely(qty_lots == 0):
            return FAULT_QUANTITY
        order = find(&w.orders, order_id)
        m = write(w, ACTION_REDUCE, time, market)
        if unlikely(order == NULL):
            not_known(w, m, order_id)
            m.qty_lots = qty_lots
        else:
            m.market = order.market
            shrink(w, m, order, qty_lots)

    elif kind == b"U":
        return replace_itch(w, p, time, market)

    elif kind == b"P":
        side = side_of(p[19])
        qty_lots = be32(p + 20)
        memcpy(&name, p + 24, 8)
        if unlikely(side == SIDE_NONE):
            return FAULT_SIDE
        if unlikely(qty_lots == 0):
            return FAULT_QUANTITY
        fault = name_market(w, market, name)
        if unlikely(fault != FAULT_NONE):
            return fault
        m = write(w, ACTION_HIDDEN, time, market)
        m.order_id = be64(p + 11)
        m.side = side
        m.price_ticks = be32(p + 32)
        m.qty_lots = qty_lots

    else:
        if itch_name[kind]:
            memcpy(&name, p + itch_name[kind], 8)
            fault = name_market(w, market, name)
            if unlikely(fault != FAULT_NONE):
                return fault
        if kind == b"Q" and be64(p + 11) >> 63:
            return FAULT_QUANTITY
        m = write(w, ACTION_NOTE, time, market)
        if kind == b"Q":
            m.qty_lots = <int64_t>be64(p + 11)
            m.price_ticks = be32(p + 27)
    return FAULT_NONE


cdef inline void not_known(Wire* w, Message* m, uint64_t order_id) noexcept nogil:
    w.unknown += 1
    m.order_id = order_id


cdef inline void cancel(Wire* w, Message* m, OpenOrder* order, uint64_t order_id) noexcept nogil:
    if unlikely(order == NULL):
        not_known(w, m, order_id)
    else:
        m.market = order.market
        shrink(w, m, order, order.leaves_lots)


cdef inline int replace_itch(
    Wire* w, const uint8_t* p, int64_t time, uint32_t market
) noexcept nogil:
    """U: the old order leaves, and a new one of its market and side comes, last in its queue."""
    cdef uint64_t old_id = be64(p + 11)
    cdef uint64_t new_id = be64(p + 19)
    cdef uint32_t qty_lots = be32(p + 27)
    cdef int64_t price_ticks = be32(p + 31)
    cdef OpenOrder* order
    cdef Message* m
    if unlikely(qty_lots == 0):
        return FAULT_QUANTITY
    if unlikely(not reserve(&w.orders)):
        return FAULT_MEMORY
    order = find(&w.orders, old_id)
    m = write(w, ACTION_CANCEL, time, market)
    m.flags = 0
    cancel(w, m, order, old_id)
    market = m.market
    if unlikely(m.side == SIDE_NONE):
        # Nobody knows the side, so later messages about the new order find nothing either.
        m = write(w, ACTION_ADD, time, market)
        m.order_id = new_id
        m.price_ticks = price_ticks
        m.qty_lots = qty_lots
        m.leaves_lots = qty_lots
    else:
        open_order(w, write(w, ACTION_ADD, time, market), new_id, m.side, price_ticks, qty_lots)
    return FAULT_NONE


# ---- damaged data -----------------------------------------------------------------------


cdef inline int believable(const uint8_t* p, size_t available) noexcept nogil:
    """1: a whole message stands here, as far as one can see; 0: none does; -1: too little data."""
    cdef uint8_t kind
    cdef size_t length
    if available < 3:
        return -1
    kind = p[2]
    length = itch_length[kind]
    if length == 0 or (be16(p) != 0 and be16(p) != length):
        return 0
    if available < 2 + length:
        return -1
    if <int64_t>be48(p + 7) >= DAY_NS:
        return 0
    if (kind == b"A" or kind == b"F" or kind == b"P") and side_of(p[21]) == SIDE_NONE:
        return 0
    return 1


cdef inline int believable_run(const uint8_t* p, size_t available, bint last) noexcept nogil:
    """As ``believable`` for three messages in a row, or fewer that end where the file does."""
    cdef int k, found
    cdef size_t length
    for k in range(BELIEVED):
        if last and k > 0 and available == 0:
            return 1
        found = believable(p, available)
        if found != 1:
            return 0 if last else found
        length = 2 + itch_length[p[2]]
        p += length
        available -= length
    return 1
