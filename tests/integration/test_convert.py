"""Recordings as native flow: the converted file replays to the book of the recording."""

from pathlib import Path

import numpy as np
import pytest

import nextrade
from nextrade.service.replay import open_source
from nextrade.service.replay.convert import convert

from ..recorded import recorded_one


def silent(position: int, length: int, records: int) -> None:
    """Nobody watches."""


@pytest.mark.parametrize(
    ("folder", "pattern"),
    [
        ("lobster", "*message_50.csv.gz"),
        ("lobster", "*message_10.csv"),
        ("cboe_pitch", "pitch*"),
    ],
)
def test_the_flow_of_a_recording_gives_its_book(tmp_path: Path, folder: str, pattern: str) -> None:
    """Market by market, the converted commands end in the state that the rebuilt book has."""
    path = recorded_one(folder, pattern)
    convert(open_source(path), tmp_path / "flow.npy", silent)
    commands = np.load(tmp_path / "flow.npy")
    report = nextrade.replay(path, mode="rebuild")
    hashes = set()
    resting = 0
    for market in np.unique(commands["market"]).tolist():
        book = nextrade.OrderBook()
        events = book.process(commands[commands["market"] == market])
        assert not (events["kind"] == nextrade.EventKind.TRADE).any()
        hashes.add(book.state_hash())
        resting += len(book)

    assert resting == report.resting_orders
    assert hashes >= {market.state_hash for market in report.markets if market.resting_orders}
