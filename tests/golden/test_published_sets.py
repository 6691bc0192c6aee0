"""Published sets of input and expected output, exact to the byte or to the line.

Each set has its own words for orders; the helper beside this file of the same name
translates them. The files themselves are not ours and stay where NEXTRADE_DATA points.
"""

import pytest

from ..recorded import recorded
from . import gemini, orderbook_txt, scenarios_csv, trades_and_book

ORDERBOOK_TXT = (
    "Cancel_Success",
    "Match_FillAndKill",
    "Match_FillOrKill_Hit",
    "Match_FillOrKill_Miss",
    "Match_GoodTillCancel",
    "Match_Market",
    "Modify_Side",
)


def test_scenarios_csv() -> None:
    """The eight odd scenarios of sixteen, for which output was published, agree line by line."""
    folder = recorded("golden", "scenarios_csv")
    expected = scenarios_csv.expected((folder / "output_odd_scenarios.csv").read_text())
    actual = scenarios_csv.play((folder / "input.csv").read_text())

    assert len(actual) == 16
    assert len(expected) == 8
    assert actual[0::2] == expected


@pytest.mark.parametrize("name", ORDERBOOK_TXT)
def test_orderbook_txt(name: str) -> None:
    """Numbers of orders and levels at the end are those that the file itself states."""
    text = recorded("golden", "orderbook_txt", f"{name}.txt").read_text()

    assert orderbook_txt.play(text) == orderbook_txt.expected(text)


@pytest.mark.parametrize("name", ["test1", "test2"])
def test_trades_and_book(name: str) -> None:
    """Trades and the printed book are the same bytes, trailing blanks included."""
    folder = recorded("golden", "trades_and_book")
    expected = (folder / f"{name}.expected.txt").read_text()

    assert trades_and_book.play((folder / f"{name}.txt").read_text()) == expected


def test_gemini() -> None:
    """Trades of three instruments and what remains are the lines of the published output."""
    folder = recorded("golden", "gemini")
    expected = (folder / "sample_output.txt").read_text().splitlines()

    assert gemini.play((folder / "sample_input.txt").read_text()) == expected
