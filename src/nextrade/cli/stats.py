"""``nextrade stats``: what is in a file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..service.replay import FORMATS, Flow, open_source


@click.command(
    "stats",
    short_help="Tell what is in a file.",
    help="""Tell what is in a file of order flow, without putting it through a book.

    Format, span and markets; records by kind; sizes and prices of orders; trades, hidden
    executions, auctions and recorded levels; the busiest second, gaps, times that step back
    and records that could not be read. One pass over the file, in memory that does not grow.

    With --starters another pass counts the orders of a recording that are named but never
    came: those that rested before it starts.

    Examples:

    \b
        nextrade generate day --output day.npy
        nextrade stats day.npy
        nextrade stats day.npy --json
        nextrade stats AAPL_2012-06-21_34200000_37800000_message_50.csv.gz --starters
    """,
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--starters", is_flag=True, help="Count orders that are named but never came.")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(list(FORMATS)),
    metavar="NAME",
    help="What FILE is, if its first bytes do not say so.",
)
@click.option(
    "--strict/--skip-bad",
    "strict",
    default=True,
    help="Stop at a record that cannot be read, or skip it and count.  [default: strict]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def stats_command(
    file: Path, starters: bool, format_name: str | None, strict: bool, as_json: bool
) -> None:
    """Parse, count, render."""
    from ..service.replay.stats import Stats
    from ..service.replay.stats_run import count_unknown, read_parts
    from .progress import progress_bar
    from .stats_tables import print_stats

    source = open_source(file, format_name, skip_bad=not strict)
    stats = Stats(source)
    unknown = None
    with progress_bar("stats") as progress:
        passes = 2 if starters and not isinstance(source, Flow) else 1
        if not isinstance(source, Flow) and starters:
            unknown = count_unknown(source, progress)
        read_parts(source, stats, progress, passes=passes)
    figures = stats.figures(unknown)
    if as_json:
        click.echo(json.dumps(figures.as_dict(), indent=2))
    else:
        print_stats(figures)
