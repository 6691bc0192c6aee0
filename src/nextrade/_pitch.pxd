"""Cboe (BATS) PITCH: lines of fixed-width text to records.

A line is eight digits of milliseconds since midnight, a letter for the type, and fields of
that type's widths; numbers are filled with zeros, ids have base 36, prices four decimals and
no point. Recordings put an ``S`` before each line, the feed itself does not: both are read.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy

from ._open_orders cimport OpenOrder, clear_market, find, reserve
from ._types cimport SIDE_BUY, SIDE_NONE, SIDE_SELL, likely, unlikely
from ._wire cimport (
    ACTION_ADD,
    ACTION_CLEAR,
    ACTION_FILL,
    ACTION_HIDDEN,
    ACTION_NOTE,
    ACTION_REDUCE,
    DAY_NS,
    FAULT_ID,
    FAULT_LENGTH,
    FAULT_MEMORY,
    FAULT_NONE,
    FAULT_PRICE,
    FAULT_QUANTITY,
    FAULT_SIDE,
    FAULT_TEXT,
    FAULT_TIME,
    FAULT_TYPE,
    Message,
    Wire,
    execute,
    named_market,
    open_order,
    shrink,
    write,
)

cdef extern from *:
    """
    #include <stdint.h>
    /* Characters of a line by its type, without the S before it; 0: there is no such type. */
    static const uint8_t nx_pitch_length[256] = {
        ['A'] = 45, ['d'] = 51, ['E'] = 39, ['X'] = 27, ['P'] = 56, ['r'] = 58, ['B'] = 21,
        ['s'] = 17, ['H'] = 21, ['I'] = 68, ['J'] = 38, ['R'] = 18};
    /* Value of a digit to base 36, plus 1; 0: no digit. */
    static const uint8_t nx_digit36[256] = {
        ['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8,
        ['8'] = 9, ['9'] = 10, ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15,
        ['F'] = 16, ['G'] = 17, ['H'] = 18, ['I'] = 19, ['J'] = 20, ['K'] = 21, ['L'] = 22,
        ['M'] = 23, ['N'] = 24, ['O'] = 25, ['P'] = 26, ['Q'] = 27, ['R'] = 28, ['S'] = 29,
        ['T'] = 30, ['U'] = 31, ['V'] = 32, ['W'] = 33, ['X'] = 34, ['Y'] = 35, ['Z'] = 36};
    static inline uint64_t nx_little_endian(const uint8_t *p)
    {
        return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16
            | (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40
            | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
    }
    /* Eight digits as a number, all at once: neighbours are joined three times. */
    static inline int64_t nx_eight_digits(uint64_t x)
    {
        if (((x & UINT64_C(0xF0F0F0F0F0F0F0F0))
             | (((x + UINT64_C(0x0606060606060606)) & UINT64_C(0xF0F0F0F0F0F0F0F0)) >> 4))
            != UINT64_C(0x3333333333333333))
            return -1;
        x = (x & UINT64_C(0x0F0F0F0F0F0F0F0F)) * 2561 >> 8;
        x = (x & UINT64_C(0x00FF00FF00FF00FF)) * 6553601 >> 16;
        return (int64_t)((x & UINT64_C(0x0000FFFF0000FFFF)) * UINT64_C(42949672960001) >> 32);
    }
    static inline int64_t nx_digits8(const uint8_t *p)
    { return nx_eight_digits(nx_little_endian(p)); }
    /* Six digits; the two characters before them can be read and do not count. */
    static inline int64_t nx_digits6(const uint8_t *p)
    { return nx_eight_digits((nx_little_endian(p - 2) & ~UINT64_C(0xFFFF)) | 0x3030); }
    static inline int64_t nx_digits10(const uint8_t *p)
    {
        unsigned tens = p[0] - (unsigned)'0', ones = p[1] - (unsigned)'0';
        int64_t rest = nx_digits8(p + 2);
        return tens > 9 || ones > 9 || rest < 0 ? -1 : (tens * 10 + ones) * INT64_C(100000000) + rest;
    }
    /* Twelve digits to base 36 as a number below 2**63; 0 in ``*good`` if they are none. */
    static inline uint64_t nx_base36(const uint8_t *p, int *good)
    {
        uint64_t high = 0, low = 0;
        int all = 1;
        for (int k = 0; k < 6; k++) {
            unsigned a = nx_digit36[p[k]], b = nx_digit36[p[k + 6]];
            all &= (a != 0) & (b != 0);
            high = high * 36 + a - 1;
            low = low * 36 + b - 1;
        }
        *good = all;
        return high * UINT64_C(2176782336) + low;
    }
    """
    const uint8_t* pitch_length "nx_pitch_length"
    int64_t digits6 "nx_digits6"(const uint8_t*) noexcept nogil
    int64_t digits8 "nx_digits8"(const uint8_t*) noexcept nogil
    int64_t digits10 "nx_digits10"(const uint8_t*) noexcept nogil
    uint64_t base36 "nx_base36"(const uint8_t*, int*) noexcept nogil

cdef enum:
    # No line is complete with fewer bytes than these behind its beginning.
    HEADING = 10
    # Nanoseconds of a millisecond.
    MS_NS = 1000000


cdef inline void decode_pitch(Wire* w) noexcept nogil:
    """Read lines until the data, the room for records or a line without fault ends."""
    cdef const uint8_t* end = w.data + w.size
    cdef const uint8_t* p = w.data + w.at
    cdef const uint8_t* line
    cdef const uint8_t* after
    w.fault = FAULT_NONE
    while w.out < w.out_end and p < end:
        line = p + (p[0] == b"S")
        after = NULL
        if likely(end - line >= HEADING):
            after = end_of_line(line, end)
        if unlikely(after == NULL):
            # Only whole lines are judged.
            after = <const uint8_t*>memchr(p, b"\n", end - p)
            if after != NULL:
                w.fault = FAULT_LENGTH
                if after - line > 8 and pitch_length[line[8]] == 0:
                    w.fault = FAULT_TYPE
            break
        w.fault = decode_pitch_line(w, line)
        if unlikely(w.fault != FAULT_NONE):
            if memchr(line, b"\n", pitch_length[line[8]]) != NULL:
                w.fault = FAULT_LENGTH
            break
        w.counts[line[8]] += 1
        p = after
        w.place += 1
    w.at = p - w.data


cdef inline const uint8_t* end_of_line(const uint8_t* line, const uint8_t* end) noexcept nogil:
    """What follows a line if it is as long as its type is and all there, otherwise NULL."""
    cdef size_t length = pitch_length[line[8]]
    if length == 0 or <size_t>(end - line) <= length:
        return NULL
    line += length
    if line[0] == b"\n":
        return line + 1
    if line[0] == b"\r" and end - line >= 2 and line[1] == b"\n":
        return line + 2
    return NULL


cdef inline bint is_text(const uint8_t* p, int count) noexcept nogil:
    """Whether these characters can be printed, so that no line ends among them."""
    cdef int k
    cdef bint good = True
    for k in range(count):
        good &= p[k] >= 32 and p[k] <= 126
    return good


cdef inline uint64_t symbol(const uint8_t* p, int width) noexcept nogil:
    """A name of six or eight characters, filled with blanks."""
    cdef uint64_t name = <uint64_t>0x2020202020202020
    if width == 6:
        memcpy(&name, p, 6)
    else:
        memcpy(&name, p, 8)
    return name


cdef inline int decode_pitch_line(Wire* w, const uint8_t* p) noexcept nogil:
    """One line of a known type and its length; says what is wrong and then changes nothing."""
    cdef uint8_t kind = p[8]
    cdef int64_t time = digits8(p)
    cdef int64_t market
    cdef int64_t qty_lots
    cdef uint64_t order_id
    cdef int good
    cdef OpenOrder* order
    cdef Message* m
    if unlikely(time < 0 or time * MS_NS >= DAY_NS):
        return FAULT_TIME
    time *= MS_NS

    if kind == b"A":
        return priced(w, p, time, 6, True)
    if kind == b"d":
        return priced(w, p, time, 8, True)
    if kind == b"P":
        return priced(w, p, time, 6, False)
    if kind == b"r":
        return priced(w, p, time, 8, False)

    if kind == b"X" or kind == b"E":
        order_id = base36(p + 9, &good)
        qty_lots = digits6(p + 21)
        if unlikely(not good or (kind == b"E" and not is_id(p + 27))):
            return FAULT_ID
        if unlikely(qty_lots <= 0):
            return FAULT_QUANTITY
        order = find(&w.orders, order_id)
        if unlikely(order == NULL):
            # Its market is nobody's guess, so there is no message; but it is counted.
            w.unknown += 1
        elif kind == b"X":
            m = write(w, ACTION_REDUCE, time, order.market)
            shrink(w, m, order, <uint32_t>qty_lots)
        else:
            m = write(w, ACTION_FILL, time, order.market)
            execute(w, m, order, <uint32_t>qty_lots)
        return FAULT_NONE

    if kind == b"B":
        # Names an execution alone: no market, and no effect on a book.
        return FAULT_NONE if is_id(p + 9) else FAULT_ID
    if not is_text(p + 17, pitch_length[kind] - 17):
        return FAULT_TEXT
    market = named_market(w, symbol(p + 9, 8))
    if unlikely(market < 0):
        return <int>-market
    if kind == b"s":
        write(w, ACTION_CLEAR, time, <uint32_t>market)
        clear_market(&w.orders, <uint32_t>market)
    else:
        write(w, ACTION_NOTE, time, <uint32_t>market)
    return FAULT_NONE


cdef inline bint is_id(const uint8_t* p) noexcept nogil:
    cdef int good
    base36(p, &good)
    return good


cdef inline int priced(
    Wire* w, const uint8_t* p, int64_t time, int width, bint rests
) noexcept nogil:
    """A new order, or an execution of a hidden one: id, side, shares, symbol and price."""
    cdef int good
    cdef uint64_t order_id = base36(p + 9, &good)
    cdef uint8_t side = SIDE_BUY if p[21] == b"B" else SIDE_SELL if p[21] == b"S" else SIDE_NONE
    cdef int64_t qty_lots = digits6(p + 22)
    cdef int64_t price_ticks = digits10(p + 28 + width)
    cdef const uint8_t* rest = p + 38 + width
    cdef int64_t market
    cdef Message* m
    if unlikely(not good or (not rests and not is_id(rest))):
        return FAULT_ID
    if unlikely(side == SIDE_NONE):
        return FAULT_SIDE
    if unlikely(qty_lots <= 0):
        return FAULT_QUANTITY
    if unlikely(price_ticks < 0):
        return FAULT_PRICE
    # The display flag, and in the long form the participant.
    if unlikely(rests and not is_text(rest, 1 if width == 6 else 5)):
        return FAULT_TEXT
    if unlikely(rests and not reserve(&w.orders)):
        return FAULT_MEMORY
    market = named_market(w, symbol(p + 28, width))
    if unlikely(market < 0):
        return <int>-market
    m = write(w, ACTION_ADD if rests else ACTION_HIDDEN, time, <uint32_t>market)
    if rests:
        open_order(w, m, order_id, side, price_ticks, <uint32_t>qty_lots)
    else:
        m.order_id = order_id
        m.side = side
        m.price_ticks = price_ticks
        m.qty_lots = qty_lots
    return FAULT_NONE
