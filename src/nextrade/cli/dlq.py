"""``nextrade dlq``: what the exchange could not run, for a person to decide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..platform.settings import read_settings
from .config import config_option
from .failures import DataFailure

if TYPE_CHECKING:
    from ..service.gateway.letters import Letter
    from ..service.gateway.opening import Bus

_FRAMES = click.argument(
    "frames", nargs=-1, type=click.IntRange(0, 2**64 - 1), metavar="[FRAME]..."
)
_ALL = click.option("--all", "everything", is_flag=True, help="All letters.")
_PARTITIONS = click.option(
    "--partition",
    "partitions",
    type=click.IntRange(0),
    multiple=True,
    metavar="P",
    help="Look at this partition only.",
)
_LIMIT = click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=1000,
    show_default=True,
    metavar="N",
    help="Look at so many letters of a partition, the oldest first.",
)


@click.group(
    "dlq",
    short_help="Look at dead letters, send them again, drop them.",
    help="""Look at dead letters, send them again, drop them.

    A frame that a partition could not run, or ran into trouble with too often, gets a verdict and
    is kept as a dead letter. Letters are named by the id of their frame. Looking changes
    nothing; what is interrupted loses nothing.

    Examples:

    \b
        nextrade dlq list
        nextrade dlq show 456641087526676481
        nextrade dlq retry 456641087526676481
        nextrade dlq drop --all --export letters.jsonl
    """,
)
def dlq_command() -> None:
    """Choose between the four."""


@dlq_command.command(
    "list",
    short_help="List dead letters.",
    help="""List dead letters: partition, position in its queue, reason, time, frame, bytes,
    and what it holds.

    Example:

    \b
        nextrade dlq list --json
    """,
)
@_PARTITIONS
@_LIMIT
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@config_option
def list_command(
    partitions: tuple[int, ...], limit: int, as_json: bool, config: Path | None
) -> None:
    """Look, print."""
    from ..service.gateway.letters import in_full

    bus = _bus(config)
    letters, left = _look(bus, partitions, limit)
    if as_json:
        told = [in_full(bus.listings, letter) for letter in letters]
        for one in told:
            for name in ("commands", "tiers", "hex", "about", "headers"):
                one.pop(name, None)
        click.echo(json.dumps(told, indent=2))
        return
    if not letters:
        click.echo("no dead letters")
        return
    _print_table(letters)
    if left:
        click.echo(f"Note: {left:,} more letters are not shown; see --limit.")


@dlq_command.command(
    "show",
    short_help="Show a dead letter in full.",
    help="""Show dead letters in full, as JSON: commands in words, or the bytes of what cannot
    be read.

    Example:

    \b
        nextrade dlq show 456641087526676481
    """,
)
@_FRAMES
@_PARTITIONS
@_LIMIT
@config_option
def show_command(
    frames: tuple[int, ...], partitions: tuple[int, ...], limit: int, config: Path | None
) -> None:
    """Look, print."""
    from ..service.gateway.dead import select
    from ..service.gateway.letters import in_full

    bus = _bus(config)
    wanted = _wanted(frames, everything=False)
    letters, _ = _look(bus, partitions, limit)
    groups = select(letters, wanted)
    _check_found(frames, groups)
    for copies in groups:
        told = in_full(bus.listings, copies[0])
        click.echo(json.dumps(told | {"copies": len(copies)}, indent=2))


@dlq_command.command(
    "retry",
    short_help="Send dead letters again.",
    help="""Send dead letters again, each as a new frame with a new id.

    A letter leaves its queue once the new frame is confirmed; copies of it leave with it. What
    cannot be sent again stays, and is exit code 1. The new id is kept with the letter before the
    frame is sent: if the command dies, wherever, a second retry sends the same frame, and its
    commands run once.

    Example:

    \b
        nextrade dlq retry 456641087526676481
    """,
)
@_FRAMES
@_ALL
@_PARTITIONS
@_LIMIT
@config_option
def retry_command(
    frames: tuple[int, ...],
    everything: bool,
    partitions: tuple[int, ...],
    limit: int,
    config: Path | None,
) -> None:
    """Look, send, take out."""
    from ..service.gateway.dead import letters_of, retry, select, with_all_copies

    bus = _bus(config)
    topology = bus.topology
    wanted = _wanted(frames, everything=everything)
    found, stay = [], 0
    with bus.publisher() as publisher:
        for partition in _partitions(bus, partitions):
            with bus.dead_letters(partition) as visit:
                groups = select(letters_of(visit, partition, limit), wanted)
                for copies in with_all_copies(visit, groups):
                    found.append(copies)
                    done = retry(
                        visit,
                        copies,
                        bus.listings,
                        publisher,
                        bus.ids.one,
                        topology.orders,
                        topology.dead(partition),
                    )
                    stay += not done.identity
                    click.echo(_told(copies, f"sent again as {done.identity}", done.fault))
    _check_found(frames, found)
    if stay:
        raise DataFailure(f"{stay:,} letters cannot be sent again and stay")


@dlq_command.command(
    "drop",
    short_help="Remove dead letters for good.",
    help="""Remove dead letters for good. Asks before, unless --yes is given.

    With --export they are written to a new file first, one JSON object a line, with all their
    bytes.

    Example:

    \b
        nextrade dlq drop --all --export letters.jsonl --yes
    """,
)
@_FRAMES
@_ALL
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--export",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write them to this file before.",
)
@_PARTITIONS
@_LIMIT
@config_option
def drop_command(
    frames: tuple[int, ...],
    everything: bool,
    yes: bool,
    target: Path | None,
    partitions: tuple[int, ...],
    limit: int,
    config: Path | None,
) -> None:
    """Look, ask, write, take out."""
    from ..service.gateway.dead import export, letters_of, remove, select

    bus = _bus(config)
    wanted = _wanted(frames, everything=everything)
    letters, _ = _look(bus, partitions, limit)
    groups = select(letters, wanted)
    _check_found(frames, groups)
    if not groups:
        click.echo("no dead letters")
        return
    if not yes:  # nothing is held while a person thinks
        click.confirm(f"Remove {len(groups):,} letters for good?", abort=True)
    if target is not None:
        export(target, [copies[0] for copies in groups], bus.listings)
    agreed = {copies[0].body for copies in groups}
    for partition in sorted({copies[0].partition for copies in groups}):
        with bus.dead_letters(partition) as visit:
            for copies in select(letters_of(visit, partition, limit), None):
                if copies[0].body in agreed:  # what came meanwhile was not asked about
                    remove(visit, copies)
                    click.echo(_told(copies, "removed"))


def _bus(config: Path | None) -> Bus:
    from ..service.gateway.opening import Bus

    return Bus(read_settings(config))


def _partitions(bus: Bus, asked: tuple[int, ...]) -> list[int]:
    known = set(bus.listings.partitions)
    if unknown := set(asked) - known:
        raise click.UsageError(f"there is no partition {min(unknown)}")
    return sorted(set(asked) or known)


def _look(bus: Bus, asked: tuple[int, ...], limit: int) -> tuple[list[Letter], int]:
    """The letters of the partitions, and how many more there are."""
    from ..service.gateway.dead import letters_of

    letters: list[Letter] = []
    left = 0
    for partition in _partitions(bus, asked):
        with bus.dead_letters(partition) as visit:
            letters += letters_of(visit, partition, limit)
            left += len(visit)
    return letters, left


def _wanted(frames: tuple[int, ...], *, everything: bool) -> frozenset[int] | None:
    if bool(frames) == everything:
        raise click.UsageError("name the letters by their frames, or say --all")
    return None if everything else frozenset(frames)


def _check_found(frames: tuple[int, ...], groups: list[list[Letter]]) -> None:
    there = {letter.identity for copies in groups for letter in copies}
    if missing := sorted(set(frames) - there):
        raise DataFailure(f"no dead letter is of frame {', '.join(map(str, missing))}")


def _told(copies: list[Letter], done: str, fault: str = "") -> str:
    letter = copies[0]
    several = f" ({len(copies)} copies)" if len(copies) > 1 else ""
    end = f"stays: {fault}" if fault else done
    return f"partition {letter.partition}, frame {letter.identity}: {end}{several}"


def _print_table(letters: list[Letter]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ..service.gateway.facts import time_text
    from ..service.gateway.letters import summary

    console = Console(highlight=False)
    if not console.is_terminal:  # in a file or a pipe the width of no terminal matters
        console = Console(highlight=False, width=160)
    table = Table()
    for name in ("partition", "position", "reason", "time", "frame", "bytes", "what"):
        right = name in ("partition", "position", "frame", "bytes")
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "what")
    for letter in letters:
        table.add_row(
            str(letter.partition),
            str(letter.position),
            Text(letter.reason),
            time_text(letter.time_ns) if letter.time_ns else "",
            str(letter.identity),
            f"{len(letter.body):,}",
            Text(summary(letter)),
        )
    console.print(table)
