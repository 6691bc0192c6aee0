"""Databento CSV: what each kind of record becomes, and every way the columns are written."""

from __future__ import annotations

import functools
import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextrade.enums import Side
from nextrade.errors import DataError
from nextrade.service.replay.messages import UNKNOWN, Action, Aggressors, Flag, Messages
from nextrade.service.replay.readers import databento, databento_csv
from nextrade.service.replay.readers.databento_csv import FORMAT, DatabentoCsv
from nextrade.service.replay.readers.source import BadRecords, Recording
from nextrade.service.replay.readers.unpacked import blocks

from .databento_files import (
    ALL_COLUMNS,
    LAST,
    SNAPSHOT,
    START_NS,
    Row,
    brief,
    csv_text,
    expected_events,
    read,
    strict,
    write_csv,
)

PRICE = 13_400_000_000

NASDAQ = [
    Row("R", "N", None, 0, 0, flags=8),
    Row("A", "A", PRICE, 24, 1, ts_event=10, sequence=5),
    Row("T", "B", PRICE, 4, 0, ts_event=20, sequence=6),
    Row("F", "A", PRICE, 4, 1, ts_event=20, sequence=6),
    Row("C", "A", PRICE, 4, 1, ts_event=20, sequence=6),
    Row("T", "N", PRICE, 50, 0, ts_event=30, sequence=7),
    Row("C", "A", PRICE, 20, 1, ts_event=40, sequence=8),
]
"""A day in small: each record of the execution says that it is the last."""

CME = [
    Row("A", "B", PRICE, 5, 1, flags=SNAPSHOT, ts_event=9),
    Row("A", "A", PRICE + 1, 5, 2, flags=SNAPSHOT, ts_event=3),
    Row("A", "A", PRICE + 1, 9, 3, ts_event=30, sequence=1),
    Row("T", "B", PRICE + 1, 6, 4, flags=0, ts_event=40, sequence=2),
    Row("F", "A", PRICE + 1, 5, 2, flags=0, ts_event=40, sequence=2),
    Row("F", "A", PRICE + 1, 1, 3, flags=0, ts_event=40, sequence=2),
    Row("T", "A", PRICE, 2, 5, flags=0, ts_event=40, sequence=3),
    Row("F", "B", PRICE, 2, 1, flags=0, ts_event=40, sequence=3),
    Row("F", "A", PRICE, 2, 5, flags=0, ts_event=40, sequence=3),
    Row("C", "A", PRICE + 1, 5, 2, flags=0, ts_event=40, sequence=4),
    Row("M", "A", PRICE + 1, 8, 3, flags=0, ts_event=40, sequence=4),
    Row("C", "A", PRICE + 9, 2, 5, flags=0, ts_event=40, sequence=4),
    Row("M", "B", PRICE, 3, 1, ts_event=40, sequence=4),
    Row("M", "B", PRICE, 2, 1, ts_event=50, sequence=5),
]
"""An order that takes two others, and one that its trade elected and that had rested."""


def test_a_small_day_reads_as_what_happened(tmp_path: Path) -> None:
    """Each record becomes one message with its price, size, side, place and time."""
    recording = DatabentoCsv(write_csv(tmp_path / "mbo.csv", NASDAQ), strict())
    messages = read(recording)

    assert isinstance(recording, Recording)
    assert (recording.aggressors, recording.starts_empty) == (Aggressors.INFERRED, True)
    assert recording.markets == ["SYM7"]
    assert brief(messages) == [
        ("CLEAR", 0, "LAST"),
        ("ADD", 1, "LAST"),
        ("TRADE", 0, ""),
        ("FILL", 1, "REPORT"),
        ("REDUCE", 1, "LAST|RESTATES"),
        ("HIDDEN", 0, "LAST"),
        ("REDUCE", 1, "LAST"),
    ]
    assert messages["timestamp_ns"].tolist() == [START_NS + row.ts_event for row in NASDAQ]
    assert messages["price_ticks"].tolist() == [0] + [PRICE] * 6
    assert messages["qty_lots"].tolist() == [0, 24, 4, 4, 4, 50, 20]
    assert messages["place"].tolist() == list(range(2, 9))
    assert set(messages["leaves_lots"].tolist()) == {UNKNOWN}
    none, buy, sell = Side.NONE, Side.BUY, Side.SELL
    assert messages["side"].tolist() == [none, sell, buy, sell, sell, none, sell]


