"""``nextrade stack``: private servers on this machine, for whoever has none yet."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ..platform.redis_stack import RedisStack, ServerStatus
from ..platform.settings import read_settings
from .config import config_option
from .failures import DataFailure


def _stack(config: Path | None) -> RedisStack:
    """The stack that the settings describe."""
    wanted = read_settings(config).stack
    return RedisStack(wanted.folder, wanted.shards, appendfsync=wanted.appendfsync)


@click.group(
    "stack",
    short_help="Start and stop private Redis servers.",
    help="""Start and stop private Redis servers, without Docker.

    They come from the machine's own package, listen on free ports of 127.0.0.1 only, and keep
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

    Data and port of last time are kept. Where redis-server is missing, the line that installs
    it is shown.

    Example:

    \b
        nextrade stack up
    """,
)
@config_option
def up_command(config: Path | None) -> None:
    """Start."""
    _print(_stack(config).up())


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
    if any(one.state != "running" for one in found[: stack.count]):
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
    shown = False
    for number, server in enumerate(stack.status(), 1):
        for line in stack.log(number, lines):
            click.echo(f"{server.name}  {line}")
            shown = True
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
