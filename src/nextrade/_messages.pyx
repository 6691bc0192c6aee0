"""From recorded messages to commands, and from events to sums, in one pass over the records.

A record is 56 or 80 bytes, so that each NumPy operation on one field of many records reads
all of their memory. What a replay does to every record is therefore done here, at one go.
What the flags and actions of a message mean is said in ``service/replay/messages.py``.

The file is long because the rules stand beside the loops that they are inlined into.
"""

cimport cython
cimport numpy as cnp
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from ._types cimport (
    COMMAND_KIND_CANCEL,
    COMMAND_KIND_MASS_CANCEL,
    COMMAND_KIND_PLACE,
    COMMAND_KIND_REDUCE,
    COMMAND_KIND_REPLACE,
    EVENT_KIND_REJECTED,
    EVENT_KIND_TRADE,
    Command,
    Event,
)
from ._wire cimport (
    ACTION_ADD,
    ACTION_CANCEL,
    ACTION_CLEAR,
    ACTION_FILL,
    ACTION_HIDDEN,
    ACTION_NOTE,
    ACTION_REDUCE,
    FLAG_AUCTION,
    FLAG_LAST,
    Message,
)

import numpy as np

from .dtypes import COMMAND_DTYPE, EVENT_DTYPE

cnp.import_array()

__all__ = [
    "add_up",
    "causes",
    "commands_for",
    "complete_records",
    "event_ends",
    "repeating_commands",
    "requesting_kinds",
    "times_fall",
    "trades_of",
]

cdef enum:
    # What no decoder of a feed writes, and so is not in _wire.
    ACTION_REPLACE = 4
    ACTION_TRADE = 6
    FLAG_SNAPSHOT = 2
    FLAG_REPORT = 4
    FLAG_RESTATES = 8
    FLAG_AGGRESSOR = 16
    FLAG_UNPRICED = 32
    # Who every recorded order belongs to.
    RECORDED_OWNER = 1
    CODES = 256

_message_dtype = np.dtype(
    [
        ("timestamp_ns", "<i8"),
        ("order_id", "<u8"),
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("leaves_lots", "<i8"),
        ("place", "<i8"),
        ("market", "<u4"),
        ("action", "u1"),
        ("side", "u1"),
        ("flags", "<u2"),
    ]
)

if sizeof(Message) != 56 or sizeof(Command) != 80 or sizeof(Event) != 80:
    raise ImportError("nextrade was compiled against another record layout; reinstall it")


cdef cnp.ndarray records_of(array, dtype, str what):
    """An array as its records stand in memory, one after the other and aligned."""
    if not isinstance(array, np.ndarray) or (
        array.dtype is not dtype and array.dtype != dtype
    ) or array.ndim != 1:
        raise TypeError(f"{what} must be a one-dimensional array of {dtype}")
    if not cnp.PyArray_IS_C_CONTIGUOUS(array) or <size_t>cnp.PyArray_DATA(array) % 8:
        array = array.copy()
    return array


cdef inline uint8_t repeating_kind(const Message* m) noexcept nogil:
    """The command that does to a book what the message says; 0: none."""
    cdef bint fills = m.action == ACTION_FILL
    if m.flags & FLAG_RESTATES:
        # Used up it is placed anew, at the back; otherwise it is there, and this is refused.
        return COMMAND_KIND_PLACE if m.action == ACTION_REPLACE else 0
    if m.flags & FLAG_AUCTION and not fills:
        return 0
    if fills:
        if m.flags & FLAG_REPORT and m.flags & FLAG_AGGRESSOR:
            return 0
        # Of an order that nobody had seen it is told only that it is gone.
        if m.qty_lots == 0 and m.leaves_lots == 0:
            return 0
        return COMMAND_KIND_REDUCE
    if m.action == ACTION_ADD:
        return COMMAND_KIND_PLACE
    if m.action == ACTION_REDUCE:
        return COMMAND_KIND_REDUCE
    if m.action == ACTION_CANCEL:
        return COMMAND_KIND_CANCEL
    if m.action == ACTION_REPLACE:
        return COMMAND_KIND_REPLACE
    if m.action == ACTION_CLEAR:
        return COMMAND_KIND_MASS_CANCEL
    return 0


