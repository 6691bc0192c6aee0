"""LOBSTER files small enough to read: what each line does, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from nextrade import DataError
from nextrade.service.replay.messages import Action
from nextrade.service.replay.readers import open_source
from nextrade.service.replay.readers.lobster import Lobster
from nextrade.service.replay.report import Check
from nextrade.service.replay.run import Replay, replay

MESSAGES = """\
34200.000000001,1,100,10,5000000,1
34200.5,1,101,20,5001000,-1
34200.500000001,5,0,7,5000500,1
34201,4,100,4,5000000,1
34202,2,101,5,5001000,-1
34203,4,90,3,4999000,1
34204,7,0,0,-1,-1
34205,3,101,15,5001000,-1
34206,2,90,6,4999000,1
34207,1,102,1,5002000,1
"""
NO_ASK, NO_BID = 9999999999, -9999999999
BOOK = f"""\
{NO_ASK},0,5000000,10
5001000,20,5000000,10
5001000,20,5000000,10
5001000,20,5000000,6
5001000,15,5000000,6
5001000,15,5000000,6
5001000,15,5000000,6
{NO_ASK},0,5000000,6
{NO_ASK},0,5000000,6
{NO_ASK},0,5002000,1
"""


@pytest.fixture
def messages(tmp_path: Path) -> Path:
    """A message file of ten lines, its book beside it."""
    path = tmp_path / "X_2020-01-02_34200000_57600000_message_1.csv"
    path.write_text(MESSAGES)
    path.with_name(path.name.replace("message", "orderbook")).write_text(BOOK)
    return path


def decoded(path: Path) -> list[tuple[int, ...]]:
    """Time, action and id of each message."""
    source = open_source(path)
    assert isinstance(source, Lobster)
    return [
        (int(one["timestamp_ns"]), int(one["action"]), int(one["order_id"]))
        for part in source.parts()
        for one in part.messages
    ]


def placed(path: Path, text: str) -> list[tuple[int, int]]:
    """Id and quantity of the orders that a rebuild places, in order."""
    path.write_text(text)
    commands = [step.commands for step in Replay(path, mode="rebuild")]
    return [
        (int(one["order_id"]), int(one["qty_lots"]))
        for part in commands
        for one in part
        if one["kind"] == 1
    ]


def test_each_message_does_to_the_book_what_it_says(messages: Path) -> None:
    """New, partial, whole, executed: the book at the end is the sum of them; nothing matched."""
    run = Replay(messages, mode="rebuild")
    report = run.run()
    left = {int(order["order_id"]): int(order["visible_lots"]) for order in run.books["X"]}

    assert left == {102: 1, 100: 6}  # 90, which rested before, lost its 9 again
    assert report.trades == 0
    assert report.rejected == 0
    steps, rebuilt = report.checks
    # One message takes the only ask that the recorded level shows: what is below is unknown.
    assert (steps.rows, steps.wrong) == (9, 0)
    assert steps.note.startswith("in 1 a level enters")
    assert rebuilt == Check(rebuilt.name, 10, 0)
    assert any(remark.startswith("1 orders rested before") for remark in report.remarks)
    assert any("1 executions of hidden orders" in remark for remark in report.remarks)


def test_an_execution_is_an_aggressive_order(messages: Path) -> None:
    """Two executions at different times are two orders; the second hit a price that is not the
    best, which an engine would not do."""
    report = replay(messages, mode="match")
    exact = next(check for check in report.checks if check.name.endswith("the same fills"))

    assert (exact.rows, exact.wrong) == (2, 1)
    assert report.volume_lots == 4 + 3


def test_times_are_nanoseconds(messages: Path) -> None:
    """Seconds with up to nine decimals become whole nanoseconds."""
    assert [row[0] for row in decoded(messages)[:3]] == [
        34_200_000_000_001,
        34_200_500_000_000,
        34_200_500_000_001,
    ]


def test_types_are_actions(messages: Path) -> None:
    """New, hidden, executed, reduced, halted and deleted are told apart."""
    assert [row[1] for row in decoded(messages)] == [
        Action.ADD,
        Action.ADD,
        Action.HIDDEN,
        Action.FILL,
        Action.REDUCE,
        Action.FILL,
        Action.NOTE,
        Action.CANCEL,
        Action.REDUCE,
        Action.ADD,
    ]


def test_digits_that_a_float_left_behind_round_to_the_nanosecond(messages: Path) -> None:
    """35821.088778456004 was 35821.088778456 before somebody's float had it."""
    messages.write_text("35821.088778456004,1,1,1,1,1\n35821.0887784569996,1,2,1,1,1\n")

    assert [row[0] for row in decoded(messages)] == [35_821_088_778_456, 35_821_088_778_457]


