"""Listings as plain values and as bytes: in foundings, frames, entries, events and snapshots."""

from __future__ import annotations

import json
import struct
from typing import Any, Final

from ..errors import ListingsRefused
from .assets import Asset
from .listings import Fees, Listing, Listings
from .markets import Market

__all__ = [
    "MOST_LISTINGS_BYTES",
    "listings_of_plain",
    "listings_to_plain",
    "pack_listings",
    "unpack_listings",
]

MOST_LISTINGS_BYTES: Final = 4 << 20
"""What listings may be as bytes: some 16,000 markets, in one message of a queue."""

_VERSION: Final = struct.Struct("<I")


def listings_to_plain(listings: Listings) -> dict[str, Any]:
    """Everything about the listings but their version, as JSON can hold it."""
    return {
        "assets": [[asset.name, asset.scale] for asset in listings.assets],
        "markets": [_market_to_plain(one) for one in listings.listings],
    }


def _market_to_plain(one: Listing) -> dict[str, Any]:
    plain: dict[str, Any] = {
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
    # Foundings of before there were versions are the same bytes as ever.
    if one.units_version > 1:
        plain["units_version"] = one.units_version
    return plain


def listings_of_plain(plain: dict[str, Any], version: int = 1) -> Listings:
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
            one.get("units_version", 1),
        )
        for one in plain["markets"]
    )
    return Listings(tuple(assets.values()), listings, version)


def pack_listings(listings: Listings) -> bytes:
    """The one encoding of listings: a u32 version, and JSON. Raises ListingsRefused if too long."""
    text = json.dumps(listings_to_plain(listings), sort_keys=True, separators=(",", ":")).encode()
    if len(text) > MOST_LISTINGS_BYTES - _VERSION.size:
        raise ListingsRefused(
            f"listings of {len(text):,} bytes; at most {MOST_LISTINGS_BYTES:,} go into a frame"
        )
    return _VERSION.pack(listings.version) + text


def unpack_listings(data: bytes) -> Listings:
    """Read what ``pack_listings`` wrote; raises ListingsRefused for anything else."""
    if not _VERSION.size < len(data) <= MOST_LISTINGS_BYTES:
        raise ListingsRefused(f"{len(data):,} bytes are no listings")
    (version,) = _VERSION.unpack_from(data)
    try:
        listings = listings_of_plain(json.loads(data[_VERSION.size :]), version)
        again = pack_listings(listings)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ListingsRefused(f"what came as listings cannot be read: {error}") from error
    if again != data:
        raise ListingsRefused("what came as listings is not in their one form")
    return listings
