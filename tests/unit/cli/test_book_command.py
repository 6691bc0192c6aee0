"""``nextrade book`` from outside: ladders of made-up files, moments, markets, mistakes."""

import json
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic

import pytest
from click.testing import CliRunner, Result

from nextrade.cli import root

FLOW = """timestamp_ns,kind,order_id,order_type,side,time_in_force,price_ticks,qty_lots,market
34200000000000,PLACE,1,LIMIT,BUY,GTC,99,8,0
34200000000000,PLACE,2,LIMIT,BUY,GTC,98,4,0
34230000000000,PLACE,3,LIMIT,SELL,GTC,101,6,0
34290000000000,PLACE,4,LIMIT,BUY,GTC,99,2,0
34290000000001,PLACE,5,LIMIT,SELL,GTC,99,3,0
34290000000001,PLACE,6,LIMIT,SELL,GTC,7,1,5
34500000000000,CANCEL,2,,,,,,0
"""

# A LOBSTER file: time, type, id, size, price in 1/10,000, direction. Order 9 was there before.
LOBSTER = """34200.000000001,1,10,100,5000100,-1
34200.5,1,11,50,4999900,1
34201.25,4,10,30,5000100,-1
34201.25,4,9,70,5000200,-1
34203.0,3,11,50,4999900,1
"""
LOBSTER_NAME = "ACME_2012-06-21_34200000_57600000_message_10.csv"


@pytest.fixture(autouse=True)
def _in_a_folder_with_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("flow.csv").write_text(FLOW)
    Path(LOBSTER_NAME).write_text(LOBSTER)


def call(*arguments: str) -> Result:
    """Run ``nextrade book`` with these words."""
    return CliRunner().invoke(root, ["book", *arguments], prog_name="nextrade")


def test_the_ladder_of_a_flow() -> None:
    """Asks above bids, sums from the best price outwards, bars as long as the quantities."""
    done = call("flow.csv", "--market", "0", "--at", "09:31:30")

    assert done.output == (
        "market 0  09:31:30  after 4 records\n"
        + "4 open orders, 2 bid and 1 ask levels\n\n"
        + "    price  quantity  orders  cumulative\n"
        + "      101         6       1           6  "
        + "#" * (39 * 6 // 10)
        + "\n"
        + "-- spread 2, mid 100 ".ljust(80, "-")
        + "\n"
        + "       99        10       2          10  "
        + "#" * 39
        + "\n"
        + "       98         4       1          14  "
        + "#" * (39 * 4 // 10)
        + "\n"
    )


def test_a_trade_is_in_from_its_nanosecond_on() -> None:
    """One nanosecond before a record it is out, at its time it is in."""
    before = json.loads(call("flow.csv", "--market", "0", "--at=34290000000000", "--json").stdout)
    after = json.loads(call("flow.csv", "--market", "0", "--at=34290000000001", "--json").stdout)

    assert (before["records"], before["last_trade"]) == (4, None)
    assert before["bids"][0] == {"price_ticks": 99, "qty_lots": 10, "orders": 2}
    assert after["records"] == 6
    assert after["bids"][0] == {"price_ticks": 99, "qty_lots": 7, "orders": 2}
    assert after["last_trade"] == {
        "timestamp_ns": 34290000000001,
        "price_ticks": 99,
        "qty_lots": 3,
    }


def test_real_prices_and_orders_from_before_the_start() -> None:
    """A recording shows prices in its currency; order 9, which it names later, is there."""
    done = call(LOBSTER_NAME, "--at", "09:30:01", "--orders")

    rows = [line[:39] for line in done.output.splitlines() if re.match(" +[0-9]", line)]
    assert rows == [
        "   500.02        70       1         170",
        "   500.01       100       1         100",
        "   499.99        50       1          50",
    ]
    assert "spread 0.02, mid 500.00 -" in done.output
    assert "ask 500.01: 100 (#10)" in done.output
    assert "bid 499.99: 50 (#11)" in done.output


def test_the_orders_of_a_level_stand_as_they_queue() -> None:
    """--orders lists the orders of a level first come first."""
    done = call("flow.csv", "--market", "0", "--at=#4", "--orders")

    assert "bid 99: 8 (#1)  2 (#4)\nbid 98: 4 (#2)\n" in done.output


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ("#0", "no time yet  after 0 records\n"),
        ("#2", "09:30:00  after 2 records\n"),
        ("#7", "09:35:00  after 7 records (all)\n"),
        ("#8", "The file has 7 records: the end\n"),
        ("09:29", "Before the first record (09:30:00): an empty book\n"),
        ("09:35:00.000000001", "After the last record (09:35:00): the end\n"),
        ("09:30:00", "09:30:00  after 2 records\n"),
        ("34229999999999", "09:30:00  after 2 records\n"),
        ("09:34:59.999999999", "09:31:30.000000001  after 6 records\n"),
        ("start", "09:30:00  after 2 records\n"),
        ("end", "09:35:00  after 7 records (all)\n"),
    ],
)
def test_moments(moment: str, said: str) -> None:
    """Each way of writing a moment leads to the records up to it, and no further."""
    assert said in call("flow.csv", f"--at={moment}", "--market", "0").output


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ("noon", "'noon' is not a moment; write a time of day such as 09:30:00.5"),
        ("09:60", "minutes and seconds go from 00 to 59"),
        ("2023-02-30T10:00", "'2023-02-30' is no day of the calendar"),
        ("2023-02-03T10:00:00Z", "count from midnight and have no date"),
        ("-1", "is not a moment"),
        ("#", "is not a moment"),
        ("9" * 19, "is not a moment"),
    ],
)
def test_what_is_no_moment(moment: str, said: str) -> None:
    """A moment that cannot be read is wrong usage, and the message says what can be."""
    done = call("flow.csv", f"--at={moment}")

    assert done.exit_code == 2
    assert said in done.stderr


