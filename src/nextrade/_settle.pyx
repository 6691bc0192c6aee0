"""A partition's money: what commands must get held, and the postings of what the books then do.

``Settlement`` is what ``domain/partition.py`` runs on. A batch goes through it in four steps:
each command meets the door (``_door``); what passes is laid out market by market
(``_passage``); every book runs its commands, and each of its events moves money between the
holds of orders (``_holds``, ``_postings``) into one net change for each account and asset
(``_netting``); the events of all books are merged in the order of the commands. What is more
than a limit is cut into slices (``_slices``), all but the first of which wait. No Python object
is made for a command, an order or a trade.

This file is long because it is one class and the layouts of the arrays that it gives and takes.
"""

cimport cython
cimport numpy as cnp
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from ._book cimport OrderBook
from ._door cimport Asked, Listing, ask
from ._holds cimport SMALLEST_HOLDS, Hold, add_hold, reserve_holds, resize_holds, trim_holds
from ._memory cimport allocate, allocations_left, release
from ._netting cimport SMALLEST_NET, Posting, Ranked, free_net, resize_net, sorted_cells
from ._passage cimport (
    NO_POSITION,
    lay_out,
    make_room,
    market_of,
    meet_door,
    refuse_side,
    settle,
    stretch,
    tell_refused,
)
from ._postings cimport Market, held_asset
from ._slices cimport Slice, close_slice, fee_count, free_slices, write_postings
from ._types cimport SIDE_SELL, Command, Event, LevelUpdate
from ._workspace cimport (
    Batch,
    Span,
    State,
    free_batch,
    keep_levels,
    room_for_batch,
    trim_batch,
)

import numpy as np

from .dtypes import COMMAND_DTYPE, EVENT_DTYPE, LEVEL_DTYPE
from .errors import BatchPending, BookBusy, BookStopped, InvariantError

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
_tier_dtype = np.dtype(np.uint8)
_amount_dtype = np.dtype(np.int64)
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
    or sizeof(LevelUpdate) != 32
    or sizeof(Hold) != 32
):
    raise ImportError("nextrade was compiled against another record layout; reinstall it")


def _fail_allocations_after(int64_t count):
    """For tests: let this many allocations of settling succeed and the others fail; -1 ends it."""
    global allocations_left
    allocations_left = count


cdef cnp.ndarray column(array, object dtype, Py_ssize_t length, str what):
    """An argument as one column of a batch, one value after the other."""
    cdef cnp.ndarray values = None
    if cnp.PyArray_CheckExact(array) and (<cnp.ndarray>array).ndim == 1:
        values = array
    if values is None or not cnp.PyArray_IS_C_CONTIGUOUS(values):
        values = np.ascontiguousarray(array)
    if values.dtype != dtype:
        raise TypeError(f"{what} must be an array of {dtype}, not {values.dtype}")
    if values.ndim != 1 or (length >= 0 and values.size != length):
        raise ValueError(f"{what} must have one dimension and the length of the batch")
    if <size_t>cnp.PyArray_DATA(values) % 8:
        values = values.copy()
    return values


cdef inline void copied(void* to, const void* whence, size_t count) noexcept nogil:
    """Copy so many bytes; of none, ``whence`` may be nowhere, which memcpy does not allow."""
    if count:
        memcpy(to, whence, count)


