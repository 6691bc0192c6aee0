"""The journal under real processes and a real disk: killed, full, forbidden, locked."""

import os
import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import pytest

from nextrade.errors import JournalError, JournalLocked
from nextrade.platform.journal import Journal
from nextrade.platform.snapshots import Snapshots

FULL = """
import resource, sys
from nextrade.errors import JournalError
from nextrade.platform.journal import Journal
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
with Journal(sys.argv[1]) as journal:
    try:
        while True:
            journal.append(1, bytes(300))
            journal.append(1, bytes(300))
            print(journal.commit(), flush=True)
    except JournalError as error:
        print(error, file=sys.stderr)
"""

posix = pytest.mark.skipif(sys.platform == "win32", reason="kills, forks and limits are POSIX's")


def fork() -> int:
    """``os.fork``, silent about the threads of numerical libraries, which children do not use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def start_writer(folder: Path) -> tuple[int, IO[bytes]]:
    """Start a process that writes without end; return its id and what it reports as committed."""
    reading, writing = os.pipe()
    child = fork()
    if child == 0:
        try:
            write_without_end(folder, writing)
        finally:
            os._exit(1)
    os.close(writing)
    return child, os.fdopen(reading, "rb")


def write_without_end(folder: Path, report: int) -> None:
    """Append pairs of records, commit, report the newest number, and rotate now and then."""
    with Journal(folder) as journal:
        while True:
            for _ in range(journal.last % 7 + 1):
                number = journal.append(1, b"")
                journal.append(2, b"%d " % number * (number % 400))
            os.write(report, b"%d\n" % journal.commit())
            if journal.last % 50 < 14:
                journal.rotate()


@posix
def test_killed_fifty_times(tmp_path: Path) -> None:
    """What a process reported as committed is there after kill -9, fifty times in a row."""
    rng = random.Random(1)
    last = 0
    for _ in range(50):
        child, report = start_writer(tmp_path)
        with report:
            said = report.readline()
            time.sleep(rng.random() * 0.03)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            lines = (said + report.read()).splitlines()
        with Journal(tmp_path) as journal:
            assert journal.last >= int(lines[-1]) > last
            last = journal.last
            for record in journal.read(journal.first):
                if record.kind == 2:
                    before = record.number - 1
                    assert record.payload == b"%d " % before * (before % 400)
                else:
                    assert record.payload == b""
            journal.drop_before(last - 2000)


@posix
def test_full_disk(tmp_path: Path) -> None:
    """A full disk ends in JournalError, and what was committed before it is there."""
    process = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True
    )

    assert "File too large" in process.stderr
    with Journal(tmp_path) as journal:
        assert journal.last == int(process.stdout.split()[-1]) == 12
        assert [record.payload for record in journal.read(1)] == [bytes(300)] * 12
        assert journal.remarks == []
        assert journal.append(1, b"there is room again") == 13
        journal.commit()


@posix
def test_two_processes(tmp_path: Path) -> None:
    """A second process is refused with the id of the first, until that one is gone."""
    child, report = start_writer(tmp_path)
    with report:
        report.readline()
        try:
            with pytest.raises(JournalLocked, match=f"is open in process {child};"):
                Journal(tmp_path)
            with Journal(tmp_path, read_only=True) as journal:
                assert journal.last >= 2
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    Journal(tmp_path).close()


def as_nobody(call: Callable[[], bool]) -> bool:
    """Return what a call says in a process that may not write where it likes."""
    child = fork()
    if child == 0:
        status = 2
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            status = 0 if call() else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def refused(call: Callable[[], object]) -> bool:
    """Return whether a call ends in JournalError, and not in one of its kinds."""
    try:
        call()
    except JournalError as error:
        return type(error) is JournalError and "denied" in str(error)
    return False


@posix
def test_folder_that_may_not_be_written() -> None:
    """A folder without the right to write can be read, and is refused for all else."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        with Journal(folder) as journal:
            journal.append(1, b"read")
            journal.commit()
        Snapshots(folder).write(1, [b"state"])
        for path in folder.iterdir():
            path.chmod(0o444)
        folder.chmod(0o555)

        def reads() -> bool:
            with Journal(folder, read_only=True) as journal:
                newest = Snapshots(folder, read_only=True).newest()
                return [tuple(r) for r in journal.read(1)] == [(1, 1, b"read")] and newest == (
                    1,
                    b"state",
                )

        assert as_nobody(lambda: refused(lambda: Journal(folder)))
        assert as_nobody(lambda: refused(lambda: Journal(folder / "below")))
        assert as_nobody(lambda: refused(lambda: Snapshots(folder).write(2, [b"more"])))
        assert as_nobody(reads)
        folder.chmod(0o755)
