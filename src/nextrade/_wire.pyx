"""Decoders of exchange feeds: bytes to records, without a Python object for a message.

``ItchDecoder`` and ``PitchDecoder`` read what an exchange sent and write one record of
MESSAGE_DTYPE for each thing that happened to an order. The feeds name an order in full only
when it comes; the decoders remember those that are open (``_open_orders``) and so complete
what later messages leave out. The formats themselves are in ``_itch`` and ``_pitch``.
"""

cimport cython
cimport numpy as cnp
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memset

from ._itch cimport believable, believable_run, be16, decode_itch, itch_length
from ._memory cimport allocate, allocations_left, release
from ._open_orders cimport MAX_MARKETS, resize, start_orders, trim
from ._pitch cimport decode_pitch
from ._wire cimport FAULT_LENGTH, FAULT_MEMORY, FAULT_TYPE, Message, Wire

import numpy as np

cnp.import_array()

cdef enum:
    # What is pending while the next message is being looked for.
    SEARCHING = -1

__all__ = ["FAULTS", "ITCH_LENGTHS", "ItchDecoder", "PitchDecoder"]

FAULTS = (
    "",
    "there is no such message type",
    "its length is not that of its type",
    "the time is not one of a day",
    "the side is neither B nor S",
    "the quantity is not a positive number",
    "the symbol is not a name",
    "the stock locate code belongs to another symbol already; are these two days in one file?",
    f"more than {MAX_MARKETS} markets",
    "the price is not a number",
    "the id is not a number of base 36",
    "a character cannot be printed",
)
"""What is wrong with a message, by the code that ``decode`` answers with."""

ITCH_LENGTHS = {chr(k): itch_length[k] for k in range(256) if itch_length[k]}
"""Bytes of an ITCH message, by the letter of its type."""

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

if sizeof(Message) != 56:
    raise ImportError("nextrade was compiled against another record layout; reinstall it")


def _fail_allocations_after(int64_t count):
    """For tests: let this many allocations of the decoders succeed and the others fail; -1 ends it."""
    global allocations_left
    allocations_left = count


cdef class _Decoder:
    """The state of one feed: orders open, names of markets, and what was counted.

    ``seed`` mixes the hash of ids; the records do not depend on it. A decoder serves one
    thread at a time.
    """

    cdef Wire* wire
    cdef list names
    cdef bint busy

    def __cinit__(self, uint64_t seed=0):
        self.names = []
        self.wire = <Wire*>allocate(sizeof(Wire))
        if self.wire == NULL:
            raise MemoryError("no memory for a decoder")
        memset(self.wire, 0, sizeof(Wire))
        if not start_orders(&self.wire.orders, seed):
            raise MemoryError("no memory for a decoder")

    def __dealloc__(self):
        if self.wire != NULL:
            release(self.wire.orders.slots)
            release(self.wire)

    cdef void run(self) noexcept nogil:
        pass

    def decode(self, data, size_t start, cnp.ndarray out, size_t filled, int64_t place):
        """Read the messages of ``data`` from ``start`` into the array ``out`` from ``filled``.

        Stops before a message that is not complete, that does not find room (two records), or
        that cannot be used. ``place`` is that of ``data[start]``. Returns where it stopped, how
        much of ``out`` is filled, what is wrong with the message there (an index of FAULTS; 0:
        nothing) and the place there.
        """
        cdef Py_buffer view
        cdef Wire* w = self.wire
        if out.dtype != _message_dtype:
            raise TypeError(f"out must be an array of MESSAGE_DTYPE, not {out.dtype}")
        if out.ndim != 1 or not cnp.PyArray_ISCARRAY(out):
            raise ValueError("out must be one-dimensional, contiguous and writable")
        if filled > <size_t>cnp.PyArray_DIM(out, 0):
            raise ValueError("filled is more than out can hold")
        if self.busy:
            raise ValueError("this decoder is in use by another thread")
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            if start > <size_t>view.len:
                raise ValueError("start is behind the end of data")
            self.busy = True
            w.data = <const uint8_t*>view.buf
            w.size = view.len
            w.at = start
            w.place = place
            w.out = <Message*>cnp.PyArray_DATA(out) + filled
            w.out_end = <Message*>cnp.PyArray_DATA(out) + cnp.PyArray_DIM(out, 0)
            with nogil:
                trim(&w.orders)
                self.run()
            if w.fault == FAULT_MEMORY:
                raise MemoryError("no memory to remember one more open order")
            return w.at, w.out - <Message*>cnp.PyArray_DATA(out), w.fault, w.place
        finally:
            self.busy = False
            w.data = NULL
            PyBuffer_Release(&view)

    @property
    def markets(self):
        """Names by ``market``: always the same list, complete as far as the feed was read."""
        cdef uint64_t name
        cdef Wire* w = self.wire
        if w.markets.changed:
            w.markets.changed = False
            self.names.clear()
            for k in range(w.markets.count):
                name = w.markets.names[k]
                if name < MAX_MARKETS:
                    self.names.append(f"locate {name}")
                else:
                    self.names.append((<const char*>&name)[:8].decode("ascii").rstrip())
        return self.names

    @property
    def counts(self):
        """Messages that were read, by the letter of their type."""
        return {chr(k): self.wire.counts[k] for k in range(256) if self.wire.counts[k]}

    @property
    def unknown(self):
        """Messages that named an order which is not open."""
        return self.wire.unknown

    @property
    def excess(self):
        """Messages that took more from an order than was left of it."""
        return self.wire.excess

    @property
    def repeated(self):
        """Orders that came while another with the same id was open."""
        return self.wire.repeated

    @property
    def open_orders(self):
        """Orders remembered now."""
        if self.wire.orders.cleared:
            if not resize(&self.wire.orders, self.wire.orders.mask + 1):
                raise MemoryError("no memory to drop the orders that were cleared")
        return self.wire.orders.used

    @property
    def slots(self):
        """Orders that the map has memory for."""
        return self.wire.orders.mask + 1


