"""Listings: which assets and markets an exchange has, with limits and fees of each market."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..errors import UnitError
from .assets import Asset
from .markets import Market
from .units import INT64_MAX

__all__ = ["LISTING_DTYPE", "MAX_TIERS", "Fees", "Listing", "Listings"]

MAX_FEE = 999_999
MAX_COLLAR_BPS = 10_000
MAX_VERSION = 2**32 - 1
MAX_TIERS = 255
"""A tier is one byte, and 255 stays free to mean none."""

LISTING_DTYPE = np.dtype(
    [
        ("base", "<u4"),
        ("quote", "<u4"),
        ("base_units_per_lot", "<i8"),
        ("quote_units_per_tick_lot", "<i8"),
        ("min_qty", "<i8"),
        ("max_qty", "<i8"),
        ("min_notional", "<i8"),
        ("max_notional", "<i8"),
    ]
)
"""What the compiled code must know of a market, 56 bytes; assets by their position."""


def _check(value: object, low: int, high: int, what: str) -> None:
    """Raise UnitError unless a value is a whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnitError(f"{what}: {value!r} is not a whole number")
    if not low <= value <= high:
        raise UnitError(f"{what}: {value} is not between {low} and {high}")


@dataclass(frozen=True, slots=True)
class Fees:
    """What a trade costs each side, in hundredths of a basis point of what it receives.

    A rate of 1 is 0.000001, so 1,000 is a tenth of a percent. Raises UnitError if a rate is
    not between 0 and 999,999.
    """

    maker: int = 0
    taker: int = 0

    def __post_init__(self) -> None:
        _check(self.maker, 0, MAX_FEE, "maker fee")
        _check(self.taker, 0, MAX_FEE, "taker fee")


@dataclass(frozen=True, slots=True)
class Listing:
    """A market as the exchange offers it.

    Quantities are lots, notionals ticks x lots. ``tiers`` are the fees of accounts by their
    tier; tier 0 is that of everybody. ``collar_bps`` says how far beyond the last price the
    worst price of a market order lies that came without one.

    ``units_version`` is that of the listings since which tick and lot are what they are: whoever
    made an order by older ones meant another price. Raises UnitError if a number is out of bounds
    or a minimum above its maximum.
    """

    market: Market
    partition: int = 0
    min_qty_lots: int = 1
    max_qty_lots: int = INT64_MAX
    min_notional: int = 0
    max_notional: int = INT64_MAX
    collar_bps: int = 1000
    tiers: tuple[Fees, ...] = (Fees(),)
    units_version: int = 1

    def __post_init__(self) -> None:
        name = self.market.name
        _check(self.partition, 0, 2**32 - 1, f"{name} partition")
        _check(self.min_qty_lots, 1, INT64_MAX, f"{name} min_qty_lots")
        _check(self.max_qty_lots, 1, INT64_MAX, f"{name} max_qty_lots")
        _check(self.min_notional, 0, INT64_MAX, f"{name} min_notional")
        _check(self.max_notional, 0, INT64_MAX, f"{name} max_notional")
        _check(self.collar_bps, 0, MAX_COLLAR_BPS, f"{name} collar_bps")
        _check(self.units_version, 1, MAX_VERSION, f"{name} units_version")
        if self.min_qty_lots > self.max_qty_lots:
            raise UnitError(f"{name}: min_qty_lots is more than max_qty_lots")
        if self.min_notional > self.max_notional:
            raise UnitError(f"{name}: min_notional is more than max_notional")
        if not isinstance(self.tiers, tuple) or not 1 <= len(self.tiers) <= MAX_TIERS:
            raise UnitError(f"{name} tiers: give a tuple of 1 to {MAX_TIERS} Fees")

    @property
    def name(self) -> str:
        """Name of the market."""
        return self.market.name


