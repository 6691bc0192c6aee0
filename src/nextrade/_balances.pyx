"""Balances of all accounts in memory: rows in one array, found through an open-addressing table.

A ledger's calls change many balances at once and must do so wholly or not at all. So each
function here reads and checks everything first and writes last. No function makes a Python
object for a balance. What calls mean is said in ``service/ledger/protocol.py``; a call that
is refused returns one of the codes below, and ``fault`` is the position of its cause.
"""

cimport cython
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc

__all__ = [
    "ASSETS",
    "BAD_AMOUNT",
    "BAD_ASSET",
    "DONE",
    "NOT_ASCENDING",
    "NOT_ZERO",
    "OVERFLOW",
    "TOO_LITTLE",
    "Balances",
]

DONE = 0
TOO_LITTLE = 1
OVERFLOW = 2
NOT_ASCENDING = 3
NOT_ZERO = 4
BAD_ASSET = 5
BAD_AMOUNT = 6

ASSETS = 65536
"""Assets are numbered below this: they are positions in the listings."""

cdef enum:
    C_DONE = 0
    C_TOO_LITTLE = 1
    C_OVERFLOW = 2
    C_NOT_ASCENDING = 3
    C_NOT_ZERO = 4
    C_BAD_ASSET = 5
    C_BAD_AMOUNT = 6
    C_ASSETS = 65536
    FIRST_ROWS = 64

cdef struct Row:
    uint64_t key  # account in the upper half, asset in the lower
    int64_t available
    int64_t held

# The layouts of domain/postings.py: fields in their natural places, so no packing is needed.
cdef struct Posting:
    uint32_t account
    uint32_t asset
    int64_t available
    int64_t held

cdef struct Request:
    uint32_t account
    uint32_t asset
    int64_t amount


cdef inline uint64_t key_of(uint32_t account, uint32_t asset) noexcept nogil:
    return (<uint64_t>account << 32) | asset


cdef inline int changed(int64_t old, int64_t change, int64_t* new) noexcept nogil:
    """Put ``old + change`` into ``new``, if it is neither negative nor too large."""
    # An amount is never negative, so adding a negative change cannot pass the lower end.
    if change > 0 and old > INT64_MAX - change:
        return C_OVERFLOW
    new[0] = old + change
    return C_TOO_LITTLE if new[0] < 0 else C_DONE


