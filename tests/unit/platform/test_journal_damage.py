"""Cut, flipped, zeroed, doubled, swapped and missing bytes: a whole prefix, or a refusal.

Every case damages the files of a journal whose records are known, opens it for writing, and
demands that what is read is a prefix of the commits, or that the error names file and offset.
"""

import random
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from nextrade.errors import JournalDamaged
from nextrade.platform.journal import Journal

from .disks import HastyDisk, quick_folder

ID = bytes(range(0x81, 0x91))
COMMITS = [1, 3, 2, 1, 4, 1, 2]
"""How many records each commit has; the journal rotates after the third."""
SEGMENTS = [COMMITS[:3], COMMITS[3:]]


def payload(number: int) -> bytes:
    """Bytes without zeros, for some records longer than a sector."""
    rng = random.Random(number)
    length = {13: 700, 14: 40}.get(number, rng.choice([0, 5, 40, 700]))
    return bytes(rng.randrange(1, 256) for _ in range(length))


RECORDS = [(number, number, payload(number)) for number in range(1, sum(COMMITS) + 1)]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of an undamaged journal."""
    folder = tmp_path_factory.mktemp("journal")
    with Journal(folder, journal_id=ID) as journal:
        for index, count in enumerate(COMMITS):
            for _ in range(count):
                number = journal.append(journal.last + 1 + _, payload(journal.last + 1 + _))
            assert journal.commit() == number
            if index == 2:
                journal.rotate()
    files = {path.name: path.read_bytes() for path in sorted(folder.glob("*.nxj"))}
    assert len(files) == 2
    return files


def ends(original: dict[str, bytes]) -> list[int]:
    """Where each commit of the last segment ends, by adding up the bytes of the format."""
    found, number, at = [40], sum(SEGMENTS[0]), 40
    for count in SEGMENTS[1]:
        at += 36 + sum(9 + len(payload(number + k)) for k in range(1, count + 1))
        number += count
        found.append(at)
    assert found[-1] == len(list(original.values())[-1])
    return found


class Damaged:
    """Opens damaged files in a folder of their own and judges the outcome."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def check_wording(self, message: str) -> None:
        """Demand file and offset."""
        assert re.search(r"journal-\d{20}\.nxj: damaged at byte \d+: ", message), message

    def outcome(self, files: dict[str, bytes]) -> int | None:
        """How many records are left, or None if the journal is refused by file and offset."""
        folder = self.folder
        for left_over in folder.iterdir():
            left_over.unlink()
        for name, data in files.items():
            (folder / name).write_bytes(data)
        try:
            with Journal(folder, files=HastyDisk()) as journal:
                read = [tuple(record) for record in journal.read(1)]
                assert read == RECORDS[: len(read)]
                kept = journal.last
                assert kept == len(read)
                assert journal.append(9, b"next") == kept + 1
                journal.commit()
            with Journal(folder, files=HastyDisk()) as journal:
                assert journal.remarks == []
                assert [tuple(r) for r in journal.read(kept + 1)] == [(kept + 1, 9, b"next")]
        except JournalDamaged as error:
            self.check_wording(str(error))
            refused = {name: (folder / name).read_bytes() for name in files}
            assert refused == files, "a refused journal is left as it is"
            return None
        sums = [sum(COMMITS[:k]) for k in range(len(COMMITS) + 1)]
        assert kept in sums, "a commit is there as a whole or not at all"
        return kept


@pytest.fixture
def damaged() -> Iterator[Damaged]:
    """A judge of damaged files."""
    with quick_folder() as folder:
        yield Damaged(Path(folder))


def last_of(files: dict[str, bytes]) -> tuple[str, bytes]:
    """Name and bytes of the last segment."""
    return list(files.items())[-1]


def first_of(files: dict[str, bytes]) -> tuple[str, bytes]:
    """Name and bytes of the first segment."""
    return next(iter(files.items()))


def test_undamaged(original: dict[str, bytes], damaged: Damaged) -> None:
    """The files as they were written give every record."""
    assert damaged.outcome(original) == sum(COMMITS)


def test_last_segment_cut_anywhere(original: dict[str, bytes], damaged: Damaged) -> None:
    """However short the last segment gets, exactly the commits that are whole in it are there."""
    name, data = last_of(original)
    borders = ends(original)
    for size in range(len(data)):
        whole = sum(border <= size for border in borders) - 1
        due = sum(SEGMENTS[0]) + sum(SEGMENTS[1][:whole]) if size >= 40 else None
        assert damaged.outcome({**original, name: data[:size]}) == due, size


