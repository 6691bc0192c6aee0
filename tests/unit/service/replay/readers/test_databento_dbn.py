"""Databento DBN: files written by the publisher's package read as the same records in CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nextrade.errors import DataError, MissingExtra
from nextrade.service.replay.messages import Aggressors
from nextrade.service.replay.readers import databento_dbn
from nextrade.service.replay.readers.databento_csv import DatabentoCsv
from nextrade.service.replay.readers.databento_dbn import FORMAT, DatabentoDbn
from nextrade.service.replay.readers.source import BadRecords, Recording

from .databento_files import (
    START_NS,
    Row,
    dbn_bytes,
    dbn_header,
    dbn_record,
    read,
    strict,
    write_csv,
)
from .test_databento_csv import CME, NASDAQ, PRICE

dbn = pytest.importorskip("databento_dbn", reason="databento-dbn is not installed")

RECORD_BYTES = 56


def _other_record() -> bytes:
    return bytes(
        dbn.SymbolMappingMsg(
            publisher_id=2,
            instrument_id=7,
            ts_event=START_NS,
            stype_in=dbn.SType.RAW_SYMBOL,
            stype_in_symbol="SYM7",
            stype_out=dbn.SType.INSTRUMENT_ID,
            stype_out_symbol="7",
            start_ts=START_NS,
            end_ts=START_NS,
        )
    )


def _write(path: Path, data: bytes) -> DatabentoDbn:
    path.write_bytes(data)
    return DatabentoDbn(path, strict())


@pytest.mark.parametrize("rows", [NASDAQ, CME], ids=["nasdaq", "cme"])
@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_dbn_file_reads_as_the_same_csv(tmp_path: Path, rows: list[Row], version: int) -> None:
    """All versions give the messages of the CSV; only the place is a byte instead of a line."""
    text = DatabentoCsv(write_csv(tmp_path / "x.csv", rows), strict())
    binary = _write(tmp_path / "x.dbn", dbn_bytes(rows, version))
    expected, found = read(text), read(binary)

    assert isinstance(binary, Recording)
    assert FORMAT.recognises((tmp_path / "x.dbn").read_bytes()[:4096])
    assert (binary.aggressors, binary.starts_empty) == (text.aggressors, text.starts_empty)
    assert binary.markets == text.markets == ["SYM7"]
    start = len(dbn_header(version))
    assert found["place"].tolist() == [start + RECORD_BYTES * n for n in range(len(rows))]
    found["place"] = expected["place"]
    assert found.tobytes() == expected.tobytes()
    assert binary.remarks() == []


def test_a_file_packed_with_zstd_reads_as_the_plain_one(tmp_path: Path) -> None:
    """Places are counted in the unpacked file."""
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    plain = _write(tmp_path / "x.dbn", dbn_bytes(CME))
    packed = pyarrow.compress(dbn_bytes(CME), codec="zstd", asbytes=True)

    assert read(_write(tmp_path / "x.dbn.zst", packed)).tobytes() == read(plain).tobytes()


@pytest.mark.parametrize("size", [56, 113, 400, 5_000])
def test_records_of_other_kinds_are_stepped_over(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are counted, and the mbo records between them are all there, wherever blocks end."""
    monkeypatch.setattr(databento_dbn, "BLOCK_BYTES", size)
    header, other = dbn_header(), _other_record()
    pieces, places = [header, other], []
    for number, row in enumerate(CME * 5):
        places.append(sum(map(len, pieces)))
        pieces.append(dbn_record(row))
        if number in (0, 1, 9, 60):
            pieces.append(other)
    recording = _write(tmp_path / "x.dbn", b"".join(pieces))
    plain = read(_write(tmp_path / "plain.dbn", dbn_bytes(CME * 5)))
    found = read(recording)

    assert found["place"].tolist() == places
    plain["place"] = places
    assert found.tobytes() == plain.tobytes()
    assert recording.remarks() == ["5 records of other kinds than mbo were passed over"]


def test_records_with_a_time_of_sending_are_longer(tmp_path: Path) -> None:
    """A file recorded live carries eight more bytes in each record."""
    longer = [dbn_record(row) + bytes(8) for row in CME]
    longer = [bytes([16]) + record[1:] for record in longer]
    found = read(_write(tmp_path / "x.dbn", dbn_header(ts_out=True) + b"".join(longer)))
    plain = read(_write(tmp_path / "plain.dbn", dbn_bytes(CME)))

    assert np.diff(found["place"]).tolist() == [64] * (len(CME) - 1)
    found["place"] = plain["place"]
    assert found.tobytes() == plain.tobytes()


