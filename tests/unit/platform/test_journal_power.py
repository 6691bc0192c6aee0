"""The journal against a list, with power going at any moment between two operations.

The disk under it keeps of what was not synced any number of writes, the last of them in part,
and any of the changes of names that were made since the folder was synced.
"""

import random
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nextrade.errors import JournalError
from nextrade.platform.journal import Journal
from nextrade.platform.snapshots import Snapshots

from .disks import PowerDisk, quick_folder

PAYLOADS = st.one_of(st.binary(max_size=40), st.integers(0, 3).map(lambda n: bytes(n * 600)))


class PowerGoes(Exception):
    """Raised out of the operation in which power goes."""


class JournalMachine(RuleBasedStateMachine):
    """A journal, the list of what was committed, and the list of what was appended."""

    def __init__(self) -> None:
        super().__init__()
        self.folder: TemporaryDirectory[str] = quick_folder()
        self.generation = 0
        self.committed: list[tuple[int, bytes]] = []
        self.appended: list[tuple[int, bytes]] = []
        self.dropped = 0
        self.open()

    def path(self) -> Path:
        """The folder of the journal; another after each loss of power."""
        return Path(self.folder.name) / str(self.generation)

    def open(self) -> None:
        self.disk = PowerDisk(self.path())
        self.journal = Journal(self.path(), files=self.disk)

    @rule(kind=st.integers(0, 255), payload=PAYLOADS)
    def append(self, kind: int, payload: bytes) -> None:
        number = self.journal.append(kind, payload)
        self.appended.append((kind, payload))
        assert number == len(self.committed) + len(self.appended)

    @rule()
    def commit(self) -> None:
        self.committed += self.appended
        self.appended.clear()
        assert self.journal.commit() == len(self.committed)

    @rule()
    def rotate(self) -> None:
        self.journal.rotate()
        self.committed += self.appended
        self.appended.clear()

    @rule(part=st.floats(0, 1))
    def drop(self, part: float) -> None:
        number = 1 + int(part * len(self.committed))
        self.journal.drop_before(number)
        assert self.journal.first <= max(number, self.dropped + 1)
        self.dropped = self.journal.first - 1

    @rule()
    def close_and_open(self) -> None:
        self.journal.close()
        self.appended.clear()
        self.open()
        assert self.journal.remarks == []

    @rule(
        during=st.sampled_from(["commit", "rotate", "drop", "nothing"]),
        step=st.integers(0, 12),
        seed=st.integers(0, 2**32),
    )
    def power_goes(self, during: str, step: int, seed: int) -> None:
        """Whatever was committed is there afterwards, and at most the commit under way besides."""
        steps = iter(range(step))

        def at_step() -> None:
            if next(steps, None) is None:
                raise PowerGoes

        self.disk.at_step = at_step
        try:
            if during == "commit":
                self.journal.commit()
            elif during == "rotate":
                self.journal.rotate()
            elif during == "drop":
                self.journal.drop_before(len(self.committed) + 1)
        except PowerGoes:
            sure = self.committed
        else:
            done = during in ("commit", "rotate")
            sure = self.committed + self.appended if done else self.committed
        self.disk.at_step = lambda: None
        possible = [self.committed, self.committed + self.appended]
        self.generation += 1
        self.disk.cut_power(self.path(), seed)
        self.journal.close()
        self.open()
        number = self.journal.last
        assert number >= len(sure)
        found = possible[number != len(self.committed)]
        assert number == len(found)
        self.committed, self.appended = found, []
        self.dropped = self.journal.first - 1

    @invariant()
    def same_as_the_list(self) -> None:
        read = [tuple(record) for record in self.journal.read(self.journal.first)]
        assert self.journal.last == len(self.committed)
        assert read == [
            (number, *self.committed[number - 1])
            for number in range(self.dropped + 1, len(self.committed) + 1)
        ]

    def teardown(self) -> None:
        self.journal.close()
        self.folder.cleanup()


TestJournalAgainstAList = JournalMachine.TestCase


@pytest.mark.parametrize("step", range(10))
def test_founding_is_interrupted(tmp_path: Path, step: int) -> None:
    """A journal that lost power while it was founded opens, empty."""
    steps = iter(range(step))
    disk = PowerDisk(tmp_path / "before")

    def at_step() -> None:
        if next(steps, None) is None:
            raise PowerGoes

    disk.at_step = at_step
    with suppress(PowerGoes):
        Journal(tmp_path / "before", files=disk).close()
    disk.cut_power(tmp_path / "after", step)

    with Journal(tmp_path / "after") as journal:
        assert (journal.first, journal.last) == (1, 0)


def test_recovery_is_interrupted(tmp_path: Path) -> None:
    """Power that goes again and again while a torn end is cut loses nothing that was committed."""
    with Journal(tmp_path / "0") as journal:
        journal.append(1, b"kept")
        journal.commit()
        journal.append(1, b"torn" * 500)
        journal.commit()
    path = next((tmp_path / "0").glob("*.nxj"))
    path.write_bytes(path.read_bytes()[:-700])
    for step in range(6):
        steps = iter(range(step))
        disk = PowerDisk(tmp_path / str(step))

        def at_step(steps: "iter[int]" = steps) -> None:
            if next(steps, None) is None:
                raise PowerGoes

        disk.at_step = at_step
        with suppress(PowerGoes):
            Journal(tmp_path / str(step), files=disk).close()
        disk.cut_power(tmp_path / str(step + 1), step)

    with Journal(tmp_path / "6") as journal:
        assert [tuple(record) for record in journal.read(1)] == [(1, 1, b"kept")]


@pytest.mark.parametrize("step", range(14))
@pytest.mark.parametrize("seed", range(10))
def test_snapshot_is_interrupted(tmp_path: Path, step: int, seed: int) -> None:
    """A snapshot that loses power is there as a whole or not at all, and the one before stays."""
    disk = PowerDisk(tmp_path / "before")
    rng = random.Random(seed)
    states = {position: rng.randbytes(rng.randrange(2000)) for position in (1, 2, 3)}
    snapshots = Snapshots(tmp_path / "before", files=disk)
    for position in (1, 2):
        snapshots.write(position, [states[position]])
    steps = iter(range(step))

    def at_step() -> None:
        if next(steps, None) is None:
            raise PowerGoes

    disk.at_step = at_step
    written = False
    try:
        snapshots.write(3, [states[3][:100], states[3][100:]])
        written = True
    except (PowerGoes, JournalError):
        pass
    disk.cut_power(tmp_path / "after", seed)
    after = Snapshots(tmp_path / "after")
    newest = after.newest()

    assert newest is not None
    assert after.remarks == []
    assert newest.payload == states[newest.position]
    assert newest.position == 3 if written else newest.position in (2, 3)
    assert newest.position - 1 in after.positions


@pytest.mark.parametrize("step", range(16))
@pytest.mark.parametrize("seed", range(10))
def test_drop_is_interrupted(tmp_path: Path, step: int, seed: int) -> None:
    """Power that goes while segments are removed leaves no gap between those that are there."""
    disk = PowerDisk(tmp_path / "before")
    with Journal(tmp_path / "before", files=disk) as journal:
        for _ in range(5):
            journal.append(1, b"record")
            journal.rotate()
        steps = iter(range(step))

        def at_step() -> None:
            if next(steps, None) is None:
                raise PowerGoes

        disk.at_step = at_step
        with suppress(PowerGoes):
            journal.drop_before(6)
        disk.cut_power(tmp_path / "after", seed)

    with Journal(tmp_path / "after") as journal:
        assert journal.last == 5
        assert len(list(journal.read(journal.first))) == 6 - journal.first
