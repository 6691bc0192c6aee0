"""``nextrade market``: markets looked at, changed and added while the exchange runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..platform.settings import Settings, read_settings
from .config import config_option
from .failures import DataFailure

if TYPE_CHECKING:
    from ..domain.assets import Asset
    from ..domain.listings import Listings
    from ..service.listing_change import Changed, ListingChange

_PATIENCE = click.option(
    "--patience",
    type=click.FloatRange(0.1, 86_400),
    default=60.0,
    show_default=True,
    metavar="S",
    help="Give up when a partition did not answer for so many seconds.",
)

_HINT = """To change tick or lot, let nothing new in, have the open orders canceled, and ask again:

    {{"do": "set_state", "market": "{name}", "state": "cancel_only"}}
    {{"do": "mass_cancel", "account": ACCOUNT, "market": "{name}"}}

These are lines for `nextrade submit - --wait`, the second one for each account that has orders
there. The phase stays; "state": "open" opens the market again."""


@click.group(
    "market",
    short_help="Look at markets, change and add them while the exchange runs.",
    help="""Look at markets, change them and add new ones while the exchange runs.

    The settings say with which markets an exchange is founded. From then on it keeps them itself,
    as listings with a version. A change goes through the queues to every partition, so that each
    order is judged before it or after it. Positions of assets and markets, an asset's decimals and
    a market's partition never change. Fees and limits may change at any moment; a tick or a lot
    only while the market has no open order.

    Examples:

    \b
        nextrade market list
        nextrade market set BTC-USDT --maker 0.08% --taker 0.15%
        nextrade market set BTC-USDT --tick 0.1
        nextrade market add SOL-USDT --asset SOL:9 --tick 0.01 --lot 0.001 --partition 1
    """,
)
def market_command() -> None:
    """Choose between the five."""


@market_command.command(
    "list",
    short_help="List all markets with their units, limits and fees.",
    help="""List all markets: partition, tick, lot, limits, and the fees of the lowest tier.

    Example:

    \b
        nextrade market list --json
    """,
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@config_option
def list_command(as_json: bool, config: Path | None) -> None:
    """Look, print."""
    from ..service.home.listed import current_listings
    from ..service.listings_file import market_table

    listings = current_listings(read_settings(config))
    tables = {one.name: market_table(one) for one in listings.listings}
    if as_json:
        assets = {asset.name: {"scale": asset.scale} for asset in listings.assets}
        told = {"version": listings.version, "assets": assets, "markets": tables}
        click.echo(json.dumps(told, indent=2))
        return
    _print_table(listings, tables)


def _print_table(listings: Listings, tables: dict[str, dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)
    table = Table(title=f"Version {listings.version} of the listings")
    table.add_column("market", no_wrap=True)
    for name in ("partition", "tick", "lot", "quantity", "notional", "collar", "maker", "taker"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("tiers", justify="right")
    for name, one in tables.items():
        table.add_row(
            name,
            str(one["partition"]),
            one["tick_size"],
            one["lot_size"],
            _between(one, "quantity"),
            _between(one, "notional"),
            one.get("collar", "-"),
            one["fees"][0]["maker"],
            one["fees"][0]["taker"],
            str(len(one["fees"])),
        )
    console.print(table)


def _between(one: dict[str, Any], what: str) -> str:
    low, high = one.get(f"min_{what}"), one.get(f"max_{what}")
    if low is None and high is None:
        return "any"
    return f"up to {high}" if low is None else f"{low} to {high or 'any'}"


@market_command.command(
    "show",
    short_help="Show one market in full, as a settings file says it.",
    help="""Show one market in full, in the words of a settings file.

    Example:

    \b
        nextrade market show BTC-USDT
    """,
)
@click.argument("name", metavar="MARKET")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@config_option
def show_command(name: str, as_json: bool, config: Path | None) -> None:
    """Look, print."""
    from ..service.home.listed import current_listings
    from ..service.listings_file import market_table

    listings = current_listings(read_settings(config))
    table = market_table(listings.listings[listings.market(name)])
    if as_json:
        click.echo(json.dumps({"version": listings.version, "market": name, **table}, indent=2))
        return
    click.echo(f"[markets.{name}]  # version {listings.version} of the listings")
    for key, value in table.items():
        if key == "fees":
            said = (f'{{ maker = "{one["maker"]}", taker = "{one["taker"]}" }}' for one in value)
            click.echo(f"fees = [{', '.join(said)}]")
        else:
            click.echo(f"{key} = {json.dumps(value)}")


def _limits(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that both set and add have."""
    for option in (
        click.option(
            "--collar", metavar="RATE", help="How far from the last price market orders go."
        ),
        click.option("--max-notional", metavar="AMOUNT", help="Most that an order is worth."),
        click.option("--min-notional", metavar="AMOUNT", help="Least that an order is worth."),
        click.option("--max-quantity", metavar="QUANTITY", help="Largest order."),
        click.option("--min-quantity", metavar="QUANTITY", help="Smallest order."),
        click.option("--taker", metavar="RATE", help="Fee of who takes, for example 0.2%."),
        click.option("--maker", metavar="RATE", help="Fee of who was there first, as 0.1%."),
    ):
        function = option(function)
    return function


