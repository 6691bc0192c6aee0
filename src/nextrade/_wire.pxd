"""What the decoders of feeds share: the record they write, names of markets, effects on orders.

``Message`` repeats MESSAGE_DTYPE of the replay; the arrays handed in are compared with it.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from ._open_orders cimport (
    MAX_MARKETS,
    OpenOrder,
    OpenOrders,
    mixed,
    place_for,
    take_out,
)
from ._types cimport SIDE_NONE, likely, unlikely

cdef extern from *:
    """
    #define NX_DAY_NS INT64_C(86400000000000)
    """
    const int64_t DAY_NS "NX_DAY_NS"

cdef enum:
    ACTION_ADD = 1
    ACTION_REDUCE = 2
    ACTION_CANCEL = 3
    ACTION_FILL = 5
    ACTION_HIDDEN = 7
    ACTION_CLEAR = 8
    ACTION_NOTE = 9

cdef enum:
    FLAG_LAST = 1
    FLAG_AUCTION = 64

cdef enum:
    # Why a message cannot be used; the texts are FAULTS in _wire.pyx.
    FAULT_NONE = 0
    FAULT_TYPE = 1
    FAULT_LENGTH = 2
    FAULT_TIME = 3
    FAULT_SIDE = 4
    FAULT_QUANTITY = 5
    FAULT_SYMBOL = 6
    FAULT_RENAMED = 7
    FAULT_MARKETS = 8
    FAULT_PRICE = 9
    FAULT_ID = 10
    FAULT_TEXT = 11
    FAULT_MEMORY = 12

cdef enum:
    # Twice as many as there can be markets, so that a search by name ends.
    NAME_SLOTS = 131072


cdef struct Message:
    int64_t timestamp_ns
    uint64_t order_id
    int64_t price_ticks
    int64_t qty_lots
    int64_t leaves_lots
    int64_t place
    uint32_t market
    uint8_t action
    uint8_t side
    uint16_t flags


cdef struct Markets:
    uint32_t count
    bint changed # since the names were last asked for
    # Eight characters as they stand in the feed. Below 65,536: the locate code of a market whose
    # name is not known yet.
    uint64_t names[MAX_MARKETS]
    # Market + 1 by locate code, or by name with open addressing; 0: none.
    uint32_t table[NAME_SLOTS]


cdef struct Wire:
    OpenOrders orders
    Markets markets
    const uint8_t* data
    size_t at
    size_t size
    int64_t place # of ``data[at]``
    Message* out
    Message* out_end
    int fault
    uint64_t counts[256] # messages read, by type
    uint64_t unknown # messages that name an order which is not open
    uint64_t excess # messages that take more from an order than it had
    uint64_t repeated # orders added while one with the same id was open


cdef inline bint is_name(uint64_t name) noexcept nogil:
    """Whether these eight characters can be printed and do not begin with a blank."""
    cdef int k
    cdef const uint8_t* letters = <const uint8_t*>&name
    for k in range(8):
        if letters[k] < 32 or letters[k] > 126:
            return False
    return letters[0] != 32


cdef inline int64_t named_market(Wire* w, uint64_t name) noexcept nogil:
    """The market of this name, a new one if it must be; negative: the fault."""
    cdef Markets* markets = &w.markets
    cdef uint64_t i = mixed(name, w.orders.seed) >> 47
    while markets.table[i]:
        if likely(markets.names[markets.table[i] - 1] == name):
            return markets.table[i] - 1
        i = (i + 1) & (NAME_SLOTS - 1)
    if not is_name(name):
        return -FAULT_SYMBOL
    if markets.count == MAX_MARKETS:
        return -FAULT_MARKETS
    markets.names[markets.count] = name
    markets.changed = True
    markets.count += 1
    markets.table[i] = markets.count
    return markets.count - 1


cdef inline uint32_t located_market(Wire* w, uint32_t locate) noexcept nogil:
    """The market of a locate code, a new one without a name if it must be."""
    cdef Markets* markets = &w.markets
    if unlikely(markets.table[locate] == 0):
        markets.names[markets.count] = locate
        markets.changed = True
        markets.count += 1
        markets.table[locate] = markets.count
    return markets.table[locate] - 1


cdef inline int name_market(Wire* w, uint32_t market, uint64_t name) noexcept nogil:
    """Note a market's name; it stays for good."""
    cdef uint64_t known = w.markets.names[market]
    if likely(known == name):
        return FAULT_NONE
    if not is_name(name):
        return FAULT_SYMBOL
    if known >= MAX_MARKETS:
        return FAULT_RENAMED
    w.markets.names[market] = name
    w.markets.changed = True
    return FAULT_NONE


cdef inline Message* write(Wire* w, uint8_t action, int64_t time, uint32_t market) noexcept nogil:
    """A message of its own, with nothing said about an order."""
    cdef Message* m = w.out
    w.out += 1
    m.timestamp_ns = time
    m.order_id = 0
    m.price_ticks = 0
    m.qty_lots = 0
    m.leaves_lots = -1
    m.place = w.place
    m.market = market
    m.action = action
    m.side = SIDE_NONE
    m.flags = FLAG_LAST
    return m


cdef inline void open_order(
    Wire* w, Message* m, uint64_t order_id, uint8_t side, int64_t price_ticks, uint32_t qty_lots
) noexcept nogil:
    """Make a message an ADD and remember the order. Call ``reserve`` before.

    An id that is open already belongs to the new order from now on.
    """
    cdef OpenOrder* order = place_for(&w.orders, order_id)
    if unlikely(order.leaves_lots != 0):
        w.repeated += order.generation == w.orders.generation[order.market]
    order.price_ticks = price_ticks
    order.leaves_lots = qty_lots
    order.market = m.market
    order.generation = w.orders.generation[m.market]
    order.side = side
    m.order_id = order_id
    m.side = side
    m.price_ticks = price_ticks
    m.qty_lots = qty_lots
    m.leaves_lots = qty_lots


cdef inline void execute(Wire* w, Message* m, OpenOrder* order, uint32_t qty_lots) noexcept nogil:
    """Make a message a FILL of an open order, at the order's own price."""
    cdef uint32_t before = order.leaves_lots
    m.order_id = order.id
    m.side = order.side
    m.price_ticks = order.price_ticks
    m.qty_lots = qty_lots
    if qty_lots < before:
        order.leaves_lots = before - qty_lots
        m.leaves_lots = before - qty_lots
    else:
        w.excess += qty_lots > before
        m.leaves_lots = 0
        take_out(&w.orders, order)


cdef inline void shrink(Wire* w, Message* m, OpenOrder* order, uint32_t qty_lots) noexcept nogil:
    """Make a message a REDUCE of an open order, or a CANCEL if nothing is left of it."""
    cdef uint32_t before = order.leaves_lots
    m.order_id = order.id
    m.side = order.side
    m.price_ticks = order.price_ticks
    if qty_lots < before:
        order.leaves_lots = before - qty_lots
        m.qty_lots = qty_lots
        m.leaves_lots = before - qty_lots
    else:
        w.excess += qty_lots > before
        m.action = ACTION_CANCEL
        m.qty_lots = before
        m.leaves_lots = 0
        take_out(&w.orders, order)
