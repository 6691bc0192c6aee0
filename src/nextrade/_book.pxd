"""Declarations for Cython code that drives a book from C (``from nextrade._book cimport OrderBook``)."""

from ._types cimport Book, Command, Event


cdef class Outcome:
    cdef Event* _events
    cdef size_t _count

    cdef tuple _trade(self, const Event* e)


cdef class OrderBook:
    cdef Book book
    # Set while a thread is inside; a second one is refused instead of corrupting the book.
    cdef int busy
    cdef object __weakref__

    cdef int enter(self) except -1
    cdef int borrow_events(self, size_t wanted) except -1
    cdef Outcome call(self, Command* c, object timestamp_ns)
    cdef bytes state_bytes(self)