@market_command.command(
    "set",
    short_help="Change fees, limits, tick or lot of a market.",
    help="""Change fees, limits, tick or lot of a market, and wait until every partition has it.

    Fees hold for trades, limits for orders from then on; resting orders stay. --tier names the
    fee tier that --maker and --taker are of; the next free one adds it. Tick and lot change only
    while no order of the market is open; its book then begins anew, in its phase, and orders that
    were made for the old ones are refused with STALE_LISTINGS.

    If the command is interrupted, `nextrade market finish` brings it to an end.

    Exit codes: 1 if the change is refused, or a partition did not answer.

    Examples:

    \b
        nextrade market set BTC-USDT --maker 0.08% --taker 0.15%
        nextrade market set BTC-USDT --min-quantity 0.001 --max-notional 1000000
        nextrade market set BTC-USDT --tick 0.1
    """,
)
@click.argument("name", metavar="MARKET")
@_limits
@click.option(
    "--tier",
    type=click.IntRange(0, 254),
    default=0,
    show_default=True,
    metavar="N",
    help="The tier of --maker and --taker.",
)
@click.option("--tick", metavar="STEP", help="Step of prices.")
@click.option("--lot", metavar="STEP", help="Step of quantities.")
@_PATIENCE
@config_option
def set_command(
    name: str,
    tier: int,
    maker: str | None,
    taker: str | None,
    patience: float,
    config: Path | None,
    **wanted: str | None,
) -> None:
    """Propose, wait, say what came of it."""
    from ..service.listing_edits import with_fees, with_market

    table: dict[str, Any] = _named(wanted)
    if not table and maker is None and taker is None:
        raise click.UsageError("say what is to change, for example --maker 0.1%")

    def make(listings: Listings) -> Listings:
        if maker is not None or taker is not None:
            table["fees"] = with_fees(listings, name, tier, maker, taker)
        return with_market(listings, name, table)

    with _changing(read_settings(config), patience) as change:
        before = change.current()
        if before.listings == make(before).listings:
            click.echo(f"{name} is so already: version {before.version} of the listings")
            return
        _tell(before, change.change(make), name)


def _named(wanted: dict[str, str | None]) -> dict[str, Any]:
    """The options that were given, by their keys in a settings file."""
    keys = {"tick": "tick_size", "lot": "lot_size"}
    return {keys.get(key, key): value for key, value in wanted.items() if value is not None}


