"""``nextrade stack``: a whole exchange on this machine, for whoever has no servers yet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from ..platform.server_folder import ServerStatus
from ..platform.settings import FILE_NAME, Settings, read_settings, variable
from ..service.stack import Raised, Stack
from .config import config_option
from .failures import DataFailure

_QUIET_S = 2.0
"""What takes no longer needs no word."""


def _stack(config: Path | None) -> Stack:
    """The stack that the settings describe."""
    return Stack(read_settings(config))


@click.group(
    "stack",
    short_help="Start and stop an exchange of private servers and workers.",
    help="""Start and stop a whole exchange: private Redis servers, a RabbitMQ, and workers.

    The servers come from the machine's own packages, listen on free ports of 127.0.0.1 only, and
    keep everything in the folder that [stack] in the settings names. No other server is touched.

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
    short_help="Start what does not run yet, and found the exchange.",
    help="""Start the servers that do not run yet, found ledger, book stores and queues unless
    they are there, start the workers, wait until every partition is served, and list them all.

    Data and ports of last time are kept. RabbitMQ takes some seconds. Where redis-server or
    rabbitmq-server is missing, the line that installs it is shown. Where there is no settings
    file, nextrade.toml is written, so that other commands find the exchange.

    Examples:

    \b
        nextrade stack up
        nextrade stack up --servers-only
    """,
)
@config_option
@click.option("--servers-only", is_flag=True, help="Found nothing, and start no workers.")
def up_command(config: Path | None, servers_only: bool) -> None:
    """Start."""
    told = set()

    def waiting(what: str, seconds: float) -> None:
        if seconds > _QUIET_S and what not in told:
            told.add(what)
            click.echo(f"waiting for {what}, which takes up to half a minute", err=True)

    settings = read_settings(config)
    stack = Stack(settings)
    done = stack.up(waiting, servers_only=servers_only)
    _print(done.status)
    if not servers_only:
        _tell_rest(settings, stack, done)


def _tell_rest(settings: Settings, stack: Stack, done: Raised) -> None:
    """What stands on the servers, and what other commands need to find it."""
    if done.buckets:
        click.echo(f"ledger  {done.buckets} buckets, {done.stores} book stores")
    if done.queues:
        click.echo(f"queues  of {done.stores or 'all'} partitions")
    if settings.stack.workers and stack.servers.has_rabbit and not stack.has_workers:
        click.echo("workers  none: the settings name servers elsewhere; nextrade worker --all")
    wanted, has = settings.ledger.replicas, settings.stack.replicas
    if stack.has_ledger and wanted < has:
        click.echo(f"changes wait for {wanted} of {has} replicas: [ledger] replicas says so")
    if settings.ledger.home == "redis" or not stack.has_ledger:
        return
    if settings.file is None and settings.origins["ledger.home"] == "default":
        text = '# Balances live on the Redis servers.\n[ledger]\nhome = "redis"\n'
        if settings.ledger.replicas:
            text += f"replicas = {settings.ledger.replicas}\n"
        Path(FILE_NAME).write_text(text, encoding="utf-8")
        click.echo(f'{FILE_NAME} is written: home = "redis", so commands here use this exchange')
        return
    where = settings.file if settings.file is not None else variable("ledger", "home")
    click.echo(
        f'commands use this exchange with home = "redis" in [ledger]; {where} says otherwise'
        if settings.origins["ledger.home"] != "default"
        else f'write home = "redis" into [ledger] of {where}, so that commands use this exchange'
    )


@stack_command.command(
    "down",
    short_help="Stop workers and servers; their data stays.",
    help="""Stop the workers, which finish what they began, then the servers; their data stays.

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
    short_help="Tell which servers and workers run.",
    help="""Tell which servers and workers run, where, and how much memory they use.

    Of a Redis server also how many changes of the ledger wait there until a worker publishes
    them. A server that is there and does not answer is `silent`. Exit code 1 unless all run.

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
    waiting = stack.waiting(found)
    if as_json:
        told = [_as_json(one) | {"waiting": waiting.get(one.name)} for one in found]
        click.echo(json.dumps(told, indent=2))
    else:
        _print(found, waiting)
    if not stack.all_run(found):
        ctx.exit(1)


@stack_command.command(
    "logs",
    short_help="Show the last lines of the logs.",
    help="""Show the last lines of the logs of servers and workers.

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


def _print(servers: list[ServerStatus], waiting: Mapping[str, int] = MappingProxyType({})) -> None:
    for one in servers:
        line = f"{one.name}  {one.state:<7}"
        if one.state != "stopped":
            line += f"  {one.address}" if one.address else ""
            line += f"  process {one.pid}"
        if one.memory_bytes is not None:
            line += f"  {one.memory_bytes / 2**20:.1f} MiB"
        if one.name in waiting:
            line += f"  {waiting[one.name]} wait to be published"
        click.echo(line.rstrip())
