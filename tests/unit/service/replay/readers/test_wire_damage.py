"""Damaged ITCH and PITCH: a DataError or messages, never a crash, a hang or silence."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nextrade.errors import DataError
from nextrade.service.replay.messages import Action
from nextrade.service.replay.readers.itch import FORMAT as ITCH
from nextrade.service.replay.readers.itch import Itch
from nextrade.service.replay.readers.pitch import FORMAT as PITCH
from nextrade.service.replay.readers.pitch import Pitch

from .feeds import Read, framed
from .test_itch import DAY as ITCH_DAY
from .test_pitch import DAY as PITCH_DAY
from .test_pitch import lines

ITCH_FILE = framed(*ITCH_DAY) + framed(*ITCH_DAY, announced=False)
PITCH_FILE = lines(*PITCH_DAY) + lines(*PITCH_DAY, end=b"\r\n")
GOOD: dict[Any, bytes] = {Itch: ITCH_FILE, Pitch: PITCH_FILE}
PACKED = (b"\x1f\x8b", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
"""How packed files begin; damage to the packing is not met here."""
KINDS = pytest.mark.parametrize("kind", [Itch, Pitch])


def read(kind: Any, data: bytes) -> Read:
    """What skipping makes of a file, after the strict reading said DataError or the same."""
    with tempfile.TemporaryDirectory() as folder:
        skipped = Read(kind, Path(folder), data, skip=True)
        if skipped.bad.count:
            with pytest.raises(DataError) as raised:
                Read(kind, Path(folder), data)
            assert str(raised.value).startswith(f"{Path(folder, 'feed')}, ")
            assert str(raised.value) == skipped.bad.first[0]
        else:
            assert Read(kind, Path(folder), data).rows == skipped.rows
    check(skipped, len(data))
    return skipped


def read_unpacked(kind: Any, data: bytes) -> None:
    """As ``read``, for data that Hypothesis made up and that does not look packed."""
    assume(not data.startswith(PACKED))
    read(kind, data)


def check(found: Read, length: int) -> None:
    """What holds for records of any file."""
    actions = {int(action) for action in Action}
    for row in found.rows:
        assert row["action"] in actions
        assert row["market"] < len(found.markets)
        assert 0 <= row["timestamp_ns"] < 86_400 * 10**9
        assert 0 < row["place"] <= length
        assert row["side"] <= 2
        assert row["flags"] in (0, 1, 65)
        assert row["qty_lots"] >= 0
        assert row["price_ticks"] >= 0
        assert row["leaves_lots"] >= -1
    places = [row["place"] for row in found.rows]
    assert places == sorted(places)
    assert all(name.isprintable() and name for name in found.markets)


@KINDS
@given(data=st.binary(max_size=300))
def test_random_bytes(kind: Any, data: bytes) -> None:
    """Random bytes are read, or refused with a place in the file."""
    read_unpacked(kind, data)


@KINDS
@given(
    edits=st.lists(
        st.tuples(st.integers(0, 1 << 16), st.integers(0, 255), st.sampled_from("xid")),
        min_size=1,
        max_size=6,
    ),
    times=st.integers(1, 3),
)
def test_changed_bytes(kind: Any, edits: list[tuple[int, int, str]], times: int) -> None:
    """Bytes changed, put in and taken out of a good file are met with a DataError or a record."""
    data = bytearray(GOOD[kind] * times)
    for position, value, edit in edits:
        at = position % len(data)
        data[at : at + (edit != "i")] = b"" if edit == "d" else bytes([value])
    read_unpacked(kind, bytes(data))
    ITCH.recognises(bytes(data[:4096]))
    PITCH.recognises(bytes(data[:4096]))


@KINDS
@given(
    pieces=st.lists(
        st.tuples(st.integers(0, 1 << 16), st.integers(0, 120), st.integers(0, 255)), max_size=12
    )
)
def test_pieces(kind: Any, pieces: list[tuple[int, int, int]]) -> None:
    """Pieces of a good file with other bytes between them are read where they are whole."""
    good = GOOD[kind]
    data = b"".join(good[at % len(good) :][:length] + bytes([byte]) for at, length, byte in pieces)
    read_unpacked(kind, data)


@KINDS
def test_every_truncation(kind: Any) -> None:
    """A file cut off at any byte gives the whole messages before it, and one bad record at most."""
    whole = read(kind, GOOD[kind])
    assert whole.bad.count == 0
    for length in range(len(GOOD[kind])):
        cut = read(kind, GOOD[kind][:length])
        assert cut.rows == whole.rows[: len(cut.rows)], length
        assert cut.bad.count <= 1
        assert len(cut.rows) > 0 or length < 80


@KINDS
@pytest.mark.parametrize("byte", [0, 1, 10, 36, 65, 83, 255])
def test_a_file_of_one_byte_repeated(kind: Any, byte: int) -> None:
    """A long file of one byte ends soon."""
    found = read(kind, bytes([byte]) * (50_000 if byte == 10 else 1_200_000))

    assert found.rows == []
    assert found.bad.count > 0
