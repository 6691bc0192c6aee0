"""Levels recorded beside a Databento file: which message each row shows the book after."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from nextrade.errors import DataError
from nextrade.service.replay.readers import databento_csv, databento_depth
from nextrade.service.replay.readers.databento_csv import DatabentoCsv
from nextrade.service.replay.readers.databento_depth import find_recorded_levels
from nextrade.service.replay.readers.unpacked import blocks

from .databento_files import Row, read, strict, write_csv
from .test_databento_csv import NASDAQ, PRICE

HEADER = (
    ",ts_event,action,side,depth,price,size,flags,sequence,"
    "bid_px_00,bid_sz_00,bid_ct_00,ask_px_00,ask_sz_00,ask_ct_00,"
    "bid_px_01,bid_sz_01,bid_ct_01,ask_px_01,ask_sz_01,ask_ct_01,symbol"
)
ROWS = [
    "0,t,R,N,0,,0,8,0,,0,0,,0,0,,0,0,,0,0,S",
    "1,t,A,A,0,13.4,24,130,5,,0,0,13.4,24,1,,0,0,,0,0,S",
    "2,t,T,A,0,13.4,4,130,6,,0,0,13.4,20,1,,0,0,,0,0,S",
    "3,t,T,N,0,13.4,50,130,7,,0,0,13.4,20,1,,0,0,,0,0,S",
    "4,t,C,A,0,13.4,20,130,8,,0,0,,0,0,,0,0,,0,0,S",
]


def _levels(path: Path, rows: list[str]) -> None:
    path.write_text("\n".join([HEADER, *rows]) + "\n")


def _depth(recording: DatabentoCsv) -> list[tuple[int, list[object]]]:
    """Each row as how many messages of the recording it comes after, and its best ask."""
    found: list[tuple[int, list[object]]] = []
    before = 0
    for part in recording.parts():
        if part.depth is not None:
            assert part.depth.orders_known
            assert part.depth.levels.shape == (len(part.depth.after), 2, 2)
            for after, levels in zip(part.depth.after, part.depth.levels, strict=True):
                found.append((before + int(after), list(levels[1, 0].item())))
        before += len(part.messages)
    return found


EXPECTED = [
    (1, [0, 0, 0]),
    (2, [PRICE, 24, 1]),
    (5, [PRICE, 20, 1]),
    (6, [PRICE, 20, 1]),
    (7, [0, 0, 0]),
]


@pytest.mark.parametrize("size", [1, 300, 1 << 20])
def test_a_row_belongs_to_its_record_and_that_of_a_trade_to_all_that_it_did(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever blocks of either file end, a trade's row comes after its fill and cancel."""
    small = functools.partial(blocks, block_bytes=size)
    monkeypatch.setattr(databento_csv, "blocks", small)
    monkeypatch.setattr(databento_depth, "blocks", small)
    _levels(tmp_path / "d_mbp10.csv", ROWS)
    recording = DatabentoCsv(write_csv(tmp_path / "d_mbo.csv", NASDAQ), strict())

    assert _depth(recording) == EXPECTED
    assert _depth(recording) == EXPECTED
    assert recording.remarks() == []


def test_the_two_records_of_a_replaced_order_are_told_apart(tmp_path: Path) -> None:
    """Cancel and add of one sequence number have a row each, or the add alone has one."""
    rows = [
        Row("A", "A", PRICE, 5, 1, sequence=1),
        Row("C", "A", PRICE, 5, 1, sequence=2, ts_event=1, flags=0),
        Row("A", "A", PRICE + 10**9, 5, 2, sequence=2, ts_event=1),
    ]
    level = "1,t,{},A,0,{},5,130,2,,0,0,{},5,1,,0,0,,0,0,S"
    removed = "1,t,C,A,0,13.4,5,130,2,,0,0,,0,0,,0,0,,0,0,S"
    added = level.format("A", "14.4", "14.4")
    recording = DatabentoCsv(write_csv(tmp_path / "d_mbo.csv", rows), strict())

    _levels(tmp_path / "d_mbp10.csv", [removed, added])
    assert [after for after, _ in _depth(recording)] == [2, 3]
    _levels(tmp_path / "d_mbp10.csv", [added])
    assert _depth(recording) == [(3, [PRICE + 10**9, 5, 1])]


