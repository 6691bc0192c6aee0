"""Checkpoints that are damaged, foreign, or made to do harm."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nextrade.errors import DataError
from nextrade.service.replay import Replay

from .command import run
from .samples import SAMPLES, lobster_lines

MAGIC = b"NEXTRADE REPLAY\0"


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A recording, and the state of its replay after some steps."""
    folder = tmp_path_factory.mktemp("stopped")
    recording = folder / "AAPL_message.csv"
    recording.write_bytes(lobster_lines(3_000))
    replay = Replay(recording, batch=100)
    for number, _ in enumerate(replay):
        if number == 10:
            replay.stop()
    replay.checkpoint(folder / "state")
    return recording, (folder / "state").read_bytes()


def _refused(recording: Path, state: bytes) -> str:
    path = recording.with_name("wrong")
    path.write_bytes(state)
    with pytest.raises(DataError) as raised:
        Replay.resume(recording, path)
    assert str(path) in str(raised.value)
    return str(raised.value)


def test_every_cut_is_refused(stopped: tuple[Path, bytes]) -> None:
    """A state that ends at any fiftieth byte is not used."""
    recording, state = stopped
    for end in range(0, len(state), 50):
        _refused(recording, state[:end])
    _refused(recording, state + b"\0")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_every_flipped_bit_is_refused(stopped: tuple[Path, bytes], where: float, bit: int) -> None:
    """One wrong bit anywhere is found."""
    recording, state = stopped
    at = int(where * len(state))
    _refused(recording, state[:at] + bytes([state[at] ^ 1 << bit]) + state[at + 1 :])


def test_states_of_others_are_refused(stopped: tuple[Path, bytes], tmp_path: Path) -> None:
    """A state of another version or another file, and a file of another kind."""
    recording, state = stopped
    place = len(MAGIC)

    assert "version 7" in _refused(recording, state[:place] + b"\7" + state[place + 1 :])
    assert "not a checkpoint" in _refused(recording, SAMPLES["npy"])
    other = tmp_path / "other.csv"
    other.write_bytes(lobster_lines(3_000, seed=2))
    assert "made of another file" in _refused(other, state)
    other.write_bytes(recording.read_bytes() + b"34300.0,1,9,1,5850000,1\n")
    assert "made of another file" in _refused(other, state)


def _text(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def sealed(body: bytes) -> bytes:
    """A pickle as the body of a checkpoint, with the right checksum."""
    digest = hashlib.blake2b(body, digest_size=16).digest()
    return MAGIC + b"\1" + len(body).to_bytes(8, "little") + digest + body


def bomb(module: str, name: str, argument: str) -> bytes:
    """A checkpoint that calls a function when it is read."""
    call = _text(module) + _text(name) + b"\x93" + _text(argument) + b"\x85R"
    return sealed(b"\x80\x04" + call + b".")


def by_attribute(owner: tuple[str, str], name: str, argument: str) -> bytes:
    """A checkpoint that gets at a function by way of an attribute."""
    whose = _text(owner[0]) + _text(owner[1]) + b"\x93"
    found = _text("builtins") + _text("getattr") + b"\x93" + whose + _text(name) + b"\x86R"
    return sealed(b"\x80\x04" + found + _text(argument) + b"\x85R.")


BOMBS = [
    ("os", "system"),
    ("posix", "system"),
    ("subprocess", "getoutput"),
    ("builtins", "eval"),
    ("builtins", "open"),
    ("nextrade.service.replay.readers.pitch", "os.system"),
    ("nextrade.service.replay.outputs", "os.system"),
    ("nextrade.service.replay.match_lane", "np.os.system"),
    ("nextrade.service.replay.engine", "np.load"),
    ("nextrade.service.replay.engine", "perf_counter"),
    ("nextrade.service.replay.checkpoint", "pickle.loads"),
    ("nextrade.service.replay.writers.new_file", "NewFile"),
    ("nextrade.service.replay.readers", "open_source"),
    ("nextrade.cli.main", "root"),
]


@pytest.mark.skipif(os.name != "posix", reason="the bombs call a shell of Unix")
@pytest.mark.parametrize(("module", "name"), BOMBS)
def test_a_bomb_does_not_go_off(
    stopped: tuple[Path, bytes], tmp_path: Path, module: str, name: str
) -> None:
    """A state that names anything but its own classes is refused, and nothing was run."""
    recording, _ = stopped
    mark = tmp_path / "mark"
    for argument in (f"touch {mark}", f"open({str(mark)!r}, 'w')", str(mark)):
        assert "no place in a checkpoint" in _refused(recording, bomb(module, name, argument))
    for owner in [(module, name), ("nextrade._book", "OrderBook"), ("numpy", "ndarray")]:
        for attribute in ("__init__", "__class__", "tofile", "", "a.b"):
            _refused(recording, by_attribute(owner, attribute, str(mark)))

    assert list(tmp_path.iterdir()) == []


def test_the_bombs_would_go_off(tmp_path: Path) -> None:
    """Read by plain ``pickle`` the same bytes do call the shell: the test above could fail."""
    import pickle

    mark = tmp_path / "mark"
    start = len(sealed(b""))
    pickle.loads(bomb("os", "mkdir", str(mark))[start:])

    assert mark.is_dir()


@pytest.mark.parametrize(
    "body", [b"\x80\x04K\x07.", b"\x80\x04}.", b"\x80\x04N.", b"\x80\x04].", b"\x80\x04"]
)
def test_a_state_of_another_shape_is_refused(stopped: tuple[Path, bytes], body: bytes) -> None:
    """A sound pickle of something else is no state."""
    _refused(stopped[0], sealed(body))


def test_going_on_twice_gives_the_same(stopped: tuple[Path, bytes], tmp_path: Path) -> None:
    """Reading a state does not use it up, and two replays of it do not meet."""
    recording, state = stopped
    path = tmp_path / "state"
    path.write_bytes(state)
    first, second = Replay.resume(recording, path), Replay.resume(recording, path)
    for _ in zip(first, second, strict=True):
        pass

    whole = Replay(recording, batch=100).run()
    assert first.report().state_hash == second.report().state_hash == whole.state_hash
    assert first.report().trades == second.report().trades == whole.trades
    assert path.read_bytes() == state


@pytest.mark.parametrize(
    "words",
    [
        ["--mode", "guided"],
        ["--format", "lobster"],
        ["--market", "X"],
        ["--batch", "5"],
        ["--levels", "5"],
        ["--depth-every", "5"],
        ["--skip-bad"],
        ["--strict"],
        ["--no-hindsight"],
    ],
)
def test_what_a_checkpoint_settles_cannot_be_chosen(
    stopped: tuple[Path, bytes], tmp_path: Path, words: list[str]
) -> None:
    """Options that the state holds are wrong usage beside --resume."""
    recording, state = stopped
    path = tmp_path / "state"
    path.write_bytes(state)
    done = run("replay", recording, "--resume", path, *words)

    assert done.code == 2
    assert "settled by the checkpoint" in done.error
