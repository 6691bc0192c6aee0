"""``nextrade replay``: a file through the book."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..service.replay import DEFAULT_BATCH, FORMATS, replay

_FORMATS = "\n".join(f"    {known.name:<8} {known.summary}" for known in FORMATS.values())


@click.command(
    "replay",
    short_help="Put a file of order flow through the book and report.",
    help=f"""Put a file of order flow through the book and report what came of it.

    The format is told by the first bytes of the file, unless --format names it; text files
    may be gzipped. Formats:

    \b
{_FORMATS}

    LOBSTER files are rebuilt: what the file says happened is repeated order by order, and
    compared with the recorded order book if that lies beside the message file.

    Examples:

    \b
        nextrade generate day --output day.npy
        nextrade replay day.npy
        nextrade replay day.npy --json
        nextrade replay AAPL_2012-06-21_34200000_37800000_message_50.csv.gz
    """,
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--format", "format_name", type=click.Choice(list(FORMATS)), help="What the file is.")
@click.option(
    "--batch",
    type=click.IntRange(1, 10_000_000),
    default=DEFAULT_BATCH,
    show_default=True,
    metavar="COMMANDS",
    help="Commands given to the book at a time.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the report as JSON instead of a table."
)
def replay_command(file: Path, format_name: str | None, batch: int, as_json: bool) -> None:
    """Parse, replay, render."""
    from .progress import progress_bar
    from .summary import print_summary

    with progress_bar("replay") as progress:
        report = replay(file, format_name, batch=batch, progress=progress)
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=2))
    else:
        print_summary(report)