def test_records_that_look_alike_take_their_rows_in_order(tmp_path: Path) -> None:
    """The first of two equal rows belongs to the first of two equal records."""
    rows = [Row("A", "A", PRICE, 5, number, sequence=1) for number in (1, 2)]
    level = "1,t,A,A,0,13.4,5,130,1,,0,0,13.4,{},{},,0,0,,0,0,S"
    recording = DatabentoCsv(write_csv(tmp_path / "d_mbo.csv", rows), strict())

    _levels(tmp_path / "d_mbp10.csv", [level.format(5, 1), level.format(10, 2)])
    assert _depth(recording) == [(1, [PRICE, 5, 1]), (2, [PRICE, 10, 2])]


def test_rows_that_no_message_explains_are_counted(tmp_path: Path) -> None:
    """Unknown sequence numbers and other sizes are not taken for something else."""
    strange = [
        ROWS[1].replace(",5,,0", ",4,,0"),
        ROWS[1].replace("13.4,24,130", "13.4,23,130"),
        ROWS[1],
        ROWS[1],
    ]
    _levels(tmp_path / "d_mbp-10.csv", strange)
    recording = DatabentoCsv(write_csv(tmp_path / "d_mbo.csv", NASDAQ), strict())

    assert _depth(recording) == [EXPECTED[1]]
    assert recording.remarks() == ["3 rows of d_mbp-10.csv belong to no message"]


def test_levels_beside_a_file_of_two_markets_are_not_used(tmp_path: Path) -> None:
    """Nothing says which market a row is of, so it is said that they are left out."""
    _levels(tmp_path / "d_mbp10.csv", ROWS)
    rows = [row._replace(instrument=number % 2) for number, row in enumerate(NASDAQ)]
    recording = DatabentoCsv(write_csv(tmp_path / "d_mbo.csv", rows), strict())

    assert _depth(recording) == []
    assert recording.remarks() == [
        "the levels recorded in d_mbp10.csv hold only for files of one market"
    ]


def test_sequence_numbers_that_start_again_end_the_use_of_levels(tmp_path: Path) -> None:
    """Rows are found by sequence number, which must ascend for that."""
    _levels(tmp_path / "d_mbp10.csv", ROWS)
    rows = [*NASDAQ, Row("A", "B", PRICE, 1, 9, sequence=1, ts_event=99)]
    recording = DatabentoCsv(write_csv(tmp_path / "d_mbo.csv", rows), strict())

    assert _depth(recording) == []
    assert "sequence numbers step back" in recording.remarks()[0]


def test_a_bad_row_names_the_file_of_levels(tmp_path: Path) -> None:
    """The error says in which of the two files the line is."""
    _levels(tmp_path / "d_mbp10.csv", [ROWS[0], ROWS[1].replace("24,1,,", "x,1,,")])
    recording = DatabentoCsv(write_csv(tmp_path / "d_mbo.csv", NASDAQ), strict())

    with pytest.raises(DataError, match=r"d_mbp10\.csv, line 3: column ask_sz_00"):
        read(recording)


@pytest.mark.parametrize(
    ("messages", "levels"),
    [
        ("ARL_2025-07-17_mbo.csv.gz", "ARL_2025-07-17_mbp10.csv.gz"),
        ("xnas-itch-20250717.mbo.csv.zst", "xnas-itch-20250717.mbp-10.csv"),
        ("mbo.csv", "mbp-1.csv.xz"),
    ],
)
def test_the_file_of_levels_is_found_by_its_name(
    tmp_path: Path, messages: str, levels: str
) -> None:
    """The schema in the name is mbo in one and mbp-10 or mbp-1 in the other."""
    (tmp_path / levels).touch()

    assert find_recorded_levels(tmp_path / messages) == tmp_path / levels
    assert find_recorded_levels(tmp_path / "other_mbo.csv") is None
    assert find_recorded_levels(tmp_path / "trades.csv") is None
