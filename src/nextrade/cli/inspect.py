"""``nextrade inspect``: one account, order or hold of an exchange, in full."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..service.exchange import Exchange
from .failures import DataFailure


@click.command(
    "inspect",
    short_help="Show one account, open order or held withdrawal in full.",
    help="""Show one account of an exchange with its balances, open orders and held withdrawals;
    or one open order; or one held withdrawal by its reference. As JSON.

    PATH is the folder of the exchange; it is opened to read only.

    Examples:

    \b
        nextrade deposit money 1 USDT 1000 --reference wire-1
        nextrade inspect money --account 1
    """,
)
@click.argument("path", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--account", type=click.IntRange(0, 2**32 - 1), metavar="NUMBER", help="An account, whole."
)
@click.option("--order", "order_id", type=click.IntRange(1), metavar="ID", help="An open order.")
@click.option("--hold", "reference", metavar="REFERENCE", help="A withdrawal that is held.")
def inspect_command(
    path: Path, account: int | None, order_id: int | None, reference: str | None
) -> None:
    """Open, find, show."""
    if sum(one is not None for one in (account, order_id, reference)) != 1:
        raise click.UsageError("give one of --account, --order and --hold")
    with Exchange(path=path, read_only=True, check=False) as exchange:
        if account is not None:
            found: object = exchange.inspect_account(account)
        elif order_id is not None:
            found = exchange.inspect_order(order_id)
        else:
            found = exchange.inspect_hold(str(reference))
    if not found:
        raise DataFailure(f"{path}: nothing is open under {order_id or reference!r}")
    click.echo(json.dumps(found, indent=2))
