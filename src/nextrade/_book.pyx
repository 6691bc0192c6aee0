"""The order book: the Python face of the compiled core.

This file is long because it is one class and its docstrings. What the book does lives in
the headers beside it, one idea each: ``_types`` (records), ``_index`` (id and price maps),
``_memory``, ``_levels`` (heaps and queues), ``_orders``, ``_dormant`` (stops and expiry),
``_match``, ``_auction``, ``_rules``, ``_place``, ``_change``, ``_control`` (the commands),
``_batch``, ``_report`` (events) and ``_state`` (snapshots and checks). They are ``cdef inline`` headers rather than modules so
that the compiler sees one command's whole path at once.
"""

cimport cython
cimport numpy as cnp
from cpython.number cimport PyNumber_Index
from cpython.object cimport PyObject
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from ._auction cimport AuctionPrice, auction_price
from ._batch cimport apply_all
from ._index cimport find_order
from ._memory cimport allocate, allocations_left, book_bytes, free_book, grow, grow_orders, make_room, release
from ._state cimport (
    check_book,
    read_records,
    write_depth,
    write_dormant,
    write_resting,
    write_side,
    write_stops,
)
from ._types cimport *

import struct
from collections import namedtuple

import numpy as np

from . import _snapshot
from .dtypes import COMMAND_DTYPE, DEPTH_DTYPE, EVENT_DTYPE, LEVEL_DTYPE, ORDER_DTYPE
from .enums import EventKind, Reason, Side, TradingState
from .errors import (
    REJECTED_BY_REASON,
    BookBusy,
    BookStopped,
    InvariantError,
    SnapshotError,
    UnknownOrder,
)

cdef extern from "numpy/arrayobject.h":
    """
    /* An array over memory that somebody else owns. */
    static PyObject *nx_array_over(PyObject *dtype, npy_intp count, void *data)
    {
        Py_INCREF(dtype); /* the new array keeps this reference */
        return PyArray_NewFromDescr(&PyArray_Type, (PyArray_Descr *)dtype, 1, &count, NULL,
                                    data, NPY_ARRAY_CARRAY, NULL);
    }
    """
    object array_over "nx_array_over"(object dtype, cnp.npy_intp count, void* data)

cnp.import_array()

__all__ = ["Indicative", "OrderBook", "Outcome", "Top", "Trade"]

cdef object _event_dtype = EVENT_DTYPE
cdef object _level_dtype = LEVEL_DTYPE
cdef object _command_dtype = COMMAND_DTYPE

if (
    sizeof(Command) != COMMAND_DTYPE.itemsize
    or sizeof(Event) != EVENT_DTYPE.itemsize
    or sizeof(LevelUpdate) != LEVEL_DTYPE.itemsize
    or sizeof(DepthRow) != DEPTH_DTYPE.itemsize
    or sizeof(OrderRecord) != ORDER_DTYPE.itemsize
):
    raise ImportError("nextrade was compiled against other record layouts; reinstall it")

cdef enum:
    MAX_WATCHED_LEVELS = 10_000

_HEADER = struct.Struct("<BqqqQQQ")

Trade = namedtuple(
    "Trade",
    "price_ticks qty_lots taker_id maker_id taker_leaves_lots maker_leaves_lots taker_side trade_index",
)
Trade.__doc__ = """One execution as the single-call methods report it.

Price in ticks and quantity in lots; the ids of both orders and the lots each has left
(for a taker by amount: the amount left); the taker's side (NONE in an uncross); and
``trade_index``, 1 for the first trade of the book.
"""
Top = namedtuple("Top", "bid_ticks bid_lots ask_ticks ask_lots")
Top.__doc__ = "Best price and visible quantity of each side; None and 0 where a side is empty."
Indicative = namedtuple("Indicative", "price_ticks volume_lots imbalance_lots")
Indicative.__doc__ = "What an uncross would do now; ``price_ticks`` is None if nothing would trade."


# ---- event memory ---------------------------------------------------------------------
#
# A batch writes its events into a buffer that may be large. Fresh memory costs more than
# writing it, so buffers are kept and used again once no array refers to them.

cdef enum:
    SPARE_BUFFERS = 4
    # Smaller results are copied into arrays of their own size.
    COPY_LIMIT = 64 << 10
    # Larger buffers go back to the system.
    SPARE_LIMIT = 256 << 20

cdef void* _spare[SPARE_BUFFERS]
cdef size_t _spare_bytes[SPARE_BUFFERS]
memset(_spare, 0, sizeof(_spare))
memset(_spare_bytes, 0, sizeof(_spare_bytes))


cdef void give_back(void* data, size_t size) noexcept:
    """Keep a buffer for later; with all places taken the smallest is freed."""
    cdef int k
    cdef int smallest = 0
    if data == NULL:
        return
    for k in range(SPARE_BUFFERS):
        if _spare_bytes[k] < _spare_bytes[smallest]:
            smallest = k
    if size > SPARE_LIMIT or _spare_bytes[smallest] >= size:
        release(data)
        return
    release(_spare[smallest])
    _spare[smallest] = data
    _spare_bytes[smallest] = size


cdef void* take_spare(size_t* size) noexcept:
    """The largest kept buffer, or NULL."""
    cdef int k
    cdef int largest = 0
    cdef void* data
    for k in range(SPARE_BUFFERS):
        if _spare_bytes[k] > _spare_bytes[largest]:
            largest = k
    data = _spare[largest]
    size[0] = _spare_bytes[largest]
    _spare[largest] = NULL
    _spare_bytes[largest] = 0
    return data


