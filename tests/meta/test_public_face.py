"""What a user of the library or of the command line sees is documented."""

import inspect
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

import nextrade
from nextrade.cli import root

from .tree import ROOT


def public_members(cls: type) -> Iterator[tuple[str, object]]:
    """Yield the methods and properties that a class itself defines for its users."""
    for name, member in vars(cls).items():
        wanted = inspect.isroutine(member) or isinstance(member, property | classmethod)
        wanted = wanted or inspect.isgetsetdescriptor(member)
        if wanted and not name.startswith("_"):
            yield name, member


def commands(
    group: click.Group = root, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command of the command line with the words that call it."""
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


COMMANDS = dict(commands())


def test_all_is_complete_and_true() -> None:
    """``nextrade.__all__`` is sorted within itself and names only what is there."""
    assert len(set(nextrade.__all__)) == len(nextrade.__all__)
    assert all(hasattr(nextrade, name) for name in nextrade.__all__)


@pytest.mark.parametrize("name", nextrade.__all__)
def test_public_object_has_a_docstring(name: str) -> None:
    """Each public class, method, property and function says what its caller may rely on."""
    thing = getattr(nextrade, name)
    if not (inspect.isclass(thing) or callable(thing)):
        return
    missing = [] if inspect.getdoc(thing) else [name]
    if inspect.isclass(thing) and thing.__module__.startswith("nextrade"):
        missing += [
            f"{name}.{attribute}"
            for attribute, member in public_members(thing)
            if not inspect.getdoc(member)
        ]

    assert not missing


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_command_has_help(path: tuple[str, ...]) -> None:
    """Each command, each of its options, and ``--help`` itself tell what they do."""
    command = COMMANDS[path]
    options = [option for option in command.params if isinstance(option, click.Option)]

    assert command.help
    assert not [option.name for option in options if not option.help and not option.hidden]
    assert CliRunner().invoke(root, [*path, "--help"]).exit_code == 0


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_command_has_a_page(path: tuple[str, ...]) -> None:
    """Each command is described somewhere in the docs."""
    pages = [page.read_text(encoding="utf-8") for page in ROOT.glob("docs/**/*.md")]

    assert any(f"nextrade {' '.join(path)}" in page for page in pages)