def test_the_day_of_a_time_of_day_is_that_of_the_first_record() -> None:
    """In a file that counts from 1970 a time of day and the full date mean the same."""
    day = 1_703_462_400 * 10**9  # 2023-12-25
    Path("dated.csv").write_text(
        "timestamp_ns,kind,order_id,order_type,side,price_ticks,qty_lots\n"
        f"{day + 1800 * 10**9},PLACE,1,LIMIT,BUY,5,1\n"
        f"{day + 3600 * 10**9},PLACE,2,LIMIT,BUY,5,1\n"
    )

    for moment in ("00:59:59", "2023-12-25T00:59:59Z", "2023-12-25 00:59:59"):
        assert (
            "2023-12-25 00:30:00  after 1 records\n" in call("dated.csv", f"--at={moment}").output
        )
    assert "01:00:00  after 2 records (all)\n" in call("dated.csv", "--at", "01:00").output


def test_the_market_with_most_orders_is_shown_and_the_others_named() -> None:
    """Without --market the fullest book is shown, with a line on how to see the others."""
    said = call("flow.csv").output

    assert said.startswith("market 0  ")
    assert said.endswith(
        "\n2 markets; the one with most orders is shown, choose with --market (0, 5)\n"
    )
    assert "\n        7         1       1           1  " in call("flow.csv", "--market", "5").output


def test_a_market_that_is_not_there() -> None:
    """An unknown market is said, with those that the file has, wherever the walk stops."""
    for moment in ("end", "start", "#0"):
        done = call("flow.csv", "--market", "7", "--at", moment)
        assert done.exit_code == 1
        assert "nothing of market '7' in this file; it has 0, 5" in done.stderr
    assert call("flow.csv", "--market", "5", "--at", "start").exit_code == 0


def test_watching_into_a_pipe_prints_a_ladder_for_each_stretch_with_records() -> None:
    """A ladder at the start and at each full minute by which something has happened."""
    said = call("flow.csv", "--watch", "--market", "0", "--levels", "1").output

    assert re.findall(r"after \d+ records.*", said) == [
        "after 2 records",
        "after 3 records",
        "after 6 records",
        "after 7 records (all)",
    ]


