"""The docs lead somewhere and leave nothing out: links, reference tables, examples."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import nextrade
from nextrade import enums, errors
from nextrade.service.replay import Aggressors

from .tree import ROOT

PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")],
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def text_of(page: Path | str) -> str:
    """Return the text of a page, given by its path in the project or whole."""
    return (ROOT / page).read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """Return the names by which the headings of a page can be linked to."""
    headings = HEADING.findall(text_of(page))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link names a file that is there, and a heading that is in it."""
    broken = []
    for link in LINK.findall(text_of(page)):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert not broken


def test_every_page_is_on_the_map() -> None:
    """docs/index.md links to each page of the docs."""
    index = ROOT / "docs/index.md"
    linked = {(index.parent / link).resolve() for link in LINK.findall(text_of(index))}

    assert set(ROOT.glob("docs/**/*.md")) - linked - {index} == set()


def test_every_code_is_in_the_reference() -> None:
    """docs/reference/codes.md has a row with number and name for each member of each enum."""
    page = text_of("docs/reference/codes.md")
    of_recordings = {
        "MessageAction": nextrade.MessageAction,
        "MessageFlag": nextrade.MessageFlag,
        "Aggressors": Aggressors,
    }
    for name, enum in (
        {name: getattr(enums, name) for name in enums.__all__} | of_recordings
    ).items():
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        rows = re.findall(r"^\| (\d+) \| (\w+) \|", section, re.MULTILINE)

        assert rows == [(str(member.value), member.name) for member in enum]


def test_every_refusal_names_its_exception() -> None:
    """docs/reference/codes.md gives the exception class beside the code of each refusal."""
    page = text_of("docs/reference/codes.md")
    for reason, exception in errors.REJECTED_BY_REASON.items():
        assert f"| {reason.value} | {reason.name} | `{exception.__name__}` |" in page


@pytest.mark.parametrize("name", [name for name in nextrade.__all__ if name.endswith("_DTYPE")])
def test_every_field_is_in_the_reference(name: str) -> None:
    """docs/reference/records.md names each field of each record, in the section of the record."""
    sections = re.split(r"^## ", text_of("docs/reference/records.md"), flags=re.MULTILINE)
    (section,) = [part for part in sections[1:] if f"`nextrade.{name}`" in part]
    said = set(re.findall(r"`(\w+)`", section))

    assert set(getattr(nextrade, name).names) - said == set()


def test_every_public_name_is_in_the_reference() -> None:
    """docs/reference/python.md names what the package offers, and each of its larger classes."""
    said = set(re.findall(r"\w+", text_of("docs/reference/python.md")))
    offered = set(nextrade.__all__)
    classes = (nextrade.OrderBook, nextrade.Outcome, nextrade.Market, nextrade.Asset)
    of_replay = (nextrade.Replay, nextrade.Report, nextrade.Step, nextrade.View)
    for cls in classes + of_replay:
        offered |= {name for name in vars(cls) if not name.startswith("_")}
    fields = {"name", "base", "quote", "tick_size", "lot_size", "scale", "step"}
    factors = {"base_units_per_lot", "quote_units_per_tick_lot"}

    assert offered - said - fields - factors == set()


EXAMPLES = {
    "quickstart.py": [],
    "make_recording.py": ["--commands", "2000"],
    "replay_recording.py": ["--commands", "5000"],
    "queue_position.py": [],
    "market_maker.py": ["--batch", "50"],
}
"""Each script in examples/ with arguments that make it quick; none of them needs data."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_runs(name: str, tmp_path: Path) -> None:
    """Each script in examples/ runs as its first line says."""
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / name, *EXAMPLES[name]],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert not done.stderr


@pytest.mark.parametrize("name", ["replay_recording.py", "queue_position.py"])
def test_example_draws_where_it_can(name: str, tmp_path: Path) -> None:
    """With matplotlib installed, the examples that offer a picture write one."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    script = ROOT / "examples" / name
    command = [sys.executable, str(script), *EXAMPLES[name], "--picture", "day.png"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    assert (tmp_path / "day.png").read_bytes().startswith(b"\x89PNG")


def test_examples_are_all_run() -> None:
    """No script lies in examples/ that these tests do not run."""
    assert {path.name for path in ROOT.glob("examples/*.py")} == set(EXAMPLES)
