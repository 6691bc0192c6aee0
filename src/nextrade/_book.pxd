"""Declarations for Cython code that drives a book from C (``from nextrade._book cimport OrderBook``)."""

from ._types cimport Book, Command, Event, Watch


cdef class Outcome:
    # Points to ``_few``, or to memory of its own when the call caused more.
    cdef Event* _events
    cdef size_t _count
    cdef Event _few[4]


cdef class OrderBook:
    cdef Book book
    # Set while a thread is inside; a second one is refused instead of corrupting the book.
    cdef int busy
    cdef object __weakref__

    cdef int not_busy(self) except -1
    cdef int enter(self) except -1
    cdef int borrow_events(self, size_t wanted) except -1
    cdef int run_batch(
        self, const Command* commands, size_t count, bint want_levels, Watch* watch
    ) except -1
    cdef Outcome call(self, Command* c, object timestamp_ns)
    cdef void drop_buffers(self) noexcept
    cdef object take_results(self, bint want_levels, object depth)
    cdef object results(self, bint want_levels, object depth)
    cdef int become(self, Book* fresh) except -1
    cdef bytes state_bytes(self)
