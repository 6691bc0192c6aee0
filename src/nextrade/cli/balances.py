"""``nextrade balances``: what accounts have."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .home import embedded, home_options, meant, redis_home
from .progress import late_bar


@click.command(
    "balances",
    short_help="Show what accounts have.",
    help="""Show the balances of one account, or of all accounts that have something.

    Of the exchange in the FOLDER of --path, which is opened to read only; else of the one that
    the settings name: [ledger] home, and [journal] path. Account 0 is the exchange itself: fees
    go there.

    Examples:

    \b
        nextrade deposit 1 USDT 1000 --reference wire-1 --path money
        nextrade balances --path money
        nextrade balances 1 --path money --json
    """,
)
@click.argument("account", type=click.IntRange(0, 2**32 - 1), required=False)
@home_options
@click.option("--json", "as_json", is_flag=True, help="Print the balances as JSON.")
def balances_command(
    account: int | None, path: Path | None, config: Path | None, as_json: bool
) -> None:
    """Open, look up, show."""
    settings, folder = meant(config, path)
    rows: list[tuple[int, str, str, str]]
    if folder is None:
        with redis_home(settings) as home:
            if account is None:
                with late_bar("Reading buckets") as progress:
                    rows = home.all_balances(progress)
            else:
                rows = [(account, asset, *one) for asset, one in home.balances(account).items()]
    else:
        with embedded(settings, folder) as exchange:
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
