"""What makes a new order unacceptable, whatever the book holds; and post-only prices.

Section numbers refer to docs/explanation/matching-rules.md.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t

from ._levels cimport crosses
from ._types cimport (
    MAX_SLICES,
    Book,
    Command,
    ORDER_TYPE_LIMIT,
    ORDER_TYPE_MARKET,
    ORDER_TYPE_MARKET_TO_LIMIT,
    ORDER_TYPE_STOP_LIMIT,
    ORDER_TYPE_STOP_MARKET,
    ORDER_TYPE_TAKE_PROFIT_LIMIT,
    POST_ONLY_REJECT,
    POST_ONLY_SLIDE,
    REASON_BAD_AMOUNT,
    REASON_BAD_COMBINATION,
    REASON_BAD_DISPLAY,
    REASON_BAD_EXPIRY,
    REASON_BAD_PRICE,
    REASON_BAD_QUANTITY,
    REASON_BAD_TRIGGER,
    REASON_CANCEL_ONLY,
    REASON_HALTED,
    REASON_NONE,
    REASON_NOTIONAL_OVERFLOW,
    REASON_NOT_IN_AUCTION,
    REASON_POST_ONLY_WOULD_TRADE,
    REASON_UNKNOWN_ORDER_TYPE,
    REASON_UNKNOWN_POST_ONLY,
    REASON_UNKNOWN_SELF_TRADE,
    REASON_UNKNOWN_SIDE,
    REASON_UNKNOWN_TIME_IN_FORCE,
    SELF_TRADE_DECREMENT,
    SIDE_BUY,
    SIDE_SELL,
    TIME_IN_FORCE_FOK,
    TIME_IN_FORCE_GTC,
    TIME_IN_FORCE_GTD,
    TRADING_STATE_CANCEL_ONLY,
    TRADING_STATE_HALTED,
    TRADING_STATE_OPEN,
    product_overflows,
)


cdef inline uint8_t bad_combination(const Command* c, bint priced, bint dormant) noexcept nogil:
    cdef bint may_rest = c.time_in_force == TIME_IN_FORCE_GTC or c.time_in_force == TIME_IN_FORCE_GTD
    if c.quote_amount and (
        c.order_type != ORDER_TYPE_MARKET or c.qty_lots or c.time_in_force == TIME_IN_FORCE_FOK
    ):
        return REASON_BAD_COMBINATION
    if c.trigger_ticks and not dormant:
        return REASON_BAD_COMBINATION
    if c.display_lots and not (priced and may_rest):
        return REASON_BAD_COMBINATION
    if c.time_in_force == TIME_IN_FORCE_GTD:
        if c.order_type == ORDER_TYPE_MARKET:
            return REASON_BAD_COMBINATION
    elif c.expire_ns:
        return REASON_BAD_COMBINATION
    if c.post_only and not (c.order_type == ORDER_TYPE_LIMIT and may_rest):
        return REASON_BAD_COMBINATION
    return REASON_NONE


cdef inline bint too_many_slices(int64_t qty, int64_t display) noexcept nogil:
    return (qty - 1) // MAX_SLICES >= display


cdef inline uint8_t bad_value(const Command* c) noexcept nogil:
    """Section 2, points 1 to 9: the first rule that the fields of a PLACE break."""
    cdef bint priced = (
        c.order_type == ORDER_TYPE_LIMIT
        or c.order_type == ORDER_TYPE_STOP_LIMIT
        or c.order_type == ORDER_TYPE_TAKE_PROFIT_LIMIT
    )
    cdef bint dormant = c.order_type >= ORDER_TYPE_STOP_MARKET
    if c.order_type > ORDER_TYPE_TAKE_PROFIT_LIMIT:
        return REASON_UNKNOWN_ORDER_TYPE
    if c.side > SIDE_SELL:
        return REASON_UNKNOWN_SIDE
    if c.time_in_force > TIME_IN_FORCE_GTD:
        return REASON_UNKNOWN_TIME_IN_FORCE
    if c.post_only > POST_ONLY_SLIDE:
        return REASON_UNKNOWN_POST_ONLY
    if c.self_trade > SELF_TRADE_DECREMENT:
        return REASON_UNKNOWN_SELF_TRADE
    if c.qty_lots < 0 or (
        c.qty_lots == 0 and not (c.order_type == ORDER_TYPE_MARKET and c.quote_amount)
    ):
        return REASON_BAD_QUANTITY
    if c.price_ticks < 0 or (priced and c.price_ticks == 0):
        return REASON_BAD_PRICE
    if dormant and c.trigger_ticks <= 0:
        return REASON_BAD_TRIGGER
    if c.display_lots < 0 or (c.display_lots and too_many_slices(c.qty_lots, c.display_lots)):
        return REASON_BAD_DISPLAY
    if c.quote_amount < 0:
        return REASON_BAD_AMOUNT
    if c.time_in_force == TIME_IN_FORCE_GTD and c.expire_ns <= c.timestamp_ns:
        return REASON_BAD_EXPIRY
    if bad_combination(c, priced, dormant):
        return REASON_BAD_COMBINATION
    if product_overflows(c.price_ticks, c.qty_lots):
        return REASON_NOTIONAL_OVERFLOW
    return REASON_NONE


cdef inline uint8_t bad_state(const Book* b, const Command* c) noexcept nogil:
    """Section 2, point 10."""
    if b.state == TRADING_STATE_OPEN:
        return REASON_NONE
    if b.state == TRADING_STATE_HALTED:
        return REASON_HALTED
    if b.state == TRADING_STATE_CANCEL_ONLY:
        return REASON_CANCEL_ONLY
    if c.order_type >= ORDER_TYPE_STOP_MARKET:
        return REASON_NONE
    if (
        c.order_type == ORDER_TYPE_MARKET_TO_LIMIT
        or c.quote_amount
        or (c.order_type == ORDER_TYPE_MARKET and c.price_ticks == 0)
        or c.time_in_force == TIME_IN_FORCE_FOK
        or c.post_only
    ):
        return REASON_NOT_IN_AUCTION
    return REASON_NONE


cdef inline uint8_t slide(const Book* b, int side, uint8_t post_only, int64_t qty, int64_t* price) noexcept nogil:
    """Section 4: keep a post-only order from taking, or say why it cannot stand."""
    if b.state != TRADING_STATE_OPEN or not crosses(b, side, price[0]):
        return REASON_NONE
    if post_only == POST_ONLY_REJECT:
        return REASON_POST_ONLY_WOULD_TRADE
    if side == SIDE_BUY:
        price[0] = b.sides[1].best_price - 1
        if price[0] < 1:
            return REASON_POST_ONLY_WOULD_TRADE
    else:
        if b.sides[0].best_price == INT64_MAX:
            return REASON_POST_ONLY_WOULD_TRADE
        price[0] = b.sides[0].best_price + 1
    if product_overflows(price[0], qty):
        return REASON_NOTIONAL_OVERFLOW
    return REASON_NONE