@cython.final
cdef class _Buffer:
    """Owner of the memory behind an array of events."""

    cdef void* data
    cdef size_t size

    def __dealloc__(self):
        give_back(self.data, self.size)


cdef object owned_array(void* data, size_t count, size_t size, object dtype):
    """An array over memory that it owns from now on, also if this fails."""
    cdef cnp.ndarray array
    cdef _Buffer owner
    try:
        owner = _Buffer()
    except MemoryError:
        give_back(data, size)
        raise
    owner.data = data
    owner.size = size
    array = array_over(dtype, <cnp.npy_intp>count, data)
    cnp.set_array_base(array, owner)
    return array


cdef object as_array(void* data, size_t count, size_t capacity, size_t item, object dtype):
    """An array of the records in a buffer; takes the buffer over, also if it fails.

    A small result gets memory of its own size. Not by np.empty, which spends most of a
    microsecond on looking through the fields of the dtype.
    """
    cdef void* copy = NULL
    if count * item <= COPY_LIMIT:
        copy = allocate(count * item)
    if copy == NULL:
        return owned_array(data, count, capacity * item, dtype)
    if count:
        memcpy(copy, data, count * item)
    give_back(data, capacity * item)
    return owned_array(copy, count, count * item, dtype)


def _fail_allocations_after(int64_t count):
    """For tests: let this many allocations of the core succeed and the others fail; -1 ends it."""
    global allocations_left
    allocations_left = count


cdef object wrong_type(str name, value, wanted):
    return TypeError(f"{name} must be {wanted}, not {type(value).__name__} {value!r}")


cdef object as_trade(const Event* e):
    return Trade(
        e.price_ticks,
        e.qty_lots,
        e.order_id,
        e.maker_id,
        e.leaves_lots,
        e.maker_leaves_lots,
        Side(e.side),
        e.trade_index,
    )


# ---- results --------------------------------------------------------------------------


@cython.final
cdef class Outcome:
    """What one call did: a short, immutable report of its events."""

    def __cinit__(self):
        self._events = self._few
        self._count = 0

    def __dealloc__(self):
        if self._events != self._few:
            release(self._events)

    def __len__(self):
        """Number of events."""
        return self._count

    @property
    def events(self):
        """The events as an array of EVENT_DTYPE (a copy)."""
        cdef cnp.ndarray array = np.empty(self._count, _event_dtype)
        if self._count:
            memcpy(cnp.PyArray_DATA(array), self._events, self._count * sizeof(Event))
        return array

    @property
    def kinds(self):
        """Kinds of the events, in order."""
        return [EventKind(self._events[k].kind) for k in range(self._count)]

    @property
    def trades(self):
        """All trades that the call caused, those of triggered orders included."""
        return [
            as_trade(&self._events[k])
            for k in range(self._count)
            if self._events[k].kind == EVENT_KIND_TRADE
        ]

    @property
    def filled_lots(self):
        """Lots that the order of the call traded (for an uncross: the volume)."""
        cdef size_t k
        cdef int64_t total = 0
        cdef bint auction = self._count > 0 and self._events[0].kind == EVENT_KIND_UNCROSSED
        for k in range(self._count):
            if self._events[k].kind == EVENT_KIND_TRADE and (
                auction or self._events[k].order_id == self._events[0].order_id
            ):
                total += self._events[k].qty_lots
        return total

    @property
    def leaves_lots(self):
        """Lots of the call's order that are still open afterwards.

        0 if it is done, and for an order by amount, which has no lots to count.
        """
        cdef size_t k
        cdef int64_t leaves = 0
        cdef const Event* e
        for k in range(self._count):
            e = &self._events[k]
            if e.kind != EVENT_KIND_TRADE or not e.flags & EVENT_FLAG_AUCTION:
                if e.order_id == self._events[0].order_id:
                    leaves = 0 if e.flags & EVENT_FLAG_BY_AMOUNT else e.leaves_lots
                elif e.kind == EVENT_KIND_TRADE and e.maker_id == self._events[0].order_id:
                    leaves = e.maker_leaves_lots
        return leaves

    def __repr__(self):
        return f"<Outcome {', '.join(kind.name for kind in self.kinds)}>"


# ---- arguments ------------------------------------------------------------------------


cdef object index_of(value, str field):
    """A whole number of any integer type; floats and text are refused, never rounded."""
    try:
        return PyNumber_Index(value)
    except TypeError:
        raise TypeError(
            f"{field} must be a whole number, not {type(value).__name__} {value!r}"
        ) from None


cdef int64_t whole(value, str field) except? -1:
    """A signed 64-bit argument."""
    try:
        return PyNumber_Index(value)
    except (TypeError, OverflowError):
        raise ValueError(
            f"{field} must be between {INT64_MIN} and {INT64_MAX}, got {index_of(value, field)}"
        ) from None


cdef int64_t within(value, str field, int64_t highest) except? -1:
    cdef int64_t number = whole(value, field)
    if number < 0 or number > highest:
        raise ValueError(f"{field} must be between 0 and {highest}, got {number}")
    return number


cdef uint8_t code_of(value, str field) except? 255:
    """An enum member or its number; whether there is such a member, the book decides."""
    return <uint8_t>within(value, field, 255)


