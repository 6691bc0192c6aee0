"""LOBSTER AAPL, 2012-06-21: rebuilt, matched and guided against the recorded order book."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nextrade.service.replay.depth_check import one_step
from nextrade.service.replay.readers import open_source
from nextrade.service.replay.readers.lobster import Lobster
from nextrade.service.replay.report import Report
from nextrade.service.replay.run import replay

from ..recorded import recorded_one

TEN_LEVELS = "AAPL_*_message_10.csv"
FIFTY_LEVELS = "AAPL_*_message_50.csv.gz"
EXACT = "aggressive orders: the same fills"
VOLUME = "aggressive orders: the same volume at each price"


def right(report: Report) -> dict[str, tuple[int, int]]:
    """For each check how many rows are right, of how many."""
    return {check.name: (check.right, check.rows) for check in report.checks}


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """All messages of a file and the rows of its book, which belong to them one to one."""
    source = open_source(path)
    assert isinstance(source, Lobster)
    parts = list(source.parts())
    levels = [part.depth.levels for part in parts if part.depth is not None]
    return np.concatenate([part.messages for part in parts]), np.concatenate(levels)


def test_the_ten_level_pair_is_rebuilt() -> None:
    """998 of 998 messages turn one recorded row into the next; 318 let a level in from below."""
    report = replay(recorded_one("lobster", TEN_LEVELS), mode="rebuild")

    assert right(report)["one step on the recorded book"] == (998, 998)
    assert any("in 318 a level enters" in check.note for check in report.checks)
    # The file starts inside the day: one order of the opening cross is known too early.
    assert right(report)["rebuilt book: best level"] == (983, 999)
    assert report.rejected == 0


def test_the_ten_level_pair_is_matched() -> None:
    """63 of 63 aggressive orders hit the same orders."""
    report = replay(recorded_one("lobster", TEN_LEVELS), mode="match")

    assert right(report)[EXACT] == (63, 63)


def test_the_fifty_level_messages_are_rebuilt() -> None:
    """Through the row map every step agrees, and the free rebuild is wrong in 18 rows."""
    report = replay(recorded_one("lobster", FIFTY_LEVELS), mode="rebuild")

    # The first of the 25,641 rows has no row before it that a message could be applied to.
    assert right(report)["one step on the recorded book"] == (25_640, 25_640)
    # One order at 584.21 left the fifty levels and was taken out unseen; it stays to the end.
    assert right(report)["rebuilt book: best level"] == (25_623, 25_641)
    assert report.messages == 91_997
    assert report.commands_by_kind == {
        "PLACE": 44_256 + 80,
        "CANCEL": 41_004,
        "REDUCE": 469 + 4_067,
    }
    assert report.rejected == 0
    assert any("2,201 executions" in remark for remark in report.remarks)
    assert any("80 orders rested before" in remark for remark in report.remarks)


def test_the_fifty_level_messages_are_matched() -> None:
    """The engine alone finds 3,253 of 3,290 aggressive orders exactly."""
    report = replay(recorded_one("lobster", FIFTY_LEVELS), mode="match")

    assert right(report)[EXACT] == (3_253, 3_290)


def test_the_fifty_level_messages_are_guided() -> None:
    """Put right after each, 3,282 are exact, all have the same volume at each price, and the
    best level is right in all but one of the rows that show no order half-way."""
    found = right(replay(recorded_one("lobster", FIFTY_LEVELS), mode="guided"))

    assert found[EXACT] == (3_282, 3_290)
    assert found[VOLUME] == (3_290, 3_290)
    assert found["engine: best level"] == (24_819, 24_820)


@pytest.mark.parametrize("mode", ["rebuild", "match", "guided"])
def test_the_size_of_the_batches_changes_nothing(mode: str) -> None:
    """A batch of one and a batch of all give the same book and the same figures."""
    path = recorded_one("lobster", TEN_LEVELS)
    one, whole = replay(path, mode=mode, batch=1), replay(path, mode=mode, batch=10**6)

    assert one.state_hash == whole.state_hash
    assert one.checks == whole.checks


def test_the_step_check_sees_every_kind_of_damage() -> None:
    """A size, a price or a message that is off by a little does not pass."""
    messages, rows = read(recorded_one("lobster", TEN_LEVELS))

    for row, side, level, field in (
        (5, 1, 0, "price_ticks"),
        (5, 1, 0, "qty_lots"),
        (5, 0, 0, "price_ticks"),
        (5, 0, 0, "qty_lots"),
        (700, 1, 9, "price_ticks"),
        (700, 0, 9, "qty_lots"),
    ):
        damaged = rows.copy()
        damaged[field][row, side, level] += 1
        agrees, _ = one_step(damaged[:-1], messages[1:], damaged[1:])
        assert not agrees.all()
    for field in ("qty_lots", "price_ticks", "side"):
        wrong = messages.copy()
        wrong[field] = 1 - wrong[field] if field == "side" else wrong[field] + 1
        agrees, _ = one_step(rows[:-1], wrong[1:], rows[1:])
        assert np.count_nonzero(agrees) < len(agrees) // 4


def test_every_time_is_exact_to_the_nanosecond() -> None:
    """Times read as text and as nanoseconds are the same."""
    path = recorded_one("lobster", TEN_LEVELS)
    texts = [line.split(",", 1)[0] for line in path.read_text().splitlines()]
    messages, _ = read(path)

    for text, nanoseconds in zip(texts, messages["timestamp_ns"].tolist(), strict=True):
        whole, _, fraction = text.partition(".")
        assert len(fraction) <= 9
        assert nanoseconds == int(whole) * 10**9 + int(fraction.ljust(9, "0"))
