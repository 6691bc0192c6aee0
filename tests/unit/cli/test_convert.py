"""``nextrade convert`` from outside: what it writes, what it says, how it fails."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nextrade import generate, replay
from nextrade.cli import root
from nextrade.service.replay import open_writer


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_writer("flow.npy") as writer:
        writer.write(generate("calm", 2000, 1))


def call(*arguments: str) -> Result:
    """Run ``nextrade convert`` with these words."""
    return CliRunner().invoke(root, ["convert", *arguments], prog_name="nextrade")


def test_there_and_back() -> None:
    """It says what it wrote, and the way back gives the same file."""
    assert call("flow.npy", "flow.parquet").output == "flow.parquet: 2,000 commands\n"
    assert call("flow.parquet", "back.npy", "--format", "parquet").exit_code == 0

    assert Path("back.npy").read_bytes() == Path("flow.npy").read_bytes()
    assert replay("flow.parquet").state_hash == replay("flow.npy").state_hash


def test_bad_lines() -> None:
    """A bad line stops the conversion, or is skipped, counted and shown."""
    Path("x.csv").write_text("kind,order_id\nPLACE,1\nPLACE,x\nPLACE,3\n")
    strict = call("x.csv", "x.npy")

    assert strict.exit_code == 1
    assert "x.csv, line 3: column order_id: 'x' is not a whole number" in strict.stderr
    assert not Path("x.npy").exists()
    skipping = call("x.csv", "x.npy", "--skip-bad")
    assert skipping.exit_code == 0
    assert skipping.output.splitlines()[:2] == [
        "x.npy: 2 commands",
        "Note: 1 records could not be read and were skipped.",
    ]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["flow.npy"], 2, "Missing argument"),
        (["flow.npy", "x.npy", "--as", "trades"], 2, "'trades' is not one of"),
        (["flow.npy", "x.txt"], 1, "must end with .csv, .parquet or .npy"),
        (["flow.npy", "x.csv", "--as", "messages"], 1, "holds commands and no messages"),
        (["flow.npy", "x.csv", "--market", "7"], 1, "nothing of market '7'"),
        (["none.npy", "x.csv"], 1, "cannot be opened"),
    ],
)
def test_what_goes_wrong_is_said(words: list[str], code: int, said: str) -> None:
    """One line, an exit code, and nothing left behind."""
    done = call(*words)

    assert done.exit_code == code
    assert said in done.stderr
    assert [path.name for path in Path().iterdir()] == ["flow.npy"]


def test_a_half_written_file_can_be_the_source_of_another_name_alone() -> None:
    """``x.npy`` is written as ``x.npy.part``: converting that into it would destroy it."""
    half = Path("flow.npy").rename("x.npy.part")
    before = half.read_bytes()
    done = call("x.npy.part", "x.npy")

    assert done.exit_code == 1
    assert "x.npy.part: is the file that is read; choose another name for x.npy" in done.stderr
    assert half.read_bytes() == before
    assert call("x.npy.part", "y.npy").exit_code == 0