@market_command.command(
    "add",
    short_help="Add a market, and assets that it needs.",
    help="""Add a market behind all others, and wait until every partition has it.

    MARKET is BASE-QUOTE unless --base and --quote say otherwise. An asset that is not listed yet
    comes with --asset NAME:DECIMALS, or NAME:DECIMALS:SUPPLY to have it checked that the whole
    supply fits. The partition must be one that runs already.

    Exit codes: 1 if it is refused, or a partition did not answer.

    Example:

    \b
        nextrade market add SOL-USDT --asset SOL:9 --tick 0.01 --lot 0.001 --partition 1
    """,
)
@click.argument("name", metavar="MARKET")
@click.option("--tick", metavar="STEP", required=True, help="Step of prices.")
@click.option("--lot", metavar="STEP", required=True, help="Step of quantities.")
@click.option(
    "--partition",
    type=click.IntRange(0, 4095),
    default=0,
    show_default=True,
    metavar="P",
    help="Where it runs.",
)
@click.option("--base", metavar="ASSET", help="What is traded.")
@click.option("--quote", metavar="ASSET", help="What it is paid in.")
@click.option(
    "--asset",
    "assets",
    multiple=True,
    metavar="NAME:DECIMALS",
    help="A new asset; may be repeated.",
)
@_limits
@_PATIENCE
@config_option
def add_command(
    name: str,
    partition: int,
    base: str | None,
    quote: str | None,
    assets: tuple[str, ...],
    maker: str | None,
    taker: str | None,
    patience: float,
    config: Path | None,
    **wanted: str | None,
) -> None:
    """Propose, wait, say what came of it."""
    from ..service.listing_edits import with_new_market

    settings = read_settings(config)
    first, _, second = name.partition("-")
    table = _named(wanted) | {"base": base or first, "quote": quote or second}
    table |= {"partition": partition, "fees": [{"maker": maker or "0%", "taker": taker or "0%"}]}
    new = [_asset(text, settings.ledger.buckets) for text in assets]
    with _changing(settings, patience) as change:
        before = change.current()
        changed = change.change(lambda listings: with_new_market(listings, name, table, new))
        _tell(before, changed, name)


def _asset(text: str, buckets: int) -> Asset:
    from ..domain.assets import Asset
    from ..service.listings_file import read_asset

    name, _, rest = text.partition(":")
    decimals, *supply = rest.split(":")
    if not decimals.isdecimal() or len(supply) > 1:
        raise click.BadParameter(f"{text!r} is not of the form SOL:9", param_hint="--asset")
    if supply:
        table = {"scale": int(decimals), "supply": supply[0]}
        return read_asset(name, table, buckets, "--asset")
    return Asset(name, int(decimals))


@market_command.command(
    "finish",
    short_help="Finish a change that was interrupted.",
    help="""Finish a change of the listings that somebody began and did not end: bring it to every
    partition, or withdraw it if its own partition refused. The next change does that too.

    Example:

    \b
        nextrade market finish
    """,
)
@_PATIENCE
@config_option
def finish_command(patience: float, config: Path | None) -> None:
    """Finish, say what came of it."""
    with _changing(read_settings(config), patience) as change:
        changed = change.finish()
        if changed is None:
            click.echo(f"nothing is left: version {change.current().version} of the listings holds")
        elif changed.objection:
            version = changed.listings.version
            raise DataFailure(
                f"withdrawn as version {version}, without change: {changed.objection}"
            )
        else:
            click.echo(f"version {changed.listings.version} of the listings holds")


def _changing(settings: Settings, patience: float) -> ListingChange:
    from ..service.listing_change import ListingChange

    if settings.ledger.home != "redis":
        raise click.UsageError(
            'markets change on an exchange that runs on servers: home = "redis" in [ledger]'
        )
    return ListingChange(settings, patience)


def _tell(before: Listings, changed: Changed, name: str) -> None:
    from ..service.listing_edits import differences

    if changed.objection:
        hint = "\n\n" + _HINT.format(name=name) if "has open orders" in changed.objection else ""
        raise DataFailure(f"refused: {changed.objection}.{hint}")
    click.echo(f"version {changed.listings.version} of the listings holds in every partition")
    for key, old, new in differences(before, changed.listings, name):
        click.echo(f"{name} {key}: {old} -> {new}")
