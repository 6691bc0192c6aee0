"""``nextrade stats`` from outside: the figures of made-up files, counted by hand."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nextrade.cli import root

LOBSTER_NAME = "ACME_2012-06-21_34200000_57600000_message_10.csv"
# Time, type (1 new, 2 less, 3 gone, 4 executed, 5 hidden), id, size, price in 1/10,000, side.
LOBSTER = """34200.000000001,1,10,100,5000100,-1
34200.5,1,11,50,4999900,1
34200.75,2,11,20,4999900,1
34201.25,4,10,30,5000100,-1
34201.25,5,0,7,5000000,1
34301.25,4,9,70,5000200,-1
34261.5,3,11,30,4999900,1
34301.5,1,12,300,6000000,-1
"""

FLOW = """timestamp_ns,kind,order_id,order_type,side,price_ticks,qty_lots,market
34200000000000,PLACE,1,LIMIT,BUY,99,8,0
34200000000001,PLACE,2,LIMIT,BUY,98,4,7
34200000000002,PLACE,3,MARKET,SELL,0,0,7
34200000000003,REDUCE,1,,,0,1,0
34200000000004,CANCEL,2,,,0,0,7
34200000000005,77,2,,,0,0,7
"""


@pytest.fixture(autouse=True)
def _in_a_folder_with_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("flow.csv").write_text(FLOW)
    Path(LOBSTER_NAME).write_text(LOBSTER)


def call(*arguments: str) -> Result:
    """Run ``nextrade stats`` with these words."""
    return CliRunner().invoke(root, ["stats", *arguments], prog_name="nextrade")


def told(*arguments: str) -> dict[str, Any]:
    """What ``nextrade stats --json`` says."""
    found: dict[str, Any] = json.loads(call(*arguments, "--json").stdout)
    return found


def test_a_recording() -> None:
    """Every figure of eight messages is as counted by hand."""
    found = told(LOBSTER_NAME)

    assert found["format_name"] == "lobster"
    assert found["packed"] == ""
    assert found["bytes_on_disk"] == len(LOBSTER)
    assert found["records"] == 8
    assert found["kinds"] == {"ADD": 3, "FILL": 2, "REDUCE": 1, "CANCEL": 1, "HIDDEN": 1}
    assert found["sizes"] == {
        "orders": 3,
        "least_lots": 50,
        "median_lots": found["sizes"]["median_lots"],
        "most_lots": 300,
        "lowest_ticks": 4999900,
        "highest_ticks": 6000000,
    }
    assert abs(found["sizes"]["median_lots"] - 100) <= 2
    assert (found["cancels"], found["cancel_share"]) == (2, 0.25)
    assert (found["executions"], found["hidden_executions"]) == (2, 1)
    assert (found["volume_lots"], found["hidden_lots"]) == ("107", "7")
    assert found["unknown_orders"] is None
    assert told(LOBSTER_NAME, "--starters")["unknown_orders"] == 1


def test_the_times_of_a_recording() -> None:
    """Span, busiest second, gaps and steps back; a time that steps back adds no gap."""
    times = told(LOBSTER_NAME)["times"]

    assert (times["first"], times["last"]) == ("09:30:00.000000001", "09:31:41.5")
    assert times["steps_back"] == 1
    assert (times["busiest_second"], times["busiest_second_records"]) == ("09:30:00", 3)
    assert times["gaps"] == 1
    assert times["longest_gap_ns"] == 100 * 10**9
    assert times["longest_gap_from"] == "09:30:01.25"


def test_a_flow() -> None:
    """Kinds, types, sizes and markets of commands; a code of no kind is counted as unknown."""
    found = told("flow.csv")

    assert found["kinds"] == {"PLACE": 3, "CANCEL": 1, "REDUCE": 1, "UNKNOWN": 1}
    assert found["order_types"] == {"LIMIT": 2, "MARKET": 1}
    assert (found["sizes"]["orders"], found["sizes"]["least_lots"]) == (3, 4)
    assert (found["sizes"]["lowest_ticks"], found["sizes"]["highest_ticks"]) == (98, 99)
    assert found["markets"] == 2
    assert [(m["name"], m["records"], m["added"]) for m in found["busiest"]] == [
        ("7", 4, 2),
        ("0", 2, 1),
    ]
    assert found["cancels"] == 2


def test_the_tables() -> None:
    """The tables show what JSON tells, prices in the currency of the recording."""
    said = call(LOBSTER_NAME, "--starters").output

    for row in (
        ("records", "8"),
        ("  ADD", "3"),
        ("span", "1 min 41 s"),
        ("gaps of more than a minute", "1"),
        ("  prices", "499.99 to 600.00"),
        ("cancels, whole or in part", "2 (25.0 %)"),
        ("orders named that never came", "1"),
        ("volume, hidden too", "107"),
    ):
        assert any(
            line.strip("│ ").startswith(row[0].strip()) and line.rstrip("│ ").endswith(f" {row[1]}")
            for line in said.splitlines()
        ), row
    assert f"{LOBSTER_NAME} (lobster, {len(LOBSTER)} bytes)" in said
    assert "│ ACME   │       8 │          3 │          3 │    107 │ 500.00 to 500.02 │" in said


def test_packing_is_told() -> None:
    """A packed file says how it is packed, and counts the bytes on disk."""
    Path("flow.csv.gz").write_bytes(gzip.compress(FLOW.encode()))
    found = told("flow.csv.gz")

    assert found["packed"] == "gzip"
    assert found["bytes_on_disk"] == Path("flow.csv.gz").stat().st_size
    assert found["records"] == 6


def test_bad_records() -> None:
    """A bad line stops the count, or is skipped and told."""
    Path("bad.csv").write_text(FLOW.replace("PLACE,2", "PLACE,x"))

    done = call("bad.csv")
    assert done.exit_code == 1
    assert "bad.csv, line 3: column order_id: 'x' is not a whole number" in done.stderr
    found = told("bad.csv", "--skip-bad")
    assert found["records"] == 5
    assert found["remarks"][0] == "1 records could not be read and were skipped"


def test_a_file_without_records() -> None:
    """Nothing is counted, and nothing fails."""
    Path("empty.csv").write_text(FLOW.splitlines()[0] + "\n")

    assert told("empty.csv")["records"] == 0
    assert told("empty.csv")["times"]["first"] is None
    assert call("empty.csv").exit_code == 0
