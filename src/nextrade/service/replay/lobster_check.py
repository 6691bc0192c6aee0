"""LOBSTER messages against the recorded order book beside them, in two ways.

**One step**: message i applied to recorded row i-1 must give row i. This checks the
reading of both files, and needs no book: each row is compared on its own.

**Rebuild**: all messages through an ``OrderBook`` that never looks at the recorded rows;
after each message that has a row, is the best level of both sides what was recorded?
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..._book import OrderBook
from ...errors import DataError
from .readers.lobster import Lobster
from .readers.lobster_book import (
    EMPTY_PRICE,
    RecordedBook,
    find_recorded_book,
    read_row_map,
    read_rows,
)
from .readers.lobster_messages import NEW, makes_command, read_messages
from .report import Check

_Rows = npt.NDArray[np.int64]


_WHY_WRONG = (
    "the rebuilt book is wrong where an order came or went while it stood outside the recorded"
    " levels: the message file does not say so"
)


class _Pairs(NamedTuple):
    """Messages together with the recorded rows that show the book after them."""

    messages: npt.NDArray[np.void]
    message_rows: npt.NDArray[np.int64]
    """Row numbers of the messages in their file, counted from 0."""
    after: _Rows


def check_lobster(source: Lobster) -> list[Check]:
    """Both checks, if a recorded book lies beside the message file."""
    recorded = find_recorded_book(source.path)
    if recorded is None:
        return []
    return [_check_steps(source, recorded), _check_rebuild(source, recorded)]


def _check_steps(source: Lobster, recorded: RecordedBook) -> Check:
    rows = wrong = entering = 0
    previous: _Rows | None = None
    for pairs in _pairs(source, recorded):
        before, messages, after = pairs.after[:-1], pairs.messages[1:], pairs.after[1:]
        if previous is not None:
            before, messages, after = (
                np.vstack([previous, before]),
                pairs.messages,
                pairs.after,
            )
        previous = pairs.after[-1:]
        agrees, unpredicted = one_step(before, messages, after)
        rows += len(after)
        wrong += int(np.count_nonzero(~agrees))
        entering += int(np.count_nonzero(agrees & unpredicted))
    note = f"in {entering:,} a level enters from below the last recorded one: not predictable"
    return Check("one step on the recorded book", rows, wrong, note if entering else "")


def one_step(
    before: _Rows, messages: npt.NDArray[np.void], after: _Rows
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """For each row: does the message explain the change; did a level enter from below?

    Shapes: (rows, 4 x levels) for both books. A level that enters must be worse than all
    that are shown above it; what it is cannot be known from these files.
    """
    is_ask = messages["direction"] < 0
    ours = np.where(is_ask[:, None], _side(before, ask=True), _side(before, ask=False))
    ours_after = np.where(is_ask[:, None], _side(after, ask=True), _side(after, ask=False))
    other = np.where(is_ask[:, None], _side(before, ask=False), _side(before, ask=True))
    other_after = np.where(is_ask[:, None], _side(after, ask=False), _side(after, ask=True))
    levels = ours.shape[1] // 2
    prices, sizes = ours[:, :levels], ours[:, levels:]
    price = np.where(is_ask, -messages["price_ticks"], messages["price_ticks"])[:, None]
    size = messages["size"][:, None]
    is_new = (messages["type"] == NEW)[:, None]
    changes = makes_command(messages)[:, None]

    column = np.arange(levels)[None, :]
    place = np.count_nonzero(prices > price, axis=1)[:, None]
    stands = np.any(prices == price, axis=1)[:, None]
    at_place = np.take_along_axis(sizes, np.minimum(place, levels - 1), axis=1)
    left = np.where(stands, at_place, 0) + np.where(is_new, size, -size)
    inserts = changes & ~stands & is_new & (place < levels)
    removes = changes & stands & (left == 0)
    updates = changes & stands & (left > 0)

    source = column - (inserts & (column > place)) + (removes & (column >= place))
    beyond = source >= levels
    source = np.minimum(source, levels - 1)
    expected_prices = np.take_along_axis(prices, source, axis=1)
    expected_sizes = np.take_along_axis(sizes, source, axis=1)
    here = column == place
    expected_prices = np.where(inserts & here, price, expected_prices)
    expected_sizes = np.where((inserts | updates) & here, left, expected_sizes)

    found_prices, found_sizes = ours_after[:, :levels], ours_after[:, levels:]
    # A row that had room showed the whole side: then nothing can enter from below.
    had_room = prices[:, -1:] == -EMPTY_PRICE
    empties = beyond & had_room
    expected_prices = np.where(empties, -EMPTY_PRICE, expected_prices)
    expected_sizes = np.where(empties, 0, expected_sizes)
    enters = beyond & ~had_room
    same = (found_prices == expected_prices) & (found_sizes == expected_sizes)
    worse = found_prices < prices[:, -1:]
    agrees = np.all(np.where(enters, worse, same), axis=1)
    agrees &= np.all(other == other_after, axis=1)
    agrees &= ~(changes & stands & (left < 0)).any(axis=1)
    # What leaves must stand somewhere: shown, or below the last level.
    agrees &= ~(changes & ~stands & ~is_new & (place < levels)).any(axis=1)
    return agrees, np.any(enters, axis=1)


def _side(rows: _Rows, *, ask: bool) -> _Rows:
    """Prices, best first and descending (asks negated), then sizes, of one side."""
    prices = -rows[:, 0::4] if ask else rows[:, 2::4]
    return np.hstack([prices, rows[:, 1::4] if ask else rows[:, 3::4]])


def _check_rebuild(source: Lobster, recorded: RecordedBook) -> Check:
    """Best level after each recorded row, from a book that never sees the recorded rows."""
    pairs = _pairs(source, recorded)
    current = next(pairs, None)
    book = OrderBook()
    rows = wrong = at = 0
    for step in source.steps():
        done = 0
        while current is not None and at < len(current.message_rows):
            row = int(current.message_rows[at]) - step.messages.first_row
            if row >= len(step.reach):
                break
            reach = int(step.reach[row])
            if reach > done:
                book.process(step.commands[done:reach])
                done = reach
            rows += 1
            wrong += _best(book) != tuple(current.after[at, :4].tolist())
            at += 1
            if at == len(current.message_rows):
                current, at = next(pairs, None), 0
        book.process(step.commands[done:])
    return Check("best level of the rebuilt book", rows, wrong, _WHY_WRONG if wrong else "")


def _best(book: OrderBook) -> tuple[int, int, int, int]:
    """The best level as a recorded row has it."""
    top = book.top()
    ask = EMPTY_PRICE if top.ask_ticks is None else top.ask_ticks
    bid = -EMPTY_PRICE if top.bid_ticks is None else top.bid_ticks
    return ask, top.ask_lots, bid, top.bid_lots


def _pairs(source: Lobster, recorded: RecordedBook) -> Iterator[_Pairs]:
    """Messages and recorded rows side by side, in blocks."""
    row_map = None if recorded.row_map is None else read_row_map(recorded.row_map)
    books = _Cursor(recorded)
    for part in read_messages(source.path):
        last = part.first_row + len(part.rows)
        if row_map is None:
            numbers = np.arange(part.first_row, last)
            wanted = numbers
        else:
            low, high = np.searchsorted(row_map[:, 0], [part.first_row, last])
            numbers, wanted = row_map[low:high, 0], row_map[low:high, 1]
        if len(numbers):
            yield _Pairs(part.rows[numbers - part.first_row], numbers, books.take(wanted))


class _Cursor:
    """Reads the recorded book forward, block by block."""

    def __init__(self, recorded: RecordedBook) -> None:
        self._path = recorded.book
        self._blocks = read_rows(recorded.book)
        self._held: _Rows | None = None
        self._first = 0

    def take(self, wanted: npt.NDArray[np.int64]) -> _Rows:
        """The rows with these ascending numbers, none below those taken before."""
        while self._held is None or wanted[-1] >= self._first + len(self._held):
            more = next(self._blocks, None)
            if more is None:
                found = self._first + (0 if self._held is None else len(self._held))
                raise DataError(
                    f"{self._path}: only {found} rows, but row {wanted[-1] + 1} belongs to a"
                    " message; the two files do not go together"
                )
            if self._held is None:
                self._held = more
            else:
                keep = self._held[max(int(wanted[0]) - self._first, 0) :]
                self._first += len(self._held) - len(keep)
                self._held = np.vstack([keep, more])
        return self._held[wanted - self._first]
