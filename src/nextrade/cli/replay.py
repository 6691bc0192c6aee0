"""``nextrade replay``: a recorded market or a flow of commands through the book."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from ..service.replay import DEFAULT_BATCH, FORMATS, MODES, Replay
from ..service.replay.outputs import Outputs, Wanted
from ..service.replay.report import Report
from .failures import Interrupted

_FORMATS = "\n".join(f"    {known.name:<10} {known.summary}" for known in FORMATS.values())
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(
    "replay",
    short_help="Put a recorded market or a flow through the book and report.",
    help=f"""Put a file of order flow through the book and report what came of it.

    A file of commands (csv, npy, parquet) goes in as it stands. A recording of a market is
    replayed in one of three modes, and what agrees with it is counted:

    \b
    match    only new, replace and cancel requests go in; the engine decides, and its
             trades are compared with the recorded ones, fill by fill (the default)
    guided   as match, but put right after each aggressive order that differed, so that
             each is a test of its own
    rebuild  repeat what was recorded, order by order, and compare the book with the
             recorded one where there is one

    The format is told by the first bytes of the file, unless --format names it; files may
    be packed with gzip, xz or zstd. Formats:

    \b
{_FORMATS}

    Outputs are tables, .csv, .parquet or .npy as their names end, and one HTML page with
    pictures. Ctrl-C ends a replay between two batches: outputs are complete, and with
    --checkpoint it can go on later with --resume.

    Examples:

    \b
        nextrade generate day --output day.npy
        nextrade replay day.npy
        nextrade replay day.npy --trades trades.csv --report day.html
        nextrade replay day.npy --depth depth.parquet --depth-every 100ms --json
        nextrade replay AAPL_2012-06-21_34200000_37800000_message_50.csv.gz --mode guided
    """,
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_name",
    type=click.Choice(list(FORMATS)),
    metavar="NAME",
    help="What the file is, if its first bytes do not say so.",
)
@click.option("--mode", type=click.Choice(MODES), metavar="MODE", help="How, see above.")
@click.option(
    "--strict/--skip-bad",
    "strict",
    default=True,
    help="Stop at a record that cannot be read, or skip it and count.  [default: strict]",
)
@click.option("--market", metavar="NAME", help="Replay only this market.")
@click.option(
    "--hindsight/--no-hindsight",
    "hindsight",
    default=True,
    help="Look for orders from before the start in a first pass.  [default: hindsight]",
)
@click.option("--trades", type=_FILE, metavar="FILE", help="Write each trade.")
@click.option("--events", type=_FILE, metavar="FILE", help="Write everything that happened.")
@click.option("--depth", type=_FILE, metavar="FILE", help="Write the best levels now and then.")
@click.option(
    "--depth-every",
    default="",
    metavar="EVERY",
    help="How often: a number of records, or a duration such as 100ms.  [default: some"
    " thousand times a file]",
)
@click.option(
    "--levels",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    metavar="N",
    help="How many levels of each side.",
)
@click.option("--report", "page", type=_FILE, metavar="FILE", help="Write a page with pictures.")
@click.option(
    "--checkpoint", type=_FILE, metavar="FILE", help="Where to write the state when stopped."
)
@click.option("--resume", type=_FILE, metavar="FILE", help="Go on from such a state.")
@click.option(
    "--stop-after",
    type=click.IntRange(1),
    metavar="N",
    help="Stop after about N records (at the end of a batch).",
)
@click.option(
    "--batch",
    type=click.IntRange(1, 10_000_000),
    default=DEFAULT_BATCH,
    show_default=True,
    metavar="RECORDS",
    help="Records given to the book at a time.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the report as JSON instead of a table."
)
def replay_command(
    file: Path,
    format_name: str | None,
    mode: str | None,
    strict: bool,
    market: str | None,
    hindsight: bool,
    trades: Path | None,
    events: Path | None,
    depth: Path | None,
    depth_every: str,
    levels: int,
    page: Path | None,
    checkpoint: Path | None,
    resume: Path | None,
    stop_after: int | None,
    batch: int,
    as_json: bool,
) -> None:
    """Parse, replay, render."""
    from .progress import progress_bar
    from .summary import print_summary

    with progress_bar("replay") as progress:
        if resume is not None:
            _refuse_beside_resume()
            replay = Replay.resume(file, resume, progress=progress)
        else:
            try:
                replay = Replay(
                    file,
                    format_name,
                    mode=mode,
                    market=market,
                    batch=min(batch, stop_after or batch),
                    levels=levels,
                    sample_every=depth_every,
                    skip_bad=not strict,
                    hindsight=hindsight,
                    progress=progress,
                )
            except ValueError as error:
                if "depth" in str(error) or "duration" in str(error):
                    raise click.BadParameter(str(error), param_hint="--depth-every") from error
                raise
        report, interrupted = _run(
            replay, Wanted(trades, events, depth, page, checkpoint), stop_after
        )
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=2))
    else:
        print_summary(report)
    if interrupted:
        raise Interrupted(_stopped(report, checkpoint))


def _run(replay: Replay, wanted: Wanted, stop_after: int | None) -> tuple[Report, bool]:
    with _stopping(replay) as stopped:
        with Outputs(wanted, replay) as outputs:
            seen = 0
            for step in replay:
                outputs.add(step)
                seen += len(step.messages) or len(step.commands)
                if stop_after is not None and seen >= stop_after:
                    replay.stop()
            report = replay.report()
            outputs.finish(report)
        if report.stopped_at is not None and wanted.checkpoint is not None:
            replay.checkpoint(wanted.checkpoint)
    return report, bool(stopped)


@contextmanager
def _stopping(replay: Replay) -> Iterator[list[int]]:
    """Let the first Ctrl-C end the replay between two batches; a second one ends it at once.

    SIGTERM is taken for a Ctrl-C. The outputs are closed inside: a first signal lets them be.
    """
    stopped: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        if stopped:
            raise KeyboardInterrupt
        stopped.append(number)
        replay.stop()

    try:
        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: nobody presses Ctrl-C there
        yield stopped
        return
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stopped(report: Report, checkpoint: Path | None) -> str:
    if report.stopped_at is None:
        return "interrupted, but the replay had come to its end: the outputs are complete"
    where = f"stopped after {report.stopped_at}; the outputs are complete up to there"
    if checkpoint is None:
        return where
    return f"{where}; go on with --resume {checkpoint}"


def _refuse_beside_resume() -> None:
    """What a checkpoint has settled cannot be chosen anew."""
    context = click.get_current_context()
    settled = {
        "format_name": "--format",
        "mode": "--mode",
        "strict": "--strict/--skip-bad",
        "market": "--market",
        "hindsight": "--hindsight",
        "depth_every": "--depth-every",
        "levels": "--levels",
        "batch": "--batch",
    }
    for name, option in settled.items():
        source = context.get_parameter_source(name)
        if source is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option} is settled by the checkpoint; leave it out")
