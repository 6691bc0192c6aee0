"""From the events of one book to postings: each event changes the hold of the orders it names.

What is reserved for a command is held already when it runs. Everything here moves out of
holds: to whoever the order traded with, to the exchange as a fee, or back to its owner.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from ._door cimport Listing
from ._holds cimport Hold, Holds, add_hold, find_hold, remove_hold
from ._netting cimport Net, post
from ._types cimport (
    COMMAND_KIND_PLACE,
    Command,
    EVENT_FLAG_AUCTION,
    EVENT_FLAG_BY_AMOUNT,
    EVENT_KIND_ACCEPTED,
    EVENT_KIND_CANCELED,
    EVENT_KIND_EXPIRED,
    EVENT_KIND_REDUCED,
    EVENT_KIND_REJECTED,
    EVENT_KIND_REPLACED,
    EVENT_KIND_TRADE,
    Event,
    SIDE_BUY,
    unlikely,
)

cdef enum:
    RATE_MAKER = 0
    RATE_TAKER = 1
    # Fees are in hundredths of a basis point.
    RATE_UNIT = 1_000_000


cdef struct Ticket:
    # What came with a command: what is held for it, of which asset, and its owner's tier.
    int64_t amount
    uint32_t asset
    uint32_t position # in the batch of the partition
    uint8_t tier
    # Why it was refused at the door; 0 if it was not.
    uint8_t refusal


cdef struct Market:
    Listing listing
    uint32_t number # in the listings
    uint32_t tiers
    # Of each tier the rate of a maker and of a taker.
    const int64_t* rates
    Holds holds
    # Of the running batch: its commands among those of all markets, and how many place orders.
    size_t first
    size_t count
    size_t places
    # Those refused at the door stand behind the others, the first one last: how many are still
    # to be told, and where they end.
    size_t refused
    size_t back


cdef struct Money:
    Net net
    # By asset: fees of the running batch.
    uint64_t* fees
    # The events contradict the holds: a defect.
    bint corrupt


cdef inline int64_t fee_of(int64_t received, int64_t rate) noexcept nogil:
    """``received * rate / RATE_UNIT`` rounded down, without a product that could overflow."""
    return (
        received // RATE_UNIT * rate + received % RATE_UNIT * rate // RATE_UNIT
    )


cdef inline uint32_t held_asset(const Market* m, const Hold* hold) noexcept nogil:
    return m.listing.quote if hold.side == SIDE_BUY else m.listing.base


cdef inline int64_t needed(const Market* m, const Hold* hold, int64_t price, int64_t lots) noexcept nogil:
    """What an order by quantity must hold for so many lots."""
    if hold.side == SIDE_BUY:
        return price * lots * m.listing.quote_units_per_tick_lot
    return lots * m.listing.base_units_per_lot


cdef inline void give_back(const Market* m, Money* money, Hold* hold, int64_t amount) noexcept nogil:
    """A part of a hold becomes available to its owner again."""
    hold.held -= amount
    if unlikely(amount < 0 or hold.held < 0):
        money.corrupt = True
    if amount:
        post(&money.net, hold.account, held_asset(m, hold), amount, -amount)


cdef inline void end_hold(Market* m, Money* money, Hold* hold) noexcept nogil:
    give_back(m, money, hold, hold.held)
    remove_hold(&m.holds, hold)


cdef inline void accepted(Market* m, Money* money, const Command* c, const Ticket* ticket, const Event* e) noexcept nogil:
    """A new order: what was reserved for the command is its hold, less what it will not need."""
    cdef Hold* hold = add_hold(&m.holds, c.order_id)
    if unlikely(hold == NULL):
        money.corrupt = True
        return
    hold.held = ticket.amount
    hold.price_ticks = 0
    hold.account = c.owner
    hold.side = c.side
    hold.tier = ticket.tier
    hold.by_amount = (e.flags & EVENT_FLAG_BY_AMOUNT) != 0
    hold.spare = 0
    if c.side != SIDE_BUY or hold.by_amount:
        return
    hold.price_ticks = c.price_ticks
    # Slid, or market-to-limit; one that found no price is canceled by the next event.
    if unlikely(e.price_ticks != c.price_ticks and e.price_ticks):
        hold.price_ticks = e.price_ticks
        give_back(m, money, hold, ticket.amount - needed(m, hold, e.price_ticks, e.qty_lots))


cdef inline void pay(Market* m, Money* money, Hold* hold, int64_t spent, int64_t paid) noexcept nogil:
    """``spent`` leaves a hold: ``paid`` of it to the other side, the rest back to the owner."""
    hold.held -= spent
    if unlikely(hold.held < 0 or spent < paid):
        money.corrupt = True
    post(&money.net, hold.account, held_asset(m, hold), spent - paid, -spent)


cdef inline void receive(Money* money, uint32_t account, uint32_t asset, int64_t amount, int64_t rate) noexcept nogil:
    cdef int64_t fee = fee_of(amount, rate)
    money.fees[asset] += <uint64_t>fee
    post(&money.net, account, asset, amount - fee, 0)


cdef inline void traded(Market* m, Money* money, const Event* e) noexcept nogil:
    """A trade: each side pays out of its hold and receives what the other paid, less its fee."""
    cdef Hold* taker = find_hold(&m.holds, e.order_id)
    cdef Hold* maker = find_hold(&m.holds, e.maker_id)
    cdef Hold* buyer = taker
    cdef Hold* seller = maker
    cdef int64_t goods = e.qty_lots * m.listing.base_units_per_lot
    cdef int64_t cost = e.price_ticks * e.qty_lots * m.listing.quote_units_per_tick_lot
    cdef int64_t spent = cost
    cdef int64_t taker_rate
    cdef int64_t maker_rate
    if unlikely(taker == NULL or maker == NULL or taker.side == maker.side):
        money.corrupt = True
        return
    # An auction has no takers; its "taker" is the buyer.
    taker_rate = m.rates[
        2 * taker.tier + (RATE_MAKER if e.flags & EVENT_FLAG_AUCTION else RATE_TAKER)
    ]
    maker_rate = m.rates[2 * maker.tier + RATE_MAKER]
    if taker.side != SIDE_BUY:
        buyer = maker
        seller = taker
    if not buyer.by_amount:
        spent = needed(m, buyer, buyer.price_ticks, e.qty_lots)
    pay(m, money, buyer, spent, cost)
    receive(money, buyer.account, m.listing.base, goods, taker_rate if buyer == taker else maker_rate)
    pay(m, money, seller, goods, goods)
    receive(money, seller.account, m.listing.quote, cost, taker_rate if seller == taker else maker_rate)
    if e.maker_leaves_lots == 0:
        end_hold(m, money, maker)
        if e.leaves_lots == 0:
            # Removing one hold may have moved the other.
            end_hold(m, money, find_hold(&m.holds, e.order_id))
    elif e.leaves_lots == 0:
        end_hold(m, money, taker)


cdef inline void reduced(Market* m, Money* money, const Event* e) noexcept nogil:
    """Lots are gone without a trade.

    A buy by amount has no price for a lot, and gives nothing back yet: it ends within its command,
    and what it did not spend comes back then.
    """
    cdef Hold* hold = find_hold(&m.holds, e.order_id)
    if unlikely(hold == NULL):
        money.corrupt = True
    else:
        give_back(m, money, hold, needed(m, hold, hold.price_ticks, e.qty_lots))


cdef inline void replaced(Market* m, Money* money, const Ticket* ticket, const Event* e) noexcept nogil:
    """Old hold and new reservation together, less what the order needs now, come back."""
    cdef Hold* hold = find_hold(&m.holds, e.order_id)
    if unlikely(hold == NULL):
        money.corrupt = True
        return
    hold.held += ticket.amount
    if hold.side == SIDE_BUY:
        hold.price_ticks = e.price_ticks
    give_back(m, money, hold, hold.held - needed(m, hold, e.price_ticks, e.qty_lots))


cdef inline void ended(Market* m, Money* money, const Event* e) noexcept nogil:
    cdef Hold* hold = find_hold(&m.holds, e.order_id)
    if unlikely(hold == NULL):
        money.corrupt = True
    else:
        end_hold(m, money, hold)


cdef inline void settle_event(Market* m, Money* money, const Command* c, const Ticket* ticket, const Event* e) noexcept nogil:
    """Move the money of one event; ``c`` and ``ticket`` belong to the command that caused it."""
    if e.kind == EVENT_KIND_TRADE:
        traded(m, money, e)
    elif e.kind == EVENT_KIND_ACCEPTED:
        if c.kind == COMMAND_KIND_PLACE:
            accepted(m, money, c, ticket, e)
    elif e.kind == EVENT_KIND_CANCELED or e.kind == EVENT_KIND_EXPIRED:
        ended(m, money, e)
    elif e.kind == EVENT_KIND_REDUCED:
        reduced(m, money, e)
    elif e.kind == EVENT_KIND_REPLACED:
        replaced(m, money, ticket, e)
    elif e.kind == EVENT_KIND_REJECTED:
        if ticket.amount:
            post(&money.net, c.owner, ticket.asset, ticket.amount, -ticket.amount)