cdef inline void fill_in(Command* c, const Message* m, uint8_t kind, bint by_id) noexcept nogil:
    """One command of the given kind. The record may hold anything before."""
    cdef bint places = kind == COMMAND_KIND_PLACE
    cdef bint clears = kind == COMMAND_KIND_MASS_CANCEL
    cdef bint priced = places or kind == COMMAND_KIND_REPLACE
    memset(c, 0, sizeof(Command))
    c.timestamp_ns = <int64_t>m.order_id if by_id and places else m.timestamp_ns
    c.order_id = m.order_id
    c.market = m.market
    c.kind = kind
    c.qty_lots = 0 if clears or kind == COMMAND_KIND_CANCEL else m.qty_lots
    c.price_ticks = m.price_ticks if priced else 0
    c.side = m.side if places else 0
    c.owner = RECORDED_OWNER if places or clears else 0
    # An execution that tells only what it left is a change to that quantity.
    if m.action == ACTION_FILL and m.qty_lots == 0 and m.leaves_lots > 0:
        c.kind = COMMAND_KIND_REPLACE
        c.qty_lots = m.leaves_lots
        c.price_ticks = m.price_ticks


cdef inline uint8_t requesting_kind(const Message* m, bint auctions_match) noexcept nogil:
    """The command that a participant asked for with this message; 0: none."""
    if m.flags & FLAG_AUCTION:
        # What a call traded is taken off the orders, unless the engine runs the call itself.
        if m.action == ACTION_FILL and not auctions_match:
            return COMMAND_KIND_REDUCE
        return 0
    if m.flags & (FLAG_RESTATES | FLAG_REPORT) or m.action == ACTION_FILL:
        return 0
    if m.action == ACTION_ADD:
        return COMMAND_KIND_PLACE
    if m.action == ACTION_REDUCE:
        return COMMAND_KIND_REDUCE
    if m.action == ACTION_CANCEL:
        return COMMAND_KIND_CANCEL
    if m.action == ACTION_REPLACE:
        return COMMAND_KIND_REPLACE
    if m.action == ACTION_CLEAR:
        return COMMAND_KIND_MASS_CANCEL
    return 0


cdef inline bint links(const Message* m) noexcept nogil:
    """Whether it may stand between two fills of one aggressive order."""
    return (
        m.action == ACTION_FILL
        or m.action == ACTION_TRADE
        or m.action == ACTION_HIDDEN
        or m.action == ACTION_NOTE
        or m.flags & (FLAG_RESTATES | FLAG_SNAPSHOT) != 0
    )


def repeating_commands(messages, bint by_id):
    """The commands that repeat some messages, and for each message how many there are up to it.

    ``by_id``: a new order gets its id for a time.
    """
    cdef cnp.ndarray given = records_of(messages, _message_dtype, "messages")
    cdef Py_ssize_t size = cnp.PyArray_DIM(given, 0)
    cdef cnp.ndarray reaching = np.empty(size, np.int64)
    cdef const Message* m = <const Message*>cnp.PyArray_DATA(given)
    cdef int64_t* reach = <int64_t*>cnp.PyArray_DATA(reaching)
    cdef cnp.ndarray made
    cdef Command* c
    cdef int64_t count = 0
    cdef uint8_t kind
    cdef Py_ssize_t k
    with nogil:
        for k in range(size):
            count += repeating_kind(m + k) != 0
            reach[k] = count
    made = np.empty(count, COMMAND_DTYPE)
    c = <Command*>cnp.PyArray_DATA(made)
    with nogil:
        for k in range(size):
            kind = repeating_kind(m + k)
            if kind:
                fill_in(c, m + k, kind, by_id)
                c += 1
    return made, reaching


