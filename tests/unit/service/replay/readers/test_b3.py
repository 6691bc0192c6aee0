"""B3 order files small enough to read: what each row becomes, and what is refused."""

from pathlib import Path

import pytest

from nextrade import Side
from nextrade.service.replay.messages import Action, Aggressors, Flag
from nextrade.service.replay.readers import b3 as reader
from nextrade.service.replay.readers import open_source
from nextrade.service.replay.readers.b3 import B3, recognises
from nextrade.service.replay.readers.source import BadRecords, Recording

from .b3_rows import HEADER, Rows, brief, everything

NOON_NS = 18_262 * 86_400 * 10**9 + 12 * 3_600 * 10**9  # 2020-01-01, 50 years of which 12 leap
LAST, AGGRESSOR, UNPRICED, AUCTION = Flag.LAST, Flag.AGGRESSOR, Flag.UNPRICED, Flag.AUCTION


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    """An empty file."""
    return Rows(tmp_path / "orders.csv")


def test_requests_say_what_is_left(rows: Rows) -> None:
    """New, Update and Cancel carry the quantity that has not traded."""
    rows.add("New", 7, "Sell", "10.25", 100)
    rows.add("Update", 7, "Sell", "10.2", 90, 30)
    rows.add("Cancel", 7, "Sell", "10.2001", 90, 30)
    messages = rows.read()

    assert brief(messages) == [
        (Action.ADD, 7, 102_500, 100, 100, LAST),
        (Action.REPLACE, 7, 102_000, 60, 60, LAST),
        (Action.CANCEL, 7, 102_001, 60, 0, LAST),
    ]
    assert messages["side"].tolist() == [Side.SELL] * 3
    assert messages["place"].tolist() == [2, 3, 4]
    assert messages["timestamp_ns"].tolist() == [NOON_NS + n * 10**6 for n in (1, 2, 3)]


def test_a_trade_has_the_passive_price_and_the_rise_of_each_order(rows: Rows) -> None:
    """An order that walks through two others, whose rows come before or after its own."""
    rows.add("New", 1, "Sell", "10.00", 5).add("New", 2, "Sell", "10.01", 9)
    rows.add("New", 3, "Buy", "10.05", 8)
    rows.add("Trade", 3, "Buy", "10.05", 8, 5, 1).add("Trade", 1, "Sell", "10.00", 5, 5, 2)
    rows.add("Trade", 2, "Sell", "10.01", 9, 3, 2).add("Trade", 3, "Buy", "10.05", 8, 8, 1)

    assert brief(rows.read())[2:] == [
        (Action.ADD, 3, 100_500, 8, 8, Flag(0)),
        (Action.FILL, 3, 100_000, 5, 3, AGGRESSOR),
        (Action.FILL, 1, 100_000, 5, 0, Flag(0)),
        (Action.FILL, 2, 100_100, 3, 6, Flag(0)),
        (Action.FILL, 3, 100_100, 3, 0, AGGRESSOR | LAST),
    ]


def test_an_unknown_order_traded_as_much_as_its_counterparty(rows: Rows) -> None:
    """An order from before the file, partly filled then, shows by the other row's rise."""
    rows.add("New", 3, "Buy", "10.00", 8)
    rows.add("Trade", 1, "Sell", "10.00", 50, 25, 2).add("Trade", 3, "Buy", "10.00", 8, 5, 1)

    assert brief(rows.read())[1:] == [
        (Action.FILL, 1, 100_000, 5, 25, Flag(0)),
        (Action.FILL, 3, 100_000, 5, 3, AGGRESSOR | LAST),
    ]


def test_a_quantity_that_neither_row_tells_is_said(rows: Rows) -> None:
    """Two orders from before that trade in an auction: nothing is made up."""
    rows.add("Trade", 1, "Sell", "10.00", 50, 25).add("Trade", 2, "Buy", "10.50", 50, 10)
    recording = rows.open()

    assert brief(everything(recording)) == [
        (Action.FILL, 1, 100_000, 0, 25, AUCTION),
        (Action.FILL, 2, 105_000, 0, 40, AUCTION | LAST),
    ]
    assert recording.remarks() == [
        "1 trades were made by a call auction; their price is not told",
        "2 Trade rows do not say how much they traded, nor does the other side",
    ]


