"""The figures of a replay in words, the same for the terminal and for the page."""

from pathlib import Path

import pytest

from nextrade.service.replay import replay
from nextrade.service.replay.wording import amount, notes_of, sections_of

LINES = """34200.000000001,1,11,100,5853300,1
34200.000000002,1,12,50,5853900,-1
34200.000000003,4,11,40,5853300,1
34200.000000004,4,99,10,5853400,1
"""


@pytest.fixture
def lobster(tmp_path: Path) -> Path:
    """Two orders, an execution, and one of an order from before the start."""
    path = tmp_path / "AB_message_1.csv"
    path.write_text(LINES)
    return path


@pytest.mark.parametrize(
    ("count", "decimals", "text"),
    [
        (5853300, 4, "585.33"),
        (1234567, 0, "1,234,567"),
        (5, 8, "0.00000005"),
        (100_000_000, 8, "1"),
        (0, 4, "0"),
    ],
)
def test_amounts_are_exact_and_short(count: int, decimals: int, text: str) -> None:
    """Zeros that say nothing are left out, and no digit is lost."""
    assert amount(count, decimals) == text


def test_prices_are_in_the_currency_of_the_recording(lobster: Path) -> None:
    """A tick of 1/10,000 USD is shown as USD."""
    rows = {what: much for _, part in sections_of(replay(lobster)) for what, much in part}

    assert rows["average price (VWAP)"] == "585.332"  # (40 x 585.33 + 10 x 585.34) / 50
    assert rows["best bid / best ask"] == "585.33 / 585.39"
    assert rows["aggressive orders: the same fills"] == "2 of 2 agree (100.000%)"


def test_notes_are_the_remarks_and_what_differs(lobster: Path) -> None:
    """The order from before the start is told of; a full agreement needs no note."""
    (note,) = notes_of(replay(lobster))

    assert note.startswith("1 orders rested before the recording starts")
