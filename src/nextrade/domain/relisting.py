"""How listings may change while an exchange runs: what never moves, and what may.

Everything that is kept anywhere names assets and markets by their positions and counts in their
smallest steps. So positions and decimals stay for ever, and ticks and lots change only while no
order of the market is open. Fees and limits may change at any moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..errors import ListingsRefused
from .listings import Listing, Listings
from .units import INT64_MAX

__all__ = [
    "MOST_ASSETS",
    "MOST_PARTITION_MARKETS",
    "check_change",
    "new_units",
    "rescaled_price",
    "some_of",
]

MOST_ASSETS: Final = 65_535
"""Assets that an exchange can have: their numbers are kept in 16 bits by the ledger's totals."""

MOST_PARTITION_MARKETS: Final = 128
"""Markets of one partition: the id of a scheduled command has seven bits for them."""

_MOST_NAMED = 10


def check_change(old: Listings, new: Listings) -> None:
    """Raise ListingsRefused unless ``new`` may follow ``old``, whatever orders are open."""
    if new.version != old.version + 1:
        raise ListingsRefused(
            f"version {new.version} of the listings does not follow version {old.version}"
        )
    if len(new.assets) > MOST_ASSETS:
        raise ListingsRefused(f"{len(new.assets)} assets; at most {MOST_ASSETS} can be listed")
    if new.assets[: len(old.assets)] != old.assets:
        raise ListingsRefused(
            "an asset that is listed keeps its place, name and decimals; new ones go to the end"
        )
    if len(new.listings) < len(old.listings):
        raise ListingsRefused(
            f"{len(new.listings)} markets, and {len(old.listings)} are listed; none can be left out"
        )
    for before, now in zip(old.listings, new.listings, strict=False):
        _check_market(before, now, new.version)
    for one in new.listings[len(old.listings) :]:
        if one.partition not in old.partitions:
            there = ", ".join(map(str, old.partitions))
            raise ListingsRefused(
                f"{one.name}: there is no partition {one.partition}; there are {there}"
            )
        if one.units_version != new.version:
            raise ListingsRefused(f"{one.name}: units of a new market are of the new version")
        if len(new.in_partition(one.partition)) > MOST_PARTITION_MARKETS:
            raise ListingsRefused(
                f"partition {one.partition} has {MOST_PARTITION_MARKETS} markets, and takes no more"
            )


def _check_market(before: Listing, now: Listing, version: int) -> None:
    name = before.name
    same = (before.market.base, before.market.quote) == (now.market.base, now.market.quote)
    if now.name != name or not same:
        raise ListingsRefused(f"{name} is listed in its place, with its assets; that stays so")
    if now.partition != before.partition:
        raise ListingsRefused(f"{name} is in partition {before.partition} and cannot move")
    if len(now.tiers) < len(before.tiers):
        raise ListingsRefused(
            f"{name} has {len(before.tiers)} fee tiers, which open orders may have; give at least"
            " as many"
        )
    expected = version if _units(now) != _units(before) else before.units_version
    if now.units_version != expected:
        raise ListingsRefused(f"{name}: its units are of version {expected}")


def _units(listing: Listing) -> tuple[int, int]:
    return listing.market.base_units_per_lot, listing.market.quote_units_per_tick_lot


def new_units(old: Listings, new: Listings) -> tuple[int, ...]:
    """Positions of the markets whose tick or lot is another one in ``new``."""
    pairs = enumerate(zip(old.listings, new.listings, strict=False))
    return tuple(at for at, (before, now) in pairs if _units(before) != _units(now))


def rescaled_price(price_ticks: int, before: Listing, now: Listing) -> int:
    """The same price in the new ticks; 0 if it lies between two of them, or is too large."""
    lot_before, tick_lot_before = _units(before)
    lot, tick_lot = _units(now)
    ticks, rest = divmod(price_ticks * tick_lot_before * lot, lot_before * tick_lot)
    return 0 if rest or ticks > INT64_MAX else ticks


def some_of(accounts: Sequence[int]) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(accounts) - _MOST_NAMED} more" * (len(accounts) > _MOST_NAMED)
    return ", ".join(map(str, accounts[:_MOST_NAMED])) + more
