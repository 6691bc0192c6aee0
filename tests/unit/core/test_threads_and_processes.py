"""A book under threads, fork, pickle, copy and weak references."""

import copy
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import time
import weakref

import pytest

from nextrade import OrderBook, errors
from nextrade.errors import BookBusy, NexTradeError
from tests.model.compiled import command_array
from tests.model.streams import stream
from tests.unit.core.books import (
    BUY,
    auction_book,
    commands,
    lively_book,
    resting,
    slow_batch,
)

CALLS = {
    "limit": lambda book: book.limit(10**6, BUY, 5, 5),
    "market": lambda book: book.market(10**6, BUY, 5),
    "market_to_limit": lambda book: book.market_to_limit(10**6, BUY, 5),
    "stop": lambda book: book.stop(10**6, BUY, 5, 5),
    "take_profit": lambda book: book.take_profit(10**6, BUY, 5, 5),
    "cancel": lambda book: book.cancel(1),
    "reduce": lambda book: book.reduce(1, 1),
    "replace": lambda book: book.replace(1, qty_lots=2),
    "replace all": lambda book: book.replace(1, qty_lots=2, price_ticks=3),
    "mass_cancel": lambda book: book.mass_cancel(0),
    "expire": lambda book: book.expire(5),
    "set_state": lambda book: book.set_state(1),
    "uncross": lambda book: book.uncross(),
    "indicative": lambda book: book.indicative(),
    "process": lambda book: book.process(resting(2)),
    "process levels": lambda book: book.process(resting(2), levels=True),
    "observe": lambda book: book.observe(resting(2), [1]),
    "top": lambda book: book.top(),
    "depth": lambda book: book.depth(),
    "orders": lambda book: book.orders(),
    "order": lambda book: book.order(1),
    "iter": lambda book: iter(book),
    "in": lambda book: 1 in book,
    "repr": repr,
    "state_hash": lambda book: book.state_hash(),
    "check_invariants": lambda book: book.check_invariants(),
    "snapshot": lambda book: book.snapshot(),
    "restore": lambda book: book.restore(OrderBook().snapshot()),
    "clear": lambda book: book.clear(),
    "init": lambda book: book.__init__(),
    "pickle": pickle.dumps,
    "copy": copy.copy,
}


class Worker(threading.Thread):
    """A thread that runs one slow batch in a book."""

    def __init__(self, book: OrderBook, size: int) -> None:
        super().__init__(daemon=True)
        self.book, self.batch = book, slow_batch(book, size)
        self.started_at = self.ended_at = 0.0

    def run(self) -> None:
        self.started_at = time.monotonic()
        self.book.process(self.batch)
        self.ended_at = time.monotonic()

    def until_inside(self) -> None:
        """Start, and wait until the thread is inside the book (or is through already)."""
        self.start()
        while self.is_alive():
            try:
                self.book.top()
            except BookBusy:
                return


# On a machine with much else to do a batch may be over before anybody looks: then a longer one.
SIZES = (15_000, 30_000, 60_000)


def test_every_call_from_another_thread_is_refused():
    """BookBusy for each method while a batch runs, and the book is as if nobody had called."""
    for size in SIZES:
        book = OrderBook()
        worker = Worker(book, size)
        before = book.state_hash()
        worker.until_inside()
        answers = {}
        for name, call in CALLS.items():
            try:
                call(book)
            except BookBusy as refusal:
                answers[name] = str(refusal)
            except NexTradeError:
                continue
        still_inside = worker.is_alive()
        worker.join()
        if still_inside:
            break

    assert answers.keys() == CALLS.keys()
    assert all("another thread" in text for text in answers.values())
    assert book.state_hash() == before
    book.check_invariants()


def test_every_method_is_covered_by_the_test_above():
    """A method that is added must refuse a second thread too."""
    names = {name for name in dir(OrderBook) if not name.startswith("_")}
    properties = {name for name in names if not callable(getattr(OrderBook, name))}

    assert names - properties - {"from_snapshot"} <= CALLS.keys()


def test_a_batch_leaves_python_to_other_threads():
    """While one thread runs a batch, another one executes Python code."""
    worker = Worker(OrderBook(), SIZES[1])
    worker.until_inside()
    ticks = []
    while worker.is_alive():
        ticks.append(time.monotonic())
        time.sleep(0)
    worker.join()

    quarter = (worker.ended_at - worker.started_at) / 4
    inside = [t for t in ticks if worker.started_at + quarter < t < worker.ended_at - quarter]
    assert len(inside) > 20


