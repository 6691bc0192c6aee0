"""LOBSTER AAPL, 2012-06-21: the recorded order book agrees with what is made of the messages."""

import numpy as np

from nextrade.service.replay import Check, open_source, replay
from nextrade.service.replay.lobster_check import one_step
from nextrade.service.replay.readers.lobster import Lobster
from nextrade.service.replay.readers.lobster_book import find_recorded_book, read_rows
from nextrade.service.replay.readers.lobster_messages import read_messages

from ..recorded import recorded_one

TEN_LEVELS = "AAPL_*_message_10.csv"
FIFTY_LEVELS = "AAPL_*_message_50.csv.gz"


def test_the_ten_level_pair_agrees_step_by_step() -> None:
    """998 of 998 messages turn one recorded row into the next; 318 let a level in from below."""
    report = replay(recorded_one("lobster", TEN_LEVELS))
    steps, rebuilt = report.checks

    assert (steps.rows, steps.wrong) == (998, 0)
    assert "in 318 a level enters" in steps.note
    # The file starts inside the day: one order of the opening cross is known too early.
    assert (rebuilt.rows, rebuilt.wrong) == (999, 16)


def test_the_fifty_level_messages_agree_with_the_best_level() -> None:
    """Through the row map every step agrees, and the free rebuild is wrong in 18 rows."""
    report = replay(recorded_one("lobster", FIFTY_LEVELS))
    steps, rebuilt = report.checks

    # The first of the 25,641 rows has no row before it that a message could be applied to.
    assert (steps.rows, steps.wrong) == (25_640, 0)
    # One order at 584.21 left the fifty levels and was taken out unseen; it stays to the end.
    assert rebuilt == Check(rebuilt.name, 25_641, 18, rebuilt.note)
    assert report.commands_by_kind == {
        "PLACE": 44_256 + 80,
        "CANCEL": 41_004,
        "REDUCE": 469 + 4_067,
        "SET_STATE": 1,
    }
    assert report.rejected == 0
    assert any("2,201 executions of hidden orders" in remark for remark in report.remarks)
    assert any("80 orders rested before" in remark for remark in report.remarks)


def test_the_rebuild_does_not_depend_on_the_batch_size() -> None:
    """A batch of one and a batch of all give the same book."""
    path = recorded_one("lobster", TEN_LEVELS)

    assert replay(path, batch=1).state_hash == replay(path, batch=10**6).state_hash


def test_the_step_check_sees_every_kind_of_damage() -> None:
    """A size, a price or a message that is off by a little does not pass."""
    source = open_source(recorded_one("lobster", TEN_LEVELS))
    assert isinstance(source, Lobster)
    recorded_book = find_recorded_book(source.path)
    assert recorded_book is not None
    rows = np.vstack(list(read_rows(recorded_book.book)))
    messages = np.concatenate([part.rows for part in read_messages(source.path)])

    for row, column in ((5, 0), (5, 1), (5, 2), (5, 3), (700, 36), (700, 39)):
        damaged = rows.copy()
        damaged[row, column] += 1
        agrees, _ = one_step(damaged[:-1], messages[1:], damaged[1:])
        assert not agrees.all()
    for field in ("size", "price_ticks", "direction"):
        wrong = messages.copy()
        wrong[field] = -wrong[field] if field == "direction" else wrong[field] + 1
        agrees, _ = one_step(rows[:-1], wrong[1:], rows[1:])
        assert np.count_nonzero(agrees) < len(agrees) // 4


def test_every_time_is_exact_to_the_nanosecond() -> None:
    """Times read as text and as nanoseconds are the same."""
    path = recorded_one("lobster", TEN_LEVELS)
    texts = [line.split(",", 1)[0] for line in path.read_text().splitlines()]
    read = np.concatenate([part.rows["time_ns"] for part in read_messages(path)]).tolist()

    for text, nanoseconds in zip(texts, read, strict=True):
        whole, _, fraction = text.partition(".")
        assert len(fraction) <= 9
        assert nanoseconds == int(whole) * 10**9 + int(fraction.ljust(9, "0"))
