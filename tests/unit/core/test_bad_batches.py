"""What ``process`` makes of arrays that are not what it wants."""

import numpy as np
import pytest

from nextrade import COMMAND_DTYPE, EVENT_DTYPE, EventKind, OrderBook, Reason
from tests.model.compiled import command_array
from tests.model.streams import stream
from tests.unit.core.books import commands, lively_book, resting

SWAPPED = COMMAND_DTYPE.newbyteorder(">")
PADDED = np.dtype([(name, COMMAND_DTYPE[name]) for name in COMMAND_DTYPE.names] + [("more", "u1")])


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        [(0,) * 18],
        b"\0" * 80,
        memoryview(b"\0" * 80),
        7,
        "commands",
        np.zeros(2, COMMAND_DTYPE)[0],
        np.zeros(3),
        np.zeros(80, "u1"),
        np.zeros(2, EVENT_DTYPE),
        np.zeros(2, SWAPPED),
        np.zeros(2, PADDED),
        np.zeros(2, "V80"),
        np.empty(2, object),
        np.array(["1", "2"]),
        np.zeros((2, 2), COMMAND_DTYPE),
        np.zeros((1, 0), COMMAND_DTYPE),
        np.zeros((), COMMAND_DTYPE),
    ],
    ids=lambda value: f"{type(value).__name__}-{getattr(value, 'dtype', '')!s:.12}",
)
def test_anything_but_a_line_of_commands_is_a_type_error(wrong):
    """The message says what is wanted, and the book stays as it was."""
    book = lively_book()
    before = book.state_hash()

    with pytest.raises(TypeError, match=r"^commands must"):
        book.process(wrong)

    assert book.state_hash() == before


def test_an_empty_batch_gives_empty_results():
    """No commands, no events, no level updates."""
    book = lively_book()
    before = book.state_hash()

    events, levels = book.process(np.zeros(0, COMMAND_DTYPE), levels=True)

    assert (len(events), len(levels)) == (0, 0)
    assert events.dtype == EVENT_DTYPE
    assert book.state_hash() == before


def aligned_badly(batch):
    """The batch at an odd address."""
    memory = np.zeros(batch.nbytes + 1, "u1")[1:]
    memory[:] = batch.view("u1")
    return memory.view(COMMAND_DTYPE)


def read_only(batch):
    """The batch write-protected."""
    batch = batch.copy()
    batch.flags.writeable = False
    return batch


LAYOUTS = {
    "read-only": read_only,
    "bytes": lambda batch: np.frombuffer(batch.tobytes(), COMMAND_DTYPE),
    "strided": lambda batch: np.repeat(batch, 3)[::3],
    "backwards": lambda batch: batch[::-1].copy()[::-1],
    "column": lambda batch: np.stack([batch, batch], axis=1)[:, 1],
    "misaligned": aligned_badly,
    "record array": lambda batch: batch.view(np.recarray),
    "equal dtype": lambda batch: batch.astype(np.dtype(COMMAND_DTYPE.descr)),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_any_layout_of_commands_works(layout):
    """Strides, alignment and write protection make no difference, and nothing is written."""
    batch = command_array(stream(3, 200))
    plain, odd = OrderBook(), OrderBook()
    laid_out = layout(batch)

    expected = plain.process(batch)
    actual = odd.process(laid_out)

    assert actual.tobytes() == expected.tobytes()
    assert odd.state_hash() == plain.state_hash()
    assert laid_out.tobytes() == batch.tobytes()


@pytest.mark.parametrize("seed", range(5))
def test_garbage_is_refused_command_by_command(seed):
    """Random bytes as commands: every command is answered, the book stays sound and goes on."""
    garbage = np.frombuffer(np.random.default_rng(seed).bytes(80 * 2000), COMMAND_DTYPE).copy()
    garbage["kind"][::2] %= 10
    book = OrderBook()
    book.process(resting(100))

    events, _ = book.process(garbage, levels=True)

    book.check_invariants()
    assert set(events["command"].tolist()) == set(range(len(garbage)))
    assert set(events["kind"].tolist()) <= {int(kind) for kind in EventKind}
    book.process(resting(10, first_id=10**9))
    book.check_invariants()


@pytest.mark.parametrize("byte", [0x00, 0x7F, 0x80, 0xFF])
def test_a_batch_of_one_byte_is_refused(byte):
    """Memory that nobody filled, whatever its value, changes nothing."""
    book = lively_book()
    before = book.state_hash()

    events = book.process(np.frombuffer(bytes([byte]) * 80 * 5, COMMAND_DTYPE))

    assert (events["reason"] == Reason.UNKNOWN_COMMAND).all()
    assert book.state_hash() == before


def test_a_refused_command_does_not_stop_the_batch():
    """The rest of the batch runs, and the refusal stands in its place."""
    batch = commands(3, price_ticks=[5, 0, 6])

    events = OrderBook().process(batch)

    assert events["kind"].tolist() == [EventKind.ACCEPTED, EventKind.REJECTED, EventKind.ACCEPTED]
    assert events["reason"].tolist() == [0, Reason.BAD_PRICE, 0]


def test_the_levels_argument_may_call_back():
    """Truth is asked for before the book is entered, so that its code may use the book."""
    book = OrderBook()

    class Caller:
        def __bool__(self):
            book.limit(1, 0, 5, 5)
            return False

    book.process(resting(4, first_id=2), levels=Caller())

    assert len(book) == 5


def test_a_levels_argument_without_truth_is_refused():
    """An array is neither true nor false; the book is as before and goes on."""
    book = lively_book()
    before = book.state_hash()

    with pytest.raises(ValueError, match="truth"):
        book.process(resting(2), levels=np.array([1, 2]))

    assert book.state_hash() == before
    book.process(resting(2, first_id=100))