def test_different_books_run_in_different_threads():
    """Four threads with a book each come to what one thread comes to."""
    batches = [command_array(stream(seed, 3000)) for seed in range(4)]
    alone = []
    for batch in batches:
        book = OrderBook()
        events = [book.process(batch[k : k + 100]).tobytes() for k in range(0, 3000, 100)]
        alone.append((events, book.state_hash()))
    together = [None] * 4

    def run(k):
        for _ in range(3):
            book = OrderBook()
            events = [book.process(batches[k][j : j + 100]).tobytes() for j in range(0, 3000, 100)]
            together[k] = (events, book.state_hash())

    threads = [threading.Thread(target=run, args=[k]) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert together == alone


def test_a_book_may_move_between_threads():
    """Made in one thread, used in a second, read in a third."""
    book = OrderBook()
    thread = threading.Thread(target=lambda: book.process(resting(100, first_id=100)))
    thread.start()
    thread.join()

    book.check_invariants()
    assert 100 in book


def meanwhile(book, thread):
    """An integer and bytes whose conversion lets another thread into the book."""

    class Number:
        def __index__(self):
            thread.until_inside()
            return 1

    class Bytes(bytes):
        def __bytes__(self):
            thread.until_inside()
            return self[:]

    return Number(), Bytes(book.snapshot())


LATE_CALLS = {
    "timestamp": lambda book, number, _: book.limit(10**6, BUY, 5, 5, timestamp_ns=number),
    "order": lambda book, number, _: book.order(number),
    "in": lambda book, number, _: number in book,
    "depth": lambda book, number, _: book.depth(number),
    "indicative": lambda book, number, _: book.indicative(number),
    "restore": lambda book, _, snapshot: book.restore(snapshot),
}


def was_refused(call, book, worker):
    """Make the call, which lets the worker in, and answer whether it was refused then."""
    number, snapshot = meanwhile(book, worker)
    try:
        call(book, number, snapshot)
    except BookBusy:
        return True
    finally:
        worker.join()
    return False


@pytest.mark.parametrize("call", LATE_CALLS.values(), ids=LATE_CALLS)
def test_a_thread_that_comes_in_during_a_conversion_is_noticed(call):
    """Arguments that run Python code cannot get two threads into one book."""
    for size in SIZES:
        book = OrderBook()
        worker = Worker(book, size)
        refused = was_refused(call, book, worker)
        book.check_invariants()
        if refused:
            break

    assert refused
    assert len(book) == len(worker.batch)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_both_go_on_independently_after_a_fork():
    """Parent and child have a book each; neither sees what the other does."""
    program = """
        import os
        from nextrade import OrderBook
        from tests.unit.core.books import lively_book, resting

        book = lively_book()
        events = book.process(resting(5000, first_id=100))
        said = events.tobytes()
        read, write = os.pipe()
        child = os.fork()
        first = 100_000 if child else 200_000
        for _ in range(3):
            book.process(resting(3000, first_id=first), levels=True)
            first += 3000
        book.mass_cancel(0)
        book.limit(7777 if child else 8888, 0, 5, 5)
        book.check_invariants()
        assert events.tobytes() == said
        assert (7777 in book) == bool(child) and (8888 in book) == (not child)
        if child == 0:
            os.write(write, b"child is well")
            os._exit(0)
        os.close(write)
        status = os.waitpid(child, 0)[1]
        print(os.read(read, 100).decode(), status, len(book))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        cwd=os.getcwd(),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )

    expected = lively_book()
    expected.mass_cancel(0)
    assert done.stderr == ""
    assert done.stdout.split() == ["child", "is", "well", "0", str(len(expected) + 1)]


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": lambda book, protocol=protocol: pickle.loads(
            pickle.dumps(book, protocol)
        )
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("make", [OrderBook, lively_book, auction_book])
def test_a_copy_goes_on_exactly_as_the_original(make, duplicate):
    """Byte for byte, and without any tie to the original."""
    book = make()
    twin = duplicate(book)
    batch = command_array(stream(11, 300))

    expected = book.process(batch, levels=True)
    assert twin.state_hash() == make().state_hash()
    actual = twin.process(batch, levels=True)

    assert [part.tobytes() for part in actual] == [part.tobytes() for part in expected]
    assert twin.state_hash() == book.state_hash()


def test_a_book_can_be_referred_to_weakly():
    """The reference dies with the book."""
    book = OrderBook()
    reference = weakref.ref(book)
    assert reference() is book

    del book

    assert reference() is None


def test_a_book_is_final():
    """Nobody can override half of it."""
    with pytest.raises(TypeError):
        type("Mine", (OrderBook,), {})


def test_initialising_again_makes_an_empty_book():
    """A second ``__init__`` is a clear with a capacity; one that fails changes nothing."""
    book = lively_book()
    before = book.state_hash()

    with pytest.raises(ValueError, match="capacity"):
        book.__init__(capacity=-1)
    assert book.state_hash() == before
    book.__init__(capacity=10)

    assert book.state_hash() == OrderBook().state_hash()


def test_a_stopped_or_busy_book_is_a_runtime_error():
    """Generic handlers of RuntimeError see both."""
    assert issubclass(errors.BookBusy, RuntimeError)
    assert issubclass(errors.BookStopped, RuntimeError)


def test_a_thread_may_use_the_book_again_after_an_error():
    """A refused or failed call does not leave the book busy."""
    book = lively_book()
    for wrong in (None, commands(1).reshape(1, 1)):
        with pytest.raises(TypeError):
            book.process(wrong)
    with pytest.raises(errors.UnknownOrder):
        book.cancel(99)

    assert book.limit(500, BUY, 5, 5).leaves_lots == 5
