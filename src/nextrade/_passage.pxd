"""A batch on its way through a partition, step by step, without the GIL.

First the door (``meet_door``), then the layout, market by market, of what may run (``lay_out``);
then for each market stretches of commands that its book runs at one go (``stretch``) and whose
events move the money (``settle``). Only the books themselves are called from ``_settle.pyx``.
"""

from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
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
from ._memory cimport grow, release
from ._netting cimport clear_net, post
from ._postings cimport Market, Money, Ticket, settle_event
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


cdef struct Span:
    # Where the events of a command are among those of all markets.
    size_t first
    size_t count


cdef struct Batch:
    # What one batch needs while it runs, kept for the next one.
    Command* commands # market by market
    Ticket* tickets # beside them
    Asked* asked # in the order of the batch
    Span* spans # likewise
    size_t capacity
    Event* events
    size_t event_count
    size_t event_capacity


cdef enum:
    # More than so many bytes are not kept for the next batch.
    KEPT_BYTES = 64 << 20


cdef struct State:
    Market* markets
    size_t market_count
    size_t asset_count
    # By market in the listings: which of ``markets``, -1 if it is another partition's.
    int32_t* places
    size_t listed
    Money money
    Batch batch
    # By asset: all that open orders hold; and the same with what the running batch reserved.
    uint64_t* held
    uint64_t* expected


cdef inline bint room_for_batch(Batch* b, size_t count) noexcept nogil:
    """Memory for a batch of so many commands; on failure all stays as it was."""
    cdef size_t wanted = 64
    if count <= b.capacity:
        return True
    while wanted < count:
        wanted *= 2
    b.capacity = 0
    if not (
        grow(<void**>&b.commands, 0, wanted * sizeof(Command))
        and grow(<void**>&b.tickets, 0, wanted * sizeof(Ticket))
        and grow(<void**>&b.asked, 0, wanted * sizeof(Asked))
        and grow(<void**>&b.spans, 0, wanted * sizeof(Span))
    ):
        return False
    b.capacity = wanted
    return True


cdef inline void free_batch(Batch* b) noexcept nogil:
    release(b.commands)
    release(b.tickets)
    release(b.asked)
    release(b.spans)
    release(b.events)
    memset(b, 0, sizeof(Batch))


cdef inline void trim_batch(Batch* b) noexcept nogil:
    """Give back what an unusually large batch needed."""
    if b.capacity * sizeof(Command) > KEPT_BYTES or b.event_capacity * sizeof(Event) > KEPT_BYTES:
        free_batch(b)


cdef inline bint room_for_events(Batch* b, size_t more) noexcept nogil:
    cdef size_t wanted = b.event_count + more
    cdef size_t capacity = b.event_capacity
    if wanted <= capacity:
        return True
    capacity = capacity * 2 + 256
    if capacity < wanted:
        capacity = wanted
    if not grow(<void**>&b.events, b.event_count * sizeof(Event), capacity * sizeof(Event)):
        return False
    b.event_capacity = capacity
    return True


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
        if unlikely(grant[k] != asked[k].amount and grant[k] != -1):
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
    clear_net(&p.money.net)
    memset(p.money.fees, 0, p.asset_count * sizeof(uint64_t))
    memcpy(p.expected, p.held, p.asset_count * sizeof(uint64_t))
    p.money.corrupt = False
    return room_for_events(&p.batch, count + 64)


cdef inline uint8_t refusal_of(State* p, const Asked* asked, const Market* m, const Command* c, int64_t grant, uint8_t tier) noexcept nogil:
    """Why a command does not come to its book; 0 if it does."""
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
    """Put the commands of each market one after the other; refuse those that may not run."""
    cdef Batch* b = &p.batch
    cdef Asked* asked
    cdef Market* m
    cdef Ticket* ticket
    cdef uint8_t refusal
    cdef size_t k
    for k in range(p.market_count):
        p.markets[k].count = 0
    for k in range(count):
        asked = &b.asked[k]
        m = market_of(p, c[k].market)
        refusal = refusal_of(p, asked, m, &c[k], grant[k], tiers[k])
        if unlikely(refusal):
            write_refusal(b, &c[k], <uint32_t>k, refusal)
            if grant[k] > 0:
                post(&p.money.net, c[k].owner, asked.asset, grant[k], -grant[k])
                # It counts as held until the postings are added up.
                p.held[asked.asset] += <uint64_t>grant[k]
            continue
        if asked.amount:
            p.expected[asked.asset] += <uint64_t>asked.amount
            p.held[asked.asset] += <uint64_t>asked.amount
        fetch_hold(&m.holds, c[k].order_id)
        b.spans[k].count = 0
        b.commands[m.first + m.count] = c[k]
        ticket = &b.tickets[m.first + m.count]
        ticket.amount = asked.amount
        ticket.asset = asked.asset
        ticket.position = <uint32_t>k
        ticket.tier = tiers[k]
        m.count += 1


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


cdef inline void refuse_side(State* p, const Command* c, const Ticket* ticket) noexcept nogil:
    """There is room for the event: one was made for every command."""
    if ticket.amount:
        post(&p.money.net, c.owner, ticket.asset, ticket.amount, -ticket.amount)
    if room_for_events(&p.batch, 1):
        write_refusal(&p.batch, c, ticket.position, REFUSAL_WRONG_SIDE)
    else:
        p.money.net.failed = True


cdef inline bint settle(State* p, Market* m, size_t start, const Event* first, const Event* end) noexcept nogil:
    """Move the money of a stretch's events and keep them; False if there is no memory."""
    cdef Batch* b = &p.batch
    cdef const Command* commands = b.commands + start
    cdef const Ticket* tickets = b.tickets + start
    cdef const Ticket* ticket
    cdef const Event* e = first
    cdef Event* kept
    cdef size_t at
    if not room_for_events(b, end - first):
        return False
    at = b.event_count
    kept = b.events + at
    while e < end:
        ticket = &tickets[e.command]
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
    return True