@cython.final
cdef class Settlement:
    """The books of a partition and what each open order in them holds.

    ``listings`` is an array of LISTING_DTYPE for every market there is, ``rates`` an int64
    array (markets, tiers, 2) of maker and taker fees in hundredths of a basis point, where -1
    means that there is no such tier. ``markets`` are those of this partition, ascending, and
    ``books`` their books. A slice of an outcome ends with the event by which it has
    ``posting_limit`` postings or ``event_limit`` events. It serves one thread at a time.
    """

    cdef State state
    cdef list books
    cdef cnp.ndarray rates
    # Slices that nobody has asked for yet, each a tuple as ``process`` returns it.
    cdef list waiting
    cdef bint busy
    cdef bint stopped

    def __cinit__(self, listings, rates, markets, books, posting_limit, event_limit):
        cdef cnp.ndarray table = column(listings, _listing_dtype, -1, "listings")
        cdef cnp.ndarray fees = np.array(rates, dtype=np.int64, order="C")
        cdef const Listing* rows = <const Listing*>cnp.PyArray_DATA(table)
        cdef size_t tiers
        cdef size_t tier
        cdef size_t k
        cdef Market* m
        cdef OrderBook book
        self.state.listed = <size_t>table.size
        self.state.market_count = len(markets)
        self.books = list(books)
        self.rates = fees
        self.waiting = []
        for limit in (posting_limit, event_limit):
            if not 1 <= limit <= 1 << 30:
                raise ValueError(f"a limit of a slice lies between 1 and 2**30, not at {limit}")
        self.state.slices.posting_limit = posting_limit
        self.state.slices.event_limit = event_limit
        if fees.ndim != 3 or <size_t>fees.shape[0] != self.state.listed or fees.shape[2] != 2:
            raise ValueError("rates must have the shape (markets, tiers, 2)")
        if len(self.books) != <Py_ssize_t>self.state.market_count or self.state.listed >= 1 << 31:
            raise ValueError("there must be one book for each market")
        for k in range(self.state.listed):
            if rows[k].base >= self.state.asset_count:
                self.state.asset_count = rows[k].base + <size_t>1
            if rows[k].quote >= self.state.asset_count:
                self.state.asset_count = rows[k].quote + <size_t>1
        tiers = <size_t>fees.shape[1]
        self.allocate_tables()
        for k in range(self.state.market_count):
            book = self.books[k]
            m = &self.state.markets[k]
            m.number = markets[k]
            if m.number >= self.state.listed or self.state.places[m.number] >= 0:
                raise ValueError(f"market {markets[k]} is not listed, or named twice")
            self.state.places[m.number] = <int32_t>k
            m.listing = rows[m.number]
            m.rates = <const int64_t*>cnp.PyArray_DATA(fees) + 2 * tiers * m.number
            for tier in range(tiers):
                m.tiers += m.tiers == tier and m.rates[2 * tier] >= 0
            if not resize_holds(&m.holds, SMALLEST_HOLDS):
                raise MemoryError("no memory for a partition")

    cdef int allocate_tables(self) except -1:
        cdef size_t assets = self.state.asset_count * sizeof(uint64_t)
        self.state.markets = <Market*>allocate(self.state.market_count * sizeof(Market))
        if self.state.markets != NULL:
            memset(self.state.markets, 0, self.state.market_count * sizeof(Market))
        self.state.places = <int32_t*>allocate(self.state.listed * sizeof(int32_t))
        self.state.held = <uint64_t*>allocate(assets)
        self.state.expected = <uint64_t*>allocate(assets)
        self.state.money.fees = <uint64_t*>allocate(assets)
        if (
            self.state.markets == NULL
            or self.state.places == NULL
            or self.state.held == NULL
            or self.state.expected == NULL
            or self.state.money.fees == NULL
            or not resize_net(&self.state.money.net, SMALLEST_NET)
        ):
            raise MemoryError("no memory for a partition")
        memset(self.state.places, 0xFF, self.state.listed * sizeof(int32_t))
        memset(self.state.held, 0, assets)
        return 0

    def __dealloc__(self):
        cdef size_t k
        if self.state.markets != NULL:
            for k in range(self.state.market_count):
                release(self.state.markets[k].holds.slots)
        release(self.state.markets)
        release(self.state.places)
        release(self.state.held)
        release(self.state.expected)
        release(self.state.money.fees)
        free_net(&self.state.money.net)
        free_slices(&self.state.slices)
        free_batch(&self.state.batch)

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

    def check_running(self):
        """Raise BookStopped if what a batch did was lost, BookBusy if another thread is inside."""
        self.enter()

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
                m = market_of(&self.state, c[k].market)
                ask(&m.listing if m != NULL else NULL, &c[k], &asked)
                account[k] = c[k].owner if asked.amount else 0
                asset[k] = asked.asset
                amount[k] = asked.amount
                refusal[k] = asked.refusal
        return accounts, assets, amounts, refusals

    # ---- running a batch ----

    def process(self, commands, tiers, granted, levels):
        """Run a batch: see ``Partition.process``. Returns what an ``Outcome`` is made of."""
        cdef cnp.ndarray batch = column(commands, COMMAND_DTYPE, -1, "commands")
        cdef size_t count = <size_t>batch.size
        cdef cnp.ndarray tier = column(tiers, _tier_dtype, batch.size, "tiers")
        cdef cnp.ndarray grants = column(granted, _amount_dtype, batch.size, "granted")
        cdef const Command* c = <const Command*>cnp.PyArray_DATA(batch)
        cdef const int64_t* grant = <const int64_t*>cnp.PyArray_DATA(grants)
        cdef bint want_levels = bool(levels)
        cdef size_t wrong
        if count > 0xFFFFFFFF:
            raise ValueError("a batch holds at most 2**32 - 1 commands; split it")
        self.enter()
        if self.waiting:
            raise BatchPending(
                f"{len(self.waiting)} slices of the last batch wait and go first; call proceed()"
            )
        if not room_for_batch(&self.state.batch, count):
            raise MemoryError(f"no memory for a batch of {count} commands; nothing was run")
        wrong = meet_door(&self.state, c, grant, count)
        if wrong < count:
            raise ValueError(
                f"granted[{wrong}] is {grant[wrong]}; it must be "
                f"{self.state.batch.asked[wrong].amount}, which was asked for, -1, or a refusal"
            )
        # The last thing that may fail before anything is changed.
        if not make_room(&self.state, count):
            raise MemoryError(f"no memory for a batch of {count} commands; nothing was run")
        self.busy = True
        try:
            self.run(c, grant, <const uint8_t*>cnp.PyArray_DATA(tier), count, want_levels)
            done = self.results(batch, want_levels)
        except BaseException:
            # Some books have run, and nobody will hear what they did.
            self.stopped = True
            raise
        finally:
            trim_batch(&self.state)
            self.busy = False
        return done

    cdef int run(self, const Command* c, const int64_t* grant, const uint8_t* tiers, size_t count, bint want_levels) except -1:
        cdef size_t k
        # With the GIL, so that nobody changes the commands between the door and here.
        lay_out(&self.state, c, grant, tiers, count)
        for k in range(self.state.market_count):
            if self.state.markets[k].count:
                self.run_market(&self.state.markets[k], self.books[k], want_levels)
            tell_refused(&self.state, &self.state.markets[k], NO_POSITION)
            trim_holds(&self.state.markets[k].holds, self.state.markets[k].places)
        if self.state.slices.count and self.state.batch.event_count > self.state.slices.first_event:
            self.close()
        if self.state.money.corrupt:
            raise InvariantError("the events of a book contradict the holds of its orders")
        if self.state.money.net.failed:
            raise MemoryError("no memory for the postings of this batch; send smaller batches")
        return 0

    cdef void close(self) noexcept:
        close_slice(
            &self.state.slices,
            &self.state.money,
            self.state.asset_count,
            self.state.held,
            self.state.batch.event_count,
        )

    cdef int run_market(self, Market* m, OrderBook book, bint want_levels) except -1:
        """Run a market's commands in stretches, each as long as the door's answers hold."""
        cdef Batch* b = &self.state.batch
        cdef size_t start = m.first
        cdef size_t end
        cdef size_t last = m.first + m.count
        cdef bint kept
        while start < last:
            end = stretch(&self.state, m, start, last)
            if end == start:
                refuse_side(&self.state, m, start)
                start += 1
                continue
            book.run_batch(b.commands + start, end - start, want_levels, NULL)
            with nogil:
                kept = settle(&self.state, m, start, book.book.events, book.book.event_next)
            if want_levels and kept:
                kept = keep_levels(b, m, start, book.book.updates, book.book.update_count)
            book.drop_buffers()
            if not kept:
                raise MemoryError("no memory for the events of this batch; send smaller batches")
            start = end
        return 0

    # ---- results ----

    cdef object results(self, cnp.ndarray commands, bint want_levels):
        """The first slice of what happened; the others wait."""
        cdef list slices
        if self.state.slices.count == 0:
            done = self.whole(<const Command*>cnp.PyArray_DATA(commands), commands.size)
            return done + self.levels() if want_levels else done
        slices = self.slices(commands)
        if want_levels:
            slices.append(slices.pop() + self.levels())
        self.waiting = slices[1:]
        return slices[0]

    cdef object whole(self, const Command* c, size_t count):
        """The events of all markets in the order of the commands, and the postings."""
        cdef Batch* b = &self.state.batch
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
        """The postings of a batch that closed no slice."""
        cdef size_t assets = self.state.asset_count
        cdef size_t cells = 0
        cdef const Ranked* ranked = sorted_cells(&self.state.money.net, &cells)
        cdef cnp.ndarray postings = np.empty(
            cells + fee_count(&self.state.money, assets), _posting_dtype
        )
        cdef Posting* p = <Posting*>cnp.PyArray_DATA(postings)
        write_postings(&self.state.money, assets, ranked, cells, self.state.held, p)
        return postings

    cdef list slices(self, cnp.ndarray commands):
        """Events, markets and postings of each slice; events in the order of the commands."""
        cdef const Slice* one
        cdef cnp.ndarray events
        cdef cnp.ndarray postings
        cdef size_t first_event = 0
        cdef size_t first_posting = 0
        cdef size_t k
        cdef list found = []
        for k in range(self.state.slices.count):
            one = &self.state.slices.closed[k]
            events = np.empty(one.events - first_event, EVENT_DTYPE)
            copied(
                cnp.PyArray_DATA(events),
                self.state.batch.events + first_event,
                (one.events - first_event) * sizeof(Event),
            )
            postings = np.empty(one.postings - first_posting, _posting_dtype)
            copied(
                cnp.PyArray_DATA(postings),
                self.state.slices.postings + first_posting,
                (one.postings - first_posting) * sizeof(Posting),
            )
            first_event = one.events
            first_posting = one.postings
            # They lie market by market, and those of a market are in order.
            events = events[np.argsort(events["command"], kind="stable")]
            found.append((events, commands["market"][events["command"]], postings))
        return found

    cdef object levels(self):
        """Changes of price levels in the order of the commands, and the market of each."""
        cdef Batch* b = &self.state.batch
        cdef cnp.ndarray levels = np.empty(b.level_count, LEVEL_DTYPE)
        cdef cnp.ndarray markets = np.empty(b.level_count, np.uint32)
        if b.level_count:
            copied(cnp.PyArray_DATA(levels), b.levels, b.level_count * sizeof(LevelUpdate))
            copied(
                cnp.PyArray_DATA(markets), b.level_markets, b.level_count * sizeof(uint32_t)
            )
        order = np.argsort(levels["command"], kind="stable")
        return levels[order], markets[order]

    # ---- what waits ----

    def proceed(self):
        """The next slice that waits, as ``process`` returns it; raises ValueError if none does."""
        self.enter()
        if not self.waiting:
            raise ValueError("no slice of a batch waits")
        return self.waiting.pop(0)

    @property
    def pending(self):
        """The slices that wait, the next one first."""
        return tuple(self.waiting)

    def wait_for(self, slices):
        """Let slices wait that a snapshot kept."""
        self.not_busy()
        self.waiting = list(slices)

    # ---- looking, saving ----

    cdef size_t hold_count(self) noexcept:
        cdef size_t total = 0
        cdef size_t k
        for k in range(self.state.market_count):
            total += self.state.markets[k].holds.used
        return total

    def holds(self):
        """Every open order's hold as ORDER_HOLD_DTYPE, by market, then order id."""
        cdef cnp.ndarray rows
        cdef HoldRecord* out
        cdef const Market* m
        cdef const Hold* hold
        cdef size_t k
        cdef size_t i
        self.not_busy()
        rows = np.zeros(self.hold_count(), _hold_dtype)
        self.not_busy()
        while <size_t>rows.size != self.hold_count():
            # Another thread came by while the array was made.
            rows = np.zeros(self.hold_count(), _hold_dtype)
            self.not_busy()
        out = <HoldRecord*>cnp.PyArray_DATA(rows)
        for k in range(self.state.market_count):
            m = &self.state.markets[k]
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
            m = market_of(&self.state, r[k].market)
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
            if self.state.held[held_asset(m, hold)] > <uint64_t>(INT64_MAX - hold.held):
                raise ValueError(f"up to hold {k} more is held than fits in 64 bits")
            self.state.held[held_asset(m, hold)] += <uint64_t>hold.held

    @property
    def totals(self):
        """By asset: all that open orders hold."""
        return np.array([self.state.held[k] for k in range(self.state.asset_count)], np.uint64)
