"""Databento, ARL on Nasdaq and ESH4 on CME: the messages rebuild the books that were recorded."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import pytest
from bench.format_inputs import write_dbn

from nextrade import OrderBook
from nextrade.dtypes import COMMAND_DTYPE
from nextrade.enums import CommandKind, EventKind, Side, TradingState
from nextrade.service.replay.messages import Action, Aggressors, Flag, Messages
from nextrade.service.replay.readers.databento_csv import DatabentoCsv
from nextrade.service.replay.readers.databento_dbn import DatabentoDbn
from nextrade.service.replay.readers.source import BadRecords

from ..recorded import recorded_one

ARL = "ARL_*_mbo.csv.gz"
ESH4 = "ESH4_*_mbo.csv.gz"
POINT = 10**9
"""A price of 1.00 in ticks of 1e-9."""


def _read(pattern: str) -> tuple[DatabentoCsv, Messages]:
    recording = DatabentoCsv(recorded_one("databento", pattern), BadRecords())
    messages = np.concatenate([part.messages for part in recording.parts()])
    assert recording.remarks() == []
    return recording, messages


class _Rebuilt:
    """A book that only repeats: orders rest, shrink and move, and nothing matches."""

    kinds: ClassVar = {
        Action.ADD: CommandKind.PLACE,
        Action.REDUCE: CommandKind.REDUCE,
        Action.REPLACE: CommandKind.REPLACE,
    }

    def __init__(self) -> None:
        self.book = OrderBook()
        self.book.set_state(TradingState.AUCTION)

    def apply(self, messages: Messages) -> None:
        messages = messages[(messages["flags"] & Flag.REPORT) == 0]
        used = np.isin(messages["action"], list(self.kinds))
        messages = messages[used]
        commands = np.zeros(len(messages), dtype=COMMAND_DTYPE)
        for name in ("timestamp_ns", "order_id", "qty_lots"):
            commands[name] = messages[name]
        for action, kind in self.kinds.items():
            commands["kind"][messages["action"] == action] = kind
        adds = messages["action"] == Action.ADD
        priced = adds | (messages["action"] == Action.REPLACE)
        commands["price_ticks"][priced] = messages["price_ticks"][priced]
        commands["side"][adds] = messages["side"][adds]
        commands["owner"][adds] = 1
        events = self.book.process(commands)
        assert not (events["kind"] == EventKind.REJECTED).any()


class CheckPoint(NamedTuple):
    """What is published of the book after a row: best level and number of levels, a side each."""

    row: int
    bid: tuple[float, int, int]
    ask: tuple[float, int, int]
    bid_levels: int
    ask_levels: int


CHECK_POINTS = [
    CheckPoint(8_725, (4799.00, 16, 4), (4799.50, 23, 4), 892, 559),
    CheckPoint(20_000, (4806.75, 11, 6), (4807.00, 7, 6), 917, 567),
    CheckPoint(40_000, (4809.50, 10, 7), (4809.75, 104, 9), 923, 563),
    CheckPoint(44_371, (4810.25, 49, 18), (4810.50, 20, 9), 924, 564),
]


def test_the_futures_book_agrees_at_every_check_point() -> None:
    """After rows 8,725, 20,000, 40,000 and the last, best levels and level counts are exact."""
    _, messages = _read(ESH4)
    rebuilt = _Rebuilt()
    done = 0
    for point in CHECK_POINTS:
        rebuilt.apply(messages[done : point.row])
        done = point.row
        bids, asks = rebuilt.book.depth(10_000)
        for levels, best in ((bids, point.bid), (asks, point.ask)):
            assert levels[0].item() == (int(best[0] * 100) * POINT // 100, *best[1:])
        assert (len(bids), len(asks)) == (point.bid_levels, point.ask_levels)
        if point.row == 8_725:
            assert len(rebuilt.book.orders()) == 8_725
    assert done == len(messages)
    assert len(rebuilt.book.orders()) == 10_877
    rebuilt.book.check_invariants()


def test_the_share_book_agrees_with_every_recorded_row() -> None:
    """3,928 of 3,928 rows: prices, quantities and numbers of orders of all ten levels."""
    recording = DatabentoCsv(recorded_one("databento", ARL), BadRecords())
    rebuilt = _Rebuilt()
    rows = 0
    for part in recording.parts():
        assert part.depth is not None
        assert part.depth.orders_known
        done = 0
        for after, recorded in zip(part.depth.after.tolist(), part.depth.levels, strict=True):
            rebuilt.apply(part.messages[done:after])
            done = after
            for side, levels in enumerate(rebuilt.book.depth(10)):
                assert recorded[side, : len(levels)].tolist() == levels.tolist()
                assert not recorded[side, len(levels) :]["qty_lots"].any()
            rows += 1
        rebuilt.apply(part.messages[done:])
    assert rows == 3_928
    assert recording.remarks() == []


def test_the_futures_are_read_as_what_they_are() -> None:
    """Kinds of record as published; aggressors are printed, and the file starts with the book."""
    recording, messages = _read(ESH4)
    shown = (messages["flags"] & Flag.SNAPSHOT) == 0

    assert (recording.aggressors, recording.starts_empty) == (Aggressors.PRINTED, True)
    assert Counter(messages["action"][shown].tolist()) == {
        Action.ADD: 12_357,
        Action.REDUCE: 10_205,
        Action.REPLACE: 7_525,
        Action.TRADE: 1_865,
        Action.FILL: 3_694,
    }
    assert np.count_nonzero(~shown) == 8_725
    auction = messages[(messages["flags"] & Flag.AUCTION) != 0]
    assert Counter(auction["action"].tolist()) == {Action.TRADE: 1, Action.FILL: 35}
    assert set(auction["side"].tolist()) == {Side.NONE}


@pytest.mark.parametrize(
    ("pattern", "fills", "of_aggressors", "without", "outside"),
    [(ESH4, 3_694, 84, 7, 0), (ARL, 11, 0, 0, 0)],
)
def test_every_fill_of_a_resting_order_is_restated_in_its_event(
    pattern: str, fills: int, of_aggressors: int, without: int, outside: int
) -> None:
    """Seven fills have no C or M that restates them, all of the opening auction's."""
    _, messages = _read(pattern)
    flags, actions = messages["flags"], messages["action"]
    found, aggressors, alone, strange = 0, 0, 0, 0
    named: set[int] = set()
    open_fills: list[tuple[int, bool]] = []
    for order, action, flag in zip(
        messages["order_id"].tolist(), actions.tolist(), flags.tolist(), strict=True
    ):
        if action == Action.FILL:
            found += 1
            if flag & Flag.AGGRESSOR:
                aggressors += 1
            else:
                named.add(order)
                open_fills.append((order, bool(flag & Flag.AUCTION)))
        elif flag & Flag.RESTATES:
            assert action in (Action.REDUCE, Action.REPLACE)
            assert order in named
            open_fills = [fill for fill in open_fills if fill[0] != order]
        if flag & Flag.LAST:
            alone += len(open_fills)
            strange += sum(not in_auction for _, in_auction in open_fills)
            named.clear()
            open_fills.clear()
    assert (found, aggressors, alone, strange) == (fills, of_aggressors, without, outside)


