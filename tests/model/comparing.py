"""Where two books differ, in words."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tests.oracle.records import Command


def difference(expected: Any, actual: Any, commands: Sequence[Command], references=(0,)) -> str:
    """Give the same batch to both books. Answers with the first difference, or ''."""
    ours = expected.process(commands)
    expected.check()
    try:
        theirs = actual.process(commands)
        return (
            first_difference("event", ours[0], theirs[0])
            or first_difference("level update", ours[1], theirs[1])
            or state_difference(expected, actual, references)
        )
    # An exception of the compiled book is a difference like any other: it is to be made small.
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}"


def state_difference(expected: Any, actual: Any, references: Iterable[int] = (0,)) -> str:
    """Compare what two books look like from outside. ``actual`` is a compiled one."""
    expected.check()
    actual.check()
    book, seen = expected.book, actual.book
    ours, theirs = expected.depth(), actual.depth()
    bid, ask = (side[0] if side else (None, 0, 0) for side in ours)
    pairs = {
        "bids": (ours[0], theirs[0]),
        "asks": (ours[1], theirs[1]),
        "orders": (expected.orders_bytes(), actual.orders_bytes()),
        "clock_ns": (book.clock_ns, seen.clock_ns),
        "last_price": (book.last_price or None, seen.last_price),
        "trade_count": (book.trade_count, seen.trade_count),
        "state": (book.state, seen.state),
        "state_hash": (expected.state_hash(), actual.state_hash()),
        "len": (len(book.all_orders()), len(seen)),
        "top": ((bid[0], bid[1], ask[0], ask[1]), tuple(seen.top())),
        "best": ((bid[0], ask[0]), (seen.best_bid, seen.best_ask)),
    }
    for reference in references:
        pairs[f"indicative({reference})"] = (
            tuple(expected.indicative(reference)),
            actual.indicative(reference),
        )
    for name, (ours, theirs) in pairs.items():
        if ours != theirs:
            return f"{name}\n  expected {ours}\n  actual   {theirs}"
    return ""


def first_difference(name: str, ours: Sequence[Any], theirs: Sequence[Any]) -> str:
    """Compare two lists. Answers with the first place where they differ, or ''."""
    for index in range(max(len(ours), len(theirs))):
        expected = ours[index] if index < len(ours) else None
        actual = theirs[index] if index < len(theirs) else None
        if expected != actual:
            return f"{name} {index}\n  expected {expected}\n  actual   {actual}"
    return ""


def smallest(
    commands: Sequence[Command], fails: Callable[[Sequence[Command]], bool]
) -> list[Command]:
    """Delete commands as long as what is left still fails: first in large pieces, then singly."""
    kept = list(commands)
    piece = max(1, len(kept) // 2)
    while True:
        start, deleted = 0, False
        while start < len(kept):
            shorter = kept[:start] + kept[start + piece :]
            if shorter and fails(shorter):
                kept, deleted = shorter, True
            else:
                start += piece
        if piece == 1 and not deleted:
            return kept
        piece = max(1, piece // 2)


def as_code(command: Command) -> str:
    """A command as the Python that makes it, without the zeros."""
    fields = ((name, value) for name, value in command._asdict().items() if value)
    return "Command(" + ", ".join(f"{name}={value}" for name, value in fields) + ")"