def commands_for(messages, kinds, bint by_id):
    """One command for each message whose kind is not 0, and how many up to each message."""
    cdef cnp.ndarray given = records_of(messages, _message_dtype, "messages")
    cdef Py_ssize_t size = cnp.PyArray_DIM(given, 0)
    cdef const uint8_t[::1] wanted = kinds
    cdef cnp.ndarray reaching = np.empty(size, np.int64)
    cdef const Message* m = <const Message*>cnp.PyArray_DATA(given)
    cdef int64_t* reach = <int64_t*>cnp.PyArray_DATA(reaching)
    cdef cnp.ndarray made
    cdef Command* c
    cdef int64_t count = 0
    cdef Py_ssize_t k
    if wanted.shape[0] != size:
        raise ValueError("there must be one kind for each message")
    with nogil:
        for k in range(size):
            count += wanted[k] != 0
            reach[k] = count
    made = np.empty(count, COMMAND_DTYPE)
    c = <Command*>cnp.PyArray_DATA(made)
    with nogil:
        for k in range(size):
            if wanted[k]:
                fill_in(c, m + k, wanted[k], by_id)
                c += 1
    return made, reaching


def times_fall(messages, int64_t now_ns):
    """Whether the time of a message is before ``now_ns`` or before that of the message before."""
    cdef cnp.ndarray given = records_of(messages, _message_dtype, "messages")
    cdef Py_ssize_t size = cnp.PyArray_DIM(given, 0)
    cdef const Message* m = <const Message*>cnp.PyArray_DATA(given)
    cdef int64_t latest_ns = now_ns
    cdef Py_ssize_t k
    with nogil:
        for k in range(size):
            if m[k].timestamp_ns < latest_ns:
                break
            latest_ns = m[k].timestamp_ns
        else:
            k = size
    return k < size


def add_up(
    commands, events, int64_t[::1] by_command, int64_t[::1] by_event, int64_t[::1] by_reason
):
    """Count commands by kind, events by kind and refusals by reason; returns the trades.

    The counts have 256 entries each, by code, and are added to.
    """
    cdef cnp.ndarray sent = records_of(commands, COMMAND_DTYPE, "commands")
    cdef cnp.ndarray happened = records_of(events, EVENT_DTYPE, "events")
    cdef const Command* c = <const Command*>cnp.PyArray_DATA(sent)
    cdef const Event* e = <const Event*>cnp.PyArray_DATA(happened)
    cdef Py_ssize_t size = cnp.PyArray_DIM(happened, 0)
    cdef int64_t trades_before
    cdef Py_ssize_t k
    if min(len(by_command), len(by_event), len(by_reason)) < CODES:
        raise ValueError(f"counts need {CODES} entries")
    trades_before = by_event[EVENT_KIND_TRADE]
    with nogil:
        for k in range(cnp.PyArray_DIM(sent, 0)):
            by_command[c[k].kind] += 1
        for k in range(size):
            by_event[e[k].kind] += 1
            if e[k].kind == EVENT_KIND_REJECTED:
                by_reason[e[k].reason] += 1
    return copied_trades(e, size, by_event[EVENT_KIND_TRADE] - trades_before)


def requesting_kinds(messages, bint auctions_match):
    """For each message the command that was asked for (0: none), and rows of some of them.

    Returns the kinds, the rows of fills that an aggressive order must find again, how many
    messages that part aggressive orders come before each of these, and the rows UNPRICED.
    """
    cdef cnp.ndarray given = records_of(messages, _message_dtype, "messages")
    cdef Py_ssize_t size = cnp.PyArray_DIM(given, 0)
    cdef const Message* m = <const Message*>cnp.PyArray_DATA(given)
    cdef cnp.ndarray found = np.empty(size, np.uint8)
    cdef uint8_t* kinds = <uint8_t*>cnp.PyArray_DATA(found)
    cdef int64_t fills = 0
    cdef int64_t unpriced = 0
    cdef int64_t parted = 0
    cdef cnp.ndarray fill_rows, breaks, unpriced_rows
    cdef int64_t* row
    cdef int64_t* cut
    cdef int64_t* other
    cdef Py_ssize_t k
    with nogil:
        for k in range(size):
            kinds[k] = requesting_kind(m + k, auctions_match)
            fills += m[k].action == ACTION_FILL and not m[k].flags & (
                FLAG_AUCTION | FLAG_AGGRESSOR
            )
            unpriced += m[k].flags & FLAG_UNPRICED != 0
    fill_rows = np.empty(fills, np.int64)
    breaks = np.empty(fills, np.int64)
    unpriced_rows = np.empty(unpriced, np.int64)
    row = <int64_t*>cnp.PyArray_DATA(fill_rows)
    cut = <int64_t*>cnp.PyArray_DATA(breaks)
    other = <int64_t*>cnp.PyArray_DATA(unpriced_rows)
    if fills or unpriced:
        with nogil:
            for k in range(size):
                parted += not links(m + k)
                if m[k].action == ACTION_FILL and not m[k].flags & (
                    FLAG_AUCTION | FLAG_AGGRESSOR
                ):
                    row[0] = k
                    row += 1
                    cut[0] = parted
                    cut += 1
                if m[k].flags & FLAG_UNPRICED:
                    other[0] = k
                    other += 1
    return found, fill_rows, breaks, unpriced_rows