def test_earlier_segment_cut_anywhere(original: dict[str, bytes], damaged: Damaged) -> None:
    """An earlier segment that is cut is refused; only the seal may be missing as a whole."""
    name, data = first_of(original)
    for size in range(len(data)):
        due = sum(COMMITS) if size == len(data) - 36 else None
        assert damaged.outcome({**original, name: data[:size]}) == due, size


def flipped(data: bytes, at: int, bit: int) -> bytes:
    """The bytes with one bit the other way round."""
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def test_every_bit_of_the_last_commit(original: dict[str, bytes], damaged: Damaged) -> None:
    """A flipped bit in a commit that was written to its end is refused, never cut off."""
    name, data = last_of(original)
    start = ends(original)[-2]
    for at in range(start, len(data)):
        for bit in range(8):
            got = damaged.outcome({**original, name: flipped(data, at, bit)})
            assert got is None, (at, bit)


def test_bits_anywhere(original: dict[str, bytes], damaged: Damaged) -> None:
    """A flipped bit in any file is refused, wherever it is."""
    rng = random.Random(1)
    for _ in range(600):
        name = rng.choice(list(original))
        data = original[name]
        changed = flipped(data, rng.randrange(len(data)), rng.randrange(8))
        assert damaged.outcome({**original, name: changed}) is None


def test_zeros(original: dict[str, bytes], damaged: Damaged) -> None:
    """Zeros before the last commit are refused, unless they reach to the end of the file."""
    rng = random.Random(2)
    borders = ends(original)
    for _ in range(600):
        name = rng.choice(list(original))
        data = original[name]
        start = rng.randrange(len(data))
        end = rng.choice([rng.randrange(start + 1, len(data) + 1), len(data)])
        changed = data[:start] + bytes(end - start) + data[end:]
        if changed == data:
            continue
        got = damaged.outcome({**original, name: changed})
        if name != last_of(original)[0] or start < 40 or end <= borders[-2]:
            assert got is None, (name, start, end)
        else:
            whole = sum(border <= start for border in borders) - 1
            assert got in (None, sum(SEGMENTS[0]) + sum(SEGMENTS[1][:whole])), (start, end)


def test_sectors_of_the_last_commit(original: dict[str, bytes], damaged: Damaged) -> None:
    """Any set of missing sectors of the last commit is cut off with it."""
    name, data = last_of(original)
    start = ends(original)[-2]
    edges = [start, *range(start - start % 512 + 512, len(data), 512), len(data)]
    assert len(edges) > 2
    for missing in range(1, 1 << (len(edges) - 1)):
        changed = bytearray(data)
        for index in range(len(edges) - 1):
            if missing >> index & 1:
                changed[edges[index] : edges[index + 1]] = bytes(edges[index + 1] - edges[index])
        got = damaged.outcome({**original, name: bytes(changed)})
        assert got == sum(COMMITS[:-1]), missing


def test_zeros_appended(original: dict[str, bytes], damaged: Damaged) -> None:
    """Zeros behind the last commit are an unfinished write: all records are there."""
    name, data = last_of(original)
    for count in [1, 35, 36, 37, 511, 512, 5000]:
        assert damaged.outcome({**original, name: data + bytes(count)}) == sum(COMMITS)


def test_garbage_appended(original: dict[str, bytes], damaged: Damaged) -> None:
    """Garbage behind the last commit costs no record: it is cut or refused."""
    name, data = last_of(original)
    rng = random.Random(3)
    for count in [1, 35, 36, 37, 511, 512, 5000]:
        got = damaged.outcome({**original, name: data + rng.randbytes(count)})
        assert got in (None, sum(COMMITS))
        if count < 36:
            assert got == sum(COMMITS), "what is shorter than any commit is a piece of one"


def test_more_behind_an_unfinished_commit(original: dict[str, bytes], damaged: Damaged) -> None:
    """A commit with missing sectors that does not end with the file is refused: it was no last."""
    name, data = last_of(original)
    body = ends(original)[-2] + 36
    edge = body - body % 512 + 512
    end = min(edge + 512, len(data))
    assert edge < end
    holed = data[:edge] + bytes(end - edge) + data[end:]

    assert damaged.outcome({**original, name: holed}) == sum(COMMITS[:-1])
    assert damaged.outcome({**original, name: holed + b"more"}) is None


