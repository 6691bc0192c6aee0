"""Files that are no files, wrong formats, damaged packing, and files that change meanwhile."""

from __future__ import annotations

import gzip
import lzma
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nextrade.errors import DataError
from nextrade.service.replay import Replay, open_source
from nextrade.service.replay.convert import convert
from nextrade.service.replay.readers import FORMATS

from .command import Done, ended, run, started
from .samples import FLOWS, SAMPLES, lobster_lines

SECONDS = 20


def _zstd(data: bytes) -> bytes:
    import pyarrow

    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "zstd": _zstd,
}


def walked(path: Path, format_name: str | None, *, skip: bool) -> str:
    """Replays the file in every mode that it has; what was wrong with it, or nothing."""
    said = ""
    since = time.monotonic()
    try:
        source = open_source(path, format_name, skip_bad=skip)
        for mode in ("flow",) if format_name in FLOWS else ("match", "guided", "rebuild"):
            replay = Replay(path, source.format_name, mode=mode, skip_bad=skip)
            report = replay.run()
            for book in replay.books.values():
                book.check_invariants()
            assert all(isinstance(remark, str) for remark in report.remarks)
    except DataError as error:
        said = str(error)
        assert str(path) in said
    assert time.monotonic() - since < SECONDS
    return said


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("forced", FORMATS)
@pytest.mark.parametrize("made", SAMPLES)
def test_a_wrong_format_is_said_with_file_and_place(
    tmp_path: Path, made: str, forced: str, skip: bool
) -> None:
    """Every format forced on every file: what is not of it is an error or skipped and counted."""
    path = tmp_path / "file"
    path.write_bytes(SAMPLES[made])
    said = walked(path, forced, skip=skip)

    if forced == made:
        assert not said
    elif not skip:
        assert said


@pytest.mark.parametrize("command", [["replay"], ["convert"]])
@pytest.mark.parametrize(("made", "forced"), [("itch", "csv"), ("csv", "itch"), ("npy", "dbn")])
def test_the_command_says_a_wrong_format(
    tmp_path: Path, command: list[str], made: str, forced: str
) -> None:
    """One line and exit code 1, and a target that was begun is taken away."""
    path = tmp_path / "file"
    path.write_bytes(SAMPLES[made])
    more = [tmp_path / "x.npy"] if command == ["convert"] else []

    assert str(path) in run(*command, path, *more, "--format", forced).failed_well()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="pipes with names are a thing of Unix")
@pytest.mark.parametrize("more", [[], ["--format", "csv"]])
def test_a_pipe_is_refused_at_once(tmp_path: Path, more: list[str]) -> None:
    """Readers go through a file more than once: a pipe is an error, not a wait without end."""
    path = tmp_path / "pipe"
    os.mkfifo(path)

    assert "more than once" in run("replay", path, *more).failed_well()


@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="no name for standard input")
def test_standard_input_works_from_a_file_and_not_from_a_pipe(tmp_path: Path) -> None:
    """A file redirected to standard input is a file; what is piped cannot be read again."""
    path = tmp_path / "flow.npy"
    path.write_bytes(SAMPLES["npy"])
    words = [sys.executable, "-m", "nextrade", "replay", "/dev/stdin"]
    with path.open("rb") as file:
        from_file = subprocess.run(words, stdin=file, capture_output=True, text=True, check=False)
    piped = subprocess.run(words, input=SAMPLES["npy"], capture_output=True, check=False)

    assert from_file.returncode == 0, from_file
    done = Done(piped.returncode, piped.stdout.decode(), piped.stderr.decode())
    assert "more than once" in done.failed_well()


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such devices")
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_refused(device: str) -> None:
    """What has no end, or nothing in it, is refused before it is read."""
    assert "more than once" in run("replay", device).failed_well()


