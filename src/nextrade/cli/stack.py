"""``nextrade stack``: private servers on this machine, for whoever has none yet."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ..platform.server_folder import ServerStatus
from ..platform.servers import Servers
from ..platform.settings import read_settings
from .config import config_option
from .failures import DataFailure

_QUIET_S = 2.0
"""What takes no longer needs no word."""


def _stack(config: Path | None) -> Servers:
    """The stack that the settings describe."""
    return Servers(read_settings(config).stack)


@click.group(
    "stack",
    short_help="Start and stop private servers.",
    help="""Start and stop private Redis servers and a RabbitMQ, without Docker.

    They come from the machine's own packages, listen on free ports of 127.0.0.1 only, and keep
    everything in the folder that [stack] in the settings names. No other server is touched.

    Examples:

    \b
        nextrade stack up
        nextrade stack status
        nextrade stack logs
        nextrade stack down
    """,
)
def stack_command() -> None:
    """Choose between the four."""


@stack_command.command(
    "up",
    short_help="Start the servers that do not run yet.",
    help="""Start the servers that do not run yet, wait until they answer, and list them.

    Data and ports of last time are kept. RabbitMQ takes some seconds. Where redis-server or
    rabbitmq-server is missing, the line that installs it is shown.

    Example:

    \b
        nextrade stack up
    """,
)
@config_option
def up_command(config: Path | None) -> None:
    """Start."""
    told = False

    def waiting(seconds: float) -> None:
        nonlocal told
        if seconds > _QUIET_S and not told:
            told = True
            click.echo("waiting for RabbitMQ, which takes up to half a minute", err=True)

    _print(_stack(config).up(waiting))


@stack_command.command(
    "down",
    short_help="Stop the servers; their data stays.",
    help="""Stop the servers in order; their data stays in the folder.

    Example:

    \b
        nextrade stack down
    """,
)
@config_option
def down_command(config: Path | None) -> None:
    """Stop."""
    ended = _stack(config).down()
    click.echo(f"stopped: {', '.join(ended)}" if ended else "nothing ran")


@stack_command.command(
    "status",
    short_help="Tell which servers run.",
    help="""Tell which servers run, where, and how much memory they use.

    A server that is there and does not answer is `silent`. Exit code 1 unless all run.

    Examples:

    \b
        nextrade stack status
        nextrade stack status --json
    """,
)
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.pass_context
def status_command(ctx: click.Context, config: Path | None, as_json: bool) -> None:
    """Look."""
    stack = _stack(config)
    found = stack.status()
    if as_json:
        told = [_as_json(one) for one in found]
        click.echo(json.dumps(told, indent=2))
    else:
        _print(found)
    if not stack.all_run(found):
        ctx.exit(1)


@stack_command.command(
    "logs",
    short_help="Show the last lines of the servers' logs.",
    help="""Show the last lines of the servers' logs.

    Examples:

    \b
        nextrade stack logs
        nextrade stack logs --lines 100
    """,
)
@config_option
@click.option(
    "--lines",
    type=click.IntRange(1, 100_000),
    default=10,
    show_default=True,
    metavar="N",
    help="How many lines of each.",
)
def logs_command(config: Path | None, lines: int) -> None:
    """Show."""
    stack = _stack(config)
    shown = stack.logs(lines)
    for name, line in shown:
        click.echo(f"{name}  {line}")
    if not shown:
        raise DataFailure(f"{stack.folder} holds no logs: nothing was ever started there")


def _as_json(server: ServerStatus) -> dict[str, Any]:
    return asdict(server) | {"folder": str(server.folder), "address": server.address}


def _print(servers: list[ServerStatus]) -> None:
    for one in servers:
        line = f"{one.name}  {one.state:<7}"
        if one.state != "stopped":
            line += f"  {one.address}  process {one.pid}"
        if one.memory_bytes is not None:
            line += f"  {one.memory_bytes / 2**20:.1f} MiB"
        click.echo(line.rstrip())
