"""``observe``: a batch that writes down the best levels at chosen moments."""

import random

import numpy as np
import pytest

from nextrade import COMMAND_DTYPE, DEPTH_DTYPE, CommandKind, OrderBook, Side
from nextrade.errors import BookStopped
from tests.model.compiled import command_array
from tests.model.streams import stream
from tests.unit.core.books import auction_book, commands, lively_book, resting, starved


def padded(rows, levels):
    """The first rows of a side, and zeros up to ``levels``."""
    result = np.zeros(levels, DEPTH_DTYPE)
    result[: len(rows)] = rows[:levels]
    return result


def step_by_step(book, batch, after, levels):
    """What ``depth`` says at each moment when every command is a batch of its own."""
    seen = []
    for moment in range(len(batch) + 1):
        if moment:
            book.process(batch[moment - 1 : moment])
        looks = np.count_nonzero(after == moment)
        if looks:
            seen += [[padded(side, levels) for side in book.depth(levels)]] * looks
    return np.array(seen, DEPTH_DTYPE).reshape(len(after), 2, levels)


def some_moments(seed, count):
    """Moments of a batch, by turns all of them, few with repeats, and many."""
    draw = random.Random(seed)
    if seed % 3 == 0:
        return np.arange(count + 1)
    looks = draw.choice([1, 5, 50]) if seed % 3 == 1 else count
    return np.array(sorted(draw.choices(range(count + 1), k=looks)))


@pytest.mark.parametrize("levels", [1, 2, 10])
@pytest.mark.parametrize("seed", range(30))
def test_a_look_is_what_depth_says_at_that_moment(seed, levels):
    """Over random streams: every look, the events, and the book afterwards."""
    batch = command_array(stream(seed, 400))
    after = some_moments(seed, len(batch))
    plain, single, observed = OrderBook(), OrderBook(), OrderBook()

    events, depth = observed.observe(batch, after, levels)

    assert events.tobytes() == plain.process(batch).tobytes()
    assert depth.tobytes() == step_by_step(single, batch, after, levels).tobytes()
    assert observed.state_hash() == plain.state_hash()
    observed.check_invariants()


@pytest.mark.parametrize("levels", [1, 7])
def test_a_book_too_large_for_the_cache_is_observed_as_well(levels):
    """With thousands of open orders, where memory is fetched ahead across every look."""
    start = resting(30_000, levels=3000, first_id=10**6)
    batch = command_array(stream(3, 3000, deep=True))
    after = some_moments(2, len(batch))
    books = [OrderBook() for _ in range(3)]
    for book in books:
        book.process(start)
    plain, single, observed = books

    events, depth = observed.observe(batch, after, levels)

    assert events.tobytes() == plain.process(batch).tobytes()
    assert depth.tobytes() == step_by_step(single, batch, after, levels).tobytes()
    assert observed.state_hash() == plain.state_hash()


@pytest.mark.parametrize("make", [OrderBook, lively_book, auction_book])
@pytest.mark.parametrize("levels", [1, 3])
def test_no_commands_can_be_observed(make, levels):
    """The book as it is, as often as it was asked for."""
    book = make()

    events, depth = book.observe(np.zeros(0, COMMAND_DTYPE), [0, 0, 0], levels)

    assert len(events) == 0
    assert depth.dtype == DEPTH_DTYPE
    assert depth.shape == (3, 2, levels)
    expected = np.array([padded(side, levels) for side in book.depth(levels)])
    assert all(look.tobytes() == expected.tobytes() for look in depth)


@pytest.mark.parametrize("after", [[], (), np.zeros(0), np.zeros(0, "u1")])
def test_nothing_need_be_looked_at(after):
    """Without moments the batch runs, and the answer has no looks."""
    book = OrderBook()

    events, depth = book.observe(resting(5), after, levels=4)

    assert len(events) == len(book) == 5
    assert depth.shape == (0, 2, 4)


def test_icebergs_count_what_is_visible():
    """A look shows the visible slice, and the next slice once the first has traded."""
    batch = commands(
        2,
        side=[Side.SELL, Side.BUY],
        price_ticks=50,
        qty_lots=[10, 4],
        display_lots=[4, 0],
    )

    _, depth = OrderBook().observe(batch, [0, 1, 2])

    assert depth[:, 1, 0].tolist() == [(0, 0, 0), (50, 4, 1), (50, 4, 1)]
    assert depth[:, 0, 0].tolist() == [(0, 0, 0)] * 3