def causes(const int64_t[::1] reach):
    """For each command the message behind it, from how many commands there are up to each."""
    cdef Py_ssize_t size = reach.shape[0]
    cdef cnp.ndarray found = np.empty(reach[size - 1] if size else 0, np.int64)
    cdef int64_t* rows = <int64_t*>cnp.PyArray_DATA(found)
    cdef int64_t at = 0
    cdef Py_ssize_t k
    with nogil:
        for k in range(size):
            while at < reach[k]:
                rows[at] = k
                at += 1
    return found


def complete_records(messages, bint printed):
    """How many of the messages can be read without those that follow.

    ``printed``: aggressive orders are, so that an event is read as a whole. Otherwise a run of
    fills of one time may go on.
    """
    cdef cnp.ndarray given = records_of(messages, _message_dtype, "messages")
    cdef const Message* m = <const Message*>cnp.PyArray_DATA(given)
    cdef Py_ssize_t size = cnp.PyArray_DIM(given, 0)
    cdef Py_ssize_t at = size
    if printed:
        while at and not m[at - 1].flags & (FLAG_LAST | FLAG_SNAPSHOT):
            at -= 1
        return at
    if size == 0 or not links(m + size - 1):
        return size
    while at and links(m + at - 1) and m[at - 1].timestamp_ns == m[size - 1].timestamp_ns:
        at -= 1
    return at


def event_ends(messages, const int64_t[::1] rows):
    """For each of these ascending rows how many messages there are up to the end of its event."""
    cdef cnp.ndarray given = records_of(messages, _message_dtype, "messages")
    cdef Py_ssize_t size = cnp.PyArray_DIM(given, 0)
    cdef const Message* m = <const Message*>cnp.PyArray_DATA(given)
    cdef cnp.ndarray found = np.empty(rows.shape[0], np.int64)
    cdef int64_t* ends = <int64_t*>cnp.PyArray_DATA(found)
    cdef Py_ssize_t at = 0
    cdef Py_ssize_t k
    with nogil:
        for k in range(rows.shape[0]):
            if at < rows[k]:
                at = rows[k]
            while at < size - 1 and not m[at].flags & FLAG_LAST:
                at += 1
            ends[k] = at + 1
    return found


def trades_of(events):
    """The executions among events, in order."""
    cdef cnp.ndarray happened = records_of(events, EVENT_DTYPE, "events")
    cdef const Event* e = <const Event*>cnp.PyArray_DATA(happened)
    cdef Py_ssize_t size = cnp.PyArray_DIM(happened, 0)
    cdef Py_ssize_t count = 0
    cdef Py_ssize_t k
    with nogil:
        for k in range(size):
            count += e[k].kind == EVENT_KIND_TRADE
    return copied_trades(e, size, count)


cdef cnp.ndarray copied_trades(const Event* e, Py_ssize_t size, Py_ssize_t count):
    cdef cnp.ndarray found = np.empty(count, EVENT_DTYPE)
    cdef Event* out = <Event*>cnp.PyArray_DATA(found)
    cdef Py_ssize_t k
    if count:
        with nogil:
            for k in range(size):
                if e[k].kind == EVENT_KIND_TRADE:
                    out[0] = e[k]
                    out += 1
    return found