def test_an_event_with_two_aggressors_restates_what_it_hit_and_nothing_else(
    tmp_path: Path,
) -> None:
    """The C and M of the makers are marked; those of the aggressor and of a later event not."""
    recording = DatabentoCsv(write_csv(tmp_path / "es.csv", CME), strict())

    assert (recording.aggressors, recording.starts_empty) == (Aggressors.PRINTED, True)
    assert brief(read(recording)) == [
        ("ADD", 1, "SNAPSHOT"),
        ("ADD", 2, "SNAPSHOT"),
        ("ADD", 3, "LAST"),
        ("TRADE", 4, ""),
        ("FILL", 2, "REPORT"),
        ("FILL", 3, "REPORT"),
        ("TRADE", 5, ""),
        ("FILL", 1, "REPORT"),
        ("FILL", 5, "REPORT|AGGRESSOR"),
        ("REDUCE", 2, "RESTATES"),
        ("REPLACE", 3, "RESTATES"),
        ("REDUCE", 5, ""),
        ("REPLACE", 1, "LAST|RESTATES"),
        ("REPLACE", 1, "LAST"),
    ]


def test_an_auction_has_no_aggressor(tmp_path: Path) -> None:
    """A T without a side that F records follow is the trade of a call auction."""
    rows = [
        Row("T", "N", PRICE, 1, 0, flags=0),
        Row("T", "N", PRICE, 2, 0, flags=0),
        Row("F", "N", PRICE, 3, 1, flags=0),
        Row("F", "N", PRICE, 3, 2, flags=0),
        Row("C", "B", PRICE, 3, 1, flags=0, sequence=1),
        Row("C", "A", PRICE, 3, 2, sequence=1),
    ]
    assert brief(read(DatabentoCsv(write_csv(tmp_path / "a.csv", rows), strict()))) == [
        ("TRADE", 0, "AUCTION"),
        ("TRADE", 0, "AUCTION"),
        ("FILL", 1, "REPORT|AUCTION"),
        ("FILL", 2, "REPORT|AUCTION"),
        ("REDUCE", 1, "RESTATES"),
        ("REDUCE", 2, "LAST|RESTATES"),
    ]


def test_an_unnamed_order_is_not_the_unnamed_aggressor(tmp_path: Path) -> None:
    """That neither has an id does not make the order hit the aggressor's own."""
    rows = [Row("T", "B", PRICE, 3, 0, flags=0), Row("F", "A", PRICE, 3, 0)]
    messages = brief(read(DatabentoCsv(write_csv(tmp_path / "u.csv", rows), strict())))

    assert messages == [("TRADE", 0, ""), ("FILL", 0, "LAST|REPORT")]


