"""``nextrade balances``: what accounts have."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..service.exchange import Exchange


@click.command(
    "balances",
    short_help="Show what accounts have.",
    help="""Show the balances of one account of an exchange, or of all.

    PATH is the folder of the exchange; it is opened to read only. Account 0 is the exchange
    itself: fees go there. Accounts that have nothing are left out.

    Examples:

    \b
        nextrade deposit money 1 USDT 1000 --reference wire-1
        nextrade balances money
        nextrade balances money 1 --json
    """,
)
@click.argument("path", type=click.Path(path_type=Path, file_okay=False))
@click.argument("account", type=click.IntRange(0, 2**32 - 1), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the balances as JSON.")
def balances_command(path: Path, account: int | None, as_json: bool) -> None:
    """Open, look up, show."""
    with Exchange(path=path, read_only=True) as exchange:
        accounts = exchange.accounts() if account is None else [account]
        rows = [
            (number, asset, *balance)
            for number in accounts
            for asset, balance in exchange.balances(number).items()
        ]
    if as_json:
        fields = ("account", "asset", "available", "held")
        click.echo(json.dumps([dict(zip(fields, row, strict=True)) for row in rows], indent=2))
        return
    if not rows:
        click.echo("nothing")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table()
    table.add_column("account", justify="right")
    table.add_column("asset", no_wrap=True)
    table.add_column("available", justify="right", no_wrap=True)
    table.add_column("held", justify="right", no_wrap=True)
    for number, asset, available, held in rows:
        table.add_row(str(number), asset, available, held)
    Console(highlight=False).print(table)
