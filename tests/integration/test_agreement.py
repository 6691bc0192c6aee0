"""The table of agreement in docs/reference/recordings.md says what a replay finds, row by row."""

import functools
import re
from pathlib import Path

import pytest

from nextrade.service.replay import Report, replay

from ..recorded import recorded_one

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/recordings.md"

FILES = {
    "LOBSTER AAPL 2012-06-21, 50 levels": ("lobster", "AAPL_*_message_50.csv.gz"),
    "LOBSTER AAPL 2012-06-21, 10 levels": ("lobster", "AAPL_*_message_10.csv"),
    "Databento ARL 2025-07-17": ("databento", "ARL_*_mbo.csv.gz"),
    "Databento ESH4 2023-12-25": ("databento", "ESH4_*_mbo.csv.gz"),
    "B3 PETR4F 2015-11-03": ("b3", "PETR4F_*.csv.gz"),
    "Bitstamp 2015-05-01": ("bitstamp", "2015-05-01*.log.gz"),
    "Cboe PITCH": ("cboe_pitch", "pitch_example_data.gz"),
}


def rows() -> list[tuple[str, str, str, int, int]]:
    """The rows of the table: recording, mode, what was compared, how many agree, of how many."""
    found = []
    recording = ""
    section = PAGE.read_text(encoding="utf-8").split("## How far it agrees")[1].split("\n## ")[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[3][:1].isdigit():
            recording = cells[0] or recording
            agree, of = (int(cell.replace(",", "")) for cell in cells[3:])
            found.append((recording, cells[1], cells[2], agree, of))
    return found


@functools.cache
def report_of(recording: str, mode: str) -> Report:
    """Replay a recorded file once, however many rows speak of it."""
    return replay(recorded_one(*FILES[recording]), mode=mode)


def test_the_readme_repeats_the_table() -> None:
    """What README.md shows of the agreement stands in the table too."""
    text = PAGE.parents[2].joinpath("README.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\|[^|]+\| ([\d,]+) of ([\d,]+) \|$", text, re.MULTILINE)
    known = {
        (f"{agree:,}", f"{of:,}")
        for *_, what, agree, of in rows()
        if what.endswith("the same fills")
    }

    assert shown
    assert set(shown) <= known


def test_every_recording_is_in_the_table() -> None:
    """No sample is left out, and none is misspelt."""
    assert {row[0] for row in rows()} == set(FILES)


@pytest.mark.parametrize(("recording", "mode", "compared", "agree", "of"), rows())
def test_a_row_of_the_table(recording: str, mode: str, compared: str, agree: int, of: int) -> None:
    """The replay agrees in as many of as many as the page says."""
    checks = {check.name: check for check in report_of(recording, mode).checks}

    assert (checks[compared].right, checks[compared].rows) == (agree, of)
