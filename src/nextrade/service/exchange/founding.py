"""Listings as plain values: what an exchange was founded with, and whether it still fits."""

from __future__ import annotations

from typing import Any

from ...domain.assets import Asset
from ...domain.listings import Fees, Listing, Listings
from ...domain.markets import Market
from ...errors import ExchangeError


def listings_to_plain(listings: Listings) -> dict[str, Any]:
    """Everything about the listings as JSON can hold it."""
    return {
        "assets": [[asset.name, asset.scale] for asset in listings.assets],
        "markets": [
            {
                "name": one.market.name,
                "base": one.market.base.name,
                "quote": one.market.quote.name,
                "tick_size": one.market.tick_size,
                "lot_size": one.market.lot_size,
                "partition": one.partition,
                "min_qty_lots": one.min_qty_lots,
                "max_qty_lots": one.max_qty_lots,
                "min_notional": one.min_notional,
                "max_notional": one.max_notional,
                "collar_bps": one.collar_bps,
                "tiers": [[fees.maker, fees.taker] for fees in one.tiers],
            }
            for one in listings.listings
        ],
    }


def listings_of_plain(plain: dict[str, Any]) -> Listings:
    """The listings that ``listings_to_plain`` described."""
    assets = {name: Asset(name, scale) for name, scale in plain["assets"]}
    listings = tuple(
        Listing(
            Market(
                one["name"],
                assets[one["base"]],
                assets[one["quote"]],
                one["tick_size"],
                one["lot_size"],
            ),
            one["partition"],
            one["min_qty_lots"],
            one["max_qty_lots"],
            one["min_notional"],
            one["max_notional"],
            one["collar_bps"],
            tuple(Fees(maker, taker) for maker, taker in one["tiers"]),
        )
        for one in plain["markets"]
    )
    return Listings(tuple(assets.values()), listings)


def check_same(founded: Listings, given: Listings, where: str) -> None:
    """ExchangeError unless the listings are those that the exchange was founded with.

    Orders and fees were judged by them, so replaying the journal under others would give
    another state.
    """
    if told := difference(founded, given):
        raise ExchangeError(f"{where}: {told}; open it without listings to take its own")


def difference(founded: Listings, given: Listings) -> str:
    """In which way an exchange was founded with other listings; empty if they are the same."""
    for what, old, new in (
        ("assets", founded.assets, given.assets),
        ("markets", founded.listings, given.listings),
    ):
        for at, (before, now) in enumerate(zip(old, new, strict=False)):
            if before != now:
                return (
                    f"was founded with other listings: of {what}, number {at} was {before}, and"
                    f" {now} is given"
                )
        if len(old) != len(new):
            return f"was founded with {len(old)} {what}, and {len(new)} are given"
    return ""
