"""A batch on its way through a partition, step by step, without the GIL.

First the door (``meet_door``), then the layout, market by market, of what may run (``lay_out``);
then for each market stretches of commands that its book runs at one go (``stretch``) and whose
events move the money (``settle``). Only the books themselves are called from ``_settle.pyx``.

A command that was refused at the door is told of where its turn would be among those of its
market (``tell_refused``), so that a market's events are in order wherever a slice ends.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from ._door cimport (
    REFUSAL_AMOUNT_OVERFLOW,
    REFUSAL_BAD_TIER,
    REFUSAL_INSUFFICIENT_FUNDS,
    REFUSAL_WRONG_SIDE,
    Asked,
    ask,
)
from ._holds cimport Hold, fetch_hold, find_hold, reserve_holds
from ._netting cimport clear_net, post
from ._postings cimport Market, Ticket, settle_event
from ._slices cimport close_slice, open_slices
from ._types cimport (
    COMMAND_KIND_PLACE,
    COMMAND_KIND_REPLACE,
    Command,
    EVENT_KIND_REJECTED,
    Event,
    SIDE_NONE,
    SIDE_SELL,
    unlikely,
)
from ._workspace cimport Batch, State, room_for_events


cdef enum:
    # Behind every position in a batch.
    NO_POSITION = 0xFFFFFFFF
    # A trade changes both assets of both accounts, and no event more.
    CELLS_OF_EVENT = 4
    # A grant of this or less is a refusal by its code, negative: whoever asked for it knows why.
    # Codes of commands that are refused, by a book or by an exchange, are 32 and above.
    FIRST_REASON = -32
    LAST_REASON = -255


cdef inline void write_refusal(Batch* b, const Command* c, uint32_t position, uint8_t reason) noexcept nogil:
    """The one event of a command that does not come to its book; there is room for it."""
    cdef Event* e = &b.events[b.event_count]
    memset(e, 0, sizeof(Event))
    e.timestamp_ns = c.timestamp_ns
    e.order_id = c.order_id
    e.price_ticks = c.price_ticks
    e.qty_lots = c.qty_lots
    e.owner = c.owner
    e.command = position
    e.kind = EVENT_KIND_REJECTED
    e.reason = reason
    e.side = c.side if c.kind == COMMAND_KIND_PLACE and c.side <= SIDE_SELL else SIDE_NONE
    b.spans[position].first = b.event_count
    b.spans[position].count = 1
    b.event_count += 1


cdef inline Market* market_of(State* p, uint32_t number) noexcept nogil:
    """A market of this partition, or NULL."""
    if number >= p.listed or p.places[number] < 0:
        return NULL
    return &p.markets[p.places[number]]


cdef inline size_t meet_door(State* p, const Command* c, const int64_t* grant, size_t count) noexcept nogil:
    """Ask for each command, and count those of each market; stops at a grant that is wrong."""
    cdef Asked* asked = p.batch.asked
    cdef Market* m
    cdef size_t k
    for k in range(p.market_count):
        p.markets[k].count = 0
        p.markets[k].places = 0
    for k in range(count):
        m = market_of(p, c[k].market)
        ask(&m.listing if m != NULL else NULL, &c[k], &asked[k])
        if unlikely(
            grant[k] != asked[k].amount
            and grant[k] != -1
            and not LAST_REASON <= grant[k] <= FIRST_REASON
        ):
            return k
        if m != NULL:
            m.count += 1
            m.places += c[k].kind == COMMAND_KIND_PLACE
    return count


cdef inline bint make_room(State* p, size_t count) noexcept nogil:
    """Room for the holds of all orders that the batch can add, and for its refusals."""
    cdef size_t first = 0
    cdef size_t k
    for k in range(p.market_count):
        if not reserve_holds(&p.markets[k].holds, p.markets[k].places):
            return False
        p.markets[k].first = first
        first += p.markets[k].count
        p.markets[k].back = first
        p.markets[k].refused = 0
    open_slices(&p.slices)
    p.batch.event_count = 0
    p.batch.level_count = 0
    clear_net(&p.money.net)
    memset(p.money.fees, 0, p.asset_count * sizeof(uint64_t))
    memcpy(p.expected, p.held, p.asset_count * sizeof(uint64_t))
    p.money.corrupt = False
    return room_for_events(&p.batch, count + 64)


cdef inline uint8_t refusal_of(State* p, const Asked* asked, const Market* m, const Command* c, int64_t grant, uint8_t tier) noexcept nogil:
    """Why a command does not come to its book; 0 if it does."""
    if unlikely(grant <= FIRST_REASON):
        return <uint8_t>(-grant)
    if asked.refusal:
        return asked.refusal
    if grant < 0:
        return REFUSAL_INSUFFICIENT_FUNDS
    if c.kind == COMMAND_KIND_PLACE and tier >= m.tiers:
        return REFUSAL_BAD_TIER
    if asked.amount and p.expected[asked.asset] > <uint64_t>(INT64_MAX - asked.amount):
        return REFUSAL_AMOUNT_OVERFLOW
    return 0


cdef inline void lay_out(State* p, const Command* c, const int64_t* grant, const uint8_t* tiers, size_t count) noexcept nogil:
    """Put the commands of each market one after the other, those that may not run at the end."""
    cdef Batch* b = &p.batch
    cdef Asked* asked
    cdef Market* m
    cdef Ticket* ticket
    cdef uint8_t refusal
    cdef int64_t amount
    cdef size_t at
    cdef size_t k
    for k in range(p.market_count):
        p.markets[k].count = 0
    for k in range(count):
        asked = &b.asked[k]
        b.spans[k].count = 0
        m = market_of(p, c[k].market)
        refusal = refusal_of(p, asked, m, &c[k], grant[k], tiers[k])
        if unlikely(m == NULL):
            # No market's order of events, and nothing that was held for it.
            write_refusal(b, &c[k], <uint32_t>k, refusal)
            end_event(p)
            continue
        amount = asked.amount
        if unlikely(refusal):
            m.refused += 1
            at = m.back - m.refused
            if grant[k] < 0:
                amount = 0
        else:
            at = m.first + m.count
            m.count += 1
            p.expected[asked.asset] += <uint64_t>amount
            fetch_hold(&m.holds, c[k].order_id)
        # What was held for a refused command counts until its postings are added up.
        p.held[asked.asset] += <uint64_t>amount
        b.commands[at] = c[k]
        ticket = &b.tickets[at]
        ticket.amount = amount
        ticket.asset = asked.asset
        ticket.position = <uint32_t>k
        ticket.tier = tiers[k]
        ticket.refusal = refusal


cdef inline void end_event(State* p) noexcept nogil:
    """Behind an event: close the slice if it has grown to a limit."""
    if unlikely(
        p.money.net.count >= p.slices.posting_limit
        or p.batch.event_count - p.slices.first_event >= p.slices.event_limit
    ):
        close_slice(&p.slices, &p.money, p.asset_count, p.held, p.batch.event_count)


cdef inline size_t sure_events(State* p) noexcept nogil:
    """So many events may come before one has to look again whether the slice ends; 1 or more."""
    cdef size_t events = p.slices.first_event + p.slices.event_limit - p.batch.event_count
    cdef size_t cells = p.slices.posting_limit - p.money.net.count
    if unlikely(p.money.net.failed):
        return 1
    cells = (cells + CELLS_OF_EVENT - 1) // CELLS_OF_EVENT
    return events if events < cells else cells


cdef inline void refuse(State* p, const Command* c, const Ticket* ticket, uint8_t reason) noexcept nogil:
    """Tell that a command was refused, and give back what was held for it."""
    if ticket.amount:
        post(&p.money.net, c.owner, ticket.asset, ticket.amount, -ticket.amount)
    if room_for_events(&p.batch, 1):
        write_refusal(&p.batch, c, ticket.position, reason)
        end_event(p)
    else:
        p.money.net.failed = True


cdef inline uint32_t next_refused(const Batch* b, const Market* m) noexcept nogil:
    """The position of a market's next command that was refused at the door."""
    return b.tickets[m.back - 1].position if m.refused else <uint32_t>NO_POSITION


