"""The door: what a command must get held before it may run, or why it is refused at once.

Both are functions of the command and of its market's listing alone. The rules are plain
comparisons in the order of their codes, and none asks whether something else is wrong with the
command: what passes here meets the balances, then the rules of the book.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t

from ._types cimport (
    COMMAND_KIND_EXPIRE,
    COMMAND_KIND_PLACE,
    COMMAND_KIND_REPLACE,
    COMMAND_KIND_SET_STATE,
    COMMAND_KIND_UNCROSS,
    Command,
    ORDER_TYPE_MARKET,
    ORDER_TYPE_MARKET_TO_LIMIT,
    ORDER_TYPE_STOP_MARKET,
    ORDER_TYPE_TAKE_PROFIT_MARKET,
    SIDE_BUY,
    SIDE_SELL,
    product_overflows,
)

cdef enum:
    # The codes of domain/refusals.py; a test compares both.
    REFUSAL_UNKNOWN_MARKET = 128
    REFUSAL_UNKNOWN_ACCOUNT = 129
    REFUSAL_BAD_ORDER_ID = 130
    REFUSAL_BELOW_MIN_QTY = 131
    REFUSAL_ABOVE_MAX_QTY = 132
    REFUSAL_BELOW_MIN_NOTIONAL = 133
    REFUSAL_ABOVE_MAX_NOTIONAL = 134
    REFUSAL_NO_WORST_PRICE = 135
    REFUSAL_AMOUNT_OVERFLOW = 136
    REFUSAL_WRONG_SIDE = 137
    REFUSAL_INSUFFICIENT_FUNDS = 138
    REFUSAL_BAD_TIER = 139
    REFUSAL_OPERATOR_ONLY = 140
    REFUSAL_STALE_LISTINGS = 141
    REFUSAL_DUPLICATE_CLIENT_ORDER_ID = 142
    REFUSAL_TOO_MANY_CLIENT_ORDER_IDS = 143

cdef extern from *:
    """
    #define NX_ORDER_ID_END ((uint64_t)1 << 62)
    """
    uint64_t ORDER_ID_END "NX_ORDER_ID_END"


cdef packed struct Listing:
    uint32_t base
    uint32_t quote
    int64_t base_units_per_lot
    int64_t quote_units_per_tick_lot
    int64_t min_qty
    int64_t max_qty
    int64_t min_notional
    int64_t max_notional


cdef struct Asked:
    int64_t amount # 0: nothing
    uint32_t asset
    uint8_t refusal # 0: none


cdef inline bint is_by_amount(const Command* c) noexcept nogil:
    return (
        c.kind == COMMAND_KIND_PLACE
        and c.order_type == ORDER_TYPE_MARKET
        and c.quote_amount != 0
    )


cdef inline bint needs_worst_price(const Command* c) noexcept nogil:
    """Whether nothing but a price bounds what the order can cost."""
    if c.kind == COMMAND_KIND_REPLACE:
        return c.side == SIDE_BUY
    if is_by_amount(c):
        return c.side == SIDE_SELL
    return c.side == SIDE_BUY and (
        c.order_type == ORDER_TYPE_MARKET
        or c.order_type == ORDER_TYPE_MARKET_TO_LIMIT
        or c.order_type == ORDER_TYPE_STOP_MARKET
        or c.order_type == ORDER_TYPE_TAKE_PROFIT_MARKET
    )


cdef inline int64_t times(int64_t a, int64_t b) noexcept nogil:
    """The product of two numbers that are not negative; -1 if it does not fit."""
    return -1 if product_overflows(a, b) else a * b


cdef inline uint8_t breaks_limits(const Listing* m, const Command* c, bint by_amount, int64_t product) noexcept nogil:
    """Quantity and notional; ``product`` is price times quantity, -1 if it does not fit."""
    if not by_amount:
        if c.qty_lots < m.min_qty:
            return REFUSAL_BELOW_MIN_QTY
        if c.qty_lots > m.max_qty:
            return REFUSAL_ABOVE_MAX_QTY
        if c.price_ticks <= 0:
            return 0
        if product < 0:
            return REFUSAL_ABOVE_MAX_NOTIONAL
    else:
        product = c.quote_amount
    if product < m.min_notional:
        return REFUSAL_BELOW_MIN_NOTIONAL
    if product > m.max_notional:
        return REFUSAL_ABOVE_MAX_NOTIONAL
    return 0


cdef inline int64_t worst_case(const Listing* m, const Command* c, bint by_amount, int64_t product) noexcept nogil:
    """What the order can cost at most, in base units of what it gives; -1 if it does not fit."""
    cdef int64_t lots = c.qty_lots if c.qty_lots > 0 else 0
    if c.side == SIDE_BUY:
        if by_amount:
            product = c.quote_amount if c.quote_amount > 0 else 0
        return -1 if product < 0 else times(product, m.quote_units_per_tick_lot)
    if by_amount:
        # At its worst price the amount is earned with the most lots.
        lots = 0
        if c.price_ticks > 0 and c.quote_amount > 0:
            lots = c.quote_amount // c.price_ticks
    return times(lots, m.base_units_per_lot)


cdef inline void ask_for_order(const Listing* m, const Command* c, Asked* asked) noexcept nogil:
    """PLACE and REPLACE."""
    cdef bint by_amount = is_by_amount(c)
    cdef int64_t product = 0
    cdef int64_t amount = 0
    if c.owner == 0:
        asked.refusal = REFUSAL_UNKNOWN_ACCOUNT
        return
    if c.kind == COMMAND_KIND_PLACE and (c.order_id == 0 or c.order_id >= ORDER_ID_END):
        asked.refusal = REFUSAL_BAD_ORDER_ID
        return
    if c.price_ticks > 0 and c.qty_lots > 0:
        product = times(c.price_ticks, c.qty_lots)
    asked.refusal = breaks_limits(m, c, by_amount, product)
    if asked.refusal:
        return
    if c.price_ticks <= 0 and needs_worst_price(c):
        asked.refusal = REFUSAL_NO_WORST_PRICE
        return
    if c.side > SIDE_SELL:
        # The book has a word for a new order of no side; a change must name the order's.
        if c.kind == COMMAND_KIND_REPLACE:
            asked.refusal = REFUSAL_WRONG_SIDE
        return
    amount = worst_case(m, c, by_amount, product)
    if amount < 0:
        asked.refusal = REFUSAL_AMOUNT_OVERFLOW
        return
    asked.amount = amount
    if amount:
        asked.asset = m.quote if c.side == SIDE_BUY else m.base


cdef inline void ask(const Listing* m, const Command* c, Asked* asked) noexcept nogil:
    """What a command must get held; ``m`` is the listing of its market, NULL if there is none."""
    asked.amount = 0
    asked.asset = 0
    asked.refusal = 0
    if m == NULL:
        asked.refusal = REFUSAL_UNKNOWN_MARKET
    elif c.kind == COMMAND_KIND_PLACE or c.kind == COMMAND_KIND_REPLACE:
        ask_for_order(m, c, asked)
    elif c.owner and (
        c.kind == COMMAND_KIND_EXPIRE
        or c.kind == COMMAND_KIND_SET_STATE
        or c.kind == COMMAND_KIND_UNCROSS
    ):
        asked.refusal = REFUSAL_OPERATOR_ONLY
