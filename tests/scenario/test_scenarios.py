"""Every scenario file, step by step, over the oracle and over the compiled book."""

from pathlib import Path

import pytest

from tests.oracle.codes import EventKind, Reason, names
from tests.oracle.oracle import Oracle
from tests.scenario.drawing import STEPS, draw_book, read_commands, write_level
from tests.scenario.reading import Scenario, read_scenarios
from tests.scenario.wording import write_event

SCENARIOS = [
    scenario
    for path in sorted(Path(__file__).parent.glob("*.txt"))
    for scenario in read_scenarios(path, STEPS)
]


def new_book(name):
    """The book under test; the compiled one is loaded only when it is wanted."""
    if name == "oracle":
        return Oracle()
    from tests.model.compiled import Compiled

    return Compiled()


def carry_out(book, commands):
    """Give a book commands one by one, and hold every answer against what is always true."""
    events, updates = [], []
    for command in commands:
        before = book.state_hash()
        happened, changed = book.process([command])
        assert {event.timestamp_ns for event in happened} == {command.timestamp_ns}
        assert {event.command for event in happened} == {0}
        if happened[0].kind == EventKind.REJECTED:
            assert (len(happened), changed, book.state_hash()) == (1, [], before)
        book.check()
        events += happened
        updates += changed
    return events, updates


@pytest.mark.parametrize("book_name", ["oracle", "compiled"])
@pytest.mark.parametrize(
    "scenario", SCENARIOS, ids=[f"{scenario.source} {scenario.title}" for scenario in SCENARIOS]
)
def test_scenario(scenario: Scenario, book_name: str) -> None:
    """The book does what the drawing says."""
    book = new_book(book_name)
    events, updates = [], []
    for step, lines in scenario.steps:
        if step in ("given", "when"):
            happened, changed = carry_out(book, read_commands(lines))
            if step == "given":
                refused = [write_event(e) for e in happened if e.kind == EventKind.REJECTED]
                assert refused == []
            else:
                events += happened
                updates += changed
        elif step == "then":
            assert [write_event(event) for event in events] == lines
            events = []
        elif step == "levels":
            assert [write_level(update) for update in updates] == lines
            updates = []
        else:
            assert draw_book(book.orders_bytes(), int(book.book.state)) == lines
    assert events == [], "the scenario does not say what its last commands did"


def test_every_reason_and_event_is_drawn() -> None:
    """No reason and no kind of event is without a scenario, but for what needs memory to end."""
    drawn = {
        word
        for scenario in SCENARIOS
        for step, lines in scenario.steps
        if step == "then"
        for line in lines
        for word in line.split()
    }
    reasons = set(names(Reason).values()) - {"NONE", "OUT_OF_MEMORY"}
    kinds = {name.lower().replace("_", "-") for name in names(EventKind).values()}

    assert reasons | kinds <= drawn
