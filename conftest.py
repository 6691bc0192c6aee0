"""Runs the examples in the README, the docs and the docstrings: ``pytest README.md docs src``.

Python blocks run as they stand, one namespace per page. In ``console`` blocks each line that
starts with ``$`` runs in a temporary folder, one per page, and what it prints must have the
shape that the page shows: the same words in the same lines, whatever the numbers. A line
``...`` stands for any number of lines.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sybil import Example, Sybil
from sybil.document import PythonDocStringDocument
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser

RUN = {"nextrade", "python", "cat", "head", "ls"}
SHOWN_ONLY = {"make", "pip", "git", "cd", "docker", "apt-get", "sudo", "cibuildwheel", "valgrind"}

FLAGS = ELLIPSIS | NORMALIZE_WHITESPACE


def steps(block: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a console block with the lines shown below it."""
    command, shown = "", []
    for line in block.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line[2:], []
        else:
            shown.append(line)
    if command:
        yield command, shown


def shape(line: str) -> str:
    """Return the line without what differs from run to run: numbers, units, rules, spacing."""
    line = re.sub(r"\b(0x)?[0-9a-f]{12,}\b", "0", line)
    line = re.sub(r"[-+]?\d[\d,._:]*(e[-+]?\d+)?", "0", line)
    line = re.sub(r"\b0 ?(ns|us|µs|ms|s|min|k|M|G|kB|MB|GB|KiB|MiB|GiB)\b", "0", line)
    line = re.sub(r"[\u2500-\u259f=_-]{2,}|[\u2500-\u259f]", " ", line)
    return " ".join(line.split())


def has_shape(printed: list[str], shown: list[str]) -> bool:
    """Tell whether the printed lines are those shown, where ``...`` matches any number."""
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(has_shape(printed[skip:], shown[1:]) for skip in range(len(printed) + 1))
    return bool(printed) and printed[0] == shown[0] and has_shape(printed[1:], shown[1:])


def run_console(example: Example) -> None:
    """Run the commands of one console block; raise AssertionError if one does otherwise."""
    search_path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": search_path, "COLUMNS": "100", "NO_COLOR": "1"}
    # Commands of the tests themselves, such as the simulation, are run from the project's folder.
    environment["PYTHONPATH"] = str(Path(__file__).parent)
    for command, shown in steps(example.parsed):
        program = shlex.split(command)[0]
        if program in SHOWN_ONLY:
            continue
        assert program in RUN, f"`{program}` is neither in RUN nor in SHOWN_ONLY of conftest.py"
        done = subprocess.run(
            command, shell=True, env=environment, capture_output=True, text=True, timeout=600
        )
        failure_shown = any(line.startswith("Error") for line in shown)
        assert (done.returncode != 0) == failure_shown, f"$ {command}\n{done.stdout}{done.stderr}"
        printed = done.stdout + (done.stderr if failure_shown else "")
        printed_lines = [shape(line) for line in printed.splitlines() if shape(line)]
        shown_lines = [shape(line) for line in shown if shape(line)]
        assert not shown_lines or has_shape(printed_lines, shown_lines), f"$ {command}\n{printed}"


def in_new_folder(namespace: dict[str, Any]) -> None:
    """Let the examples of one page work in a temporary folder of their own."""
    namespace["_before"] = Path.cwd()
    namespace["_folder"] = TemporaryDirectory()
    os.chdir(namespace["_folder"].name)


def back(namespace: dict[str, Any]) -> None:
    """Stop what a page that failed half-way left running; remove its temporary folder."""
    if Path(".nextrade/stack").is_dir():
        stop = [sys.executable, "-m", "nextrade", "stack", "down"]
        subprocess.run(stop, capture_output=True, check=False, timeout=120)
    os.chdir(namespace["_before"])
    namespace["_folder"].cleanup()


pages = Sybil(
    name="pages",
    parsers=[
        PythonCodeBlockParser(doctest_optionflags=FLAGS),
        CodeBlockParser(language="console", evaluator=run_console),
        SkipParser(),
    ],
    patterns=["*.md", "docs/**/*.md"],
    setup=in_new_folder,
    teardown=back,
)
docstrings = Sybil(
    name="docstrings",
    parsers=[DocTestParser(FLAGS)],
    patterns=["src/**/*.py"],
    document_types={".py": PythonDocStringDocument},
)

pytest_collect_file = (pages + docstrings).pytest()
