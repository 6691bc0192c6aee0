"""Rules of style that a machine can check, and that no linter knows."""

import re

from .tree import source_files, source_texts

LONGEST = 400
CODE = (".py", ".pyx", ".pxd", ".pyi", ".lua", ".c", ".h", ".sh")

# Assembled here, or this file would break its own rule.
MACHINE = [
    "/" + place + "/" for place in ("root", "work", "home/[a-z]+", "Users/[a-z]+", "opt/[a-z]+")
]
HOSTS = [
    r"\.".join(host)
    for host in (
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("deb", "debian", "org"),
    )
]


def opening(text: str) -> str:
    """Return a file's first comment or docstring."""
    text = re.sub(r"\A#!.*\n", "", text)
    match = re.match(
        r'\s*(?:"""(?P<doc>.*?)"""|/\*(?P<block>.*?)\*/|(?P<lines>(?:(?:#|--|//).*\n)+))',
        text,
        re.DOTALL,
    )
    if not match:
        return ""
    return next(part for part in match.groups() if part is not None)


def test_long_files_give_a_reason() -> None:
    """A file of more than 400 lines says in its first comment why it is long."""
    offenders = [
        name
        for name, text in source_texts(*CODE).items()
        if text.count("\n") > LONGEST and not re.search(r"\blong\b", opening(text))
    ]

    assert not offenders


def test_every_code_file_opens_with_its_purpose() -> None:
    """Each file of code begins with a docstring or comment (an empty ``__init__`` need not)."""
    offenders = [
        name for name, text in source_texts(*CODE).items() if text.strip() and not opening(text)
    ]

    assert [name for name in offenders if not name.endswith(".pyi")] == []


def test_no_machine_is_named() -> None:
    """No file names a folder of somebody's machine or the address of a package registry."""
    pattern = re.compile(r"(?<![\w./])(?:" + "|".join(MACHINE) + ")|" + "|".join(HOSTS))
    offenders = {
        name: match[0] for name, text in source_texts().items() if (match := pattern.search(text))
    }

    assert offenders == {}


def test_text_is_tidy() -> None:
    """Text files end with one newline, and have no tabs (Makefile aside) or trailing blanks."""
    offenders = []
    for name, text in source_texts(*CODE, ".md", ".toml", ".yml").items():
        if not text:
            continue
        if not text.endswith("\n") or text.endswith("\n\n"):
            offenders.append(f"{name}: end of file")
        if re.search(r"[ \t]+$", text, re.MULTILINE):
            offenders.append(f"{name}: trailing blanks")
        if "\t" in text and not name.endswith((".c", ".h")):
            offenders.append(f"{name}: tab")

    assert not offenders


def test_nothing_is_left_for_later() -> None:
    """No file holds a note to do something some day."""
    pattern = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")

    assert not [name for name, text in source_texts().items() if pattern.search(text)]


def test_nothing_built_is_tracked() -> None:
    """No compiled or generated file and nothing of more than a megabyte belongs to the source."""
    built = {".so", ".pyd", ".o", ".whl", ".html"}
    offenders = [
        path.name
        for path in source_files()
        if path.suffix in built or path.stat().st_size > 1_000_000
    ]

    assert not offenders
