"""``nextrade convert``: a file of order flow in another format."""

from __future__ import annotations

from pathlib import Path

import click

from ..service.replay import FORMATS, open_source
from ..service.replay.convert import KINDS, convert


@click.command(
    "convert",
    short_help="Write order flow in another format.",
    help="""Read order flow in any format and write it in one of NexTrade's own.

    The name of TARGET says which: .npy (fast), .csv (readable) or .parquet (small). As a flow
    it holds commands for the book. Those of a recording repeat what it says happened, without
    matching again. As messages it holds what a recording says, one record for each thing.

    Examples:

    \b
        nextrade generate day --output day.npy
        nextrade convert day.npy day.parquet
        nextrade convert day.parquet day.csv
        nextrade convert AAPL_message_50.csv.gz AAPL.parquet --as messages
    """,
)
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--as",
    "kind",
    type=click.Choice(KINDS),
    default="flow",
    show_default=True,
    help="What to write: commands, or what a recording says.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(list(FORMATS)),
    metavar="NAME",
    help="What SOURCE is, if its first bytes do not say so.",
)
@click.option(
    "--strict/--skip-bad",
    "strict",
    default=True,
    help="Stop at a record that cannot be read, or skip it and count.  [default: strict]",
)
@click.option(
    "--market",
    metavar="NAME",
    help="Take only this market (of a flow: its number).",
)
def convert_command(
    source: Path,
    target: Path,
    kind: str,
    format_name: str | None,
    strict: bool,
    market: str | None,
) -> None:
    """Parse, convert, say what was written."""
    from .progress import progress_bar

    opened = open_source(source, format_name, skip_bad=not strict)
    with progress_bar("convert") as progress:
        written = convert(opened, target, progress, kind=kind, market=market)
    click.echo(f"{target}: {written:,} {'commands' if kind == 'flow' else 'messages'}")
    for remark in opened.remarks():
        click.echo(f"Note: {remark}.")
