"""``nextrade shards``: the servers of an exchange on Redis, founded and looked at."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from ..platform.settings import read_settings
from .config import config_option


@click.group(
    "shards",
    short_help="Found a ledger on Redis, and show how it is spread.",
    help="""Found a ledger on Redis servers, and show how it is spread over them.

    The servers are those that [ledger] in the settings lists, else those of `nextrade stack`.

    Examples:

    \b
        nextrade stack up
        nextrade shards found
        nextrade shards show
    """,
)
def shards_command() -> None:
    """Choose between the two."""


@shards_command.command(
    "found",
    short_help="Found the ledger on empty servers.",
    help="""Found the ledger of the settings on empty servers: store which server keeps which
    bucket of accounts, load the functions of this version, found every bucket, and the book
    store of every partition that the markets of the settings name.

    It may be repeated: what is there is left as it is, functions of another version are
    replaced. A ledger or a book store that was founded otherwise is an error.

    Example:

    \b
        nextrade shards found
    """,
)
@config_option
def found_command(config: Path | None) -> None:
    """Found, and say what that did."""
    from ..service.home.opening import found_ledger

    done = found_ledger(read_settings(config))
    servers = f"{len(done.addresses)} {'servers' if len(done.addresses) > 1 else 'server'}"
    if done.new_buckets:
        said = f"{done.new_buckets} of {done.bucket_map.buckets} buckets founded on {servers}"
    else:
        said = f"{done.bucket_map.buckets} buckets on {servers} were founded before"
    if done.new_functions:
        said += f"; functions loaded on {done.new_functions}"
    click.echo(f"{said}; map version {done.bucket_map.version}")
    many = len(done.partitions) > 1
    stores = f"{len(done.partitions)} book {'stores' if many else 'store'}"
    if done.new_stores:
        click.echo(f"{len(done.new_stores)} of {stores} founded")
    else:
        click.echo(f"{stores} {'were' if many else 'was'} founded before")


@shards_command.command(
    "show",
    short_help="Show the map of buckets and the load of each server.",
    help="""Show the stored map of buckets, and of each server which buckets it keeps, how many
    fields they have, its memory, its calls a second, and the sum of each asset.

    Examples:

    \b
        nextrade shards show
        nextrade shards show --json
    """,
)
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show_command(config: Path | None, as_json: bool) -> None:
    """Open, ask every server, show."""
    from ..service.home.listed import current_listings
    from ..service.home.loads import loads
    from ..service.home.opening import open_ledger
    from ..service.home.words import Words

    settings = read_settings(config)
    words = Words(current_listings(settings))
    ledger = open_ledger(settings)
    found = loads(ledger.shards)
    ledger.close()
    if as_json:
        told = {
            "version": ledger.map.version,
            "buckets": ledger.map.buckets,
            "shards": [
                {
                    "name": one.name,
                    "address": one.address,
                    "buckets": list(one.buckets),
                    "missing": list(one.missing),
                    "fields": one.fields,
                    "memory_bytes": one.memory_bytes,
                    "calls_per_second": one.calls_per_second,
                    "sums": {words.asset(a): words.amount(a, sum_) for a, sum_ in one.sums.items()},
                }
                for one in found
            ],
        }
        click.echo(json.dumps(told, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=110)
    assets = sorted({asset for one in found for asset in one.sums})
    table = Table(title=f"{ledger.map.buckets} buckets, map version {ledger.map.version}")
    table.add_column("shard", no_wrap=True)
    table.add_column("buckets")
    for name in ("fields", "MiB", "calls/s", *(words.asset(asset) for asset in assets)):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        table.add_row(
            one.name,
            _ranges(one.buckets),
            f"{one.fields:,}",
            f"{one.memory_bytes / 2**20:.1f}",
            f"{one.calls_per_second:,}",
            *(words.amount(asset, one.sums.get(asset, 0)) for asset in assets),
        )
    console.print(table)
    for one in found:
        if one.missing:
            console.print(f"Wrong: {one.name} lacks the buckets {_ranges(one.missing)}")


def _ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers, neighbours drawn together: 0-2 5."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return " ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in parts) or "none"
