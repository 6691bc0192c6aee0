"""``nextrade book``: the ladder of a book at a moment of a file, or while the file runs."""

from __future__ import annotations

from pathlib import Path

import click

from ..service.replay import FORMATS, open_source
from ..service.replay.clock import Moment, read_moment


def _moment(_ctx: click.Context, _option: click.Parameter, text: str | None) -> Moment | None:
    if text is None:
        return None
    try:
        return read_moment(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _duration(_ctx: click.Context, _option: click.Parameter, text: str) -> int:
    from ..service.replay.sampling import duration_ns

    try:
        return duration_ns(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _speed(_ctx: click.Context, _option: click.Parameter, text: str) -> float | None:
    """How many times real time; None is as fast as it goes."""
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < 1e9:
        raise click.BadParameter(f"{text!r} is neither a number above zero nor max")
    return speed


@click.command(
    "book",
    short_help="Show the book at a moment of a file.",
    help="""Show the book at a moment of a file of order flow, as a ladder of prices.

    A recording is rebuilt: what it says happened is repeated up to the moment. A flow of
    commands is matched. TIME is a time of day (09:30:00.5), a date and time
    (2023-12-25T23:00:00Z), a number of nanoseconds as in the file, #N for the book after N
    records (in quotes, or joined with =, since a shell takes # for a comment), start or end.

    With --watch the book runs on from there: on a terminal the ladder is drawn anew, ten
    times a second, until the file ends or Ctrl-C; elsewhere one is printed for each --every
    of the market's time.

    Examples:

    \b
        nextrade generate day --output day.npy
        nextrade book day.npy
        nextrade book day.npy --at=#2000 --levels 5
        nextrade book day.npy --at 09:30:20 --orders
        nextrade book day.npy --watch --speed max --levels 3 --every 10s
    """,
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--at",
    "moment",
    metavar="TIME",
    callback=_moment,
    help="When.  [default: end; with --watch start]",
)
@click.option("--market", metavar="NAME", help="Which market; without, the one with most orders.")
@click.option(
    "--levels",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    metavar="N",
    help="Price levels of each side.",
)
@click.option("--orders", is_flag=True, help="List the first orders of each side too.")
@click.option("--watch", is_flag=True, help="Let the book run on.")
@click.option(
    "--speed",
    default="60",
    show_default=True,
    metavar="X",
    callback=_speed,
    help="While watching on a terminal: so many times real time, or max.",
)
@click.option(
    "--every",
    "every_ns",
    default="1min",
    show_default=True,
    metavar="DURATION",
    callback=_duration,
    help="While watching elsewhere: a ladder for each such time of the market (ms, s, min, h).",
)
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
@click.option("--json", "as_json", is_flag=True, help="Print JSON; while watching, one a line.")
def book_command(
    file: Path,
    moment: Moment | None,
    market: str | None,
    levels: int,
    orders: bool,
    watch: bool,
    speed: float | None,
    every_ns: int,
    format_name: str | None,
    strict: bool,
    as_json: bool,
) -> None:
    """Parse, walk there, show."""
    from ..service.replay.moment import MomentWalk
    from .book_show import Show, note_at, walk_to
    from .progress import progress_bar

    source = open_source(file, format_name, skip_bad=not strict)
    moment = moment or Moment(start=watch)
    with progress_bar("book") as progress:
        walk = MomentWalk(source, market=market, progress=progress)
        first_ns = walk.first_ns()
        try:
            walk_to(walk, moment, first_ns)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="'--at'") from error
        walk.find_market()
        note = note_at(walk, moment, first_ns)
    show = Show(walk, market, levels, with_orders=orders, as_json=as_json)
    if not watch:
        show.once(note)
    elif show.on_terminal:
        show.live(speed)
    else:
        show.at_times(every_ns, note)
    for remark in [] if as_json else source.remarks():
        click.echo(f"Note: {remark}.")