def test_instruments_take_their_names_from_the_metadata(tmp_path: Path) -> None:
    """An instrument that the metadata do not map goes by its number."""
    rows = [Row("A", "B", PRICE, 1, n, instrument=i) for n, i in enumerate([9, 3, 9, 5])]
    header = dbn_header(instruments=[3, 9])
    recording = _write(tmp_path / "x.dbn", header + b"".join(map(dbn_record, rows)))

    assert read(recording)["market"].tolist() == [0, 1, 0, 2]
    assert recording.markets == ["SYM9", "SYM3", "5"]


def test_undefined_sizes_and_times_become_none(tmp_path: Path) -> None:
    """A C without a size takes the whole order; a record without a time takes the one before."""
    record = bytearray(dbn_record(Row("C", "B", PRICE, 2**32 - 1, 1)))
    record[8:16] = b"\xff" * 8
    data = dbn_header() + dbn_record(Row("A", "B", PRICE, 2, 1, ts_event=5)) + record
    messages = read(_write(tmp_path / "x.dbn", data))

    assert messages["timestamp_ns"].tolist() == [START_NS + 5] * 2
    assert messages["action"].tolist() == [1, 3]
    assert messages["qty_lots"].tolist() == [2, 0]


def test_another_schema_is_refused_by_name(tmp_path: Path) -> None:
    """Only mbo tells of orders; the error says what the file has."""
    with pytest.raises(DataError, match="the schema is mbp-10; only mbo"):
        _write(tmp_path / "x.dbn", dbn_header(schema="mbp-10"))


def test_damage_is_named_by_its_byte(tmp_path: Path) -> None:
    """A wrong letter, a length of nothing and an early end are bad records at an offset."""
    header, records = dbn_header(), [dbn_record(row) for row in NASDAQ]
    third = len(header) + 2 * RECORD_BYTES
    letter = records[2][:38] + b"X" + records[2][39:]
    cases = {
        b"".join([header, *records[:2], letter, *records[3:]]): "action 'X' is not one of",
        b"".join([header, *records[:2], b"\0" + records[2][1:], *records[3:]]): "of 0 bytes",
        b"".join([header, *records[:2], records[2][:30]]): "the file ends 30 bytes into a record",
    }
    for number, (data, said) in enumerate(cases.items()):
        path = tmp_path / f"{number}.dbn"
        recording = _write(path, data)
        with pytest.raises(DataError) as error:
            read(recording)
        assert str(error.value).startswith(f"{path}, byte {third}: ")
        assert said in str(error.value)
        lenient = DatabentoDbn(path, BadRecords(skip=True))
        assert len(read(lenient)) == (6 if number == 0 else 2)
        assert lenient.remarks()[0] == "1 records could not be read and were skipped"


def test_damaged_metadata_are_refused(tmp_path: Path) -> None:
    """Neither a wrong length nor metadata that end early pass."""
    data = dbn_bytes(NASDAQ)
    for number, damaged in enumerate(
        [data[:6], data[:40], data[:4] + b"\xff" * 4 + data[8:], data[:4] + bytes(4) + data[8:]]
    ):
        with pytest.raises(DataError, match=f"{number}.dbn"):
            _write(tmp_path / f"{number}.dbn", damaged)


def test_an_empty_recording_has_no_parts(tmp_path: Path) -> None:
    """Metadata without records are a recording of nothing."""
    recording = _write(tmp_path / "x.dbn", dbn_header())

    assert list(recording.parts()) == []
    assert (recording.aggressors, recording.starts_empty) == (Aggressors.INFERRED, False)


def test_without_the_package_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the command that installs what is missing."""
    (tmp_path / "x.dbn").write_bytes(dbn_bytes(NASDAQ))
    monkeypatch.setitem(__import__("sys").modules, "databento_dbn", None)

    with pytest.raises(MissingExtra, match=r"pip install 'nextrade\[dbn\]'"):
        DatabentoDbn(tmp_path / "x.dbn", strict())
