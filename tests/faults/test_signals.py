"""Signals at random moments: what is under its final name is complete, and a replay goes on."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from .command import Done, ended, run, started
from .samples import lobster_lines, rows_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as Unix knows them")

NAMES = ("trades.csv", "events.parquet", "depth.npy")
FIGURES = ("state_hash", "checks", "trades", "volume_lots", "events", "commands", "messages")
SOME = [pytest.param(seed, marks=pytest.mark.full if seed >= 2 else ()) for seed in range(40)]
FEW = [pytest.param(seed, marks=pytest.mark.full if seed >= 1 else ()) for seed in range(15)]


class Whole(NamedTuple):
    """An uninterrupted replay."""

    recording: Path
    seconds: float
    """From the moment when the first output is begun."""
    report: dict[str, object]
    rows: dict[str, list[tuple[object, ...]]]


def _words(recording: Path, folder: Path) -> list[str | Path]:
    return [
        *("replay", recording, "--json", "--trades", folder / NAMES[0]),
        *("--events", folder / NAMES[1], "--depth", folder / NAMES[2]),
        *("--report", folder / "page.html"),
    ]


def _begun(folder: Path) -> None:
    """Wait until the outputs are being written."""
    limit = time.monotonic() + 30
    while not (folder / "depth.npy.part").exists():
        assert time.monotonic() < limit
        time.sleep(0.002)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A recording, and what its replay gives if nobody interrupts it."""
    folder = tmp_path_factory.mktemp("whole")
    recording = folder / "AAPL_message.csv"
    recording.write_bytes(lobster_lines(60_000))
    running = started(*_words(recording, folder), "--batch", "700", "--depth-every", "50")
    _begun(folder)
    since = time.monotonic()
    done = ended(running)
    seconds = time.monotonic() - since
    assert done.code == 0, done
    rows = {name: rows_of(folder / name) for name in NAMES}
    assert len(rows["trades.csv"]) > 1000
    return Whole(recording, seconds, json.loads(done.out), rows)


def _interrupted(whole: Whole, folder: Path, moment: float, *signals: signal.Signals) -> Done:
    """The replay, with signals at a moment between the begin of its outputs (0) and its end (1)."""
    words = [*_words(whole.recording, folder), "--checkpoint", folder / "state"]
    running = started(*words, "--batch", "700", "--depth-every", "50")
    _begun(folder)
    time.sleep(moment * whole.seconds)
    for one in signals:
        running.send_signal(one)
        time.sleep(0.01)
    return ended(running)


def _check_complete(folder: Path) -> None:
    """No unfinished file is left, and what there is can be read."""
    assert list(folder.glob("*.part")) == []
    for name in NAMES:
        if (folder / name).exists():
            rows_of(folder / name)
    page = folder / "page.html"
    assert not page.exists() or page.read_text().endswith("</html>\n")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("seed", SOME)
def test_an_interrupted_replay_is_complete_and_goes_on(
    whole: Whole, tmp_path: Path, seed: int, sent: signal.Signals
) -> None:
    """Outputs hold what came before the signal; going on gives the rest, and the same book."""
    done = _interrupted(whole, tmp_path, random.Random(seed).random(), sent)

    _check_complete(tmp_path)
    before = {name: rows_of(tmp_path / name) for name in NAMES}
    for name in NAMES:
        assert before[name] == whole.rows[name][: len(before[name])]
    assert (tmp_path / "page.html").exists()
    if done.code in (0, -sent) or done.error.startswith("Error: interrupted"):
        # The replay was over: the signal met the printing, or Python on its way out.
        assert before == whole.rows
        return
    done.failed_well(130)
    assert json.loads(done.out)["trades"] == len(before["trades.csv"])

    rest = tmp_path / "rest"
    rest.mkdir()
    again = run(*_words(whole.recording, rest), "--resume", tmp_path / "state")
    assert again.code == 0, again
    told = json.loads(again.out)
    assert {key: told[key] for key in FIGURES} == {key: whole.report[key] for key in FIGURES}
    for name in NAMES:
        assert before[name] + rows_of(rest / name) == whole.rows[name]


@pytest.mark.parametrize("seed", FEW)
def test_two_interrupts_end_at_once(whole: Whole, tmp_path: Path, seed: int) -> None:
    """The second signal does not wait for a batch, and leaves no half file either."""
    moment = random.Random(seed).random()
    done = _interrupted(whole, tmp_path, moment, signal.SIGINT, signal.SIGINT)

    if done.code not in (0, -signal.SIGINT):
        done.failed_well(130)
    _check_complete(tmp_path)


@pytest.mark.parametrize("seed", FEW)
def test_a_killed_replay_leaves_what_was_there(whole: Whole, tmp_path: Path, seed: int) -> None:
    """SIGKILL leaves unfinished files beside the names at most; a later run takes them away."""
    for name in (*NAMES, "page.html", "state"):
        (tmp_path / name).write_bytes(b"of before")
    _interrupted(whole, tmp_path, random.Random(seed).random(), signal.SIGKILL)

    for name in NAMES:
        path = tmp_path / name
        assert path.read_bytes() == b"of before" or rows_of(path) == whole.rows[name]
    done = run(*_words(whole.recording, tmp_path), "--batch", "700", "--depth-every", "50")
    assert done.code == 0, done
    assert {name: rows_of(tmp_path / name) for name in NAMES} == whole.rows
    assert list(tmp_path.glob("*.part")) == []


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("ending", ["npy", "csv", "parquet"])
def test_an_interrupted_conversion_leaves_nothing(
    whole: Whole, tmp_path: Path, ending: str, sent: signal.Signals
) -> None:
    """Half a flow is another flow: a target that was there stays as it was, or is whole."""
    target = tmp_path / f"flow.{ending}"
    target.write_bytes(b"of before")
    running = started("convert", whole.recording, target)
    limit = time.monotonic() + 30
    while not (tmp_path / f"flow.{ending}.part").exists() and running.poll() is None:
        assert time.monotonic() < limit
    running.send_signal(sent)
    done = ended(running)

    assert list(tmp_path.iterdir()) == [target]
    if done.code in (0, -sent):  # all was done; what is about to end may die of the signal
        again = tmp_path / f"again.{ending}"
        assert run("convert", whole.recording, again).code == 0
        assert target.read_bytes() == again.read_bytes()
    else:
        done.failed_well(130)
        assert target.read_bytes() == b"of before"
