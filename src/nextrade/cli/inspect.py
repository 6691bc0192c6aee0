"""``nextrade inspect``: one account, order, hold or bucket of an exchange, in full."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .failures import DataFailure
from .home import embedded, home_options, meant, redis_home


@click.command(
    "inspect",
    short_help="Show one account, open order, hold or bucket in full.",
    help="""Show one account of an exchange with all that belongs to it; or one open order; or what
    is held under a reference; or, of an exchange on Redis, one bucket. As JSON.

    Of the exchange in the FOLDER of --path, which is opened to read only; else of the one that
    the settings name: [ledger] home, and [journal] path.

    Examples:

    \b
        nextrade deposit 1 USDT 1000 --reference wire-1 --path money
        nextrade inspect --account 1 --path money
    """,
)
@click.option(
    "--account", type=click.IntRange(0, 2**32 - 1), metavar="NUMBER", help="An account, whole."
)
@click.option("--order", "order_id", type=click.IntRange(1), metavar="ID", help="An open order.")
@click.option("--hold", "reference", metavar="REFERENCE", help="What is held under a reference.")
@click.option(
    "--bucket", type=click.IntRange(0, 4095), metavar="NUMBER", help="A bucket, on Redis only."
)
@home_options
def inspect_command(
    account: int | None,
    order_id: int | None,
    reference: str | None,
    bucket: int | None,
    path: Path | None,
    config: Path | None,
) -> None:
    """Open, find, show."""
    if sum(one is not None for one in (account, order_id, reference, bucket)) != 1:
        raise click.UsageError("give one of --account, --order, --hold and --bucket")
    settings, folder = meant(config, path)
    if folder is not None and bucket is not None:
        raise click.UsageError("an exchange in a folder has no buckets; --account shows balances")
    opened = redis_home(settings) if folder is None else embedded(settings, folder, check=False)
    with opened as exchange:
        if account is not None:
            found: object = exchange.inspect_account(account)
        elif order_id is not None:
            found = exchange.inspect_order(order_id)
        elif bucket is not None:
            found = exchange.inspect_bucket(bucket)
        else:
            found = exchange.inspect_hold(str(reference))
    if not found:
        where = folder or "the ledger on Redis"
        raise DataFailure(f"{where}: nothing is open under {order_id or reference!r}")
    click.echo(json.dumps(found, indent=2))