def test_the_first_trade_is_looked_for_only_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening a file reads some blocks; damage behind a trade or within is left to the reading."""
    path = write_csv(tmp_path / "t.csv", [*[CME[2]] * 9, *CME[3:]])
    assert DatabentoCsv(path, strict()).aggressors == Aggressors.PRINTED

    monkeypatch.setattr(databento_csv, "blocks", functools.partial(blocks, block_bytes=100))
    monkeypatch.setattr(databento, "MAX_PEEKED", 5)
    assert DatabentoCsv(path, strict()).aggressors == Aggressors.INFERRED

    damaged = tmp_path / "t.csv.gz"
    damaged.write_bytes(gzip.compress(path.read_bytes())[:-9])
    with pytest.raises(DataError, match="ends too early"):
        read(DatabentoCsv(damaged, strict()))


def test_a_snapshot_keeps_its_order_and_takes_the_time_of_the_snapshot(tmp_path: Path) -> None:
    """Times at which orders came do not ascend in a snapshot, so they do not count."""
    rows = [row._replace(ts_recv=25) for row in CME[:2]] + CME[2:]
    messages = read(DatabentoCsv(write_csv(tmp_path / "s.csv", rows), strict()))

    assert (messages["timestamp_ns"][:4] - START_NS).tolist() == [25, 25, 30, 40]


def test_a_time_that_steps_back_stays_in_its_market(tmp_path: Path) -> None:
    """No message is earlier than the one before it in the same market, over blocks too."""
    rows = [
        Row("A", "B", PRICE, 1, number, ts_event=ts, instrument=instrument)
        for number, (ts, instrument) in enumerate([(9, 1), (5, 2), (4, 1), (6, 2), (10, 1), (1, 2)])
    ]
    path = write_csv(tmp_path / "b.csv", rows)
    expected = [9, 5, 9, 6, 10, 6]

    assert (read(DatabentoCsv(path, strict()))["timestamp_ns"] - START_NS).tolist() == expected
    single = _in_blocks_of(DatabentoCsv(path, strict()), 1)
    assert (single["timestamp_ns"] - START_NS).tolist() == expected


def test_a_cancel_without_a_size_takes_the_whole_order(tmp_path: Path) -> None:
    """A C takes its size off the order; one that has none ends it."""
    rows = [Row("C", "B", PRICE, 0, 1), Row("C", "B", PRICE, 2, 1), Row("N", "N", None, 0, 0)]
    messages = read(DatabentoCsv(write_csv(tmp_path / "c.csv", rows), strict()))

    assert [Action(action).name for action in messages["action"]] == ["CANCEL", "REDUCE", "NOTE"]


@pytest.mark.parametrize("raw_prices", [False, True])
@pytest.mark.parametrize("raw_times", [False, True])
def test_both_ways_of_writing_read_the_same(
    tmp_path: Path, raw_prices: bool, raw_times: bool
) -> None:
    """Raw integers and pretty text of prices and times are one recording."""
    plain = read(DatabentoCsv(write_csv(tmp_path / "p.csv", NASDAQ), strict()))
    path = write_csv(tmp_path / "r.csv", NASDAQ, raw_prices=raw_prices, raw_times=raw_times)

    assert read(DatabentoCsv(path, strict())).tobytes() == plain.tobytes()


def test_columns_may_come_in_any_order_and_number(tmp_path: Path) -> None:
    """The needed columns are found by name; an index, unknown and repeated ones are passed over."""
    columns = ["", *reversed(ALL_COLUMNS), "rtype"]
    path = tmp_path / "mixed.csv"
    path.write_bytes(
        b"\xef\xbb\xbf" + csv_text(CME, columns=columns).replace("\n", "\r\n").encode()
    )
    plain = read(DatabentoCsv(write_csv(tmp_path / "p.csv", CME), strict()))

    assert FORMAT.recognises(path.read_bytes()[:4096])
    assert read(DatabentoCsv(path, strict())).tobytes() == plain.tobytes()


def test_without_flags_a_trade_holds_together_by_its_time(tmp_path: Path) -> None:
    """Every record is an event of its own but T, F and what follows at the same time."""
    columns = ["ts_event", "action", "side", "price", "size", "order_id"]
    path = write_csv(tmp_path / "few.csv", CME[2:], columns=columns)
    recording = DatabentoCsv(path, strict())
    ends = [flags.endswith("LAST") or "LAST|" in flags for *_, flags in brief(read(recording))]

    assert ends == [True] + [False] * 9 + [True, True]
    assert recording.markets == ["few"]
    assert not recording.starts_empty


def test_markets_are_named_by_symbol_or_by_number(tmp_path: Path) -> None:
    """A market for each distinct value, in order of appearance."""
    rows = [Row("A", "B", PRICE, 1, n, instrument=i) for n, i in enumerate([9, 3, 9, 5, 3])]
    by_number = [name for name in ALL_COLUMNS if name != "symbol"]
    for columns, names in ((ALL_COLUMNS, ["SYM9", "SYM3", "SYM5"]), (by_number, ["9", "3", "5"])):
        recording = DatabentoCsv(write_csv(tmp_path / "m.csv", rows, columns=columns), strict())
        for _ in range(2):
            assert read(recording)["market"].tolist() == [0, 1, 0, 2, 1]
            assert recording.markets == names


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda line: line.replace(",A,", ",X,", 1), "column action: 'X' is not one of"),
        (lambda line: line.replace(",A,A,", ",A,Q,", 1), "column side: 'Q' is not one of"),
        (lambda line: line.replace("13.400000000", "13.4x"), "column price: '13.4x' is not"),
        (lambda line: line.replace("13.400000000", ""), "an order with action A has no price"),
        (lambda line: line.replace(",A,A,", ",A,N,", 1), "a new order (action A) has no side"),
        (lambda line: line.replace("2025", "202x", 2), "column ts_recv"),
        (lambda line: line + ",9", "16 fields instead of 15"),
    ],
)
def test_a_bad_line_is_named_or_skipped(
    tmp_path: Path, damage: Callable[[str], str], said: str
) -> None:
    """A strict reading says file, line and reason; a lenient one counts and goes on."""
    lines = csv_text(NASDAQ).splitlines()
    lines[2] = damage(lines[2])
    path = tmp_path / "bad.csv"
    path.write_text("\n".join(lines) + "\n")

    with pytest.raises(DataError) as error:
        read(DatabentoCsv(path, strict()))
    assert str(error.value).startswith(f"{path}, line 3: ")
    assert said in str(error.value)

    lenient = DatabentoCsv(path, BadRecords(skip=True))
    assert read(lenient)["place"].tolist() == [2, 4, 5, 6, 7, 8]
    assert lenient.remarks()[0] == "1 records could not be read and were skipped"


def test_a_file_without_a_needed_column_is_refused(tmp_path: Path) -> None:
    """The error names the columns that are missing."""
    path = write_csv(tmp_path / "x.csv", NASDAQ, columns=["ts_event", "action", "price", "size"])

    assert not FORMAT.recognises(path.read_bytes())
    with pytest.raises(DataError, match="the columns side, order_id are missing"):
        DatabentoCsv(path, strict())


def test_an_event_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded: an event of too many records is a fault of the file."""
    monkeypatch.setattr(databento, "MAX_EVENT", 3)
    rows = [Row("A", "B", PRICE, 1, number, flags=0) for number in range(5)]
    path = write_csv(tmp_path / "long.csv", rows)

    with pytest.raises(DataError, match="line 2: an event of more than 3 records"):
        read(DatabentoCsv(path, strict()))
    assert len(read(DatabentoCsv(path, BadRecords(skip=True)))) == 5


