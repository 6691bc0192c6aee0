"""The command ``nextrade`` and what all its commands share."""

from __future__ import annotations

import signal

import click

from .balances import balances_command
from .book import book_command
from .config import config_command
from .convert import convert_command
from .deposit import deposit_command
from .dlq import dlq_command
from .doctor import doctor_command
from .failures import FailingWell
from .generate import generate_command
from .inspect import inspect_command
from .market import market_command
from .replay import replay_command
from .shards import shards_command
from .stack import stack_command
from .stats import stats_command
from .submit import submit_command
from .tail import tail_command
from .verify import verify_command
from .worker import worker_command


def _show_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        import nextrade

        click.echo(f"nextrade {nextrade.__version__}")
        ctx.exit()


@click.group(
    cls=FailingWell,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every command explains itself: nextrade COMMAND --help",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and leave.",
)
def root() -> None:
    """NexTrade: an exchange's order book, fed from a file.

    Make some order flow, then watch it go through the book:

    \b
        nextrade generate day --commands 1000000 --output day.npy
        nextrade replay day.npy

    Exit codes: 0 done, 1 the data cannot be used, 2 wrong usage, 130 interrupted.
    """


root.add_command(balances_command)
root.add_command(book_command)
root.add_command(config_command)
root.add_command(convert_command)
root.add_command(doctor_command)
root.add_command(deposit_command)
root.add_command(dlq_command)
root.add_command(generate_command)
root.add_command(inspect_command)
root.add_command(market_command)
root.add_command(replay_command)
root.add_command(shards_command)
root.add_command(stack_command)
root.add_command(stats_command)
root.add_command(submit_command)
root.add_command(tail_command)
root.add_command(verify_command)
root.add_command(worker_command)


def main() -> None:
    """Entry point of the console script and of ``python -m nextrade``."""
    # Who ends a process kindly gets what Ctrl-C gets: no half-written files.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        root(prog_name="nextrade")
    finally:
        # It is over: one more Ctrl-C would only put a traceback behind what was said.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
