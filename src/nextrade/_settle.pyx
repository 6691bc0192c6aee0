"""A partition's money: what commands must get held, and the postings of what the books then do.

``Settlement`` is what ``domain/partition.py`` runs on. A batch goes through it in four steps:
each command meets the door (``_door``); what passes is laid out market by market; every book
runs its commands, and each of its events moves money between the holds of orders (``_holds``,
``_postings``) into one net change for each account and asset (``_netting``); the events of
all books are merged in the order of the commands. No Python object is made for a command, an
order or a trade.
"""

cimport cython
cimport numpy as cnp
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from ._book cimport OrderBook
from ._door cimport (
    REFUSAL_AMOUNT_OVERFLOW,
    REFUSAL_BAD_TIER,
    REFUSAL_INSUFFICIENT_FUNDS,
    REFUSAL_WRONG_SIDE,
    Asked,
    Listing,
    ask,
)
from ._holds cimport (
    Hold,
    SMALLEST_HOLDS,
    add_hold,
    fetch_hold,
    find_hold,
    reserve_holds,
    resize_holds,
    trim_holds,
)
from ._memory cimport allocate, allocations_left, grow, release
from ._netting cimport SMALLEST_NET, Posting, Ranked, clear_net, free_net, post, resize_net, sorted_cells
from ._postings cimport Market, Money, Ticket, held_asset, settle_event
from ._types cimport (
    COMMAND_KIND_PLACE,
    COMMAND_KIND_REPLACE,
    Command,
    EVENT_KIND_REJECTED,
    Event,
    SIDE_NONE,
    SIDE_SELL,
    likely,
    prefetch,
    unlikely,
)

import numpy as np

from .dtypes import COMMAND_DTYPE, EVENT_DTYPE
from .errors import BookBusy, BookStopped, InvariantError

cnp.import_array()

__all__ = ["Settlement"]

# Repeated in domain/listings.py, domain/postings.py and domain/partition.py; a test compares.
_listing_dtype = np.dtype(
    [("base", "<u4"), ("quote", "<u4")]
    + [
        (name, "<i8")
        for name in (
            "base_units_per_lot",
            "quote_units_per_tick_lot",
            "min_qty",
            "max_qty",
            "min_notional",
            "max_notional",
        )
    ]
)
_posting_dtype = np.dtype(
    [("account", "<u4"), ("asset", "<u4"), ("available", "<i8"), ("held", "<i8")]
)
_hold_dtype = np.dtype(
    [
        ("order_id", "<u8"),
        ("account", "<u4"),
        ("market", "<u4"),
        ("asset", "<u4"),
        ("side", "u1"),
        ("tier", "u1"),
        ("hold_price", "<i8"),
        ("held", "<i8"),
    ]
)


cdef packed struct HoldRecord:
    uint64_t order_id
    uint32_t account
    uint32_t market
    uint32_t asset
    uint8_t side
    uint8_t tier
    int64_t hold_price
    int64_t held


if (
    sizeof(Listing) != 56
    or sizeof(Posting) != 24
    or sizeof(HoldRecord) != 38
    or sizeof(Command) != 80
    or sizeof(Event) != 80
    or sizeof(Hold) != 32
):
    raise ImportError("nextrade was compiled against another record layout; reinstall it")


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


def _fail_allocations_after(int64_t count):
    """For tests: let this many allocations of settling succeed and the others fail; -1 ends it."""
    global allocations_left
    allocations_left = count


cdef cnp.ndarray column(array, object dtype, Py_ssize_t length, str what):
    """An argument as one column of a batch, one value after the other."""
    cdef cnp.ndarray values = np.ascontiguousarray(array)
    if values.dtype != dtype:
        raise TypeError(f"{what} must be an array of {dtype}, not {values.dtype}")
    if values.ndim != 1 or (length >= 0 and values.size != length):
        raise ValueError(f"{what} must have one dimension and the length of the batch")
    return values


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