def test_watching_as_json_gives_an_object_a_line() -> None:
    """--watch --json can be read line by line; --every sets the stretch."""
    said = call("flow.csv", "--watch", "--market", "0", "--json", "--every", "1ns").stdout

    views = [json.loads(line) for line in said.splitlines()]
    assert [view["records"] for view in views] == [2, 3, 4, 6, 7]
    assert [view["ended"] for view in views] == [False, False, False, False, True]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--every", "soon"], "'soon' is no duration such as 100ms"),
        (["--every", "0s"], "'0s' is no duration such as 100ms"),
        (["--speed", "fast"], "'fast' is neither a number above zero nor max"),
        (["--speed", "0"], "'0' is neither a number above zero nor max"),
        (["--speed", "nan"], "'nan' is neither a number above zero nor max"),
        (["--levels", "0"], "0 is not in the range 1<=x<=1000"),
    ],
)
def test_wrong_settings_are_said(words: list[str], said: str) -> None:
    """A setting that makes no sense is wrong usage."""
    done = call("flow.csv", "--watch", *words)

    assert done.exit_code == 2
    assert said in done.stderr


def test_bad_records() -> None:
    """A bad line before the moment stops the walk, or is skipped and counted."""
    Path("bad.csv").write_text(FLOW.replace("PLACE,2", "PLACE,x"))

    assert "bad.csv, line 3: column order_id" in call("bad.csv").stderr
    said = call("bad.csv", "--skip-bad", "--market", "0").output
    assert "after 6 records (all)" in said
    assert "Note: 1 records could not be read and were skipped." in said


def test_a_file_without_records_shows_an_empty_book() -> None:
    """No record is no mistake."""
    Path("empty.csv").write_text(FLOW.splitlines()[0] + "\n")

    for words in ([], ["--watch"], ["--at", "09:30"]):
        said = call("empty.csv", *words).output
        assert said.startswith("no market  no time yet  after 0 records (all)\n")
        assert "-- no orders ---" in said


def _shown_until(terminal: int, wanted: bytes, seconds: float = 30.0) -> bytes:
    """What a terminal shows until it has shown ``wanted``, or is closed."""
    shown, end = b"", monotonic() + seconds
    while wanted not in shown and monotonic() < end:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # how Linux says that the other side of a terminal was closed
            break
        if not piece:
            break
        shown += piece
    return shown


@pytest.mark.parametrize(("speed", "ends"), [("max", True), ("0.001", False)])
def test_watching_on_a_terminal(speed: str, ends: bool) -> None:
    """The ladder is drawn over itself until the file ends, or Ctrl-C, which is no failure."""
    pty = pytest.importorskip("pty", reason="pseudo-terminals are a thing of Unix")
    command = [sys.executable, "-m", "nextrade", "book", "flow.csv", "--watch", "--speed", speed]
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=environment
    ) as running:
        os.close(theirs)
        shown = _shown_until(ours, b"after 7 records (all)" if ends else b"after 2 records")
        if not ends:
            running.send_signal(signal.SIGINT)
        shown += _shown_until(ours, b"never shown")
        assert running.stderr is not None
        said = running.stderr.read()
    os.close(ours)

    assert (running.returncode, said) == (0, b"")
    assert b"after 2 records" in shown
    assert (b"after 7 records (all)" in shown) is ends


def test_watching_several_markets_stays_with_one() -> None:
    """The market shown first is shown on, and a line says that there are others."""
    Path("two.csv").write_text(
        FLOW + "34600000000000,PLACE,7,LIMIT,SELL,GTC,8,1,5\n"
        "34600000000000,PLACE,8,LIMIT,SELL,GTC,8,1,5\n"
        "34600000000000,PLACE,9,LIMIT,SELL,GTC,8,1,5\n"
    )
    said = call("two.csv", "--watch").output

    assert [line.split("  ")[0] for line in said.splitlines() if line.startswith("market")] == [
        "market 0"
    ] * 5
    assert said.count("one of 2 markets; choose with --market") == 3
    assert call("two.csv").output.startswith("market 5  ")