def test_an_update_can_trade_and_a_cancelled_order_is_forgotten(rows: Rows) -> None:
    """The aggressor may be a replaced order; a number that is used again starts anew."""
    rows.add("New", 1, "Sell", "10.00", 5).add("New", 2, "Buy", "9.00", 5)
    rows.add("Update", 2, "Buy", "10.00", 6)
    rows.add("Trade", 1, "Sell", "10.00", 5, 4, 2).add("Trade", 2, "Buy", "10.00", 6, 4, 1)
    rows.add("Cancel", 1, "Sell", "10.00", 5, 4).add("New", 3, "Buy", "11.00", 5)
    rows.add("Trade", 1, "Sell", "11.00", 9, 7, 2).add("Trade", 3, "Buy", "11.00", 5, 2, 1)

    assert brief(rows.read())[2:5] == [
        (Action.REPLACE, 2, 100_000, 6, 6, Flag(0)),
        (Action.FILL, 1, 100_000, 4, 1, Flag(0)),
        (Action.FILL, 2, 100_000, 4, 2, AGGRESSOR | LAST),
    ]
    assert brief(rows.read())[7:] == [
        (Action.FILL, 1, 110_000, 2, 2, Flag(0)),  # and not 7 - 4
        (Action.FILL, 3, 110_000, 2, 3, AGGRESSOR | LAST),
    ]


def test_a_market_order_takes_the_price_of_its_first_trade(rows: Rows) -> None:
    """Price 0 and a trade at once: market-to-limit; its cancellation shows the price."""
    rows.add("New", 1, "Sell", "10.00", 5).add("New", 2, "Buy", "0.00", 8)
    rows.add("Trade", 1, "Sell", "10.00", 5, 5, 2).add("Trade", 2, "Buy", "0.00", 8, 5, 1)
    rows.add("Cancel", 2, "Buy", "10.00", 8, 5)

    assert brief(rows.read())[1:] == [
        (Action.ADD, 2, 100_000, 8, 8, UNPRICED),
        (Action.FILL, 1, 100_000, 5, 0, Flag(0)),
        (Action.FILL, 2, 100_000, 5, 3, AGGRESSOR | LAST),
        (Action.CANCEL, 2, 100_000, 3, 0, LAST),
    ]


def test_a_market_order_that_does_not_trade_waits_for_the_auction(rows: Rows) -> None:
    """It and all its later rows are marked, also the second New when the auction begins."""
    rows.add("New", 1, "Buy", "0.00", 5).add("New", 2, "Sell", "0.00", 7)
    rows.add("New", 3, "Sell", "10.00", 7)
    rows.add("New", 1, "Buy", "0.00", 5).add("Cancel", 2, "Sell", "0.00", 7)
    rows.add("Trade", 1, "Buy", "0.00", 5, 5).add("Trade", 3, "Sell", "10.00", 7, 5)
    rows.add("Cancel", 3, "Sell", "10.00", 7, 5)
    recording = rows.open()
    waits = UNPRICED | AUCTION | LAST

    assert brief(everything(recording)) == [
        (Action.ADD, 1, 0, 5, 5, waits),
        (Action.ADD, 2, 0, 7, 7, waits),
        (Action.ADD, 3, 100_000, 7, 7, LAST),
        (Action.ADD, 1, 0, 5, 5, waits),
        (Action.CANCEL, 2, 0, 7, 0, AUCTION | LAST),
        # It never stood in the book, so its trade is only a report.
        (Action.FILL, 1, 0, 5, 0, AUCTION | Flag.REPORT),
        (Action.FILL, 3, 100_000, 5, 2, AUCTION | LAST),
        (Action.CANCEL, 3, 100_000, 2, 0, LAST),
    ]
    assert recording.remarks() == [
        "2 orders without a price did not trade and wait for an auction",
        "1 trades were made by a call auction; their price is not told",
    ]