@cython.final
cdef class ItchDecoder(_Decoder):
    """NASDAQ TotalView-ITCH 5.0, each message behind its length.

    ``place`` counts bytes: a record's place is that of its type letter, behind the length.
    """

    cdef void run(self) noexcept nogil:
        decode_itch(self.wire)

    @staticmethod
    def resume(data, size_t start, int pending, bint last):
        """Where to go on behind a message that ``decode`` found a fault with.

        ``pending`` is that fault, or what the last call answered. Returns a position and what is
        pending there: 0 if decoding can go on; otherwise ask again from there with more data.
        With ``last`` there is no more, and an answer is always found, if only the end.

        A message with its proper length is stepped over, and so is one whose announced length
        leads to a message that can be one. Otherwise the next place is taken at which three
        messages can stand in a row, or fewer that end with the file.
        """
        cdef Py_buffer view
        cdef const uint8_t* p
        cdef size_t size
        cdef size_t at = start
        cdef int found = 0
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            p = <const uint8_t*>view.buf
            size = view.len
            if pending != SEARCHING:
                if start > size or size - start < 3:
                    if last:
                        return size, 0
                    return start, pending
                if pending != FAULT_TYPE and pending != FAULT_LENGTH:
                    return min(size, start + 2 + itch_length[p[start + 2]]), 0
                if be16(p + start):
                    at = start + 2 + be16(p + start)
                    if at < size:
                        found = believable(p + at, size - at)
                    elif at == size and last:
                        found = 1
                    else:
                        found = -1
                    if found == 1:
                        return at, 0
                    if found == -1 and not last:
                        return start, pending
                at = start + 1
            found = 0
            with nogil:
                while at < size:
                    found = believable_run(p + at, size - at, last)
                    if found != 0:
                        break
                    at += 1
            if found == 1 or last:
                return min(at, size), 0
            return min(at, size), SEARCHING
        finally:
            PyBuffer_Release(&view)


@cython.final
cdef class PitchDecoder(_Decoder):
    """Cboe (BATS) PITCH, lines of text. ``place`` counts lines."""

    cdef void run(self) noexcept nogil:
        decode_pitch(self.wire)
