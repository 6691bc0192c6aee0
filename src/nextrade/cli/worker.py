"""``nextrade worker``: the program that runs partitions behind RabbitMQ."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import click

from ..platform.settings import read_settings
from .config import config_option

CONTRADICTION = 3


@click.command(
    "worker",
    short_help="Run partitions: match and settle what comes through RabbitMQ.",
    help="""Run partitions of the exchange: take commands from RabbitMQ, reserve, match, commit,
    settle in the Redis shards, publish events.

    Two workers of one partition are no mistake: one works, the other stands by and takes over
    when the first dies. What was confirmed to a gateway happens exactly once, whoever is killed
    when. SIGTERM and Ctrl-C finish what was begun and end.

    Exit codes beyond the usual: 3 ledger and book store contradict each other. Then `nextrade
    verify` says where, and a person decides.

    Examples:

    \b
        nextrade worker --all
        nextrade worker --partition 0 --partition 1
        nextrade worker --all --processes 2
    """,
)
@config_option
@click.option(
    "--partition",
    "numbers",
    type=click.IntRange(0),
    multiple=True,
    metavar="N",
    help="A partition to run; may be given several times.",
)
@click.option("--all", "everything", is_flag=True, help="Run every partition of the settings.")
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="Spread the partitions over so many processes, and start one again that dies.",
)
@click.option("--quiet", is_flag=True, help="Say only what goes wrong.")
@click.option("--watched-by", "parent", type=click.IntRange(1), hidden=True)
@click.pass_context
def worker_command(
    ctx: click.Context,
    config: Path | None,
    numbers: tuple[int, ...],
    everything: bool,
    processes: int,
    quiet: bool,
    parent: int | None,
) -> None:
    """Check what was asked, then serve until told to stop."""
    from ..service.listings_file import listings_of
    from ..service.worker.supervisor import deal, end_with, supervise

    if everything == bool(numbers):
        raise click.UsageError("say which partitions: --partition N, once or more, or --all")
    settings = read_settings(config)
    known = listings_of(settings).partitions
    chosen = known if everything else tuple(sorted(set(numbers)))
    if unknown := sorted(set(chosen) - set(known)):
        listed = ", ".join(map(str, known))
        raise click.UsageError(f"no market is in partition {unknown[0]}; there are {listed}")
    logging.basicConfig(
        level=logging.WARNING if quiet else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    logging.getLogger("pika").setLevel(logging.ERROR)
    stop = _stop_on_signals()
    if parent is not None:
        end_with(parent, stop)
    if processes == 1:
        from ..service.worker.serving import serve

        ctx.exit(CONTRADICTION if serve(settings, chosen, stop) else 0)
    shared = ["--config", str(config)] if config is not None else []
    shared += ["--quiet"] if quiet else []
    commands = [
        [*shared, *(word for number in hand for word in ("--partition", str(number)))]
        for hand in deal(chosen, processes)
    ]
    ctx.exit(supervise(commands, stop))


def _stop_on_signals() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set; a second one of them ends the process at once."""
    stop = threading.Event()

    def end(number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    handler: Callable[[int, FrameType | None], None] = end
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handler)
    return stop
