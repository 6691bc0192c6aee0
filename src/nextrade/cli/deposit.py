"""``nextrade deposit``: an operator's credit."""

from __future__ import annotations

from pathlib import Path

import click

from ..service.exchange import Exchange


@click.command(
    "deposit",
    short_help="Credit an account with what came in from outside.",
    help="""Credit an account with what came in from outside, once for each reference.

    PATH is the folder of the exchange; a new one is founded with the default listings. AMOUNT
    is decimal text in units of the asset. The reference names the deposit in the outside
    world: given twice for the same money it changes nothing, given for other money it is an
    error.

    Examples:

    \b
        nextrade deposit money 1 USDT 1000.50 --reference wire-1
        nextrade deposit money 1 USDT 1000.50 --reference wire-1
        nextrade deposit money 2 BTC 0.5 --reference block-8
    """,
)
@click.argument("path", type=click.Path(path_type=Path, file_okay=False))
@click.argument("account", type=click.IntRange(1, 2**32 - 1))
@click.argument("asset")
@click.argument("amount")
@click.option("--reference", required=True, metavar="TEXT", help="What names this deposit.")
def deposit_command(path: Path, account: int, asset: str, amount: str, reference: str) -> None:
    """Open, credit, say what the account has now."""
    with Exchange(path=path) as exchange:
        new = exchange.deposit(account, asset, amount, reference)
        balance = exchange.balances(account)[asset]
    done = "credited" if new else "was credited before"
    click.echo(f"{reference}: {amount} {asset} {done}; account {account} has {balance.available}")