def test_a_packed_file_reads_as_a_plain_one(tmp_path: Path) -> None:
    """Packing changes nothing but the length on disk."""
    plain = read(DatabentoCsv(write_csv(tmp_path / "p.csv", CME), strict()))
    path = tmp_path / "p.csv.gz"
    path.write_bytes(gzip.compress(csv_text(CME).encode()))

    assert read(DatabentoCsv(path, strict())).tobytes() == plain.tobytes()


def _in_blocks_of(recording: DatabentoCsv, size: int) -> Messages:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(databento_csv, "blocks", functools.partial(blocks, block_bytes=size))
        parts = [part.messages for part in recording.parts()]
    return np.concatenate(parts)


RANDOM_ROWS = st.lists(
    st.builds(
        lambda what, order_id, last, stay, instrument: (
            Row(what[0], what[1], PRICE, 1, order_id, LAST * last, instrument=instrument),
            stay,
        ),
        st.sampled_from(["AA", "CB", "MA", "TA", "TB", "TN", "TN", "FA", "FB", "FN"]),
        st.integers(0, 3),
        st.sampled_from([False, False, False, True]),
        st.booleans(),
        st.sampled_from([7, 7, 7, 8]),
    ),
    min_size=1,
    max_size=40,
)


@given(RANDOM_ROWS, st.integers(1, 400))
def test_events_are_those_of_the_rules_wherever_blocks_are_cut(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[Row, bool]], size: int
) -> None:
    """Random records read as one by one by the rules, and parts end where events do."""
    rows = []
    clock = 0
    for row, stays in drawn:
        clock += not stays
        rows.append(row._replace(ts_event=clock, sequence=clock))
    path = write_csv(tmp_path_factory.mktemp("random") / "r.csv", rows)
    recording = DatabentoCsv(path, strict())
    messages = read(recording)

    assert [set(Flag(int(flags))) for flags in messages["flags"]] == expected_events(rows)
    assert _in_blocks_of(recording, size).tobytes() == messages.tobytes()


@given(RANDOM_ROWS, st.integers(1, 400))
def test_a_part_never_ends_inside_an_event(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[Row, bool]], size: int
) -> None:
    """But for the last part, each market's last message in a part completes an event."""
    rows = [row._replace(ts_event=n, sequence=n) for n, (row, _) in enumerate(drawn)]
    path = write_csv(tmp_path_factory.mktemp("random") / "r.csv", rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(databento_csv, "blocks", functools.partial(blocks, block_bytes=size))
        parts = [part.messages for part in DatabentoCsv(path, strict()).parts()]

    for messages in parts[:-1]:
        for market in np.unique(messages["market"]):
            assert messages["flags"][messages["market"] == market][-1] & Flag.LAST
