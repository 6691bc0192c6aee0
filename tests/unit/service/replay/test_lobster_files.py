"""LOBSTER files small enough to read: what each line does, and what is refused."""

from pathlib import Path

import pytest

from nextrade import DataError, OrderBook
from nextrade.service.replay import Check, open_source, replay

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


def test_each_message_does_to_the_book_what_it_says(messages: Path) -> None:
    """New, partial, whole, executed: the book at the end is the sum of them; nothing matched."""
    book = OrderBook()
    report = replay(messages, book=book)
    left = {int(order["order_id"]): int(order["visible_lots"]) for order in book}

    assert left == {102: 1, 100: 6}  # 90, which rested before, lost its 9 again
    assert report.trades == 0
    assert report.rejected == 0
    steps, rebuilt = report.checks
    # One message takes the only ask that the recorded level shows: what is below is unknown.
    assert steps == Check(steps.name, 9, 0, "in 1 a level enters" + steps.note[19:])
    assert rebuilt == Check(rebuilt.name, 10, 0)
    assert report.remarks[-1].startswith("1 orders rested before")
    assert report.remarks[0].startswith("2 executions (7 shares)")
    assert "1 executions of hidden orders" in report.remarks[1]
    assert "1 trading halts" in report.remarks[2]


def test_times_are_nanoseconds(messages: Path) -> None:
    """Seconds with up to nine decimals become whole nanoseconds."""
    commands = next(b.commands for b in open_source(messages).batches(99) if len(b.commands))

    assert commands["timestamp_ns"][:4].tolist() == [
        34_200_000_000_001,  # the state in which orders only rest
        34_200_000_000_001,  # order 90, put in before the first higher id
        34_200_000_000_001,
        34_200_500_000_000,
    ]


def test_digits_that_a_float_left_behind_round_to_the_nanosecond(messages: Path) -> None:
    """35821.088778456004 was 35821.088778456 before somebody's float had it."""
    messages.write_text("35821.088778456004,1,1,1,1,1\n35821.0887784569996,1,2,1,1,1\n")
    commands = next(b.commands for b in open_source(messages).batches(99) if len(b.commands))

    assert commands["timestamp_ns"].tolist()[1:] == [35_821_088_778_456, 35_821_088_778_457]


def test_an_order_from_before_gets_the_place_of_its_id(messages: Path) -> None:
    """An order that was never new goes in just before the first higher id."""
    messages.write_text(
        "1,1,10,5,100,1\n2,1,30,5,100,1\n3,4,20,2,100,1\n4,3,20,4,100,1\n5,4,40,1,100,1\n"
    )
    commands = next(b.commands for b in open_source(messages).batches(99) if len(b.commands))

    assert commands["order_id"].tolist() == [0, 10, 20, 30, 20, 20, 40, 40]
    assert commands["qty_lots"].tolist() == [0, 5, 6, 5, 2, 0, 1, 1]


def test_the_seventh_column_of_newer_files_is_passed_over(messages: Path) -> None:
    """Files with a market participant in a last column read as those without."""
    plain = replay(messages).state_hash
    messages.write_text(MESSAGES.replace("\n", ",null\n"))

    assert replay(messages).state_hash == plain


def test_without_a_recorded_book_nothing_is_compared(messages: Path) -> None:
    """A message file alone is replayed without checks."""
    messages.with_name(messages.name.replace("message", "orderbook")).unlink()

    assert replay(messages).checks == ()


def test_a_wrong_row_is_counted_in_both_checks(messages: Path) -> None:
    """A recorded row that the messages do not explain is wrong, and so is the step after it."""
    book = messages.with_name(messages.name.replace("message", "orderbook"))
    book.write_text(BOOK.replace("5001000,15,5000000,6", "5001000,14,5000000,6", 1))
    steps, rebuilt = replay(messages).checks

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
    steps, rebuilt = replay(renamed).checks

    assert (steps.rows, steps.wrong) == (5, 0)
    assert (rebuilt.rows, rebuilt.wrong) == (6, 0)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("34200.1,8,1,1,1,1", "line 2, column type: 8 is not a message type"),
        ("34200.1,1,1,1,1,0", "line 2, column direction: 0 is neither 1 nor -1"),
        ("34200.1,1,1,1,1", "line 2: 5 fields instead of 6"),
        ("34200.1,1,x,1,1,1", "line 2, column order_id: 'x'"),
        ("1e5,1,1,1,1,1", "line 2, column time: '1e5'"),
        ("-1,1,1,1,1,1", "line 2, column time: '-1'"),
        ("99999999999999999999,1,1,1,1,1", "line 2, column time"),
        ("34200.1,1,1,1,1.5,1", "line 2, column price_ticks: '1.5'"),
        ("34200.1,1,1,99999999999999999999,1,1", "line 2, column size"),
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
        replay(messages)
    book.write_text("1,2,3\n")
    with pytest.raises(DataError, match="3 columns"):
        replay(messages)
