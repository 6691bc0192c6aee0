"""Running out of memory anywhere, and how much memory a book takes."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from nextrade import CommandKind, EventKind, OrderBook, Reason, Side, TradingState
from nextrade.errors import BookStopped, OutOfMemory
from tests.model.compiled import command_array
from tests.model.streams import stream
from tests.unit.core.books import (
    BUY,
    SELL,
    auction_book,
    commands,
    lively_book,
    resting,
    special,
    starved,
)

SANITIZED = "asan" in os.environ.get("LD_PRELOAD", "")
ENOUGH = 64


def has_stopped(book):
    """Whether the book waits for a restore."""
    try:
        book.snapshot()
    except BookStopped:
        return True
    return False


def sound(book):
    """The book holds together and all ways of looking at it work, stopped or not."""
    book.check_invariants()
    assert len(book.orders()) == len(book)
    book.depth(10**6)
    book.top()
    book.state_hash()


def batch_under_pressure(setup, batch, levels):
    """Run a batch with ever more memory until nothing fails; answers with what was seen."""
    complete = setup().process(batch)
    seen = set()
    for allocations in range(ENOUGH):
        book = setup()
        before = book.snapshot()
        hash_before = book.state_hash()
        events, message = None, "smaller batches"
        try:
            with starved(allocations):
                answer = book.process(batch, levels=levels)
            events = answer[0] if levels else answer
        except MemoryError as error:
            message = str(error)
            seen.add("stopped" if has_stopped(book) else "not begun")
        sound(book)
        assert "smaller batches" in message
        if events is None and not has_stopped(book):
            assert book.state_hash() == hash_before
        if events is not None:
            refusals = events["reason"] == Reason.OUT_OF_MEMORY
            seen.add("refused" if refusals.any() else "complete")
            assert set(events["command"].tolist()) == set(range(len(batch)))
            if not refusals.any():
                assert events.tobytes() == complete.tobytes()
        if has_stopped(book):
            with pytest.raises(BookStopped, match="restore"):
                book.process(batch)
            with pytest.raises(BookStopped, match="restore"):
                book.limit(10**9, BUY, 5, 5)
        book.restore(before)
        assert book.process(batch).tobytes() == complete.tobytes()
    assert "complete" in seen
    return seen


BATCHES = {
    "resting": (OrderBook, resting(1000)),
    "many levels": (OrderBook, resting(1000, levels=500)),
    "special": (OrderBook, special(1000)),
    "mixed": (lively_book, command_array(stream(5, 1000))),
    "crossing": (lively_book, command_array(stream(8, 400, deep=True))),
}


@pytest.mark.parametrize("levels", [False, True], ids=["events", "levels"])
@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_without_memory_fails_cleanly(name, levels):
    """A refusal, or MemoryError with the book unchanged or stopped; restored, it goes on."""
    seen = batch_under_pressure(*BATCHES[name], levels)

    assert {"not begun", "complete"} <= seen


@pytest.mark.parametrize("levels", [False, True], ids=["events", "levels"])
def test_growing_batches_refuse_what_does_not_fit(levels):
    """Orders that find no room are refused as OUT_OF_MEMORY, and the rest of the batch runs."""
    seen = batch_under_pressure(*BATCHES["resting"], levels)

    assert "refused" in seen


def large_book():
    """Six thousand orders of one owner on fourteen hundred levels."""
    book = OrderBook()
    batch = resting(6000, levels=700)
    batch["owner"] = 5
    book.process(batch)
    return book


ALL_AT_ONCE = {
    "mass cancel": (large_book, commands(1, kind=CommandKind.MASS_CANCEL, owner=5)),
    "sweep": (large_book, commands(1, order_type=1, qty_lots=10**6, order_id=10**6)),
}


@pytest.mark.parametrize("levels", [False, True], ids=["events", "levels"])
@pytest.mark.parametrize("name", ALL_AT_ONCE)
def test_a_book_that_lost_events_stops(name, levels):
    """One command with more events than fit: the book stays sound, stops, and can be restored."""
    seen = batch_under_pressure(*ALL_AT_ONCE[name], levels)

    assert "stopped" in seen


def test_a_mass_cancel_without_memory_is_refused():
    """It needs memory for its list before it begins."""
    book = large_book()
    before = book.state_hash()

    with starved(1):
        events = book.process(ALL_AT_ONCE["mass cancel"][1])

    assert events["reason"].tolist() == [Reason.OUT_OF_MEMORY]
    assert book.state_hash() == before


CALLS = {
    "limit": lambda book: book.limit(500, BUY, 50, 5),
    "iceberg": lambda book: book.limit(500, BUY, 50, 5, display_lots=2),
    "sweep": lambda book: book.limit(500, BUY, 200, 500),
    "market": lambda book: book.market(500, SELL, 500),
    "stop": lambda book: book.stop(500, BUY, 300, 5),
    "cancel": lambda book: book.cancel(1),
    "replace": lambda book: book.replace(1, price_ticks=95),
    "mass cancel": lambda book: book.mass_cancel(0),
    "expire": lambda book: book.expire(5000),
    "auction": lambda book: book.set_state(TradingState.AUCTION),
}
AUCTION_CALLS = {
    "uncross": lambda book: book.uncross(),
    "uncross to halt": lambda book: book.uncross(then=TradingState.HALTED),
    "indicative": lambda book: book.indicative(),
}


def filled_up(make):
    """A book without room for one more order: the next one needs memory."""
    book = make()
    order_id = 1000
    while True:
        try:
            with starved(1):
                book.limit(order_id, BUY, 1 + order_id % 40, 1)
        except (OutOfMemory, MemoryError):
            return book
        order_id += 1


@pytest.mark.parametrize(
    ("make", "call"),
    [(lively_book, call) for call in CALLS.values()]
    + [(auction_book, call) for call in AUCTION_CALLS.values()],
    ids=[*CALLS, *AUCTION_CALLS],
)
def test_a_call_without_memory_fails_cleanly(make, call):
    """OutOfMemory or MemoryError, the book unchanged or stopped; with memory it succeeds."""
    before = filled_up(make).snapshot()
    complete = OrderBook.from_snapshot(before)
    call(complete)
    outcomes = []
    for allocations in range(ENOUGH):
        book = filled_up(make)
        hash_before = book.state_hash()
        try:
            with starved(allocations):
                call(book)
        except OutOfMemory:
            outcomes.append("refused")
            assert book.state_hash() == hash_before
        except MemoryError:
            outcomes.append("failed")
            assert has_stopped(book) or book.state_hash() == hash_before
        else:
            outcomes.append("complete")
            assert book.state_hash() == complete.state_hash()
        sound(book)
        book.restore(before)
        call(book)
        assert book.state_hash() == complete.state_hash()

    assert outcomes[-1] == "complete"


@pytest.mark.parametrize("capacity", [0, 1, 100, 10_000])
def test_a_book_without_memory_is_not_made(capacity):
    """MemoryError from the constructor, and nothing is left behind."""
    failed = 0
    for allocations in range(ENOUGH):
        try:
            with starved(allocations):
                book = OrderBook(capacity=capacity)
        except MemoryError:
            failed += 1
        else:
            book.limit(1, BUY, 5, 5)
            book.check_invariants()
    assert 0 < failed < ENOUGH


@pytest.mark.parametrize("change", [OrderBook.clear, OrderBook.__init__], ids=["clear", "init"])
def test_a_book_that_cannot_be_emptied_stays_as_it_is(change):
    """MemoryError, with everything still there."""
    failed = 0
    for allocations in range(ENOUGH):
        book = lively_book()
        before = book.state_hash()
        try:
            with starved(allocations):
                change(book)
        except MemoryError:
            failed += 1
            assert book.state_hash() == before
        else:
            assert book.state_hash() == OrderBook().state_hash()
        sound(book)
    assert 0 < failed < ENOUGH


@pytest.mark.parametrize("make", [lively_book, auction_book, large_book])
def test_restoring_without_memory_changes_nothing(make):
    """MemoryError, and the book is what it was; with memory it is the other one."""
    snapshot = make().snapshot()
    failed = 0
    for allocations in range(ENOUGH):
        book = OrderBook()
        book.limit(99, BUY, 7, 7)
        before = book.state_hash()
        try:
            with starved(allocations):
                book.restore(snapshot)
        except MemoryError:
            failed += 1
            assert book.state_hash() == before
        else:
            assert book.snapshot() == snapshot
        sound(book)
    assert 0 < failed < ENOUGH


def test_a_snapshot_needs_no_memory_of_the_core():
    """It can be taken when everything else fails, so nothing need be lost."""
    book = lively_book()
    expected = book.snapshot(), book.state_hash()

    with starved(0):
        assert (book.snapshot(), book.state_hash()) == expected
        book.check_invariants()


def test_a_stopped_book_can_be_looked_at_and_cleared():
    """Views work, commands do not, ``clear`` makes it a new book."""
    book = large_book()
    with starved(3), pytest.raises(MemoryError, match="restore"):
        book.process(ALL_AT_ONCE["mass cancel"][1])

    sound(book)
    assert len(book) == 0
    for call in (lambda: book.limit(1, BUY, 5, 5), lambda: book.expire(9), book.snapshot):
        with pytest.raises(BookStopped, match="restore"):
            call()
    book.clear()

    assert book.limit(1, BUY, 5, 5).leaves_lots == 5


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space as Linux has them")
@pytest.mark.skipif(SANITIZED, reason="the address sanitizer needs the address space")
def test_a_real_limit_of_memory():
    """With a limit of address space a book fills until it refuses, and is usable afterwards."""
    program = """
        import resource
        from nextrade import EventKind, OrderBook, Reason
        from nextrade.errors import BookStopped
        from tests.unit.core.books import resting

        def limit(extra):
            pages = int(open("/proc/self/statm").read().split()[0])
            soft = pages * resource.getpagesize() + extra if extra else resource.RLIM_INFINITY
            resource.setrlimit(resource.RLIMIT_AS, (soft, resource.RLIM_INFINITY))

        book, refused, failed = OrderBook(), 0, 0
        batch = resting(2000)
        limit(32 << 20)
        while refused == 0 and failed == 0:
            batch["order_id"] += len(batch)
            try:
                events = book.process(batch)
                refused = int((events["reason"] == Reason.OUT_OF_MEMORY).sum())
            except MemoryError:
                failed = 1
        limit(0)
        book.check_invariants()
        orders = len(book)
        assert orders > 100_000, orders
        try:
            snapshot = book.snapshot()
        except BookStopped:
            book.clear()
        else:
            assert OrderBook.from_snapshot(snapshot).state_hash() == book.state_hash()
        book.limit(5, 0, 5, 5)
        book.check_invariants()
        print("usable")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )

    assert (done.stdout.strip(), done.stderr) == ("usable", "")