@cython.final
cdef class Settlement:
    """The books of a partition and what each open order in them holds.

    ``listings`` is an array of LISTING_DTYPE for every market there is, ``rates`` an int64
    array (markets, tiers, 2) of maker and taker fees in hundredths of a basis point, where -1
    means that there is no such tier. ``markets`` are those of this partition, ascending, and
    ``books`` their books. It serves one thread at a time.
    """

    cdef Market* markets
    cdef size_t market_count
    cdef size_t asset_count
    # By market in the listings: which of ``markets``, -1 if it is another partition's.
    cdef int32_t* places
    cdef size_t listed
    cdef Money money
    cdef Batch batch
    # By asset: all that open orders hold; and the same with what the running batch reserved.
    cdef uint64_t* held
    cdef uint64_t* expected
    cdef list books
    cdef cnp.ndarray rates
    cdef bint busy
    cdef bint stopped

    def __cinit__(self, listings, rates, markets, books):
        cdef cnp.ndarray table = column(listings, _listing_dtype, -1, "listings")
        cdef cnp.ndarray fees = np.array(rates, dtype=np.int64, order="C")
        cdef const Listing* rows = <const Listing*>cnp.PyArray_DATA(table)
        cdef size_t tiers
        cdef size_t tier
        cdef size_t k
        cdef Market* m
        cdef OrderBook book
        self.listed = <size_t>table.size
        self.market_count = len(markets)
        self.books = list(books)
        self.rates = fees
        if fees.ndim != 3 or <size_t>fees.shape[0] != self.listed or fees.shape[2] != 2:
            raise ValueError("rates must have the shape (markets, tiers, 2)")
        if len(self.books) != <Py_ssize_t>self.market_count or self.listed >= 1 << 31:
            raise ValueError("there must be one book for each market")
        for k in range(self.listed):
            if rows[k].base >= self.asset_count:
                self.asset_count = rows[k].base + <size_t>1
            if rows[k].quote >= self.asset_count:
                self.asset_count = rows[k].quote + <size_t>1
        tiers = <size_t>fees.shape[1]
        self.allocate_tables()
        for k in range(self.market_count):
            book = self.books[k]
            m = &self.markets[k]
            m.number = markets[k]
            if m.number >= self.listed or self.places[m.number] >= 0:
                raise ValueError(f"market {markets[k]} is not listed, or named twice")
            self.places[m.number] = <int32_t>k
            m.listing = rows[m.number]
            m.rates = <const int64_t*>cnp.PyArray_DATA(fees) + 2 * tiers * m.number
            for tier in range(tiers):
                m.tiers += m.tiers == tier and m.rates[2 * tier] >= 0
            if not resize_holds(&m.holds, SMALLEST_HOLDS):
                raise MemoryError("no memory for a partition")

    cdef int allocate_tables(self) except -1:
        cdef size_t assets = self.asset_count * sizeof(uint64_t)
        self.markets = <Market*>allocate(self.market_count * sizeof(Market))
        if self.markets != NULL:
            memset(self.markets, 0, self.market_count * sizeof(Market))
        self.places = <int32_t*>allocate(self.listed * sizeof(int32_t))
        self.held = <uint64_t*>allocate(assets)
        self.expected = <uint64_t*>allocate(assets)
        self.money.fees = <uint64_t*>allocate(assets)
        if (
            self.markets == NULL
            or self.places == NULL
            or self.held == NULL
            or self.expected == NULL
            or self.money.fees == NULL
            or not resize_net(&self.money.net, SMALLEST_NET)
        ):
            raise MemoryError("no memory for a partition")
        memset(self.places, 0xFF, self.listed * sizeof(int32_t))
        memset(self.held, 0, assets)
        return 0

    def __dealloc__(self):
        cdef size_t k
        if self.markets != NULL:
            for k in range(self.market_count):
                release(self.markets[k].holds.slots)
        release(self.markets)
        release(self.places)
        release(self.held)
        release(self.expected)
        release(self.money.fees)
        free_net(&self.money.net)
        release(self.batch.commands)
        release(self.batch.tickets)
        release(self.batch.asked)
        release(self.batch.spans)
        release(self.batch.events)

    cdef int not_busy(self) except -1:
        if self.busy:
            raise BookBusy("this partition is in use by another thread")
        return 0

    cdef int enter(self) except -1:
        cdef OrderBook book
        self.not_busy()
        if self.stopped:
            raise BookStopped(
                "this partition lost what a batch did; restore it from a snapshot and replay "
                "what followed"
            )
        for book in self.books:
            book.enter()
        return 0

    cdef inline Market* market_of(self, uint32_t number) noexcept nogil:
        """A market of this partition, or NULL."""
        if number >= self.listed or self.places[number] < 0:
            return NULL
        return &self.markets[self.places[number]]

    # ---- reserving ----

    def reservations(self, commands):
        """What each command must get held before it may run: see ``Partition.reservations``."""
        cdef cnp.ndarray batch = column(commands, COMMAND_DTYPE, -1, "commands")
        cdef size_t count = <size_t>batch.size
        cdef const Command* c = <const Command*>cnp.PyArray_DATA(batch)
        cdef cnp.ndarray accounts = np.empty(count, np.uint32)
        cdef cnp.ndarray assets = np.empty(count, np.uint32)
        cdef cnp.ndarray amounts = np.empty(count, np.int64)
        cdef cnp.ndarray refusals = np.empty(count, np.uint8)
        cdef uint32_t* account = <uint32_t*>cnp.PyArray_DATA(accounts)
        cdef uint32_t* asset = <uint32_t*>cnp.PyArray_DATA(assets)
        cdef int64_t* amount = <int64_t*>cnp.PyArray_DATA(amounts)
        cdef uint8_t* refusal = <uint8_t*>cnp.PyArray_DATA(refusals)
        cdef Asked asked
        cdef Market* m
        cdef size_t k
        with nogil:
            for k in range(count):
                m = self.market_of(c[k].market)
                ask(&m.listing if m != NULL else NULL, &c[k], &asked)
                account[k] = c[k].owner if asked.amount else 0
                asset[k] = asked.asset
                amount[k] = asked.amount
                refusal[k] = asked.refusal
        return accounts, assets, amounts, refusals

    # ---- running a batch ----

    def process(self, commands, tiers, granted):
        """Run a batch: see ``Partition.process``. Returns events, their markets, and postings."""
        cdef cnp.ndarray batch = column(commands, COMMAND_DTYPE, -1, "commands")
        cdef size_t count = <size_t>batch.size
        cdef cnp.ndarray tier = column(tiers, np.uint8, batch.size, "tiers")
        cdef cnp.ndarray grants = column(granted, np.int64, batch.size, "granted")
        cdef const Command* c = <const Command*>cnp.PyArray_DATA(batch)
        cdef const int64_t* grant = <const int64_t*>cnp.PyArray_DATA(grants)
        cdef size_t wrong
        cdef size_t k
        if count > 0xFFFFFFFF:
            raise ValueError("a batch holds at most 2**32 - 1 commands; split it")
        self.enter()
        if not room_for_batch(&self.batch, count):
            raise MemoryError(f"no memory for a batch of {count} commands; nothing was run")
        wrong = self.meet_door(c, grant, count)
        if wrong < count:
            raise ValueError(
                f"granted[{wrong}] is {grant[wrong]}; it must be "
                f"{self.batch.asked[wrong].amount}, which was asked for, or -1"
            )
        # The last thing that may fail before anything is changed.
        self.batch.event_count = 0
        if not self.make_room(count):
            raise MemoryError(f"no memory for a batch of {count} commands; nothing was run")
        self.busy = True
        try:
            self.run(c, grant, <const uint8_t*>cnp.PyArray_DATA(tier), count)
            done = self.results(c, count)
        except BaseException:
            # Some books have run, and nobody will hear what they did.
            self.stopped = True
            raise
        finally:
            self.busy = False
        return done

    cdef size_t meet_door(self, const Command* c, const int64_t* grant, size_t count) noexcept nogil:
        """Ask for each command, and count those of each market; stops at a grant that is wrong."""
        cdef Asked* asked = self.batch.asked
        cdef Market* m
        cdef size_t k
        for k in range(self.market_count):
            self.markets[k].count = 0
            self.markets[k].places = 0
        for k in range(count):
            m = self.market_of(c[k].market)
            ask(&m.listing if m != NULL else NULL, &c[k], &asked[k])
            if unlikely(grant[k] != asked[k].amount and grant[k] != -1):
                return k
            if m != NULL:
                m.count += 1
                m.places += c[k].kind == COMMAND_KIND_PLACE
        return count

    cdef bint make_room(self, size_t count) noexcept nogil:
        """Room for the holds of all orders that the batch can add, and for its refusals."""
        cdef size_t first = 0
        cdef size_t k
        for k in range(self.market_count):
            if not reserve_holds(&self.markets[k].holds, self.markets[k].places):
                return False
            self.markets[k].first = first
            first += self.markets[k].count
        clear_net(&self.money.net)
        memset(self.money.fees, 0, self.asset_count * sizeof(uint64_t))
        memcpy(self.expected, self.held, self.asset_count * sizeof(uint64_t))
        self.money.corrupt = False
        return room_for_events(&self.batch, count + 64)

    cdef int run(self, const Command* c, const int64_t* grant, const uint8_t* tiers, size_t count) except -1:
        cdef size_t k
        with nogil:
            self.lay_out(c, grant, tiers, count)
        for k in range(self.market_count):
            if self.markets[k].count:
                self.run_market(&self.markets[k], self.books[k])
            trim_holds(&self.markets[k].holds, self.markets[k].places)
        if self.money.corrupt:
            raise InvariantError("the events of a book contradict the holds of its orders")
        if self.money.net.failed:
            raise MemoryError("no memory for the postings of this batch; send smaller batches")
        return 0

    cdef uint8_t refusal_of(self, const Asked* asked, const Market* m, const Command* c, int64_t grant, uint8_t tier) noexcept nogil:
        """Why a command does not come to its book; 0 if it does."""
        if asked.refusal:
            return asked.refusal
        if grant < 0:
            return REFUSAL_INSUFFICIENT_FUNDS
        if c.kind == COMMAND_KIND_PLACE and tier >= m.tiers:
            return REFUSAL_BAD_TIER
        if asked.amount and self.expected[asked.asset] > <uint64_t>(INT64_MAX - asked.amount):
            return REFUSAL_AMOUNT_OVERFLOW
        return 0

    cdef void lay_out(self, const Command* c, const int64_t* grant, const uint8_t* tiers, size_t count) noexcept nogil:
        """Put the commands of each market one after the other; refuse those that may not run."""
        cdef Batch* b = &self.batch
        cdef Asked* asked
        cdef Market* m
        cdef Ticket* ticket
        cdef uint8_t refusal
        cdef size_t k
        for k in range(self.market_count):
            self.markets[k].count = 0
        for k in range(count):
            asked = &b.asked[k]
            m = self.market_of(c[k].market)
            refusal = self.refusal_of(asked, m, &c[k], grant[k], tiers[k])
            if unlikely(refusal):
                write_refusal(b, &c[k], <uint32_t>k, refusal)
                if grant[k] > 0:
                    post(&self.money.net, c[k].owner, asked.asset, grant[k], -grant[k])
                    # It counts as held until the postings are added up.
                    self.held[asked.asset] += <uint64_t>grant[k]
                continue
            if asked.amount:
                self.expected[asked.asset] += <uint64_t>asked.amount
                self.held[asked.asset] += <uint64_t>asked.amount
            fetch_hold(&m.holds, c[k].order_id)
            b.spans[k].count = 0
            b.commands[m.first + m.count] = c[k]
            ticket = &b.tickets[m.first + m.count]
            ticket.amount = asked.amount
            ticket.asset = asked.asset
            ticket.position = <uint32_t>k
            ticket.tier = tiers[k]
            m.count += 1

    cdef int run_market(self, Market* m, OrderBook book) except -1:
        """Run a market's commands in stretches, each as long as the door's answers hold."""
        cdef Batch* b = &self.batch
        cdef size_t start = m.first
        cdef size_t end
        cdef size_t last = m.first + m.count
        cdef bint kept
        while start < last:
            end = self.stretch(m, start, last)
            if end == start:
                self.refuse_side(&b.commands[start], &b.tickets[start])
                start += 1
                continue
            book.run_batch(b.commands + start, end - start, False, NULL)
            with nogil:
                kept = self.settle(m, start, book.book.events, book.book.event_next)
            book.drop_buffers()
            if not kept:
                raise MemoryError("no memory for the events of this batch; send smaller batches")
            start = end
        return 0

    cdef size_t stretch(self, const Market* m, size_t start, size_t last) noexcept nogil:
        """Where the next stretch ends; at ``start`` if its first command names the wrong side.

        A REPLACE reserves by the side that it names, so that must be the order's before the
        book runs it. Which order an id means is known for sure at the start of a stretch, and
        stays so within it: an id that comes up for a second time begins another stretch.
        """
        cdef const Command* c
        cdef const Hold* hold
        cdef size_t k
        for k in range(start, last):
            c = &self.batch.commands[k]
            if k + 16 < last:
                fetch_hold(&m.holds, self.batch.commands[k + 16].order_id)
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

    cdef void refuse_side(self, const Command* c, const Ticket* ticket) noexcept nogil:
        """There is room for the event: one was made for every command."""
        if ticket.amount:
            post(&self.money.net, c.owner, ticket.asset, ticket.amount, -ticket.amount)
        if room_for_events(&self.batch, 1):
            write_refusal(&self.batch, c, ticket.position, REFUSAL_WRONG_SIDE)
        else:
            self.money.net.failed = True

    cdef bint settle(self, Market* m, size_t start, const Event* first, const Event* end) noexcept nogil:
        """Move the money of a stretch's events and keep them; False if there is no memory."""
        cdef Batch* b = &self.batch
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
            settle_event(m, &self.money, &commands[e.command], ticket, e)
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

    # ---- results ----

    cdef object results(self, const Command* c, size_t count):
        """The events of all markets in the order of the commands, and the postings."""
        cdef Batch* b = &self.batch
        cdef cnp.ndarray events = np.empty(b.event_count, EVENT_DTYPE)
        cdef cnp.ndarray markets = np.empty(b.event_count, np.uint32)
        cdef Event* out = <Event*>cnp.PyArray_DATA(events)
        cdef uint32_t* market = <uint32_t*>cnp.PyArray_DATA(markets)
        cdef const Span* span
        cdef size_t k
        cdef size_t i
        with nogil:
            for k in range(count):
                span = &b.spans[k]
                for i in range(span.count):
                    out[0] = b.events[span.first + i]
                    market[0] = c[k].market
                    out += 1
                    market += 1
        return events, markets, self.postings()

    cdef object postings(self):
        cdef size_t fees = 0
        cdef size_t cells = 0
        cdef size_t k
        cdef const Ranked* ranked = sorted_cells(&self.money.net, &cells)
        cdef cnp.ndarray postings
        cdef Posting* p
        for k in range(self.asset_count):
            fees += self.money.fees[k] != 0
        postings = np.empty(fees + cells, _posting_dtype)
        p = <Posting*>cnp.PyArray_DATA(postings)
        for k in range(self.asset_count):
            if self.money.fees[k]:
                p.account = 0
                p.asset = <uint32_t>k
                p.available = <int64_t>self.money.fees[k]
                p.held = 0
                p += 1
        for k in range(cells):
            p.account = <uint32_t>(ranked[k].key >> 32)
            p.asset = <uint32_t>ranked[k].key
            p.available = <int64_t>self.money.net.cells[ranked[k].cell].available
            p.held = <int64_t>self.money.net.cells[ranked[k].cell].held
            self.held[p.asset] += <uint64_t>p.held
            p += 1
        return postings

    # ---- looking, saving ----

    def holds(self):
        """Every open order's hold as ORDER_HOLD_DTYPE, by market, then order id."""
        cdef cnp.ndarray rows
        cdef HoldRecord* out
        cdef const Market* m
        cdef const Hold* hold
        cdef size_t total = 0
        cdef size_t k
        cdef size_t i
        self.not_busy()
        for k in range(self.market_count):
            total += self.markets[k].holds.used
        rows = np.zeros(total, _hold_dtype)
        out = <HoldRecord*>cnp.PyArray_DATA(rows)
        for k in range(self.market_count):
            m = &self.markets[k]
            for i in range(m.holds.mask + 1):
                hold = &m.holds.slots[i]
                if hold.order_id:
                    out.order_id = hold.order_id
                    out.account = hold.account
                    out.market = m.number
                    out.asset = held_asset(m, hold)
                    out.side = hold.side
                    out.tier = hold.tier
                    out.hold_price = hold.price_ticks
                    out.held = hold.held
                    out += 1
        return rows[np.lexsort((rows["order_id"], rows["market"]))]

    def load(self, holds):
        """Take over holds as :meth:`holds` gives them, into a settlement that has none.

        Raises ValueError for what cannot be, and MemoryError.
        """
        cdef cnp.ndarray rows = column(holds, _hold_dtype, -1, "holds")
        cdef const HoldRecord* r = <const HoldRecord*>cnp.PyArray_DATA(rows)
        cdef Market* m
        cdef Hold* hold
        cdef Py_ssize_t k
        self.not_busy()
        for k in range(rows.size):
            m = self.market_of(r[k].market)
            if m == NULL or r[k].order_id == 0 or r[k].account == 0 or r[k].side > SIDE_SELL:
                raise ValueError(f"hold {k} belongs to no order of this partition")
            if r[k].tier >= m.tiers or r[k].held < 0 or r[k].hold_price < 0:
                raise ValueError(f"hold {k} has no such tier, or holds less than nothing")
            if not reserve_holds(&m.holds, 1):
                raise MemoryError("no memory for the holds of open orders")
            hold = add_hold(&m.holds, r[k].order_id)
            if hold == NULL:
                raise ValueError(f"hold {k} is of an order that came before")
            hold.held = r[k].held
            hold.price_ticks = r[k].hold_price
            hold.account = r[k].account
            hold.side = r[k].side
            hold.tier = r[k].tier
            hold.by_amount = 0
            hold.spare = 0
            if self.held[held_asset(m, hold)] > <uint64_t>(INT64_MAX - hold.held):
                raise ValueError(f"up to hold {k} more is held than fits in 64 bits")
            self.held[held_asset(m, hold)] += <uint64_t>hold.held

    @property
    def totals(self):
        """By asset: all that open orders hold."""
        return np.array([self.held[k] for k in range(self.asset_count)], np.uint64)
