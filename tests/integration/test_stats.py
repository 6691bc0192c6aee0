"""The statistics of recorded files are those that their publishers and other programs counted."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from nextrade.cli import root
from nextrade.service.replay import open_source
from nextrade.service.replay.stats import Stats
from nextrade.service.replay.stats_run import read_parts

from ..recorded import recorded, recorded_one


def stats(folder: str, pattern: str, *words: str) -> dict[str, Any]:
    """What ``nextrade stats --json`` says of a recorded file."""
    path = str(recorded_one(folder, pattern))
    done = CliRunner().invoke(root, ["stats", path, "--json", *words], prog_name="nextrade")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("folder", "pattern", "records", "unknown"),
    [
        ("b3", "*.csv.gz", 9_708, 114),
        ("databento", "ARL_*_mbo.csv.gz", 5_886, 0),
        ("lobster", "AAPL_*_message_50.csv.gz", 91_997, 80),
        ("cboe_pitch", "pitch_example_data.gz", 20_000, 0),
    ],
)
def test_records_and_unknown_orders(folder: str, pattern: str, records: int, unknown: int) -> None:
    """The number of records, and of orders that rested before the start."""
    found = stats(folder, pattern, "--starters")

    assert (found["records"], found["unknown_orders"]) == (records, unknown)


def test_the_executed_volumes_of_pitch() -> None:
    """The ten markets with most executed volume are those of the publisher's answer."""
    source = open_source(recorded("cboe_pitch", "pitch_example_data.gz"))
    counted = Stats(source)
    read_parts(source, counted, lambda *_: None)
    figures = counted.figures()
    everything = counted.busiest(figures.markets)
    found = sorted((market.volume_lots for market in everything), reverse=True)[:10]
    answer = recorded("cboe_pitch", "top10_executed_volume.txt").read_text().split()

    assert found == [int(word) for word in answer if word.isdigit()]
    assert (figures.markets, figures.times.steps_back) == (288, 691)
    assert figures.kinds["HIDDEN"] == 27


def test_the_auction_and_the_trades_of_the_future() -> None:
    """1,865 trades, of which one is the opening auction with 35 fills; a starting book of 8,725."""
    found = stats("databento", "ESH4_*_mbo.csv.gz")

    assert found["executions"] == 1_865
    assert found["auction_executions"] == 1 + 35
    assert found["starting_orders"] == 8_725
    assert found["sizes"]["orders"] == 12_357
    assert found["times"]["first"].startswith("2023-12-25T22:00:00.")


def test_the_trades_of_bitstamp() -> None:
    """406 trades; their prices are those traded at, not the limits of the orders."""
    found = stats("bitstamp", "*.log.gz")

    assert found["executions"] == 406
    assert (found["depth_rows"], found["depth_levels"]) == (3_249, 20)
    (market,) = found["busiest"]
    assert 230_00 < market["low_ticks"] < market["high_ticks"] < 242_00