@pytest.mark.parametrize("command", [["replay"], ["convert"]])
@pytest.mark.parametrize("what", ["absent", "folder", "loop", "empty", "byte", "zeros"])
def test_what_is_no_file_of_order_flow(tmp_path: Path, command: list[str], what: str) -> None:
    """One line and exit code 1 for what cannot be a recording."""
    path = tmp_path / "input"
    if what == "folder":
        path.mkdir()
    elif what == "loop":
        path.symlink_to(tmp_path / "other")
        (tmp_path / "other").symlink_to(path)
    elif what != "absent":
        path.write_bytes({"empty": b"", "byte": b"7", "zeros": bytes(100_000)}[what])
    more = [tmp_path / "x.npy"] if command == ["convert"] else []

    assert str(path) in run(*command, path, *more).failed_well()
    assert not (tmp_path / "x.npy").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_that_may_not_be_read_is_said(tmp_path: Path) -> None:
    """Without the right to read: one line and exit code 1."""
    path = tmp_path / "flow.npy"
    path.write_bytes(SAMPLES["npy"])
    path.chmod(0)

    assert "Permission denied" in run("replay", path).failed_well()


@pytest.mark.full
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("byte", [b"7", b"\0", b",", b'"'])
@pytest.mark.parametrize("forced", FORMATS)
def test_hundreds_of_megabytes_without_a_line_end(
    tmp_path: Path, forced: str, byte: bytes, skip: bool
) -> None:
    """A long line is no text: it ends soon, in bounded memory."""
    path = tmp_path / "long"
    with path.open("wb") as file:
        for _ in range(300):
            file.write(byte * 1_000_000)
    words = ["replay", path, "--format", forced, *(["--skip-bad"] if skip else [])]

    done = run(*words, before=_little_memory)

    assert done.code in ((0, 1) if skip else (1,)), done


def _little_memory() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("made", [name for name in SAMPLES if name != "parquet"])
def test_damaged_packing_is_said(tmp_path: Path, made: str, packing: str) -> None:
    """Cut or changed at many places: an error that names the file, or the same content."""
    data = PACKINGS[packing](SAMPLES[made])
    path = tmp_path / "packed"
    step = max(1, len(data) // 25)
    for at in range(0, len(data), step):
        for damaged in (
            data[:at],
            data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :],
            data[:at] + bytes(20) + data[at:],
        ):
            path.write_bytes(damaged)
            said = walked(path, made, skip=False)
            assert said or damaged != data[:at] or not at
    path.write_bytes(data)
    assert not walked(path, made, skip=False)


@pytest.mark.skipif(os.name != "posix", reason="an open file can be removed")
@pytest.mark.parametrize("what", ["removed", "truncated", "grown", "spoilt"])
@pytest.mark.parametrize(
    "seed", [0, pytest.param(1, marks=pytest.mark.full), pytest.param(2, marks=pytest.mark.full)]
)
def test_a_file_that_changes_while_it_is_read(tmp_path: Path, what: str, seed: int) -> None:
    """Whatever happens to the file meanwhile, the replay ends: done, or with one line."""
    path = tmp_path / "AAPL_message.csv"
    path.write_bytes(lobster_lines(8_000) * 5)
    output = tmp_path / "trades.csv"
    running = started("replay", path, "--trades", output, "--batch", "200")
    while not (tmp_path / "trades.csv.part").exists() and running.poll() is None:
        time.sleep(0.002)
    time.sleep(0.15 * seed)
    if what == "removed":
        path.unlink()
    elif what == "truncated":
        os.truncate(path, 10_001)
    elif what == "grown":
        with path.open("ab") as file:
            file.write(lobster_lines(8_000, seed=2) * 5)
    else:
        with path.open("r+b") as file:
            file.write(b"\0" * 3_000_000)
    done = ended(running)

    if done.code:
        assert str(path) in done.failed_well()
        assert not output.exists()
    assert not (tmp_path / "trades.csv.part").exists()


@pytest.mark.parametrize("made", SAMPLES)
def test_a_file_is_converted_onto_itself(tmp_path: Path, made: str) -> None:
    """The target is put in place when the source has been read: both may be one file."""
    path = tmp_path / "x.npy"
    path.write_bytes(SAMPLES[made])
    count = convert(open_source(path), path, lambda *_: None)

    assert sum(len(batch.commands) for batch in open_source(path).batches(100)) == count