cdef uint64_t id_of(value) except? 0:
    try:
        return PyNumber_Index(value)
    except (TypeError, OverflowError):
        raise ValueError(
            f"order_id must be between 0 and {2 ** 64 - 1}, got {index_of(value, 'order_id')}"
        ) from None


cdef cnp.ndarray commands_of(commands):
    """A batch as it may be given to the core: records of the right kind, one after the other."""
    cdef cnp.ndarray array
    if not isinstance(commands, np.ndarray):
        raise wrong_type("commands", commands, "a NumPy array of nextrade.COMMAND_DTYPE")
    array = commands
    if <PyObject*>cnp.PyArray_DESCR(array) != <PyObject*>_command_dtype and array.dtype != _command_dtype:
        raise TypeError(
            f"commands must have the dtype nextrade.COMMAND_DTYPE, not {array.dtype}; "
            "copy the fields into np.zeros(n, nextrade.COMMAND_DTYPE)"
        )
    if array.ndim != 1:
        raise TypeError(f"commands must have one dimension, not {array.ndim}; use .ravel()")
    if not cnp.PyArray_IS_C_CONTIGUOUS(array):
        array = np.ascontiguousarray(array)
    return array


cdef cnp.ndarray moments_of(after, size_t count):
    """The moments at which to look at a batch: a copy, for others may change what they gave."""
    cdef cnp.ndarray given = np.asarray(after)
    cdef cnp.ndarray moments
    cdef const int64_t* data
    cdef int64_t before = 0
    cdef Py_ssize_t k
    if given.ndim != 1:
        raise ValueError(f"after must have one dimension, not {given.ndim}")
    if given.size and given.dtype.kind not in "iu":
        raise ValueError(f"after must hold whole numbers of 64 bits, not {given.dtype}")
    moments = np.array(given, dtype=np.int64, order="C")
    data = <const int64_t*>cnp.PyArray_DATA(moments)
    for k in range(cnp.PyArray_DIM(moments, 0)):
        if data[k] < 0 or <size_t>data[k] > count:
            raise ValueError(
                f"after must be between 0 and the number of commands, {count}; "
                f"after[{k}] is {given[k]}"
            )
        if data[k] < before:
            raise ValueError(f"after must ascend; after[{k}] is {data[k]}, behind {before}")
        before = data[k]
    return moments


# ---- the book -------------------------------------------------------------------------


