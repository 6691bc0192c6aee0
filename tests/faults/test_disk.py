"""Outputs that cannot be written, and names that must not be written to."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .command import run
from .samples import SAMPLES, rows_of

OUTPUTS = [("--events", "x.csv"), ("--trades", "x.npy"), ("--depth", "x.parquet")]


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    """A small flow of commands."""
    path = tmp_path / "flow.npy"
    path.write_bytes(SAMPLES["npy"])
    return path


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk with room for very little."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mounting, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"no mount: {error}")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _limited() -> None:
    """No file of this process may have more than 4,000 bytes; writing more is an error."""
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))


@pytest.mark.skipif(os.name != "posix", reason="limits as Unix knows them")
@pytest.mark.parametrize(
    ("option", "name"), [*OUTPUTS, ("--report", "x.html"), ("--checkpoint", "state")]
)
def test_a_file_that_may_not_grow_is_said(flow: Path, option: str, name: str) -> None:
    """Too large for a limit: one line, exit code 1, and what was there before stays."""
    target = flow.with_name(name)
    target.write_bytes(b"of before")
    more = ["--depth-every", "1"] if option == "--depth" else []
    more += ["--stop-after", "200"] if option == "--checkpoint" else []
    done = run("replay", flow, option, target, *more, before=_limited)

    assert f"{name}: cannot be written" in done.failed_well()
    assert target.read_bytes() == b"of before"
    assert sorted(path.name for path in flow.parent.iterdir()) == sorted(["flow.npy", name])


@pytest.mark.parametrize("ending", ["csv", "npy"])
def test_a_full_disk_ends_a_conversion(flow: Path, small: Path, ending: str) -> None:
    """A full disk is said in one line; the disk has room again afterwards."""
    done = run("convert", flow, small / f"x.{ending}")

    assert "cannot be written: No space left" in done.failed_well()
    assert list(small.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "name"), [("--trades", "x.npy"), ("--depth", "x.csv"), ("--report", "x.html")]
)
def test_a_full_disk_ends_a_replay(flow: Path, small: Path, option: str, name: str) -> None:
    """One output does not fit; the others are not put in place half."""
    other = flow.with_name("events.csv")
    words = [option, small / name, "--events", other, "--depth-every", "1"]
    done = run("replay", flow, *words)

    assert f"{name}: cannot be written: No space left" in done.failed_well()
    assert list(small.iterdir()) == []
    assert not other.exists() or len(rows_of(other)) > 400


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_standard_output_on_a_full_disk_is_said(flow: Path, more: list[str]) -> None:
    """The report cannot be printed: one line and exit code 1."""
    import sys

    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "nextrade", "replay", str(flow), *more],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr == "Error: standard output: No space left on device\n"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_folder_that_may_not_be_written_to_is_said(flow: Path) -> None:
    """A folder without the right to write: one line and exit code 1."""
    folder = flow.with_name("closed")
    folder.mkdir(mode=0o500)

    assert "cannot be created" in run("replay", flow, "--trades", folder / "x.csv").failed_well()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--trades", "folder"], 2, "is a directory"),
        (["--trades", "x.txt"], 1, "must end with"),
        (["--trades", "none/x.csv"], 1, "cannot be created"),
        (["--trades", "x.csv", "--events", "x.csv"], 1, "two outputs"),
        (["--trades", "x.csv", "--events", "folder/../x.csv"], 1, "two outputs"),
        (["--trades", "x.csv", "--report", "x.csv"], 1, "two outputs"),
        (["--trades", "x.csv", "--report", "x.csv.part"], 1, "two outputs"),
        (["--trades", "x.csv", "--checkpoint", "x.csv"], 1, "two outputs"),
        (["--events", "flow.npy"], 1, "is the file that is read"),
        (["--events", "hard.npy"], 1, "is the file that is read"),
        (["--events", "soft.npy"], 1, "is the file that is read"),
        (["--report", "flow.npy"], 1, "is the file that is read"),
        (["--checkpoint", "flow.npy", "--stop-after", "1"], 1, "is the file that is read"),
    ],
)
def test_names_that_cannot_be_outputs(flow: Path, words: list[str], code: int, said: str) -> None:
    """Nothing is written under a wrong name, and the file that is read is never harmed."""
    flow.with_name("folder").mkdir()
    flow.with_name("hard.npy").hardlink_to(flow)
    flow.with_name("soft.npy").symlink_to(flow)
    there = sorted(flow.parent.iterdir())
    done = run(
        "replay",
        flow,
        *(flow.parent / word if "." in word or word == "folder" else word for word in words),
    )

    assert done.code == code
    assert said in done.error
    assert sorted(flow.parent.iterdir()) == there
    assert flow.read_bytes() == SAMPLES["npy"]


def test_a_recording_is_not_taken_for_an_unfinished_output(flow: Path) -> None:
    """A recording whose name is that of an output being written is left alone."""
    unlucky = flow.rename(flow.with_name("x.npy.part"))
    said = run("replay", unlucky, "--trades", flow.with_name("x.npy")).failed_well()

    assert "is the file that is read" in said
    assert unlucky.read_bytes() == SAMPLES["npy"]


@pytest.mark.parametrize("ending", ["npy", "parquet", "csv"])
def test_a_thousand_levels_can_be_written(flow: Path, ending: str) -> None:
    """The deepest samples that can be asked for fit into every format."""
    target = flow.with_name(f"depth.{ending}")
    done = run("replay", flow, "--depth", target, "--levels", "1000", "--depth-every", "100")

    assert done.code == 0, done
    rows = rows_of(target)
    assert len(rows) == 4
    assert len(rows[0]) == 3 + 6 * 1000
