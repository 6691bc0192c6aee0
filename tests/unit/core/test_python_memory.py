"""Python itself runs out of memory inside a call of the book."""

import pytest

from nextrade.errors import BookStopped
from tests.model.compiled import command_array
from tests.model.streams import stream
from tests.unit.core.books import BUY, SELL, auction_book, lively_book, resting

BATCH = command_array(stream(4, 50))
LARGE = resting(3000, first_id=1000)
CHANGES = {
    "process": lambda book: book.process(BATCH),
    "process levels": lambda book: book.process(BATCH, levels=True),
    "process large": lambda book: book.process(LARGE, levels=True),
    "limit": lambda book: book.limit(500, BUY, 50, 5),
    "sweep": lambda book: book.limit(500, SELL, 1, 500),
    "refused": lambda book: book.limit(1, BUY, 50, 5),
    "cancel": lambda book: book.cancel(1),
    "restore": lambda book: book.restore(SNAPSHOT),
}
VIEWS = {
    "orders": lambda book: book.orders(),
    "order": lambda book: book.order(1),
    "depth": lambda book: book.depth(),
    "top": lambda book: book.top(),
    "snapshot": lambda book: book.snapshot(),
    "state_hash": lambda book: book.state_hash(),
    "indicative": lambda book: book.indicative(),
    "repr": repr,
    "check_invariants": lambda book: book.check_invariants(),
}
SNAPSHOT = auction_book().snapshot()


def runs_out(call, book, allocations):
    """Let Python's allocations fail after so many; answers whether the call ran out of them."""
    # Only a Python with its own test modules can do this.
    failing = pytest.importorskip("_testcapi")
    try:
        failing.set_nomemory(allocations, 0)
        try:
            call(book)
        finally:
            failing.remove_mem_hooks()
    except MemoryError:
        return True
    except Exception:  # noqa: BLE001 - a refusal is what some of these calls are about
        return False
    return False


@pytest.mark.parametrize("call", CHANGES.values(), ids=CHANGES)
def test_a_change_for_which_python_has_no_memory_happens_or_stops_the_book(call):
    """Nobody misses events unnoticed: unchanged, or stopped until restored, and always sound."""
    failures = 0
    for allocations in range(60):
        book = lively_book()
        saved, before = book.snapshot(), book.state_hash()
        if not runs_out(call, book, allocations):
            break
        failures += 1
        book.check_invariants()
        try:
            book.snapshot()
        except BookStopped:
            book.restore(saved)
        assert book.state_hash() == before
        book.process(BATCH, levels=True)
        book.process(LARGE, levels=True)
        book.check_invariants()
    assert 0 < failures < 60


@pytest.mark.parametrize("call", VIEWS.values(), ids=VIEWS)
def test_a_look_for_which_python_has_no_memory_changes_nothing(call):
    """MemoryError, and the next look succeeds."""
    book = lively_book()
    before = book.snapshot()
    failures = 0
    while runs_out(call, book, failures):
        failures += 1
        assert failures < 100
    book.check_invariants()
    assert book.snapshot() == before
