"""What must hold for any input: one function, which raises when something does not."""

from collections.abc import Iterable

import numpy as np

from nextrade._book import OrderBook, _fail_allocations_after
from nextrade.errors import BookStopped
from tests.fuzz.decoding import Case, decode
from tests.model.auditing import Auditor
from tests.oracle.codes import Reason
from tests.oracle.records import Event


class Ladder:
    """A ladder of visible levels, known only from level updates."""

    def __init__(self) -> None:
        self.levels: dict[tuple[int, int], tuple[int, int]] = {}

    def apply(self, updates: np.ndarray) -> None:
        for price, lots, orders, _, side, _ in updates.tolist():
            if lots:
                self.levels[side, price] = (lots, orders)
            else:
                del self.levels[side, price]

    def check(self, book: OrderBook) -> None:
        """Compare with what the book shows."""
        shown = {
            (side, price): (lots, orders)
            for side, rows in enumerate(book.depth(1 << 20))
            for price, lots, orders in rows.tolist()
        }
        assert self.levels == shown, "the level updates do not lead to the ladder"


def check_input(data: bytes) -> None:
    """Decode the bytes, run them, and raise AssertionError (or crash) if a promise is broken."""
    case = decode(data)
    if case.allocations is None:
        check_case(case)
    else:
        starve_case(case, case.allocations)


def check_case(case: Case) -> None:
    """Run the batches, compare with an auditor, the level updates, and a copy made on the way."""
    book, copy = OrderBook(capacity=case.capacity), None
    auditor, ladder = Auditor(), Ladder()
    for number, batch in enumerate(case.batches()):
        if number == case.branch_at:
            copy = OrderBook.from_snapshot(book.snapshot())
            assert copy.state_hash() == book.state_hash()
        if case.levels:
            events, updates = book.process(batch, levels=True)
            ladder.apply(updates)
            ladder.check(book)
        else:
            events = book.process(batch)
        book.check_invariants()
        auditor.audit(events_of(events))
        compare_open_orders(book, auditor)
        if copy is not None:
            follow(copy, batch, case.levels, events)
    if copy is not None:
        assert copy.state_hash() == book.state_hash()
        copy.check_invariants()
    book.indicative()
    assert OrderBook.from_snapshot(book.snapshot()).orders().tobytes() == book.orders().tobytes()


def follow(copy: OrderBook, batch: np.ndarray, levels: bool, events: np.ndarray) -> None:
    """Give a batch to the copy, asking for updates where the original was not asked."""
    theirs = copy.process(batch) if levels else copy.process(batch, levels=True)[0]
    assert theirs.tobytes() == events.tobytes(), "the restored book goes on differently"


def events_of(events: np.ndarray) -> Iterable[Event]:
    """Event records as tuples with names."""
    return map(Event._make, events.tolist())


def compare_open_orders(book: OrderBook, auditor: Auditor) -> None:
    """What the events add up to is what the book holds."""
    rows = book.orders()
    held = dict(
        zip(
            rows["order_id"].tolist(),
            (rows["visible_lots"] + rows["hidden_lots"]).tolist(),
            strict=True,
        )
    )
    assert held == auditor.left, "the events do not add up to the open orders"


def starve_case(case: Case, allocations: int) -> None:
    """Run the batches with little memory: what fails must fail cleanly."""
    book, auditor = OrderBook(capacity=case.capacity), Auditor()
    for number, batch in enumerate(case.batches()):
        saved = book.snapshot()
        before = book.state_hash()
        _fail_allocations_after(allocations + number)
        try:
            answer = book.process(batch, levels=case.levels)
            events = answer[0] if case.levels else answer
        except MemoryError:
            events = None
        finally:
            _fail_allocations_after(-1)
        book.check_invariants()
        if events is not None:
            auditor.audit(events_of(events))
            compare_open_orders(book, auditor)
            refused = events["reason"] == Reason.OUT_OF_MEMORY
            assert not refused.all() or book.state_hash() == before
            continue
        try:
            book.snapshot()
            assert book.state_hash() == before, "a batch that could not start has changed the book"
        except BookStopped:
            book.restore(saved)
            assert book.state_hash() == before
