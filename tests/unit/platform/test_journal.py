"""The journal as its owner sees it: what goes in comes out, and what fails is said."""

import struct
import zlib
from collections.abc import Callable
from io import FileIO
from pathlib import Path

import pytest

from nextrade.errors import JournalDamaged, JournalError, JournalLocked
from nextrade.platform import journal as journal_module
from nextrade.platform.files import Files
from nextrade.platform.journal import Journal

from .disks import FailingDisk

ID = bytes(range(1, 17))


def fill(folder: Path, count: int, *, each: int = 1) -> None:
    """Append so many records, ``each`` to a commit."""
    with Journal(folder, journal_id=ID) as journal:
        for number in range(journal.last + 1, journal.last + 1 + count):
            journal.append(number % 256, payload(number))
            if number % each == 0:
                journal.commit()
        journal.commit()


def payload(number: int) -> bytes:
    """Some bytes that differ from record to record."""
    return b"record %d " % number * (number % 5)


def contents(folder: Path, start: int = 1) -> list[tuple[int, int, bytes]]:
    """All records from a number on, read without changing anything."""
    with Journal(folder, read_only=True) as journal:
        return [tuple(record) for record in journal.read(start)]


def expected(first: int, last: int) -> list[tuple[int, int, bytes]]:
    """What ``fill`` wrote."""
    return [(number, number % 256, payload(number)) for number in range(first, last + 1)]


def test_records_come_back(tmp_path: Path) -> None:
    """What was appended and committed is read back, with its number and kind, after reopening."""
    fill(tmp_path, 10, each=3)
    fill(tmp_path, 5)

    assert contents(tmp_path) == expected(1, 15)


@pytest.mark.parametrize("start", range(1, 17))
def test_reading_starts_anywhere(tmp_path: Path, start: int) -> None:
    """Reading starts at any record, or behind the last, within a commit or between two."""
    fill(tmp_path, 15, each=4)

    assert contents(tmp_path, start) == expected(start, 15)


@pytest.mark.parametrize("start", [0, 5, 17])
def test_reading_what_is_not_there_is_refused(tmp_path: Path, start: int) -> None:
    """A number that is dropped, or beyond the next one, is refused instead of read as nothing."""
    fill(tmp_path, 6)
    with Journal(tmp_path) as journal:
        journal.rotate()
        journal.append(0, b"")
        journal.commit()
        journal.drop_before(7)

    with pytest.raises(JournalError, match=f"the records 7 to 7, not {start}"):
        contents(tmp_path, start)


def test_bytes_on_disk(tmp_path: Path) -> None:
    """A segment has the bytes that docs/reference/journal-format.md describes."""
    with Journal(tmp_path, journal_id=ID) as journal:
        journal.append(7, b"abc")
        journal.append(8, b"")
        journal.commit()
        journal.rotate()

    head = b"NXT-JRNL" + struct.pack("<IQ", 1, 1) + ID
    records = b""
    for number, kind, data in [(1, 7, b"abc"), (2, 8, b"")]:
        covered = struct.pack("<QIB", number, len(data), kind) + data
        records += struct.pack("<IBI", len(data), kind, zlib.crc32(covered)) + data
    commit = ID[:8] + struct.pack("<QQII", 1, len(records), 2, zlib.crc32(records))
    seal = ID[:8] + struct.pack("<QQII", 3, 0, 0, 0)
    whole = b"".join(
        part + struct.pack("<I", zlib.crc32(part)) for part in (head, commit, seal)
    ).replace(seal, records + seal)
    assert (tmp_path / "journal-00000000000000000001.nxj").read_bytes() == whole


def test_what_is_not_committed_is_gone(tmp_path: Path) -> None:
    """Records that were appended and not committed do not outlive the journal."""
    fill(tmp_path, 3)
    with Journal(tmp_path) as journal:
        assert journal.append(0, b"lost") == 4
        assert [record.number for record in journal.read(1)] == [1, 2, 3]

    assert contents(tmp_path) == expected(1, 3)


def test_append_copies(tmp_path: Path) -> None:
    """A buffer may be changed after it was appended."""
    data = bytearray(b"before")
    with Journal(tmp_path) as journal:
        journal.append(1, memoryview(data))
        data[:] = b"behind"
        journal.commit()

    assert contents(tmp_path) == [(1, 1, b"before")]


