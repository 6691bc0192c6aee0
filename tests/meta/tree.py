"""The source tree as its own tests see it."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def source_files() -> list[Path]:
    """Return every file that belongs to the project: tracked by git, or new and not ignored.

    Skips the test where there is no git checkout, as in an unpacked sdist.
    """
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = [ROOT / name for name in listing.split("\0") if name]
    return [path for path in paths if path.is_file()]


def source_texts(*suffixes: str) -> dict[str, str]:
    """Return the text of each source file with one of the suffixes (of all text files: none)."""
    texts = {}
    for path in source_files():
        if suffixes and path.suffix not in suffixes:
            continue
        try:
            texts[path.relative_to(ROOT).as_posix()] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a binary file, such as a picture
    return texts