@pytest.mark.parametrize(
    "after",
    [
        [0, 2, 4],
        (0, 2, 4),
        range(0, 5, 2),
        np.array([0, 2, 4], "u1"),
        np.array([0, 2, 4], "u8"),
        np.array([0, 2, 4], ">i4"),
        np.array([0, 9, 2, 9, 4, 9])[::2],
        np.array([4, 2, 0])[::-1],
    ],
    ids=str,
)
def test_any_whole_numbers_say_when(after):
    """The type and layout of ``after`` make no difference."""
    _, depth = OrderBook().observe(resting(4), after)
    _, expected = OrderBook().observe(resting(4), np.array([0, 2, 4]))

    assert depth.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("after", "message"),
    [
        ([-1], r"between 0 and the number of commands, 4; after\[0\] is -1"),
        ([0, 5], r"between 0 and the number of commands, 4; after\[1\] is 5"),
        (np.array([2**63], "u8"), r"after\[0\] is 9223372036854775808"),
        ([1, 3, 2], r"ascend; after\[2\] is 2, behind 3"),
        (2, "one dimension, not 0"),
        ([[1, 2]], "one dimension, not 2"),
        (None, "one dimension"),
        ([1.0], "whole numbers.*float64"),
        ([True], "whole numbers.*bool"),
        (["1"], "whole numbers"),
        ([2**70], "whole numbers.*object"),
    ],
    ids=str,
)
def test_a_wrong_moment_is_a_value_error(after, message):
    """The message says what is wrong, and nothing has run."""
    book = lively_book()
    before = book.state_hash()

    with pytest.raises(ValueError, match=f"^after must.*{message}"):
        book.observe(resting(4, first_id=100), after)

    assert book.state_hash() == before


@pytest.mark.parametrize("levels", [0, -1, 10_001, 2**63, -(2**70)])
def test_a_number_of_levels_out_of_bounds_is_a_value_error(levels):
    """And nothing has run."""
    book = lively_book()
    before = book.state_hash()

    with pytest.raises(ValueError, match=r"^levels must be between"):
        book.observe(resting(4, first_id=100), [1], levels)

    assert book.state_hash() == before
    assert book.observe(resting(1, first_id=100), [1], 10_000)[1].shape == (1, 2, 10_000)


@pytest.mark.parametrize("levels", [1.0, "1", None])
def test_levels_that_are_no_number_are_a_type_error(levels):
    """As everywhere else, nothing is rounded."""
    with pytest.raises(TypeError, match=r"^levels must be a whole number"):
        OrderBook().observe(resting(4), [1], levels)


def test_commands_are_looked_at_as_process_does():
    """Anything but a line of commands is a TypeError."""
    with pytest.raises(TypeError, match=r"^commands must"):
        OrderBook().observe(np.zeros(3), [1])


def test_moments_may_be_write_protected():
    """``after`` is only read."""
    after = np.array([1, 2])
    after.flags.writeable = False

    OrderBook().observe(resting(2), after)

    assert after.tolist() == [1, 2]


def test_looks_stay_as_they_were():
    """An answer keeps its own bytes through later batches."""
    book = OrderBook()
    kept = []
    for turn in range(20):
        batch = resting(500, first_id=1 + turn * 500)
        _, depth = book.observe(batch, np.arange(501), levels=1 + turn % 3)
        kept.append((depth, depth.tobytes()))

    assert all(depth.tobytes() == then for depth, then in kept)


def test_without_memory_it_does_what_process_does():
    """The same refusals, the same MemoryError, and the same book afterwards."""
    start = resting(6000, levels=700)
    start["owner"] = 5
    mixed = resting(1000, first_id=10_000)
    mass_cancel = commands(1, kind=CommandKind.MASS_CANCEL, owner=5)
    batch = np.concatenate([mixed, mass_cancel, resting(50, first_id=20_000)])
    after = np.arange(len(batch) + 1)
    outcomes = set()
    for allocations in range(30):
        books = OrderBook(), OrderBook()
        answers = []
        for book, run in zip(
            books,
            (lambda book: book.process(batch), lambda book: book.observe(batch, after, 3)[0]),
            strict=True,
        ):
            book.process(start)
            try:
                with starved(allocations):
                    answers.append(run(book).tobytes())
            except MemoryError as error:
                answers.append(str(error))
            book.check_invariants()
            try:
                answers.append(book.snapshot())
            except BookStopped:
                answers.append("stopped")
        assert answers[:2] == answers[2:]
        outcomes.add("stopped" if answers[1] == "stopped" else type(answers[0]).__name__)

    assert outcomes == {"stopped", "str", "bytes"}
