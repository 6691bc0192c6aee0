"""The benchmark of formats measures what it says: files that are read as they were meant."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("bench", reason="bench/ is not part of this checkout")

from bench import format_stages
from bench.feeds import closed, messages_of_flow, repeated, spread_over_markets, write_itch
from bench.format_inputs import generated_inputs
from bench.format_stages import STAGES

from nextrade.service.replay import open_source
from nextrade.service.replay.messages import Action
from nextrade.service.replay.run import Replay

RECORDS = 4_000
TOLD = ("order_id", "price_ticks", "qty_lots", "action", "side", "timestamp_ns")


@pytest.fixture(scope="module")
def messages() -> np.ndarray:
    """What a feed tells of a short flow."""
    return messages_of_flow("calm", RECORDS)


def read_back(path: Path) -> np.ndarray:
    """All messages of a recording."""
    return np.concatenate([part.messages for part in open_source(path).parts()])


def test_a_feed_says_what_it_was_given(messages: np.ndarray, tmp_path: Path) -> None:
    """The reader of ITCH finds every message again, and completes what the wire leaves out."""
    path = tmp_path / "one.itch"
    write_itch(path, [messages])

    found = read_back(path)

    assert set(messages["action"].tolist()) == {
        Action.ADD,
        Action.REDUCE,
        Action.CANCEL,
        Action.FILL,
    }
    told = messages["action"] == Action.ADD
    for name in TOLD:
        assert found[name][told].tolist() == messages[name][told].tolist()
    for name in ("order_id", "action", "timestamp_ns"):
        assert found[name].tolist() == messages[name].tolist()
    assert open_source(path).remarks() == []


def test_the_feed_names_no_order_that_is_not_open(messages: np.ndarray, tmp_path: Path) -> None:
    """A book that repeats the feed refuses nothing."""
    path = tmp_path / "one.itch"
    write_itch(path, [messages])

    report = Replay(path, mode="rebuild").run()

    assert report.rejected_by_reason == {}
    assert report.messages == len(messages)


def test_copies_leave_nothing_open(messages: np.ndarray, tmp_path: Path) -> None:
    """Three copies are three times the messages, and the book is empty after them."""
    whole = closed(spread_over_markets(messages, 5))
    path = tmp_path / "three.itch"
    count = write_itch(path, repeated(whole, 3))

    report = Replay(path, mode="rebuild").run()

    assert count == report.messages == 3 * len(whole)
    assert report.resting_orders == 0
    assert report.rejected_by_reason == {}
    assert len(report.markets) == 5


def test_every_input_is_measured(tmp_path: Path) -> None:
    """Each generated file runs in each of its modes, and every stage gets its seconds."""
    for one in generated_inputs(tmp_path, RECORDS):
        for mode in one.modes:
            found = format_stages.measure(one.path, mode)
            parts = format_stages.stages(one.path, mode)

            assert found["records"] > RECORDS // 2
            assert found["cpu_seconds"] > 0
            assert set(parts) == set(STAGES)
            assert all(seconds >= 0 for seconds in parts.values())
            assert parts["engine"] > 0
            assert parts["adding up"] > 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_memory_is_told(messages: np.ndarray, tmp_path: Path) -> None:
    """Resident memory is seen during the run, at a tenth and at the end."""
    path = tmp_path / "one.itch"
    write_itch(path, repeated(closed(messages), 4))

    found = format_stages.memory(path, "rebuild")

    assert 0 < found["at_tenth_mib"] <= found["most_mib"]
    assert 0 < found["at_end_mib"] <= found["most_mib"]