def test_a_replacement_moves_an_order_between_book_and_auction(rows: Rows) -> None:
    """With a price it is new to the book; without one it leaves the book."""
    rows.add("New", 1, "Buy", "0.00", 5).add("Update", 1, "Buy", "9.00", 4)
    rows.add("Update", 1, "Buy", "0.00", 3).add("Cancel", 1, "Buy", "0.00", 3)
    rows.add("Update", 2, "Buy", "0.00", 3)

    assert brief(rows.read())[1:] == [
        (Action.ADD, 1, 90_000, 4, 4, LAST),
        (Action.CANCEL, 1, 0, 3, 0, LAST),
        (Action.CANCEL, 1, 0, 3, 0, AUCTION | LAST),
        (Action.REPLACE, 2, 0, 3, 3, UNPRICED | AUCTION | LAST),
    ]


def test_trades_after_a_request_of_another_order_are_an_auctions(rows: Rows) -> None:
    """Neither a Cancel nor a New of somebody else makes them trades on arrival."""
    rows.add("New", 1, "Buy", "10.00", 5).add("New", 2, "Sell", "10.00", 5)
    rows.add("Trade", 2, "Sell", "10.00", 5, 2, 2).add("Trade", 1, "Buy", "10.00", 5, 2, 1)
    rows.add("Cancel", 9, "Buy", "1.00", 5)
    rows.add("Trade", 1, "Buy", "10.00", 5, 3, 1).add("Trade", 2, "Sell", "9.00", 5, 3, 2)

    assert brief(rows.read())[1:] == [
        (Action.ADD, 2, 100_000, 5, 5, LAST),
        (Action.FILL, 2, 100_000, 2, 3, AUCTION),
        (Action.FILL, 1, 100_000, 2, 3, AUCTION | LAST),
        (Action.CANCEL, 9, 10_000, 5, 0, LAST),
        (Action.FILL, 1, 100_000, 1, 2, AUCTION),
        (Action.FILL, 2, 90_000, 1, 2, AUCTION | LAST),
    ]


def test_a_row_without_its_other_side_upsets_no_other_pair(rows: Rows) -> None:
    """Where one row of a trade is missing, the rows after it still find each other."""
    rows.add("New", 1, "Sell", "10.00", 5).add("New", 2, "Sell", "11.00", 5)
    rows.add("New", 3, "Buy", "12.00", 9)
    rows.add("Trade", 3, "Buy", "12.00", 9, 5, 1)  # the row of order 1 is missing
    rows.add("Trade", 3, "Buy", "12.00", 9, 7, 1).add("Trade", 2, "Sell", "11.00", 5, 2, 2)
    recording = rows.open()

    assert brief(everything(recording))[2:] == [
        (Action.ADD, 3, 120_000, 9, 9, Flag(0)),
        (Action.FILL, 3, 120_000, 5, 4, AGGRESSOR),
        (Action.FILL, 3, 110_000, 2, 2, AGGRESSOR),
        (Action.FILL, 2, 110_000, 2, 3, LAST),
    ]
    assert recording.remarks() == ["1 Trade rows have no row of the other side beside them"]


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    """Another order, other columns, even with one name, and no date: times count from midnight."""
    names = ["x", "x", *reversed(reader.NEEDED)]
    values = ["?", "?", "0", "1", "4", "2.5", "00:00:01.5", "New", "11", "9", "Sell", "ABC"]
    path = tmp_path / "orders.csv"
    path.write_text("\r\n".join([",".join(names), ",".join(values)]))
    recording = B3(path, BadRecords())
    messages = everything(recording)

    assert brief(messages) == [(Action.ADD, 9, 25_000, 3, 3, LAST)]
    assert messages["timestamp_ns"].tolist() == [1_500_000_000]
    assert recording.markets == ["ABC"]