@pytest.mark.parametrize("kind", [-1, 256])
def test_kind_is_a_byte(tmp_path: Path, kind: int) -> None:
    """A kind that is no byte is refused and leaves nothing in what is appended."""
    with Journal(tmp_path) as journal:
        with pytest.raises(ValueError, match="byte"):
            journal.append(kind, b"")
        assert journal.append(255, b"") == 1


def test_payload_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A payload whose length would not fit its field is refused."""
    monkeypatch.setattr(journal_module, "MAX_PAYLOAD", 10)
    with Journal(tmp_path) as journal:
        assert journal.append(0, bytes(10)) == 1
        with pytest.raises(ValueError, match="at most 10 bytes"):
            journal.append(0, bytes(11))


def test_segments(tmp_path: Path) -> None:
    """Segments are read as one journal; old ones go as a whole, and the newest never."""
    fill(tmp_path, 4)
    with Journal(tmp_path) as journal:
        journal.rotate()
        journal.rotate()
    fill(tmp_path, 4)
    with Journal(tmp_path) as journal:
        journal.rotate()
        assert [tuple(record) for record in journal.read(1)] == expected(1, 8)
        journal.drop_before(8)
        assert (journal.first, journal.last) == (5, 8)
        journal.drop_before(100)
        assert (journal.first, journal.last) == (9, 8)
    fill(tmp_path, 2)

    assert contents(tmp_path, 9) == expected(9, 10)
    assert [path.name for path in sorted(tmp_path.glob("*.nxj"))] == [
        "journal-00000000000000000009.nxj"
    ]


def test_second_opening_is_refused(tmp_path: Path) -> None:
    """A journal that is open cannot be opened again but to read; once closed it can."""
    with Journal(tmp_path) as journal:
        journal.append(1, b"")
        journal.commit()
        with pytest.raises(JournalLocked, match=r"is open in process [0-9]+"):
            Journal(tmp_path)
        assert contents(tmp_path) == [(1, 1, b"")]

    Journal(tmp_path).close()


def test_reading_only(tmp_path: Path) -> None:
    """A journal opened to read changes no file, not even a torn end, and takes no records."""
    fill(tmp_path, 3)
    path = next(tmp_path.glob("*.nxj"))
    torn = path.read_bytes()[:-1]
    path.write_bytes(torn)
    with Journal(tmp_path, read_only=True) as journal:
        assert [tuple(record) for record in journal.read(1)] == expected(1, 2)
        assert len(journal.remarks) == 1
        for use in (lambda: journal.append(0, b""), journal.commit, journal.rotate):
            with pytest.raises(JournalError, match="to read only"):
                use()
        with pytest.raises(JournalError, match="to read only"):
            journal.drop_before(1)

    assert path.read_bytes() == torn


def test_reading_only_founds_nothing(tmp_path: Path) -> None:
    """A folder without a journal is not made into one by looking."""
    with pytest.raises(JournalError, match="no journal"):
        Journal(tmp_path / "none", read_only=True)

    assert list(tmp_path.iterdir()) == []


def test_reading_while_segments_change(tmp_path: Path) -> None:
    """Whoever opens to read while the writer rotates and drops sees the journal as it then is."""
    fill(tmp_path, 3)

    class Meanwhile(Files):
        """Lets the writer act after the reader has listed the files."""

        def open(self, path: Path, *, write: bool = False) -> FileIO:
            if acts:
                acts.pop()()
            return super().open(path, write=write)

    with Journal(tmp_path) as writer:
        acts: list[Callable[[], None]] = [lambda: writer.drop_before(4), writer.rotate]
        with Journal(tmp_path, read_only=True, files=Meanwhile()) as reader:
            assert (reader.first, reader.last) == (4, 3)
    assert not acts


@pytest.mark.parametrize("use", ["append", "commit", "read", "rotate", "drop_before"])
def test_closed(tmp_path: Path, use: str) -> None:
    """A closed journal refuses every use and may be closed again."""
    journal = Journal(tmp_path)
    journal.close()
    journal.close()
    arguments = {"append": (0, b""), "read": (1,), "drop_before": (1,)}.get(use, ())

    with pytest.raises(JournalError, match="it is closed"):
        getattr(journal, use)(*arguments)


@pytest.mark.parametrize("operation", ["write", "sync", "room"])
@pytest.mark.parametrize("cleaning", [True, False])
def test_failed_commit(tmp_path: Path, operation: str, cleaning: bool) -> None:
    """After a failure nothing of the commit counts, and only reopening makes it usable."""
    fill(tmp_path, 3)
    disk = FailingDisk()
    with Journal(tmp_path, files=disk) as journal:
        journal.append(4, payload(4))
        if operation == "room":
            disk.room = 50
        else:
            disk.fail = {operation}
        if not cleaning:
            disk.fail.add("truncate")
        with pytest.raises(JournalError, match="opened again"):
            journal.commit()
        disk.fail, disk.room = set(), None
        for use in (journal.commit, journal.rotate, lambda: journal.append(0, b"")):
            with pytest.raises(JournalError, match="a commit did not come to its end"):
                use()

    # A sync that failed over a commit that cannot be cut off leaves it to the device.
    left_to_device = operation == "sync" and not cleaning
    assert contents(tmp_path) in ([expected(1, 3)] + left_to_device * [expected(1, 4)])


def test_failure_is_not_taken_back_by_the_next(tmp_path: Path) -> None:
    """A record that could not be written is not written by a later commit either."""
    disk = FailingDisk()
    with Journal(tmp_path, files=disk) as journal:
        journal.append(1, b"fails")
        disk.fail = {"sync"}
        with pytest.raises(JournalError):
            journal.commit()
    with Journal(tmp_path) as journal:
        assert journal.append(2, b"works") == 1
        journal.commit()

    assert contents(tmp_path) == [(1, 2, b"works")]


@pytest.mark.parametrize("operation", ["create", "write", "sync", "rename", "open"])
def test_failed_rotation(tmp_path: Path, operation: str) -> None:
    """A rotation that fails at any step loses nothing, and the journal opens again."""
    fill(tmp_path, 3)
    disk = FailingDisk()
    with Journal(tmp_path, files=disk) as journal:
        disk.fail = {operation}
        with pytest.raises(JournalError):
            journal.rotate()
        with pytest.raises(JournalError, match="a new segment did not come to its end"):
            journal.append(0, b"")
    assert contents(tmp_path) == expected(1, 3)
    fill(tmp_path, 3)

    assert contents(tmp_path) == expected(1, 6)
    assert not list(tmp_path.glob("*.new"))


def test_failed_drop(tmp_path: Path) -> None:
    """A segment that cannot be removed is an error, and the journal opens again."""
    fill(tmp_path, 3)
    disk = FailingDisk()
    with Journal(tmp_path, files=disk) as journal:
        journal.rotate()
        disk.fail = {"remove"}
        with pytest.raises(JournalError):
            journal.drop_before(4)

    assert contents(tmp_path) == expected(1, 3)


def test_path_that_is_a_file(tmp_path: Path) -> None:
    """A path that is a file is refused."""
    (tmp_path / "file").write_text("text")

    with pytest.raises(JournalError, match="file"):
        Journal(tmp_path / "file")


def with_version(data: bytes, version: int) -> bytes:
    """A segment whose head says another version, with a checksum that fits."""
    head = data[:8] + struct.pack("<I", version) + data[12:36]
    return head + struct.pack("<I", zlib.crc32(head)) + data[40:]


def test_older_version_is_read(tmp_path: Path) -> None:
    """A segment of the version before is read; what is added goes into one of this version."""
    fill(tmp_path, 3)
    path = next(tmp_path.glob("*.nxj"))
    path.write_bytes(with_version(path.read_bytes(), 0))
    assert contents(tmp_path) == expected(1, 3)
    fill(tmp_path, 3)

    assert contents(tmp_path) == expected(1, 6)
    versions = [path.read_bytes()[8] for path in sorted(tmp_path.glob("*.nxj"))]
    assert versions == [0, 1]


@pytest.mark.parametrize("read_only", [True, False])
def test_newer_version_is_refused(tmp_path: Path, read_only: bool) -> None:
    """A segment of a version from the future is refused as that, not as damage."""
    fill(tmp_path, 3)
    path = next(tmp_path.glob("*.nxj"))
    path.write_bytes(with_version(path.read_bytes(), 2))

    with pytest.raises(JournalError, match="version 2 of the journal, known here is up to 1") as e:
        Journal(tmp_path, read_only=read_only)
    assert not isinstance(e.value, JournalDamaged)
