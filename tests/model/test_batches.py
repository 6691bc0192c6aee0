"""Generated batches: however commands reach a book, it does the same."""

from hypothesis import given
from hypothesis import strategies as st

from tests.model.auditing import Auditor
from tests.model.comparing import difference, state_difference
from tests.model.compiled import Compiled, OrderBook, events_or_reason
from tests.model.strategies import command_lists, prices
from tests.oracle.codes import EventKind
from tests.oracle.oracle import Oracle
from tests.oracle.records import Command

cuts = st.lists(st.integers(0, 40), max_size=4).map(sorted)


def pieces(commands: list[Command], cuts: list[int]) -> list[list[Command]]:
    """Cut a list at the given places."""
    ends = [*cuts, len(commands)]
    return [commands[start:end] for start, end in zip([0, *cuts], ends, strict=True)]


@given(command_lists, cuts, prices)
def test_the_compiled_book_does_what_the_oracle_does(commands, cuts, reference):
    """Events, level updates and everything that can be seen of a book agree after each batch."""
    oracle, compiled = Oracle(), Compiled()

    for batch in pieces(commands, cuts):
        assert difference(oracle, compiled, batch, references=[0, reference]) == ""


@given(command_lists, cuts)
def test_cutting_a_batch_changes_only_the_position_of_the_cause(commands, cuts):
    """A batch gives the same events and level updates whole and in pieces."""
    whole, cut = Compiled(), Compiled()
    events, updates = whole.process(commands)

    cut_events, cut_updates = [], []
    position = 0
    for batch in pieces(commands, cuts):
        some_events, some_updates = cut.process(batch)
        cut_events += [e._replace(command=e.command + position) for e in some_events]
        cut_updates += [u._replace(command=u.command + position) for u in some_updates]
        position += len(batch)

    assert cut_events == events
    assert cut_updates == updates
    assert cut.state_hash() == whole.state_hash()


@given(command_lists)
def test_a_single_call_does_what_its_command_does(commands):
    """Each method gives the events of its command, and raises where that is refused."""
    by_command, by_method = Compiled(), Compiled()

    for command in commands:
        expected, _ = by_command.process([command])
        actual = events_or_reason(by_method.book, command)
        if actual is None:
            actual, _ = by_method.process([command])
        if isinstance(actual, int):
            assert [(EventKind.REJECTED, actual)] == [(e.kind, e.reason) for e in expected]
        else:
            assert actual == expected
        assert by_method.state_hash() == by_command.state_hash()


@given(command_lists, st.integers(0, 40))
def test_a_restored_book_goes_on_as_if_nothing_had_happened(commands, cut):
    """A book restored from a snapshot answers all that follows like the one it was taken of."""
    before, after = commands[:cut], commands[cut:]
    oracle, compiled = Oracle(), Compiled()
    oracle.process(before)
    compiled.process(before)
    snapshot = compiled.book.snapshot()
    used = Compiled()
    used.process(commands)

    used.book.restore(snapshot)
    new = Compiled(OrderBook.from_snapshot(snapshot))

    for restored in (used, new):
        assert restored.book.snapshot() == snapshot
        assert state_difference(oracle, restored) == ""
    expected = compiled.process(after)
    for restored in (used, new):
        assert restored.process(after) == expected
        assert restored.state_hash() == compiled.state_hash()


@given(command_lists)
def test_a_cleared_book_is_a_new_book(commands):
    """After clear() nothing of the past can be seen."""
    compiled = Compiled()
    compiled.process(commands)

    compiled.book.clear()

    assert state_difference(Oracle(), compiled) == ""
    assert difference(Oracle(), compiled, commands) == ""


@given(command_lists)
def test_events_account_for_every_lot(commands):
    """What the events say was left of each order is what the book holds, and nothing else."""
    compiled, auditor = Compiled(), Auditor()

    for batch in pieces(commands, [len(commands) // 2]):
        events, _ = compiled.process(batch)
        auditor.audit(events)

        held = compiled.book.orders()
        left = (held["visible_lots"] + held["hidden_lots"]).tolist()
        assert auditor.left == dict(zip(held["order_id"].tolist(), left, strict=True))


@given(command_lists)
def test_level_updates_rebuild_the_ladder(commands):
    """A subscriber that applies every level update sees the book's own ladder."""
    compiled = Compiled()
    seen: tuple[dict[int, tuple[int, int]], ...] = ({}, {})

    for update in compiled.process(commands)[1]:
        if update.qty_lots:
            seen[update.side][update.price_ticks] = (update.qty_lots, update.orders)
        else:
            del seen[update.side][update.price_ticks]

    bids, asks = compiled.depth()
    assert [(price, *seen[0][price]) for price in sorted(seen[0], reverse=True)] == bids
    assert [(price, *seen[1][price]) for price in sorted(seen[1])] == asks