cdef inline void tell_refused(State* p, Market* m, uint32_t before) noexcept nogil:
    """Tell of the refused commands of a market that stand before this position."""
    while next_refused(&p.batch, m) < before:
        m.back -= 1
        m.refused -= 1
        refuse(p, &p.batch.commands[m.back], &p.batch.tickets[m.back], p.batch.tickets[m.back].refusal)


cdef inline size_t stretch(State* p, const Market* m, size_t start, size_t last) noexcept nogil:
    """Where the next stretch ends; at ``start`` if its first command names the wrong side.

    A REPLACE reserves by the side that it names, so that must be the order's before the
    book runs it. Which order an id means is known for sure at the start of a stretch, and
    stays so within it: an id that comes up for a second time begins another stretch.
    """
    cdef const Command* c
    cdef const Hold* hold
    cdef size_t k
    for k in range(start, last):
        c = &p.batch.commands[k]
        if k + 16 < last:
            fetch_hold(&m.holds, p.batch.commands[k + 16].order_id)
        if c.kind == COMMAND_KIND_PLACE:
            # Of an order that is open; it may end within the stretch.
            if unlikely(k > start and find_hold(&m.holds, c.order_id) != NULL):
                return k
        elif c.kind == COMMAND_KIND_REPLACE:
            hold = find_hold(&m.holds, c.order_id)
            if hold == NULL:
                # It may come up within the stretch.
                if k > start:
                    return k
            elif unlikely(hold.side != c.side and hold.account == c.owner):
                return k
    return last


cdef inline void refuse_side(State* p, Market* m, size_t at) noexcept nogil:
    """Refuse a REPLACE that names the wrong side."""
    tell_refused(p, m, p.batch.tickets[at].position)
    refuse(p, &p.batch.commands[at], &p.batch.tickets[at], REFUSAL_WRONG_SIDE)


cdef inline bint settle(State* p, Market* m, size_t start, const Event* first, const Event* end) noexcept nogil:
    """Move the money of a stretch's events and keep them; False if there is no memory."""
    cdef Batch* b = &p.batch
    cdef const Command* commands = b.commands + start
    cdef const Ticket* tickets = b.tickets + start
    cdef const Ticket* ticket
    cdef const Event* e = first
    cdef Event* kept
    cdef const Event* pause
    cdef uint32_t refused = next_refused(b, m)
    cdef size_t at
    # With this no event of the loop moves the others.
    if not room_for_events(b, <size_t>(end - first) + m.refused):
        return False
    while e < end:
        at = b.event_count
        kept = b.events + at
        pause = e + sure_events(p)
        if pause > end:
            pause = end
        while e < pause:
            ticket = &tickets[e.command]
            if unlikely(ticket.position > refused):
                break
            settle_event(m, &p.money, &commands[e.command], ticket, e)
            kept[0] = e[0]
            kept.command = ticket.position
            if b.spans[ticket.position].count == 0:
                b.spans[ticket.position].first = at
            b.spans[ticket.position].count += 1
            kept += 1
            at += 1
            e += 1
        b.event_count = at
        end_event(p)
        if unlikely(e < pause):
            # Its turn comes when those before it are told of.
            tell_refused(p, m, tickets[e.command].position)
            refused = next_refused(b, m)
    return True
