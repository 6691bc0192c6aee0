"""Snapshots: the newest whole one, whatever became of the others."""

import struct
import zlib
from hashlib import blake2b
from io import FileIO
from pathlib import Path

import pytest

from nextrade.errors import JournalError, SnapshotError
from nextrade.platform.snapshots import Snapshots

from .disks import FailingDisk, HastyDisk

STATES = {3: b"three" * 30, 5: b"five" * 40, 9: b"nine" * 20}


def name(position: int) -> str:
    """The file of a position."""
    return f"snapshot-{position:020d}.nxs"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the snapshots 5 and 9."""
    snapshots = Snapshots(tmp_path, files=HastyDisk())
    for position in (5, 9):
        snapshots.write(position, [STATES[position]])
    return tmp_path


def test_none(tmp_path: Path) -> None:
    """A new folder has no snapshot."""
    snapshots = Snapshots(tmp_path / "new")

    assert snapshots.newest() is None
    assert (snapshots.positions, snapshots.remarks) == ((), [])


def test_last_two_are_kept(tmp_path: Path) -> None:
    """The newest is returned, and the last two are kept."""
    snapshots = Snapshots(tmp_path)
    for position, state in STATES.items():
        snapshots.write(position, [state[:7], bytearray(state[7:20]), memoryview(state)[20:]])
        assert snapshots.newest() == (position, state)

    assert Snapshots(tmp_path).positions == (5, 9)
    assert sorted(path.name for path in tmp_path.iterdir()) == [name(5), name(9)]


def test_same_position_again(folder: Path) -> None:
    """A snapshot of the same position takes the place of the one that is there."""
    snapshots = Snapshots(folder)
    snapshots.write(9, [b"", b"again"])

    assert snapshots.newest() == (9, b"again")
    assert snapshots.positions == (5, 9)


def test_older_position_is_refused(folder: Path) -> None:
    """A snapshot older than the newest would never be used, so it is refused."""
    with pytest.raises(ValueError, match="position 9 after 8"):
        Snapshots(folder).write(8, [b""])


def test_bytes_on_disk(folder: Path) -> None:
    """A snapshot has the bytes that docs/reference/journal-format.md describes."""
    head = b"NXT-SNAP" + struct.pack("<IQQ", 1, 9, len(STATES[9]))
    head += struct.pack("<I", zlib.crc32(head))
    digest = blake2b(STATES[9] + head, digest_size=32).digest()

    assert (folder / name(9)).read_bytes() == head + STATES[9] + digest


def test_newest_cut_anywhere(folder: Path) -> None:
    """Whatever length the newest is cut to, the one before is returned and the cut one named."""
    data = (folder / name(9)).read_bytes()
    snapshots = Snapshots(folder)
    for size in range(len(data)):
        (folder / name(9)).write_bytes(data[:size])
        assert snapshots.newest() == (5, STATES[5])
        (remark,) = snapshots.remarks
        assert name(9) in remark
    (folder / name(9)).write_bytes(data + b"\0")

    assert snapshots.newest() == (5, STATES[5])


def test_every_bit_of_the_newest(folder: Path) -> None:
    """Whatever bit of the newest is flipped, the one before is returned."""
    data = (folder / name(9)).read_bytes()
    snapshots = Snapshots(folder)
    for at in range(len(data)):
        for bit in range(8):
            (folder / name(9)).write_bytes(
                data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
            )
            assert snapshots.newest() == (5, STATES[5])
            assert len(snapshots.remarks) == 1


def test_all_damaged(folder: Path) -> None:
    """With no whole snapshot there is none, and each is named."""
    for position in (5, 9):
        (folder / name(position)).write_bytes(b"")
    snapshots = Snapshots(folder)

    assert snapshots.newest() is None
    assert len(snapshots.remarks) == 2


def test_under_another_position(folder: Path) -> None:
    """A snapshot under the name of another position is passed over."""
    (folder / name(5)).replace(folder / name(20))
    snapshots = Snapshots(folder)

    assert snapshots.newest() == (9, STATES[9])
    assert "holds position 5" in snapshots.remarks[0]


def test_after_falling_back(folder: Path) -> None:
    """A snapshot known to be damaged neither counts among the two nor blocks older positions."""
    (folder / name(9)).write_bytes(b"")
    snapshots = Snapshots(folder)
    snapshots.newest()
    assert snapshots.positions == (5,)
    snapshots.write(7, [b"seven"])

    assert snapshots.positions == (5, 7)
    assert sorted(path.name for path in folder.iterdir()) == [name(5), name(7)]
    assert Snapshots(folder).newest() == (7, b"seven")


@pytest.mark.parametrize("operation", ["create", "write", "sync", "rename", "room"])
def test_failed_write(folder: Path, operation: str) -> None:
    """A snapshot that cannot be written leaves those before, and a later one works."""
    disk = FailingDisk()
    snapshots = Snapshots(folder, files=disk)
    if operation == "room":
        disk.room = 10
    else:
        disk.fail = {operation}
    with pytest.raises(JournalError, match=name(12)):
        snapshots.write(12, [b"twelve" * 10])
    assert sorted(path.name for path in folder.iterdir()) == [name(5), name(9)]
    disk.fail, disk.room = set(), None
    assert snapshots.newest() == (9, STATES[9])
    snapshots.write(12, [b"twelve"])

    assert snapshots.newest() == (12, b"twelve")


def test_failing_payload(folder: Path) -> None:
    """An error of whoever makes the payload comes through and leaves no file behind."""

    def parts() -> "list[bytes]":
        raise KeyError("state")

    with pytest.raises(KeyError):
        Snapshots(folder).write(12, (part for _ in range(1) for part in parts()))

    assert sorted(path.name for path in folder.iterdir()) == [name(5), name(9)]


def test_left_over_files(folder: Path) -> None:
    """What was not written to its end is removed on opening, but not when opened to read."""
    left_over = folder / f"{name(12)}.new"
    left_over.write_bytes(b"half")
    Snapshots(folder, read_only=True).newest()
    assert left_over.exists()
    Snapshots(folder)

    assert sorted(path.name for path in folder.iterdir()) == [name(5), name(9)]


def test_reading_only(folder: Path) -> None:
    """Snapshots opened to read are not written."""
    with pytest.raises(JournalError, match="to read only"):
        Snapshots(folder, read_only=True).write(12, [b""])


def test_unreadable(folder: Path) -> None:
    """A disk that cannot read the newest is like damage to it."""

    class Half(FailingDisk):
        """Fails for one file alone."""

        def open(self, path: Path, *, write: bool = False) -> FileIO:
            self.fail = {"open"} if path.name == name(9) else set()
            return super().open(path, write=write)

    snapshots = Snapshots(folder, files=Half())

    assert snapshots.newest() == (5, STATES[5])
    assert "cannot be read" in snapshots.remarks[0]


def with_version(path: Path, version: int) -> None:
    """Give a snapshot another version, with checksums that fit."""
    data = path.read_bytes()
    head = data[:8] + struct.pack("<I", version) + data[12:28]
    head += struct.pack("<I", zlib.crc32(head))
    payload = data[32:-32]
    path.write_bytes(head + payload + blake2b(payload + head, digest_size=32).digest())


def test_older_version_is_read(folder: Path) -> None:
    """A snapshot of the version before is read."""
    with_version(folder / name(9), 0)

    assert Snapshots(folder).newest() == (9, STATES[9])


def test_newer_version_is_refused(folder: Path) -> None:
    """A snapshot of a version from the future is refused, not passed over."""
    with_version(folder / name(9), 2)

    with pytest.raises(SnapshotError, match="version 2 of snapshots, known here is up to 1"):
        Snapshots(folder).newest()
