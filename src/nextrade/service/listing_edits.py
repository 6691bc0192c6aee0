"""New listings out of the current ones, in the words of a settings file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..domain.assets import Asset
from ..domain.listings import Listings
from ..errors import ListingsRefused
from .listings_file import market_table, read_market

__all__ = ["differences", "with_fees", "with_market", "with_new_market"]

_SOURCE = "what is asked for"


def with_market(listings: Listings, name: str, wanted: Mapping[str, Any]) -> Listings:
    """The same with some keys of a market's entry changed, at the version that ``listings`` have.

    Limits that are not named stay what they are in text. Raises UnitError for an unknown market,
    SettingsError for what a settings file could not say either.
    """
    at = listings.market(name)
    before = listings.listings[at]
    table = market_table(before) | dict(wanted)
    assets = {asset.name: asset for asset in listings.assets}
    now = read_market(name, table, assets, _SOURCE)
    old, new = before.market, now.market
    same = (old.base_units_per_lot, old.quote_units_per_tick_lot) == (
        new.base_units_per_lot,
        new.quote_units_per_tick_lot,
    )
    now = replace(now, units_version=before.units_version if same else listings.version)
    markets = (*listings.listings[:at], now, *listings.listings[at + 1 :])
    return replace(listings, listings=markets)


def with_new_market(
    listings: Listings, name: str, table: Mapping[str, Any], assets: Sequence[Asset] = ()
) -> Listings:
    """The same with new assets and a market at the end."""
    known = (*listings.assets, *assets)
    for number, asset in enumerate(known):
        if asset.name in {other.name for other in known[:number]}:
            raise ListingsRefused(f"the asset {asset.name} is listed already")
    if name in listings.market_names:
        raise ListingsRefused(
            f"the market {name} is listed already; nextrade market set changes it"
        )
    one = read_market(name, table, {asset.name: asset for asset in known}, _SOURCE)
    one = replace(one, units_version=listings.version)
    return replace(listings, assets=known, listings=(*listings.listings, one))


def with_fees(
    listings: Listings, name: str, tier: int, maker: str | None, taker: str | None
) -> list[dict[str, str]]:
    """The fees of a market with those of one tier changed, or of the next tier added."""
    fees: list[dict[str, str]] = market_table(listings.listings[listings.market(name)])["fees"]
    if tier > len(fees):
        raise ListingsRefused(f"{name} has {len(fees)} fee tiers; the next one is {len(fees)}")
    if tier == len(fees):
        if maker is None or taker is None:
            raise ListingsRefused(f"tier {tier} of {name} is new; give --maker and --taker")
        fees.append({"maker": maker, "taker": taker})
    if maker is not None:
        fees[tier]["maker"] = maker
    if taker is not None:
        fees[tier]["taker"] = taker
    return fees


def differences(before: Listings, now: Listings, name: str) -> list[tuple[str, str, str]]:
    """Key, old and new value of what is said otherwise of a market."""
    old, new = (
        market_table(one.listings[one.market(name)]) if name in one.market_names else {}
        for one in (before, now)
    )
    keys = [*new, *(key for key in old if key not in new)]
    return [
        (key, _said(old.get(key)), _said(new.get(key)))
        for key in keys
        if old.get(key) != new.get(key)
    ]


def _said(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(f"{one['maker']} / {one['taker']}" for one in value)
    return str(value)
