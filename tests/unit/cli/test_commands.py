"""The command line from outside: examples in the help run, mistakes end in one clear line."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import nextrade
from nextrade.cli import root

from ...rabbit_here import need_rabbit
from ...redis_here import need_redis

EXAMPLE = re.compile(r"^\s+nextrade (.+)$", re.MULTILINE)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def call(*arguments: str) -> Result:
    """Run the command with these words."""
    return CliRunner().invoke(root, list(arguments), prog_name="nextrade")


def test_no_arguments_teach() -> None:
    """Called alone it explains itself, lists every command and shows where to go on."""
    said = call().output

    assert "Usage: nextrade" in said
    for name in root.commands:
        assert re.search(rf"^  {name} +\w", said, re.MULTILINE)
    assert "nextrade COMMAND --help" in said


WITH_BROKER = {"dlq", "market", "submit", "tail", "worker"}
"""Commands whose examples need a running exchange: tests/integration runs them."""


@pytest.mark.parametrize("name", ["", *(name for name in root.commands if name not in WITH_BROKER)])
def test_the_examples_of_the_help_run(name: str) -> None:
    """Each example in each help text works as it stands, but for files that only some have."""
    text = call(*filter(None, [name, "--help"])).output
    examples = [line for line in EXAMPLE.findall(text) if "AAPL" not in line]

    assert examples
    if name in ("stack", "shards"):
        need_redis()
        need_rabbit()
    try:
        for example in examples:
            words = shlex.split(example)
            if words[0] == "COMMAND":
                continue
            if words[0] == "generate":  # a million commands say no more than a few thousand
                words = [*words, "--commands", "3000"]
            done = call(*words)
            assert done.exit_code == 0, done.output
    finally:
        call("stack", "down")  # what an example started, also where a later one failed


def test_version() -> None:
    """--version says the version of the package."""
    assert call("--version").output == f"nextrade {nextrade.__version__}\n"


@pytest.mark.parametrize("ending", ["npy", "csv"])
def test_generate_and_replay(ending: str) -> None:
    """What generate writes, replay reads: the table shows the figures of the library's report."""
    made = call("generate", "sweep", "--commands", "5000", "--seed", "4", "--output", f"x.{ending}")
    assert made.output == f"x.{ending}: 5,000 commands of model sweep, seed 4\n"
    shown = call("replay", f"x.{ending}").output
    report = nextrade.replay(f"x.{ending}")

    for figure in (report.trades, report.volume_lots, report.resting_orders, report.events):
        assert f"{figure:,}" in shown
    assert f"{report.state_hash:016x}" in shown
    assert "commands/s" in shown
    assert "\x1b" not in shown


def test_replay_as_json() -> None:
    """--json prints one JSON object and nothing else."""
    call("generate", "calm", "--commands", "2000", "--output", "x.npy")
    told = json.loads(call("replay", "x.npy", "--json", "--batch", "100", "--format", "npy").stdout)

    assert told["commands"] == 2000
    assert told["format"] == "npy"
    assert told["state_hash"] == f"{nextrade.replay('x.npy').state_hash:016x}"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "cannot be opened: No such file"),
        (b"", "the file is empty"),
        (b"kind,order_id\n1,1\n1,x\n", "line 3: column order_id: 'x' is not a whole number"),
        (b"kind,order_id\n1", "line 2: 1 fields instead of 2"),
        (bytes(range(256)), "the format is not recognised"),
        (b"\x93NUMPY\x01\x00", "the .npy header is cut short"),
    ],
)
def test_bad_data_ends_with_one_line(data: bytes | None, said: str) -> None:
    """Exit code 1 and one line on standard error, never a traceback."""
    if data is not None:
        Path("bad").write_bytes(data)
    done = call("replay", "bad")

    assert done.exit_code == 1
    assert done.stderr.startswith("Error: bad")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    "words",
    [
        ["replay"],
        ["replay", "x", "--batch", "0"],
        ["replay", "x", "--format", "xml"],
        ["generate", "wild", "--output", "x.npy"],
        ["generate", "calm"],
        ["generate", "calm", "--commands", "0", "--output", "x.npy"],
        ["generate", "calm", "--seed", "-1", "--output", "x.npy"],
        ["fly"],
        ["--loud"],
    ],
)
def test_wrong_usage_is_exit_code_2(words: list[str]) -> None:
    """A wrong call says what is wrong and how to learn more."""
    done = call(*words)

    assert done.exit_code == 2
    assert "Error:" in done.stderr
    assert "--help" in done.stderr


def test_an_output_that_cannot_be_written_is_said() -> None:
    """A folder that is not there and an unknown ending are exit code 1, and nothing is left."""
    assert "cannot be created" in call("generate", "calm", "--output", "no/x.npy").stderr
    assert call("generate", "calm", "--output", "x.txt").exit_code == 1
    assert list(Path().iterdir()) == []


def test_control_c_leaves_cleanly(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt is exit code 130, one line, and no half-written file."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nextrade.cli.generate.generate_batches", interrupt)
    done = call("generate", "calm", "--output", "x.npy")

    assert done.exit_code == 130
    assert done.stderr == "Error: interrupted; nothing was left half-written\n"
    assert list(Path().iterdir()) == []


def test_the_module_is_the_command() -> None:
    """``python -m nextrade`` is the same command line, named nextrade."""
    done = subprocess.run(
        [sys.executable, "-m", "nextrade", "--help"], capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("Usage: nextrade")


def test_names_with_markup_are_shown_as_they_are() -> None:
    """A file name that looks like terminal markup is printed, not obeyed."""
    name = "[red]x[bold].npy"
    call("generate", "calm", "--commands", "10", "--output", name)
    done = call("replay", name)

    assert done.exit_code == 0
    assert name in done.output


def test_a_terminal_gets_a_progress_bar_and_a_pipe_does_not() -> None:
    """The bar goes to standard error, only if that is a terminal, and leaves results alone."""
    pty = pytest.importorskip("pty", reason="pseudo-terminals are a thing of Unix")
    call("generate", "calm", "--commands", "2000", "--output", "x.npy")
    command = [sys.executable, "-m", "nextrade", "replay", "x.npy", "--json"]
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, text=True) as running:
        os.close(theirs)
        shown = b""
        while piece := _read(ours):
            shown += piece
        assert running.stdout is not None
        result = running.stdout.read()
    os.close(ours)

    assert running.returncode == 0
    assert b"replay" in shown
    assert b"2,000 commands" in shown
    assert json.loads(result)["commands"] == 2000
    assert call("replay", "x.npy", "--json").stderr == ""


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux says that the other side of a terminal was closed
        return b""