def test_more_behind_a_seal(original: dict[str, bytes], damaged: Damaged) -> None:
    """Nothing follows a seal, so what stands there is refused, be it zeros or a few bytes."""
    name, data = first_of(original)
    head = last_of(original)[1][:40]
    new = f"{last_of(original)[0]}.new"

    assert damaged.outcome({name: data, new: head}) == sum(SEGMENTS[0])
    for more in (bytes(1), bytes(5000), b"more"):
        assert damaged.outcome({name: data + more, new: head}) is None
        assert damaged.outcome({**original, name: data + more}) is None


def doubled(data: bytes, rng: random.Random) -> bytes:
    """The bytes with a range of them twice."""
    start = rng.randrange(len(data))
    end = rng.randrange(start + 1, len(data) + 1)
    return data[:end] + data[start:end] + data[end:]


def without_range(data: bytes, rng: random.Random) -> bytes:
    """The bytes with a range missing that ends before the end."""
    start = rng.randrange(len(data) - 1)
    end = rng.randrange(start + 1, len(data))
    return data[:start] + data[end:]


@pytest.mark.parametrize("change", [doubled, without_range])
def test_ranges(
    original: dict[str, bytes], damaged: Damaged, change: Callable[[bytes, random.Random], bytes]
) -> None:
    """A range that is there twice or not at all gives a prefix or a refusal, in either file."""
    rng = random.Random(4)
    refused = 0
    for _ in range(400):
        name = rng.choice(list(original))
        got = damaged.outcome({**original, name: change(original[name], rng)})
        refused += got is None
        assert got is None or name == last_of(original)[0]
    assert refused > 200


def test_whole_commits_twice_or_missing(original: dict[str, bytes], damaged: Damaged) -> None:
    """A whole commit that is there twice, or not at all before others, is refused."""
    name, data = last_of(original)
    borders = ends(original)
    for start, end in pairwise(borders):
        assert damaged.outcome({**original, name: data[:end] + data[start:]}) is None
        if end < len(data):
            assert damaged.outcome({**original, name: data[:start] + data[end:]}) is None


def test_swapped_segments(original: dict[str, bytes], damaged: Damaged) -> None:
    """Segments that changed names are refused."""
    first, last = original

    assert damaged.outcome({first: original[last], last: original[first]}) is None


def test_last_segment_missing(original: dict[str, bytes], damaged: Damaged) -> None:
    """A sealed segment without its successor is refused: the newest records are missing."""
    first, _ = original

    assert damaged.outcome({first: original[first]}) is None


def test_middle_segment_missing(tmp_path: Path) -> None:
    """A gap between segments is refused, and the message names where it is."""
    with Journal(tmp_path) as journal:
        for _ in range(3):
            journal.append(1, b"")
            journal.rotate()
    (tmp_path / "journal-00000000000000000002.nxj").unlink()

    with pytest.raises(JournalDamaged, match="begins with record 3 where 2 is due"):
        Journal(tmp_path)


def test_segment_of_another_journal(original: dict[str, bytes], tmp_path: Path) -> None:
    """A segment of another journal is refused, even if its numbers fit."""
    with Journal(tmp_path) as journal:
        for index, count in enumerate(COMMITS):
            for _ in range(count):
                journal.append(1, b"other")
            journal.commit()
            if index == 2:
                journal.rotate()
    name, data = last_of(original)
    (tmp_path / name).write_bytes(data)

    with pytest.raises(JournalDamaged, match="of another journal"):
        Journal(tmp_path)


@pytest.mark.parametrize("which", [0, 1])
def test_emptied_segment(original: dict[str, bytes], damaged: Damaged, which: int) -> None:
    """A segment without a byte is refused: it got its name when its head was on the device."""
    name = list(original)[which]

    assert damaged.outcome({**original, name: b""}) is None


def test_damage_after_opening(original: dict[str, bytes], tmp_path: Path) -> None:
    """A record that changes while the journal is open is refused when it is read."""
    for name, data in original.items():
        (tmp_path / name).write_bytes(data)
    name, data = last_of(original)
    at = data.index(payload(sum(COMMITS)))
    with Journal(tmp_path) as journal:
        (tmp_path / name).write_bytes(flipped(data, at, 3))
        read = journal.read(1)
        good = [tuple(next(read)) for _ in range(sum(COMMITS) - 1)]
        assert good == RECORDS[:-1]
        with pytest.raises(JournalDamaged, match=f"{name}: damaged at byte {at - 9}"):
            next(read)
