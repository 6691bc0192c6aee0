"""``nextrade deposit``: an operator's credit."""

from __future__ import annotations

from pathlib import Path

import click

from .home import embedded, home_options, meant, redis_home


@click.command(
    "deposit",
    short_help="Credit an account with what came in from outside.",
    help="""Credit an account with what came in from outside, once for each reference.

    In the exchange in the FOLDER of --path, where a new one is founded with the listings of the
    settings; else in the one that the settings name: [ledger] home, and [journal] path. AMOUNT
    is decimal text in units of the asset. The reference names the deposit in the outside
    world: given twice for the same money it changes nothing, given for other money it is an
    error.

    Examples:

    \b
        nextrade deposit 1 USDT 1000.50 --reference wire-1 --path money
        nextrade deposit 1 USDT 1000.50 --reference wire-1 --path money
        nextrade deposit 2 BTC 0.5 --reference block-8 --path money
    """,
)
@click.argument("account", type=click.IntRange(1, 2**32 - 1))
@click.argument("asset")
@click.argument("amount")
@click.option("--reference", required=True, metavar="TEXT", help="What names this deposit.")
@home_options
def deposit_command(
    account: int, asset: str, amount: str, reference: str, path: Path | None, config: Path | None
) -> None:
    """Open, credit, say what the account has now."""
    settings, folder = meant(config, path)
    opened = redis_home(settings) if folder is None else embedded(settings, folder, found=True)
    with opened as exchange:
        new = exchange.deposit(account, asset, amount, reference)
        # Whoever trades may have used up what came in.
        balance = exchange.balances(account).get(asset)
    done = "credited" if new else "was credited before"
    left = "nothing available" if balance is None else balance.available
    click.echo(f"{reference}: {amount} {asset} {done}; account {account} has {left}")