@cython.final
cdef class OrderBook:
    """A price-time-priority order book of one market, in integer ticks and lots.

    The rules are in docs/explanation/matching-rules.md. There are two ways in with one
    behaviour: methods such as :meth:`limit`, which raise the exception of a refusal's name
    and return an :class:`Outcome`; and :meth:`process`, which takes a whole batch as a NumPy
    array, releases the GIL, and reports refusals as events.

    Threads: a book serves one thread at a time. It may move between threads; a call while
    another thread is inside raises BookBusy and changes nothing. Different books may run in
    different threads at once. Fork: the child has its own copy and both go on independently
    (fork while another thread is inside the book leaves the child's copy BookBusy for good).
    Pickle and copy: by snapshot, so the copy goes on exactly as the original would.

    ``capacity`` is the number of open orders to reserve memory for (it grows as needed).
    Raises MemoryError if that memory is not to be had and ValueError if it is negative.
    """

    def __cinit__(self, *args, **kwargs):
        memset(&self.book, 0, sizeof(Book))
        self.busy = 0
        start_book(&self.book, 0)

    def __init__(self, *, capacity=0):
        cdef Book fresh
        cdef size_t size
        capacity = index_of(capacity, "capacity")
        if capacity < 0:
            raise ValueError(f"capacity must not be negative, got {capacity}")
        if capacity > MAX_ORDERS - 1:
            raise MemoryError(f"capacity {capacity} is more than a book can hold ({MAX_ORDERS - 1})")
        size = capacity
        start_book(&fresh, size)
        self.become(&fresh)

    cdef int become(self, Book* fresh) except -1:
        """Put another book in the place of this one, unless a thread is inside."""
        if self.busy:
            free_book(fresh)
            self.not_busy()
        free_book(&self.book)
        self.book = fresh[0]
        return 0

    def __dealloc__(self):
        free_book(&self.book)

    cdef int not_busy(self) except -1:
        """Looking is allowed unless another thread is inside, even when the book has stopped."""
        if self.busy:
            raise BookBusy(
                "this book is in use by another thread; give each thread its own book or use a lock"
            )
        return 0

    cdef int enter(self) except -1:
        self.not_busy()
        if self.book.stopped:
            raise BookStopped(
                "this book ran out of memory inside a command and lost events; "
                "restore() it from a snapshot and replay what followed"
            )
        return 0

    cdef int borrow_events(self, size_t wanted) except -1:
        """Give the book an event buffer of at least this many places."""
        cdef size_t size = 0
        cdef Book* b = &self.book
        b.events = <Event*>take_spare(&size)
        if size < wanted * sizeof(Event):
            if not grow(<void**>&b.events, 0, wanted * sizeof(Event)):
                give_back(b.events, size)
                b.events = NULL
                raise MemoryError(f"no memory for {wanted} events; send smaller batches")
            size = wanted * sizeof(Event)
        b.event_next = b.events
        b.event_end = b.events + size // sizeof(Event)
        b.event_low = b.event_end - 1024
        return 0

    # ---- batches ----

    def process(self, commands, *, levels=False):
        """Run a batch of commands and return everything that happened.

        ``commands`` is a one-dimensional array of COMMAND_DTYPE (read-only and strided arrays
        are fine; do not change it from another thread meanwhile). Returns an array of
        EVENT_DTYPE; with ``levels=True`` a pair of it and an array of LEVEL_DTYPE. A refused
        command is an event of kind REJECTED, and the rest goes on. The GIL is released.

        Raises TypeError for anything but such an array, BookBusy, BookStopped, and MemoryError
        if the events of a command could not be kept (then the book stops, see BookStopped).
        """
        cdef cnp.ndarray batch = commands_of(commands)
        cdef bint want_levels = bool(levels)
        self.run_batch(
            <const Command*>cnp.PyArray_DATA(batch),
            <size_t>cnp.PyArray_DIM(batch, 0),
            want_levels,
            NULL,
        )
        return self.take_results(want_levels, None)

    def observe(self, commands, after, levels=1):
        """Run a batch as :meth:`process` does, and write down the best levels at chosen moments.

        ``after`` says when: ascending whole numbers from 0 (before the first command) to
        ``len(commands)``, each a number of commands run so far; the same may occur again.
        ``levels`` (1 to 10,000) says how many price levels of each side.

        Returns ``(events, depth)``. ``events`` is what :meth:`process` would return; ``depth``
        an array of DEPTH_DTYPE and shape ``(len(after), 2, levels)``: ``depth[:, 0]`` bids and
        ``depth[:, 1]`` asks, the best first, as :meth:`depth` would give them at that moment,
        with zeros where a side has fewer levels. The GIL is released.

        Raises what :meth:`process` raises, and before anything runs ValueError for an ``after``
        or ``levels`` out of bounds, and MemoryError if there is no room for ``depth``.
        """
        cdef cnp.ndarray batch = commands_of(commands)
        cdef size_t count = <size_t>cnp.PyArray_DIM(batch, 0)
        cdef cnp.ndarray moments = moments_of(after, count)
        cdef int64_t most = whole(levels, "levels")
        cdef cnp.ndarray depth
        cdef Watch watch
        if most < 1 or most > MAX_WATCHED_LEVELS:
            raise ValueError(f"levels must be between 1 and {MAX_WATCHED_LEVELS}, got {most}")
        depth = np.empty((moments.size, 2, most), DEPTH_DTYPE)
        watch.after = <const int64_t*>cnp.PyArray_DATA(moments)
        watch.count = <size_t>cnp.PyArray_DIM(moments, 0)
        watch.levels = <size_t>most
        watch.rows = <DepthRow*>cnp.PyArray_DATA(depth)
        self.run_batch(<const Command*>cnp.PyArray_DATA(batch), count, False, &watch)
        return self.take_results(False, depth)

    cdef int run_batch(
        self, const Command* commands, size_t count, bint want_levels, Watch* watch
    ) except -1:
        """Run a batch without the GIL; its results wait in the book until they are taken."""
        cdef Book* b = &self.book
        cdef size_t done
        self.enter()
        if count > 0xFFFFFFFF:
            raise ValueError("a batch holds at most 2**32 - 1 commands; split it")
        self.borrow_events(count + count // 2 + 4 * EVENT_RESERVE)
        b.want_levels = want_levels
        b.update_count = 0
        b.touched_count = 0
        b.serial += 1
        self.busy = 1
        with nogil:
            done = apply_all(b, commands, count, watch)
        self.busy = 0
        b.want_levels = 0
        if b.stopped:
            self.drop_buffers()
            raise MemoryError(
                f"memory ran out: {done} of {count} commands were run and some events are lost; "
                "restore() the book from a snapshot and send smaller batches"
            )
        return 0

    cdef void drop_buffers(self) noexcept:
        cdef Book* b = &self.book
        give_back(b.events, (b.event_end - b.events) * sizeof(Event))
        give_back(b.updates, b.update_capacity * sizeof(LevelUpdate))
        b.events = b.event_next = b.event_low = b.event_end = NULL
        b.updates = NULL
        b.update_capacity = 0

    cdef object take_results(self, bint want_levels, object depth):
        """What the batch wrote, as its caller gets it; the book lets go of the memory first."""
        try:
            return self.results(want_levels, depth)
        except BaseException:
            # The commands have run, and nobody will hear what they did.
            self.book.stopped = 1
            self.drop_buffers()
            raise

    cdef object results(self, bint want_levels, object depth):
        cdef Book* b = &self.book
        cdef void* data = b.events
        cdef size_t count = b.event_next - b.events
        cdef size_t capacity = b.event_end - b.events
        b.events = b.event_next = b.event_low = b.event_end = NULL
        events = as_array(data, count, capacity, sizeof(Event), _event_dtype)
        if depth is not None:
            return events, depth
        if not want_levels:
            return events
        data = b.updates
        capacity = b.update_capacity
        b.updates = NULL
        b.update_capacity = 0
        return events, as_array(data, b.update_count, capacity, sizeof(LevelUpdate), _level_dtype)

    cdef Outcome call(self, Command* c, object timestamp_ns):
        """Run one command; raises the exception of its refusal."""
        cdef Book* b = &self.book
        cdef Outcome outcome = Outcome.__new__(Outcome)
        cdef size_t count
        cdef uint8_t reason
        # Converting may run Python code, so it comes before looking whether the book is free.
        cdef int64_t time = 0 if timestamp_ns is None else whole(timestamp_ns, "timestamp_ns")
        self.enter()
        c.timestamp_ns = b.clock_ns if timestamp_ns is None else time
        self.borrow_events(4 * EVENT_RESERVE)
        apply_all(b, c, 1, NULL)
        count = b.event_next - b.events
        if count > 4:
            outcome._events = <Event*>allocate(count * sizeof(Event))
        if outcome._events != NULL:
            memcpy(outcome._events, b.events, count * sizeof(Event))
            outcome._count = count
        else:
            b.stopped = 1
        reason = b.events[0].reason if b.events[0].kind == EVENT_KIND_REJECTED else 0
        self.drop_buffers()
        if b.stopped:
            raise MemoryError("memory ran out: events are lost; restore() the book from a snapshot")
        if reason:
            refuse(c, reason)
        return outcome

    # ---- placing ----

    def limit(self, order_id, side, price_ticks, qty_lots, *, owner=0, time_in_force=0, post_only=0,
              self_trade=0, display_lots=0, expire_ns=0, timestamp_ns=None):
        """Place a limit order: trade at ``price_ticks`` or better, rest what is left.

        ``display_lots`` makes it an iceberg, ``post_only`` keeps it from taking, ``expire_ns``
        goes with TimeInForce.GTD, ``owner`` and ``self_trade`` prevent trades with oneself.
        ``timestamp_ns`` decides the place in the queue; None means the book's clock.

        Returns an Outcome. Like every placing method, raises the subclass of Rejected that
        names what is wrong, TypeError for anything but whole numbers, ValueError for numbers
        that do not fit their field, and BookBusy or BookStopped.
        """
        cdef Command c
        begin(&c, COMMAND_KIND_PLACE, order_id, owner)
        c.order_type = ORDER_TYPE_LIMIT
        c.side = code_of(side, "side")
        c.price_ticks = whole(price_ticks, "price_ticks")
        c.qty_lots = whole(qty_lots, "qty_lots")
        c.post_only = code_of(post_only, "post_only")
        fill_stay(&c, time_in_force, self_trade, display_lots, expire_ns)
        return self.call(&c, timestamp_ns)

    def market(self, order_id, side, qty_lots=0, *, quote_amount=0, worst_price_ticks=0, owner=0,
               time_in_force=1, self_trade=0, timestamp_ns=None):
        """Place a market order for a quantity, or for a ``quote_amount`` (ticks x lots) to spend.

        It never trades beyond ``worst_price_ticks`` (0: no limit); what is left is canceled.
        ``time_in_force`` is IOC, or FOK for all or nothing. Returns and raises as :meth:`limit`.
        """
        cdef Command c
        begin(&c, COMMAND_KIND_PLACE, order_id, owner)
        c.order_type = ORDER_TYPE_MARKET
        c.side = code_of(side, "side")
        c.qty_lots = whole(qty_lots, "qty_lots")
        c.quote_amount = whole(quote_amount, "quote_amount")
        c.price_ticks = whole(worst_price_ticks, "worst_price_ticks")
        c.time_in_force = code_of(time_in_force, "time_in_force")
        c.self_trade = code_of(self_trade, "self_trade")
        return self.call(&c, timestamp_ns)

    def market_to_limit(self, order_id, side, qty_lots, *, worst_price_ticks=0, owner=0,
                        time_in_force=0, self_trade=0, expire_ns=0, timestamp_ns=None):
        """Take the best opposite price only; the rest stays there as a limit order.

        With nothing on the other side, or only beyond ``worst_price_ticks``, it is canceled.
        Returns and raises as :meth:`limit`; NotInAuction in a call auction.
        """
        cdef Command c
        begin(&c, COMMAND_KIND_PLACE, order_id, owner)
        c.order_type = ORDER_TYPE_MARKET_TO_LIMIT
        c.side = code_of(side, "side")
        c.qty_lots = whole(qty_lots, "qty_lots")
        c.price_ticks = whole(worst_price_ticks, "worst_price_ticks")
        c.time_in_force = code_of(time_in_force, "time_in_force")
        c.self_trade = code_of(self_trade, "self_trade")
        c.expire_ns = whole(expire_ns, "expire_ns")
        return self.call(&c, timestamp_ns)

    def stop(self, order_id, side, trigger_ticks, qty_lots, *, limit_ticks=None, worst_price_ticks=0,
             owner=0, time_in_force=0, self_trade=0, display_lots=0, expire_ns=0, timestamp_ns=None):
        """Wait until the market trades at ``trigger_ticks`` or worse for the owner, then trade.

        A market order afterwards (up to ``worst_price_ticks``), or a limit order at
        ``limit_ticks``. Triggers at once if the last price is there already. Returns and
        raises as :meth:`limit`.
        """
        cdef Command c
        begin(&c, COMMAND_KIND_PLACE, order_id, owner)
        c.order_type = ORDER_TYPE_STOP_MARKET if limit_ticks is None else ORDER_TYPE_STOP_LIMIT
        fill_dormant(
            &c, side, trigger_ticks, qty_lots, worst_price_ticks if limit_ticks is None else limit_ticks
        )
        fill_stay(&c, time_in_force, self_trade, display_lots, expire_ns)
        return self.call(&c, timestamp_ns)

    def take_profit(self, order_id, side, trigger_ticks, qty_lots, *, limit_ticks=None,
                    worst_price_ticks=0, owner=0, time_in_force=0, self_trade=0, display_lots=0,
                    expire_ns=0, timestamp_ns=None):
        """Wait until the market trades at ``trigger_ticks`` or better for the owner, then trade.

        A market order afterwards (up to ``worst_price_ticks``), or a limit order at
        ``limit_ticks``. Triggers at once if the last price is there already. Returns and
        raises as :meth:`limit`.
        """
        cdef Command c
        begin(&c, COMMAND_KIND_PLACE, order_id, owner)
        c.order_type = ORDER_TYPE_TAKE_PROFIT_MARKET if limit_ticks is None else ORDER_TYPE_TAKE_PROFIT_LIMIT
        fill_dormant(
            &c, side, trigger_ticks, qty_lots, worst_price_ticks if limit_ticks is None else limit_ticks
        )
        fill_stay(&c, time_in_force, self_trade, display_lots, expire_ns)
        return self.call(&c, timestamp_ns)

    # ---- changing and leaving ----

    def cancel(self, order_id, *, owner=0, timestamp_ns=None):
        """Cancel an open order; raises UnknownOrder if it is not open, NotOwner if not yours."""
        cdef Command c
        begin(&c, COMMAND_KIND_CANCEL, order_id, owner)
        return self.call(&c, timestamp_ns)

    def reduce(self, order_id, qty_lots, *, owner=0, timestamp_ns=None):
        """Take lots off an open order, which keeps its place; taking all of it cancels it.

        Returns an Outcome; raises BadQuantity, UnknownOrder, NotOwner or Halted.
        """
        cdef Command c
        begin(&c, COMMAND_KIND_REDUCE, order_id, owner)
        c.qty_lots = whole(qty_lots, "qty_lots")
        return self.call(&c, timestamp_ns)

    def replace(self, order_id, *, price_ticks=None, qty_lots=None, trigger_ticks=None, owner=0,
                timestamp_ns=None):
        """Change price, quantity left, or trigger; what is not given stays as it is.

        The order keeps its place only if the change merely reduces it; otherwise it comes in
        anew and may trade. Returns an Outcome; raises UnknownOrder, NotOwner, and what a new
        order of this price and quantity would raise (the old one then stays as it is).
        """
        cdef Command c
        begin(&c, COMMAND_KIND_REPLACE, order_id, owner)
        if price_ticks is None or qty_lots is None:
            old = self.order(order_id)
            if price_ticks is None:
                price_ticks = int(old["price_ticks"])
            if qty_lots is None:
                qty_lots = int(old["visible_lots"]) + int(old["hidden_lots"])
        c.price_ticks = whole(price_ticks, "price_ticks")
        c.qty_lots = whole(qty_lots, "qty_lots")
        c.trigger_ticks = 0 if trigger_ticks is None else whole(trigger_ticks, "trigger_ticks")
        return self.call(&c, timestamp_ns)

    def mass_cancel(self, owner, *, timestamp_ns=None):
        """Cancel every open order of an owner, in ascending order of id.

        Returns an Outcome with one event for each; raises Halted.
        """
        cdef Command c
        begin(&c, COMMAND_KIND_MASS_CANCEL, 0, owner)
        return self.call(&c, timestamp_ns)

    def expire(self, now_ns):
        """End every GTD order whose time has come at ``now_ns``, in any trading state.

        Returns an Outcome with one event for each.
        """
        cdef Command c
        begin(&c, COMMAND_KIND_EXPIRE, 0, 0)
        return self.call(&c, whole(now_ns, "now_ns"))

    # ---- states and auctions ----

    def set_state(self, state, *, timestamp_ns=None):
        """Open the market, collect for an auction, allow only cancels, or halt it.

        Returns an Outcome; raises UnknownState, or BookCrossed where an uncross is due first.
        """
        cdef Command c
        begin(&c, COMMAND_KIND_SET_STATE, 0, 0)
        c.state = code_of(state, "state")
        return self.call(&c, timestamp_ns)

    def uncross(self, reference_ticks=0, *, then=0, timestamp_ns=None):
        """End a call auction at one price and go on in the state ``then`` (OPEN).

        ``reference_ticks`` decides between prices of equal volume and imbalance (0: the last
        price). Returns an Outcome whose trades are the auction's; raises OnlyInAuction,
        BadPrice or UnknownState.
        """
        cdef Command c
        begin(&c, COMMAND_KIND_UNCROSS, 0, 0)
        c.price_ticks = whole(reference_ticks, "reference_ticks")
        c.state = code_of(then, "then")
        return self.call(&c, timestamp_ns)

    def indicative(self, reference_ticks=0):
        """Price, volume and imbalance (bids minus asks) of an uncross at this moment.

        Returns an Indicative; raises ValueError for a negative reference, and MemoryError.
        """
        cdef AuctionPrice result
        cdef int64_t reference = whole(reference_ticks, "reference_ticks")
        self.not_busy()
        if reference < 0:
            raise ValueError(f"reference_ticks must not be negative, got {reference}")
        if not auction_price(&self.book, reference if reference else self.book.last_price, &result):
            raise MemoryError("no memory to compute the indicative price")
        return Indicative(result.price if result.volume else None, result.volume, result.imbalance)

    # ---- looking ----

    @property
    def best_bid(self):
        """Highest bid in ticks, or None."""
        return self.book.sides[0].best_price if self.book.sides[0].best else None

    @property
    def best_ask(self):
        """Lowest ask in ticks, or None."""
        return self.book.sides[1].best_price if self.book.sides[1].best else None

    @property
    def next_expiry_ns(self):
        """When the next GTD order ends, None if none is open; it may be one that has left since."""
        return self.book.expiries[0].expire_ns if self.book.expiry_count else None

    @property
    def last_price(self):
        """Price of the latest trade in ticks, or None."""
        return self.book.last_price if self.book.last_price else None

    @property
    def trade_count(self):
        """Number of trades so far: the trade_index of the latest."""
        return self.book.trade_count

    @property
    def clock_ns(self):
        """Highest timestamp of any command that was not refused, in nanoseconds."""
        return self.book.clock_ns

    @property
    def state(self):
        """The trading state."""
        return TradingState(self.book.state)

    @property
    def memory_bytes(self):
        """Bytes reserved for open orders and every index over them."""
        return book_bytes(&self.book)

    def __len__(self):
        """Number of open orders, resting and dormant."""
        return self.book.ids.used

    def __contains__(self, order_id):
        cdef uint64_t number
        try:
            number = id_of(order_id)
        except (TypeError, ValueError):
            return False
        self.not_busy()
        return find_order(&self.book.ids, self.book.orders, number) != 0

    def top(self):
        """Best bid and ask with their visible quantities, as a Top; O(1)."""
        cdef const Book* b = &self.book
        cdef uint32_t bid = b.sides[0].best
        cdef uint32_t ask = b.sides[1].best
        self.not_busy()
        return Top(
            b.levels[bid].price if bid else None,
            b.levels[bid].visible if bid else 0,
            b.levels[ask].price if ask else None,
            b.levels[ask].visible if ask else 0,
        )

    def depth(self, levels=10):
        """The best ``levels`` price levels of each side: two DEPTH_DTYPE arrays (bids, asks).

        Both run from the best price on; raises ValueError for a negative number of levels.
        """
        cdef Py_ssize_t limit = levels
        if limit < 0:
            raise ValueError(f"levels must not be negative, got {levels}")
        cdef size_t most = max(self.book.sides[0].heap_count, self.book.sides[1].heap_count)
        cdef size_t size = min(<size_t>limit, most)
        cdef cnp.ndarray bids = np.empty(size, DEPTH_DTYPE)
        cdef cnp.ndarray asks = np.empty(size, DEPTH_DTYPE)
        cdef size_t bid_count
        cdef size_t ask_count
        # Making arrays may let another thread in, so the book is looked at only now.
        self.not_busy()
        bid_count = write_depth(&self.book, 0, size, <DepthRow*>cnp.PyArray_DATA(bids))
        ask_count = write_depth(&self.book, 1, size, <DepthRow*>cnp.PyArray_DATA(asks))
        return bids[:bid_count], asks[:ask_count]

    def orders(self):
        """Every open order as ORDER_DTYPE: bids, then asks, in priority order; then dormant ones."""
        cdef cnp.ndarray rows = np.empty(self.book.ids.used, ORDER_DTYPE)
        cdef OrderRecord* out
        cdef size_t k
        self.not_busy()
        while <uint32_t>cnp.PyArray_DIM(rows, 0) != self.book.ids.used:
            # Another thread came by while the array was made.
            rows = np.empty(self.book.ids.used, ORDER_DTYPE)
            self.not_busy()
        out = <OrderRecord*>cnp.PyArray_DATA(rows)
        k = write_side(&self.book, 0, out)
        k += write_side(&self.book, 1, out + k)
        k += write_stops(&self.book, 0, out + k)
        k += write_stops(&self.book, 1, out + k)
        return rows

    def order(self, order_id):
        """One open order as an ORDER_DTYPE record; raises UnknownOrder."""
        cdef uint64_t number = id_of(order_id)
        cdef cnp.ndarray rows = np.empty(1, ORDER_DTYPE)
        cdef uint32_t i
        self.not_busy()
        i = find_order(&self.book.ids, self.book.orders, number)
        if i == 0:
            raise UnknownOrder(f"no open order has the id {order_id}")
        if self.book.orders[i].level_flags & ORDER_DORMANT:
            write_dormant(&self.book, i, <OrderRecord*>cnp.PyArray_DATA(rows))
        else:
            write_resting(&self.book, i, <OrderRecord*>cnp.PyArray_DATA(rows))
        return rows[0]

    def __iter__(self):
        """Iterate over :meth:`orders` as it is now."""
        return iter(self.orders())

    # ---- state ----

    cdef bytes state_bytes(self):
        cdef const Book* b = &self.book
        cdef uint64_t bids
        cdef uint64_t asks
        orders = self.orders()
        # Nothing since orders() looked has let another thread in.
        bids = b.sides[0].order_count
        asks = b.sides[1].order_count
        header = (
            b.state, b.clock_ns, b.last_price, b.trade_count, bids, asks, b.ids.used - bids - asks
        )
        return _HEADER.pack(*header) + orders.tobytes()

    def state_hash(self):
        """64-bit hash of everything that decides how the book goes on; independent of its memory."""
        return _snapshot.state_hash(self.state_bytes())

    def check_invariants(self):
        """Walk the whole book; raises InvariantError naming the first contradiction."""
        self.not_busy()
        cdef const char* wrong = check_book(&self.book)
        if wrong != NULL:
            raise InvariantError((<bytes>wrong).decode())

    def snapshot(self):
        """The whole book as bytes, versioned and checksummed; raises BookStopped if events were lost."""
        self.enter()
        return _snapshot.pack(self.state_bytes())

    def restore(self, snapshot):
        """Become the book that a snapshot holds; on any error the book stays as it was.

        Raises SnapshotError if the bytes are damaged, foreign, contradictory or of an unknown
        version, and MemoryError.
        """
        cdef Book fresh
        cdef const char* wrong
        cdef const unsigned char* data
        cdef uint64_t bids
        cdef uint64_t asks
        cdef uint64_t dormant
        cdef cnp.ndarray records
        self.not_busy()
        state = _snapshot.unpack(snapshot)
        if len(state) < _HEADER.size:
            raise SnapshotError("snapshot contradicts itself: its state is shorter than a header")
        code, clock_ns, last_price, trade_count, bids, asks, dormant = _HEADER.unpack_from(state)
        counted = (bids + <object>asks + dormant) * ORDER_DTYPE.itemsize
        if len(state) - _HEADER.size != counted or code > TRADING_STATE_HALTED:
            raise SnapshotError("snapshot contradicts itself: its header does not fit its orders")
        if clock_ns < 0 or last_price < 0 or trade_count < 0 or (trade_count == 0) != (last_price == 0):
            raise SnapshotError("snapshot contradicts itself: clock, last price or number of trades")
        records = np.frombuffer(state, ORDER_DTYPE, offset=_HEADER.size)
        start_book(&fresh, bids + asks + dormant)
        fresh.state = code
        fresh.last_price = last_price
        fresh.clock_ns = clock_ns
        wrong = read_records(
            &fresh, <const OrderRecord*>cnp.PyArray_DATA(records), bids, asks, dormant
        )
        if wrong != NULL:
            free_book(&fresh)
            message = (<bytes>wrong).decode()
            if message == "memory":
                raise MemoryError(f"no memory to restore {bids + asks + dormant} orders")
            raise SnapshotError(f"snapshot contradicts itself: {message}")
        fresh.trade_count = trade_count
        self.become(&fresh)

    @classmethod
    def from_snapshot(cls, snapshot):
        """A new book from the bytes of :meth:`snapshot`."""
        book = cls()
        book.restore(snapshot)
        return book

    def clear(self):
        """Forget everything: an open, empty book with its clock and trade count at zero."""
        cdef Book fresh
        start_book(&fresh, 0)
        self.become(&fresh)

    def __reduce__(self):
        return OrderBook.from_snapshot, (self.snapshot(),)

    def __repr__(self):
        self.not_busy()
        return (
            f"<OrderBook {TradingState(self.book.state).name} bid={self.best_bid} ask={self.best_ask} "
            f"orders={self.book.ids.used}>"
        )


cdef int start_book(Book* b, size_t capacity) except -1:
    """Make an empty book with its first memory."""
    cdef bint roomy = True
    memset(b, 0, sizeof(Book))
    b.sides[0].best_key = b.sides[1].best_key = INT64_MAX
    if capacity:
        roomy = grow_orders(b, capacity + 2)
    if not roomy or not make_room(b):
        free_book(b)
        raise MemoryError(f"no memory for an order book of {capacity} orders")
    if capacity:
        # Touch the memory now: a caller who names a capacity would rather wait here.
        memset(b.orders, 0, b.order_capacity * sizeof(Order))
        memset(b.cold, 0, b.order_capacity * sizeof(Cold))
    return 0


cdef int begin(Command* c, uint8_t kind, order_id, owner) except -1:
    memset(c, 0, sizeof(Command))
    c.kind = kind
    c.order_id = id_of(order_id)
    c.owner = <uint32_t>within(owner, "owner", 0xFFFFFFFF)
    return 0


cdef int fill_dormant(Command* c, side, trigger_ticks, qty_lots, price_ticks) except -1:
    """What stops and take-profits have in common; the price is the limit or the worst price."""
    c.side = code_of(side, "side")
    c.trigger_ticks = whole(trigger_ticks, "trigger_ticks")
    c.qty_lots = whole(qty_lots, "qty_lots")
    c.price_ticks = whole(price_ticks, "limit_ticks or worst_price_ticks")
    return 0


cdef int fill_stay(Command* c, time_in_force, self_trade, display_lots, expire_ns) except -1:
    """How an order stays that may stay."""
    c.time_in_force = code_of(time_in_force, "time_in_force")
    c.self_trade = code_of(self_trade, "self_trade")
    c.display_lots = whole(display_lots, "display_lots")
    c.expire_ns = whole(expire_ns, "expire_ns")
    return 0


cdef int refuse(const Command* c, uint8_t reason) except -1:
    """Raise the exception of a refusal; its text is the rule, with the values that broke it."""
    cls = REJECTED_BY_REASON[Reason(reason)]
    raise cls(
        f"{cls.__doc__} (order_id={c.order_id}, price_ticks={c.price_ticks}, qty_lots={c.qty_lots}, "
        f"trigger_ticks={c.trigger_ticks}, owner={c.owner})"
    )