@cython.final
cdef class Balances:
    """Available and held amounts by account and asset; what was never touched is zero."""

    # Invariant: a slot holds the position of its row plus one, zero meaning empty; there are at
    # least twice as many slots as rows, so a search always meets an empty slot.
    cdef Row* rows
    cdef uint32_t* slots
    cdef size_t count
    cdef size_t room
    cdef int shift
    # The net change of each asset while a batch is checked: all zero between calls. Sums may
    # wrap around, for those that must be zero are zero in wrapping arithmetic too.
    cdef uint64_t* sums
    cdef uint32_t* found
    cdef size_t found_room
    cdef readonly Py_ssize_t fault

    def __cinit__(self):
        self.room = FIRST_ROWS
        self.shift = 64 - 7
        self.rows = <Row*>calloc(self.room, sizeof(Row))
        self.slots = <uint32_t*>calloc(2 * self.room, sizeof(uint32_t))
        self.sums = <uint64_t*>calloc(C_ASSETS, sizeof(uint64_t))
        if self.rows is NULL or self.slots is NULL or self.sums is NULL:
            raise MemoryError("no memory for balances")

    def __dealloc__(self):
        free(self.rows)
        free(self.slots)
        free(self.sums)
        free(self.found)

    def __len__(self):
        return self.count

    cdef inline size_t slot_of(self, uint64_t key) noexcept nogil:
        """Slot that leads to the row of this key, or the empty one where it belongs."""
        cdef size_t mask = 2 * self.room - 1
        cdef size_t slot = (key * <uint64_t>0x9E3779B97F4A7C15) >> self.shift
        while self.slots[slot] and self.rows[self.slots[slot] - 1].key != key:
            slot = (slot + 1) & mask
        return slot

    cdef int grow(self) except -1 nogil:
        """Double the room, and lead to every row anew."""
        cdef size_t room = 2 * self.room
        cdef size_t row
        cdef Row* rows
        cdef uint32_t* slots
        if room > <size_t>0x80000000u:
            with gil:
                raise MemoryError("more balances than a table can hold")
        slots = <uint32_t*>calloc(2 * room, sizeof(uint32_t))
        if slots is NULL:
            with gil:
                raise MemoryError("no memory for balances")
        rows = <Row*>realloc(self.rows, room * sizeof(Row))
        if rows is NULL:
            free(slots)
            with gil:
                raise MemoryError("no memory for balances")
        free(self.slots)
        self.rows, self.slots, self.room = rows, slots, room
        self.shift -= 1
        for row in range(self.count):
            self.slots[self.slot_of(rows[row].key)] = <uint32_t>(row + 1)
        return 0

    cdef inline int row_for(self, uint64_t key, uint32_t* row) except -1 nogil:
        """Row of this key, made with nothing in it if there is none."""
        cdef size_t slot = self.slot_of(key)
        if self.slots[slot] == 0:
            if self.count == self.room:
                self.grow()
                slot = self.slot_of(key)
            self.rows[self.count] = Row(key, 0, 0)
            self.count += 1
            self.slots[slot] = <uint32_t>self.count
        row[0] = self.slots[slot] - 1
        return 0

    cdef int reserve_room(self, size_t count) except -1:
        """See that ``found`` can hold as many rows."""
        cdef uint32_t* found
        if count > self.found_room:
            found = <uint32_t*>realloc(self.found, 2 * count * sizeof(uint32_t))
            if found is NULL:
                raise MemoryError("no memory for a batch of postings")
            self.found, self.found_room = found, 2 * count
        return 0

    cdef int check(self, const Posting* postings, Py_ssize_t count) except -1 nogil:
        """Find the row of each posting, and see that all of them can be applied."""
        cdef Py_ssize_t k
        cdef uint64_t key, last = 0
        cdef int64_t new
        cdef int code
        cdef uint64_t off = 0
        cdef const Posting* posting
        cdef Row* row
        for k in range(count):
            self.fault = k
            posting = &postings[k]
            key = key_of(posting.account, posting.asset)
            if posting.asset >= C_ASSETS:
                return C_BAD_ASSET
            if k and key <= last:
                return C_NOT_ASCENDING
            last = key
            self.row_for(key, &self.found[k])
            row = &self.rows[self.found[k]]
            code = changed(row.available, posting.available, &new)
            if code == C_DONE:
                code = changed(row.held, posting.held, &new)
            if code != C_DONE:
                return code
            self.sums[posting.asset] += <uint64_t>posting.available + <uint64_t>posting.held
        for k in range(count):
            off |= self.sums[postings[k].asset]
        return C_NOT_ZERO if off else C_DONE

    def apply(self, const Posting[::1] postings not None):
        """Apply every posting or, returning another code than DONE, none of them."""
        cdef Py_ssize_t count = postings.shape[0]
        cdef Py_ssize_t k
        cdef int code
        cdef const Posting* first
        cdef Row* row
        if count == 0:
            return C_DONE
        self.reserve_room(count)
        first = &postings[0]
        with nogil:
            # The sums are zero again whatever happened, also after a fault in the middle.
            try:
                code = self.check(first, count)
            finally:
                for k in range(count):
                    if first[k].asset < C_ASSETS:
                        self.sums[first[k].asset] = 0
            if code == C_DONE:
                for k in range(count):
                    row = &self.rows[self.found[k]]
                    row.available += first[k].available
                    row.held += first[k].held
        return code

    def reserve(self, const Request[::1] requests not None, uint8_t[::1] granted not None):
        """Hold what each request asks for, in order, and tell in ``granted`` which could be had."""
        cdef Py_ssize_t count = requests.shape[0]
        cdef Py_ssize_t k
        cdef uint32_t position
        cdef int64_t amount
        cdef Row* row
        if granted.shape[0] != count:
            raise ValueError("`granted` is as long as the requests")
        for k in range(count):
            self.fault = k
            if requests[k].asset >= C_ASSETS:
                return C_BAD_ASSET
            if requests[k].amount < 0:
                return C_BAD_AMOUNT
        with nogil:
            for k in range(count):
                amount = requests[k].amount
                granted[k] = 1
                if amount == 0:
                    continue
                self.row_for(key_of(requests[k].account, requests[k].asset), &position)
                row = &self.rows[position]
                # What is held would pass int64 only if there were more of the asset than fits.
                if row.available < amount or row.held > INT64_MAX - amount:
                    granted[k] = 0
                else:
                    row.available -= amount
                    row.held += amount
        return C_DONE

    def move(self, uint32_t account, uint32_t asset, int64_t available, int64_t held):
        """Change one balance by these signed amounts, or return why that cannot be."""
        cdef uint32_t position
        cdef int64_t new_available, new_held
        cdef int code
        self.fault = 0
        if asset >= C_ASSETS:
            return C_BAD_ASSET
        self.row_for(key_of(account, asset), &position)
        code = changed(self.rows[position].available, available, &new_available)
        if code == C_DONE:
            code = changed(self.rows[position].held, held, &new_held)
        if code == C_DONE:
            self.rows[position].available = new_available
            self.rows[position].held = new_held
        return code

    def look_up(self, Posting[::1] balances not None):
        """Fill in what each account and asset of these records has."""
        cdef Py_ssize_t k
        cdef uint32_t position
        with nogil:
            for k in range(balances.shape[0]):
                position = self.slots[
                    self.slot_of(key_of(balances[k].account, balances[k].asset))
                ]
                balances[k].available = self.rows[position - 1].available if position else 0
                balances[k].held = self.rows[position - 1].held if position else 0

    def copy_to(self, Posting[::1] balances not None):
        """Write every balance, in the order in which they were first touched."""
        cdef Py_ssize_t k
        cdef Row* row
        if <size_t>balances.shape[0] != self.count:
            raise ValueError("one record for each balance is needed")
        with nogil:
            for k in range(balances.shape[0]):
                row = &self.rows[k]
                balances[k].account = <uint32_t>(row.key >> 32)
                balances[k].asset = <uint32_t>(row.key & 0xFFFFFFFFu)
                balances[k].available = row.available
                balances[k].held = row.held
