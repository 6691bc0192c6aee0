"""The book at moments of recorded files, against what their publishers say it was."""

import json

import pytest
from click.testing import CliRunner

from nextrade.cli import root
from nextrade.service.replay import open_source
from nextrade.service.replay.moment import MomentWalk

from ..recorded import recorded_one


def book(path: str, *words: str) -> dict[str, object]:
    """What ``nextrade book --json`` says."""
    done = CliRunner().invoke(root, ["book", path, "--json", *words], prog_name="nextrade")
    assert done.exit_code == 0, done.output
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("row", "bid", "ask", "levels"),
    [
        (8_725, (4799_00, 16, 4), (4799_50, 23, 4), (892, 559)),
        (20_000, (4806_75, 11, 6), (4807_00, 7, 6), (917, 567)),
        (40_000, (4809_50, 10, 7), (4809_75, 104, 9), (923, 563)),
        (44_371, (4810_25, 49, 18), (4810_50, 20, 9), (924, 564)),
    ],
)
def test_the_check_points_of_the_future(
    row: int, bid: tuple[int, int, int], ask: tuple[int, int, int], levels: tuple[int, int]
) -> None:
    """Best levels and numbers of levels after so many rows, worked out by another builder."""
    path = str(recorded_one("databento", "ESH4_*_mbo.csv.gz"))
    found = book(path, f"--at=#{row}", "--levels", "1")

    cent = 10**7  # the file counts in 1e-9
    for name, (price, lots, orders) in (("bids", bid), ("asks", ask)):
        level = {"price_ticks": price * cent, "qty_lots": lots, "orders": orders}
        assert found[name] == [level]
    assert (found["bid_levels"], found["ask_levels"]) == levels
    assert found["records"] == row


def test_the_recorded_rows_of_lobster() -> None:
    """At the time of the last message of a moment, the best level is that of its recorded row."""
    messages = recorded_one("lobster", "AAPL_*_message_10.csv")
    rows = recorded_one("lobster", "AAPL_*_orderbook_10.csv").read_text().splitlines()
    times = [
        int(seconds) * 10**9 + int(fraction.ljust(9, "0"))
        for line in messages.read_text().splitlines()
        for seconds, fraction in [line.split(",")[0].split(".")]
    ]
    walk = MomentWalk(open_source(messages))
    wrong = looked = 0
    for at, time_ns in enumerate(times):
        if at + 1 < len(times) and times[at + 1] == time_ns:
            continue
        walk.to_time(time_ns)
        assert walk.records == at + 1
        ask, ask_lots, bid, bid_lots = map(int, rows[at].split(",")[:4])
        (book,) = walk.markets.values()
        top = book.top()
        looked += 1
        wrong += (top.ask_ticks, top.ask_lots, top.bid_ticks, top.bid_lots) != (
            ask, ask_lots, bid, bid_lots,
        )  # fmt: skip

    assert looked > 800
    # The file starts inside the day: the first rows have orders that no message has named.
    assert wrong <= 16


def test_the_fullest_of_many_markets() -> None:
    """Of hundreds of markets one is shown; each can be asked for by name."""
    path = str(recorded_one("cboe_pitch", "pitch_example_data.gz"))
    fullest = book(path)

    assert fullest["records"] == 20_000
    named = book(path, "--market", str(fullest["market"]))
    assert named["bids"] == fullest["bids"]
    assert named["open_orders"] == fullest["open_orders"]
