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


def open_orders(book: nextrade.OrderBook) -> set[tuple[int, int, int, int]]:
    """Id, side, price and quantity of each open order."""
    fields = ["order_id", "side", "price_ticks", "visible_lots"]
    return {tuple(order) for order in book.orders()[fields].tolist()}


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
    replay = nextrade.Replay(path, mode="rebuild")
    report = replay.run()
    resting = 0
    for number in np.unique(commands["market"]).tolist():
        book = nextrade.OrderBook()
        events = book.process(commands[commands["market"] == number])
        rebuilt = replay.books[replay.market_name(number)]
        assert not (events["kind"] == nextrade.EventKind.TRADE).any()
        assert open_orders(book) == open_orders(rebuilt)
        # LOBSTER queues by id, for which a flow has no word: only times and queues differ. A book
        # that nothing went into has no clock, but for the state that the flow begins with.
        if folder != "lobster" and len(book):
            assert book.state_hash() == rebuilt.state_hash()
        resting += len(book)

    assert resting == report.resting_orders
