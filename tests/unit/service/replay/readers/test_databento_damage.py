"""Databento files of any bytes: messages or a DataError, never anything else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextrade.errors import DataError
from nextrade.service.replay.messages import MESSAGE_DTYPE, Action
from nextrade.service.replay.readers.databento_csv import DatabentoCsv
from nextrade.service.replay.readers.databento_dbn import DatabentoDbn
from nextrade.service.replay.readers.source import BadRecords

from .databento_files import Row, csv_text, dbn_bytes
from .test_databento_csv import CME, NASDAQ

Changes = list[tuple[float, bytes]]
CHANGES = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=0, max_size=3)), max_size=6
)


def _damaged(data: bytes, changes: Changes, kept: float) -> bytes:
    for where, bytes_there in changes:
        at = int(where * len(data))
        data = data[:at] + bytes_there + data[at + max(len(bytes_there), 1) :]
    return data[: int(len(data) * kept)]


def _read_all(
    reader: type[DatabentoCsv] | type[DatabentoDbn], path: Path, skip: bool, most: int
) -> None:
    refused = None
    try:
        recording = reader(path, BadRecords(skip))
        parts = list(recording.parts())
    except DataError as error:
        refused = str(error)
    if refused is not None:
        assert path.name in refused
        return
    for part in parts:
        assert part.messages.dtype == MESSAGE_DTYPE
        assert len(part.messages)
        assert set(part.messages["action"].tolist()) <= set(Action)
        assert int(part.messages["market"].max()) < len(recording.markets)
    assert sum(len(part.messages) for part in parts) <= most
    assert all(isinstance(remark, str) for remark in recording.remarks())


@settings(max_examples=150)
@given(st.sampled_from([NASDAQ, CME]), CHANGES, st.floats(0.02, 1), st.booleans())
def test_a_damaged_csv_file_gives_messages_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[Row],
    changes: Changes,
    kept: float,
    skip: bool,
) -> None:
    """No byte put, taken or changed anywhere brings another exception."""
    data = _damaged(csv_text(rows).encode(), changes, kept)
    path = tmp_path_factory.mktemp("damage") / "x_mbo.csv"
    path.write_bytes(data)

    _read_all(DatabentoCsv, path, skip, data.count(b"\n") + 1)


@settings(max_examples=300)
@given(st.integers(1, 3), CHANGES, st.floats(0.02, 1), st.booleans())
def test_a_damaged_dbn_file_gives_messages_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory,
    version: int,
    changes: Changes,
    kept: float,
    skip: bool,
) -> None:
    """No byte put, taken or changed anywhere, in metadata or records, brings another exception."""
    pytest.importorskip("databento_dbn", reason="databento-dbn is not installed")
    data = _damaged(dbn_bytes(CME, version), changes, kept)
    path = tmp_path_factory.mktemp("damage") / "x.dbn"
    path.write_bytes(data)

    _read_all(DatabentoDbn, path, skip, len(data) // 56 + 1)


@pytest.mark.parametrize("skip", [False, True])
def test_every_cut_of_a_dbn_file_is_met(
    tmp_path_factory: pytest.TempPathFactory, skip: bool
) -> None:
    """A file that ends at any byte is read up to the last whole record, or refused."""
    pytest.importorskip("databento_dbn", reason="databento-dbn is not installed")
    data = dbn_bytes(NASDAQ)
    path = tmp_path_factory.mktemp("cut") / "x.dbn"
    for size in range(1, len(data), 3):
        path.write_bytes(data[:size])
        _read_all(DatabentoDbn, path, skip, size // 56)