@dataclass(frozen=True)
class Listings:
    """Everything that is owned and traded. Assets and markets are known by their positions.

    An exchange is founded with version 1; each change gives the next (``domain/relisting.py``).

    >>> btc, usdt = Asset("BTC", 8), Asset("USDT", 6)
    >>> market = Market("BTC-USDT", btc, usdt, "0.01", "0.0001")
    >>> listings = Listings((btc, usdt), (Listing(market),))
    >>> listings.asset("USDT"), listings.market("BTC-USDT"), listings.in_partition(0)
    (1, 0, (0,))

    Raises UnitError if two names are alike or a market's asset is not listed.
    """

    assets: tuple[Asset, ...]
    listings: tuple[Listing, ...]
    version: int = 1
    table: npt.NDArray[np.void] = field(init=False, compare=False, repr=False)
    """One record of LISTING_DTYPE for each market, not to be written to."""
    fees: npt.NDArray[np.int64] = field(init=False, compare=False, repr=False)
    """Rates as (markets, tiers, 2): maker, then taker; -1 where a market has no such tier."""
    _assets: dict[str, int] = field(init=False, compare=False, repr=False)
    _markets: dict[str, int] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _check(self.version, 1, MAX_VERSION, "version of the listings")
        object.__setattr__(self, "assets", tuple(self.assets))
        object.__setattr__(self, "listings", tuple(self.listings))
        object.__setattr__(self, "_assets", _positions(self.asset_names, "assets"))
        object.__setattr__(self, "_markets", _positions(self.market_names, "markets"))
        for one in self.listings:
            if one.units_version > self.version:
                raise UnitError(
                    f"{one.name}: its units are of version {one.units_version}, and the listings of"
                    f" version {self.version}"
                )
        object.__setattr__(self, "table", self._make_table())
        object.__setattr__(self, "fees", self._make_fees())

    @property
    def asset_names(self) -> tuple[str, ...]:
        """Names of the assets, by position."""
        return tuple(asset.name for asset in self.assets)

    @property
    def market_names(self) -> tuple[str, ...]:
        """Names of the markets, by position."""
        return tuple(listing.name for listing in self.listings)

    def asset(self, name: str) -> int:
        """Position of an asset; UnitError if there is none of this name."""
        try:
            return self._assets[name]
        except KeyError:
            raise UnitError(
                f"no asset {name!r} is listed; there are {', '.join(self.asset_names)}"
            ) from None

    def market(self, name: str) -> int:
        """Position of a market; UnitError if there is none of this name."""
        try:
            return self._markets[name]
        except KeyError:
            raise UnitError(
                f"no market {name!r} is listed; there are {', '.join(self.market_names)}"
            ) from None

    def in_partition(self, number: int) -> tuple[int, ...]:
        """Positions of a partition's markets, ascending."""
        pairs = enumerate(self.listings)
        return tuple(place for place, listing in pairs if listing.partition == number)

    @property
    def partitions(self) -> tuple[int, ...]:
        """Numbers of the partitions that have markets, ascending."""
        return tuple(sorted({listing.partition for listing in self.listings}))

    def _make_table(self) -> npt.NDArray[np.void]:
        table = np.zeros(len(self.listings), LISTING_DTYPE)
        for row, listing in zip(table, self.listings, strict=True):
            market = listing.market
            row["base"] = self._listed(market, market.base)
            row["quote"] = self._listed(market, market.quote)
            row["base_units_per_lot"] = self._fits(market.base_units_per_lot, market)
            row["quote_units_per_tick_lot"] = self._fits(market.quote_units_per_tick_lot, market)
            row["min_qty"], row["max_qty"] = listing.min_qty_lots, listing.max_qty_lots
            row["min_notional"], row["max_notional"] = listing.min_notional, listing.max_notional
        table.flags.writeable = False
        return table

    def _make_fees(self) -> npt.NDArray[np.int64]:
        most = max((len(listing.tiers) for listing in self.listings), default=1)
        fees = np.full((len(self.listings), most, 2), -1, np.int64)
        for market, listing in enumerate(self.listings):
            for tier, rates in enumerate(listing.tiers):
                fees[market, tier] = rates.maker, rates.taker
        fees.flags.writeable = False
        return fees

    def _listed(self, market: Market, asset: Asset) -> int:
        position = self._assets.get(asset.name)
        if position is None:
            raise UnitError(f"{market.name}: {asset.name} is not among the listed assets")
        if self.assets[position] != asset:
            raise UnitError(
                f"{market.name}: {asset.name} has a scale of {asset.scale}, and is listed with"
                f" {self.assets[position].scale}"
            )
        return position

    @staticmethod
    def _fits(units: int, market: Market) -> int:
        if units > INT64_MAX:
            raise UnitError(
                f"{market.name}: one lot or one tick x one lot is more than fits in 64 bits"
            )
        return units


def _positions(names: Iterable[str], what: str) -> dict[str, int]:
    positions: dict[str, int] = {}
    for position, name in enumerate(names):
        if name in positions:
            raise UnitError(f"two {what} have the name {name!r}")
        positions[name] = position
    return positions