def test_instruments_are_markets_with_orders_and_times_of_their_own(rows: Rows) -> None:
    """One number names an order in each; a file may have one instrument after the other."""
    late = {"PriorityTime": "13:00:00.000000"}
    other = {"InstrumentSymbol": "ABC"}
    rows.add("New", 1, "Sell", "10.00", 5, **late)
    rows.add("New", 1, "Sell", "10.00", 9, **other, SecondaryOrderID="1")
    rows.add("New", 2, "Buy", "10.00", 5, **other, SecondaryOrderID="2")
    rows.add("Trade", 1, "Sell", "10.00", 9, 5, 2, **other)
    rows.add("Trade", 2, "Buy", "10.00", 5, 5, 1, **other)
    rows.add("Cancel", 1, "Sell", "10.00", 5)  # in XYZ, and earlier than the row before
    recording = rows.open()
    messages = everything(recording)

    assert recording.markets == ["XYZ", "ABC"]
    assert messages["market"].tolist() == [0, 1, 1, 1, 1, 0]
    assert messages["qty_lots"].tolist() == [5, 9, 5, 5, 5, 5]
    one = NOON_NS + 3_600 * 10**9
    assert messages["timestamp_ns"].tolist() == [
        one,
        *(NOON_NS + n * 10**6 for n in (2, 3, 4, 5)),
        one,
    ]


@pytest.mark.parametrize(("day", "traded"), [("2020-01-08", 7), ("2020-01-09", 5)])
def test_an_order_is_followed_for_some_days(rows: Rows, day: str, traded: int) -> None:
    """After seven days an order's own rise counts, after eight the other side's does.

    Day orders end without a row, so what has been silent for longer must be forgotten.
    """
    rows.add("New", 1, "Sell", "10.00", 9).add("New", 2, "Buy", "10.00", 9, SessionDate=day)
    rows.add("Trade", 1, "Sell", "10.00", 9, 7, 2, SessionDate=day)
    rows.add("Trade", 2, "Buy", "10.00", 9, 5, 1, SessionDate=day)

    assert rows.read()["qty_lots"].tolist() == [9, 9, traded, 5]


def test_kinds_without_a_documented_effect_are_notes(rows: Rows) -> None:
    """They change no order and are counted; an order that expires is out."""
    rows.add("New", 1, "Buy", "1.00", 5).add("Rejected", 2, "Buy", "1.00", 5)
    rows.add("Expired", 1, "Buy", "1.00", 5)
    recording = rows.open()

    assert [said[0] for said in brief(everything(recording))] == [
        Action.ADD,
        Action.NOTE,
        Action.CANCEL,
    ]
    assert recording.remarks() == [
        "1 rows are of a kind whose effect on the book is not documented"
    ]


def test_times_never_step_back(rows: Rows) -> None:
    """The order of the rows is the truth, also for the time."""
    rows.add("New", 1, "Buy", "1.00", 5, PriorityTime="12:00:01.000000")
    rows.add("New", 2, "Buy", "1.00", 5, PriorityTime="12:00:00.999999")
    second = NOON_NS + 10**9

    assert rows.read()["timestamp_ns"].tolist() == [second, second]


def test_what_the_recording_says_of_itself(rows: Rows) -> None:
    """Aggressors are submitted; the header alone decides that a file is of this format."""
    recording = open_source(rows.add("New", 1, "Buy", "1.00", 5).open().path)

    assert isinstance(recording, B3)
    assert isinstance(recording, Recording)
    assert recording.aggressors is Aggressors.SUBMITTED
    assert (recording.price_decimals, recording.qty_decimals) == (4, 0)
    assert not recording.starts_empty
    assert recording.shows_auctions
    assert recognises(HEADER.encode() + b"\r\n")
    assert not recognises(HEADER.replace("OrderSide", "Side").encode())