# ---- how much -------------------------------------------------------------------------


def test_memory_follows_open_orders_not_orders_ever_seen():
    """Two million orders, never a thousand open: the book stays as small as it was."""
    book = OrderBook()
    count, rounds = 20_000, 100
    number = np.arange(count)
    batch = np.zeros(2 * count, commands(0).dtype)
    # Cancels follow their orders 400 commands later, prices wander.
    placed, canceled = batch[0::2], batch[1::2]
    placed["kind"], canceled["kind"] = CommandKind.PLACE, CommandKind.CANCEL
    placed["qty_lots"] = 10
    placed["side"] = number % 2
    placed["display_lots"] = np.where(number % 7 == 0, 3, 0)
    reserved = []
    for turn in range(rounds):
        ids = turn * count + number
        batch["timestamp_ns"] = turn
        placed["order_id"], canceled["order_id"] = ids + 400, ids
        center = 10_000 + 50 * turn
        placed["price_ticks"] = center + np.where(number % 2 == Side.SELL, 1, -1) * (
            500 + number % 400
        )
        events = book.process(batch)
        assert (events["reason"] != Reason.OUT_OF_MEMORY).all()
        assert len(book) < 1000
        reserved.append(book.memory_bytes)

    book.check_invariants()
    assert max(reserved) == reserved[3] == reserved[-1]
    assert reserved[-1] < 1 << 20


def test_dormant_and_timed_orders_leave_nothing_behind():
    """Stops and GTD orders that are placed and canceled for ever take no more memory."""
    book = OrderBook()
    reserved = []
    for turn in range(60):
        batch = special(400, first_id=1 + turn * 400)
        book.process(batch)
        batch["kind"] = CommandKind.CANCEL
        events = book.process(batch)
        assert (events["kind"] == EventKind.CANCELED).all()
        reserved.append(book.memory_bytes)

    assert len(book) == 0
    assert reserved[-1] == reserved[3]


def test_an_order_takes_little_memory():
    """A hundred thousand plain orders, all indexes counted: below a hundred bytes each."""
    book = OrderBook(capacity=100_000)
    book.process(resting(100_000, levels=500))

    assert book.memory_bytes / len(book) < 100