def test_an_order_from_before_gets_the_place_of_its_id(tmp_path: Path) -> None:
    """An order that was never new goes in just before the first higher id, or its own message."""
    text = "1,1,10,5,100,1\n2,1,30,5,100,1\n3,4,20,2,100,1\n4,3,20,4,100,1\n5,4,40,1,100,1\n"

    assert placed(tmp_path / "x.csv", text) == [(10, 5), (20, 6), (30, 5), (40, 1)]


def test_the_seventh_column_of_newer_files_is_passed_over(messages: Path) -> None:
    """Files with a market participant in a last column read as those without."""
    plain = replay(messages, mode="rebuild").state_hash
    messages.write_text(MESSAGES.replace("\n", ",null\n"))

    assert replay(messages, mode="rebuild").state_hash == plain


def test_without_a_recorded_book_nothing_is_compared(messages: Path) -> None:
    """A message file alone is rebuilt without checks."""
    messages.with_name(messages.name.replace("message", "orderbook")).unlink()

    assert replay(messages, mode="rebuild").checks == ()


def test_a_wrong_row_is_counted_in_both_checks(messages: Path) -> None:
    """A recorded row that the messages do not explain is wrong, and so is the step after it."""
    book = messages.with_name(messages.name.replace("message", "orderbook"))
    book.write_text(BOOK.replace("5001000,15,5000000,6", "5001000,14,5000000,6", 1))
    steps, rebuilt = replay(messages, mode="rebuild").checks

    assert (steps.wrong, rebuilt.wrong) == (2, 1)


def test_a_row_map_says_which_rows_belong_together(messages: Path) -> None:
    """A book of other levels is compared through the map beside it."""
    fewer = [line for at, line in enumerate(BOOK.splitlines()) if at not in {2, 5, 6, 8}]
    folder = messages.parent
    messages.with_name(messages.name.replace("message", "orderbook")).unlink()
    renamed = messages.rename(folder / messages.name.replace("message_1", "message_9"))
    (folder / "X_2020-01-02_34200000_36000000_orderbook_1.csv").write_text("\n".join(fewer))
    (folder / "X_message_9_to_orderbook_1_rows.csv").write_text(
        "message,book\n1,1\n2,2\n4,3\n5,4\n8,5\n10,6\n"
    )
    steps, rebuilt = replay(renamed, mode="rebuild").checks

    assert (steps.rows, steps.wrong) == (5, 0)
    assert (rebuilt.rows, rebuilt.wrong) == (6, 0)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("34200.1,8,1,1,1,1", "line 2: column type: 8 is not a message type"),
        ("34200.1,1,1,1,1,0", "line 2: column direction: 0 is neither 1 nor -1"),
        ("34200.1,1,1,1,1", "line 2: 5 fields instead of 6"),
        ("34200.1,1,x,1,1,1", "line 2: column order_id: 'x'"),
        ("-1,1,1,1,1,1", "line 2: column time: the number is negative"),
        ("99999999999999999999,1,1,1,1,1", "line 2: column time"),
        ("34200.1,1,1,1,1.5,1", "line 2: column price: '1.5'"),
        ("34200.1,1,1,99999999999999999999,1,1", "line 2: column size"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, line: str, said: str) -> None:
    """The error says which line and column is wrong."""
    path = tmp_path / "x.csv"
    path.write_text(f"34200.0,1,1,1,1,1\n{line}\n")

    with pytest.raises(DataError) as refusal:
        replay(path)
    assert said in str(refusal.value)


def test_a_recorded_book_that_does_not_go_with_it_is_refused(messages: Path) -> None:
    """Too few rows, a strange number of columns, a map that goes back: each is said."""
    book = messages.with_name(messages.name.replace("message", "orderbook"))
    book.write_text("".join(BOOK.splitlines(keepends=True)[:5]))
    with pytest.raises(DataError, match="only 5 rows, but row 10"):
        replay(messages, mode="rebuild")
    book.write_text("1,2,3\n")
    with pytest.raises(DataError, match="3 columns"):
        replay(messages, mode="rebuild")