def test_the_nasdaq_day_has_no_names_of_aggressors() -> None:
    """Eleven visible executions, each restated, and 35 of hidden orders; it starts empty."""
    recording, messages = _read(ARL)

    assert (recording.aggressors, recording.starts_empty) == (Aggressors.INFERRED, True)
    assert recording.markets == ["ARL"]
    counts = Counter(messages["action"].tolist())
    assert (counts[Action.TRADE], counts[Action.FILL], counts[Action.HIDDEN]) == (11, 11, 35)
    assert np.count_nonzero(messages["flags"] & Flag.RESTATES) == 11


def test_the_futures_as_dbn_give_the_same_messages(tmp_path: Path) -> None:
    """Written as DBN by the publisher's package, all but the place of a message is the same."""
    pytest.importorskip("databento_dbn", reason="databento-dbn is not installed")
    _, messages = _read(ESH4)
    path = tmp_path / "es.dbn"
    assert write_dbn(recorded_one("databento", ESH4), path)
    recording = DatabentoDbn(path, BadRecords())
    binary = np.concatenate([part.messages for part in recording.parts()])
    start = path.stat().st_size - 56 * len(binary)  # the header's length

    assert recording.aggressors == Aggressors.PRINTED
    assert binary["place"].tolist() == list(range(start, start + 56 * len(binary), 56))
    binary["place"] = messages["place"]
    assert binary.tobytes() == messages.tobytes()
    _agrees_with_the_publishers_reader(path, messages)


def _agrees_with_the_publishers_reader(path: Path, messages: Messages) -> None:
    databento = pytest.importorskip("databento", reason="databento is not installed")
    records = databento.DBNStore.from_bytes(path.read_bytes()).to_ndarray()

    assert records["order_id"].tolist() == messages["order_id"].tolist()
    assert records["price"].tolist() == messages["price_ticks"].tolist()
    assert records["size"].tolist() == messages["qty_lots"].tolist()
    letters = {"ADD": b"A", "REDUCE": b"C", "REPLACE": b"M", "TRADE": b"T", "FILL": b"F"}
    names = [Action(action).name for action in messages["action"].tolist()]
    assert records["action"].tolist() == [letters[name] for name in names]
