"""The figures of a replay: exact sums, exact averages, and what JSON can carry."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextrade import COMMAND_DTYPE, DataError, EventKind, OrderBook, Replay, generate, replay
from nextrade.service.replay import open_writer
from nextrade.service.replay.report import decimal_text
from nextrade.service.replay.tally import exact_sum


@pytest.fixture
def day(tmp_path: Path) -> Path:
    """A generated trading day in a file."""
    path = tmp_path / "day.npy"
    with open_writer(path) as writer:
        writer.write(generate("day", 20_000, 3))
    return path


def test_the_figures_are_those_of_the_events(day: Path) -> None:
    """Every count and sum agrees with the events of one call over all commands."""
    commands = np.load(day)
    book = OrderBook()
    events = book.process(commands)
    traded = events[events["kind"] == EventKind.TRADE]
    report = replay(day)

    assert report.commands == len(commands)
    assert sum(report.commands_by_kind.values()) == len(commands)
    assert report.events == sum(report.events_by_kind.values()) == len(events)
    assert report.trades == len(traded) > 1000
    assert report.volume_lots == int(traded["qty_lots"].sum())
    assert report.vwap_ticks == Fraction(
        sum(int(t["price_ticks"]) * int(t["qty_lots"]) for t in traded), report.volume_lots
    )
    assert report.rejected == np.count_nonzero(events["kind"] == EventKind.REJECTED)
    assert (report.best_bid, report.best_ask) == (book.best_bid, book.best_ask)
    assert report.resting_orders == len(book)
    assert report.state_hash == book.state_hash()
    assert report.state == "HALTED"
    assert report.checks == ()


@pytest.mark.parametrize("batch", [1, 7, 4096, 10**7])
def test_the_batch_size_changes_nothing(day: Path, batch: int) -> None:
    """However the commands are cut, the same book and the same figures come out."""
    small, usual = replay(day, batch=batch), replay(day)

    assert small.state_hash == usual.state_hash
    assert small.events_by_kind == usual.events_by_kind
    assert small.rejected_by_reason == usual.rejected_by_reason
    with pytest.raises(ValueError, match="at least 1"):
        replay(day, batch=0)


def test_progress_ends_at_the_length(day: Path) -> None:
    """The progress function is called for each batch, the last time at the end."""
    calls: list[tuple[int, int, int]] = []
    Replay(day, batch=6000, progress=lambda *call: calls.append(call)).run()

    assert [call[2] for call in calls] == [6000, 12_000, 18_000, 20_000]
    assert calls[-1][:2] == (20_000, 20_000)


def test_the_report_is_plain_json(day: Path) -> None:
    """Everything in as_dict survives JSON, and big integers are text."""
    report = replay(day)
    back = json.loads(json.dumps(report.as_dict()))

    assert back == report.as_dict()
    assert int(back["state_hash"], 16) == report.state_hash
    assert report.vwap_ticks == Fraction(
        int(back["vwap_ticks"]["numerator"]), int(back["vwap_ticks"]["denominator"])
    )


def test_garbage_commands_are_counted_and_refused(tmp_path: Path) -> None:
    """Commands of no kind at all are rejections with a reason, under the name UNKNOWN."""
    path = tmp_path / "garbage.npy"
    commands = np.zeros(5, dtype=COMMAND_DTYPE)
    commands["kind"] = [0, 99, 255, 1, 2]
    np.save(path, commands)
    report = replay(path)

    assert report.commands_by_kind == {"UNKNOWN": 3, "PLACE": 1, "CANCEL": 1}
    assert report.rejected_by_reason == {
        "UNKNOWN_COMMAND": 3,
        "BAD_QUANTITY": 1,
        "UNKNOWN_ORDER": 1,
    }
    assert report.vwap_ticks is None


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=50))
def test_sums_do_not_wrap(values: list[int]) -> None:
    """The sum of any int64 values is that of Python's integers."""
    assert exact_sum(np.array(values, dtype=np.int64)) == sum(values)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (Fraction(2, 3), 4, "0.6667"),
        (Fraction(1, 2), 0, "0"),
        (Fraction(3, 2), 0, "2"),
        (Fraction(10**30 + 1, 10), 1, f"{10**29}.1"),
        (Fraction(5), 2, "5.00"),
    ],
)
def test_fractions_are_rendered_without_floats(value: Fraction, decimals: int, text: str) -> None:
    """Rounded half to even in whole numbers, however large."""
    assert decimal_text(value, decimals) == text


def test_a_market_that_never_comes_up_is_named(day: Path) -> None:
    """The error says which markets there are, whether one was chosen or a book given for it."""
    with pytest.raises(DataError, match="nothing of market 'XYZ' in this file; it has"):
        Replay(day, market="XYZ").run()
    with pytest.raises(DataError, match="nothing of market 'ABC'"):
        Replay(day, books={"ABC": OrderBook()}).run()


def test_samples_are_a_table_too(day: Path) -> None:
    """A row a moment holds what the samples hold."""
    step = next(step for step in Replay(day, sample_every=100, levels=3) if len(step.samples.depth))
    table = step.samples.table(7)

    assert (table["market"] == 7).all()
    assert table["timestamp_ns"].tolist() == step.samples.timestamp_ns.tolist()
    assert table["ask_qty_lots_3"].tolist() == step.samples.depth["qty_lots"][:, 1, 2].tolist()
