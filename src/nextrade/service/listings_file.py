"""The tables [assets] and [markets] of a settings file as the listings of an exchange.

An asset is known to the exchange by its position in the file, and so is a market: new ones go
to the end. Amounts are text, so that they stay exact; rates are text with a percent sign, so
that nobody has to guess their unit. What is wrong is a SettingsError that names the file, the
entry, the key, and what would fit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NoReturn

from ..domain.assets import Asset
from ..domain.listings import MAX_TIERS, Fees, Listing, Listings
from ..domain.markets import Market
from ..domain.units import INT64_MAX, read_decimal
from ..errors import SettingsError, UnitError
from ..platform.settings import Settings, read_default
from .ledger.protocol import MOST_FROM_OUTSIDE

MOST_PARTITIONS = 4096

ASSET_KEYS = ("scale", "supply")
MARKET_KEYS = (
    "base",
    "quote",
    "tick_size",
    "lot_size",
    "min_quantity",
    "max_quantity",
    "min_notional",
    "max_notional",
    "collar",
    "partition",
    "fees",
)
_PERCENT = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,9}))? ?%", re.ASCII)


def listings_of(settings: Settings) -> Listings:
    """The listings that the settings describe. Raises SettingsError."""
    return read_listings(
        settings.assets,
        settings.markets,
        buckets=settings.ledger.buckets,
        source=settings.listings_source,
    )


def default_listings() -> Listings:
    """The listings of the package's default file, whatever file or environment is there."""
    return listings_of(read_default())


def read_listings(
    assets: Mapping[str, Any], markets: Mapping[str, Any], *, buckets: int, source: str
) -> Listings:
    """Check the two tables and make listings of them, in the order in which they stand.

    ``buckets`` is what the ledger divides its room by: the whole supply of an asset must fit
    in one bucket, or a deposit could be refused for want of room. ``source`` is named in errors.
    """
    by_name = {
        name: _asset(_Entry(source, "assets", name, table), buckets)
        for name, table in assets.items()
    }
    listed = tuple(
        _listing(_Entry(source, "markets", name, table), by_name) for name, table in markets.items()
    )
    try:
        return Listings(tuple(by_name.values()), listed)
    except ValueError as error:
        raise SettingsError(f"{source}, [assets] and [markets]: {error}") from error


def read_market(
    name: str, table: Mapping[str, Any], assets: Mapping[str, Asset], source: str
) -> Listing:
    """One entry of [markets]; ``assets`` are those that are listed. Raises SettingsError."""
    return _listing(_Entry(source, "markets", name, table), assets)


def read_asset(name: str, table: Mapping[str, Any], buckets: int, source: str) -> Asset:
    """One entry of [assets]. Raises SettingsError."""
    return _asset(_Entry(source, "assets", name, table), buckets)


def market_table(listing: Listing) -> dict[str, Any]:
    """The entry of [markets] that says the same; what is not limited is left out."""
    market = listing.market
    table: dict[str, Any] = {
        "base": market.base.name,
        "quote": market.quote.name,
        "tick_size": market.tick_size,
        "lot_size": market.lot_size,
    }
    if listing.min_qty_lots > 1:
        table["min_quantity"] = market.qty_text(listing.min_qty_lots)
    if listing.max_qty_lots < INT64_MAX:
        table["max_quantity"] = market.qty_text(listing.max_qty_lots)
    if listing.min_notional:
        table["min_notional"] = market.amount_text(listing.min_notional)
    if listing.max_notional < INT64_MAX:
        table["max_notional"] = market.amount_text(listing.max_notional)
    if listing.collar_bps:
        table["collar"] = rate_text(listing.collar_bps, 2)
    table["partition"] = listing.partition
    table["fees"] = [
        {"maker": rate_text(fees.maker, 4), "taker": rate_text(fees.taker, 4)}
        for fees in listing.tiers
    ]
    return table


def rate_text(rate: int, decimals: int) -> str:
    """A rate in units of its last decimal as text: 1000 with four decimals is "0.1%"."""
    whole, rest = divmod(rate, 10**decimals)
    fraction = f"{rest:0{decimals}}".rstrip("0")
    return f"{whole}.{fraction}%" if fraction else f"{whole}%"


@dataclass(frozen=True)
class _Entry:
    """One entry of a table, and where it stands, so that errors can say it."""

    source: str
    section: str
    name: str
    table: object

    def fail(self, message: str, key: str = "", cause: Exception | None = None) -> NoReturn:
        where = f"{self.source}, [{self.section}.{self.name}]"
        raise SettingsError(f"{where} {key}".rstrip() + f": {message}") from cause

    def checked(self, known: Sequence[str], needed: Sequence[str]) -> Mapping[str, Any]:
        """The entry's keys, all of them known and none that is needed missing."""
        if not isinstance(self.table, dict):
            self.fail(f"it is no section; write a line [{self.section}.{self.name}], then its keys")
        for key in self.table:
            if key not in known:
                near = get_close_matches(key, known, n=1, cutoff=0.5)
                advice = f"did you mean {near[0]}? " if near else ""
                self.fail(f"key {key} is unknown; {advice}known are {', '.join(known)}")
        for key in needed:
            if key not in self.table:
                self.fail(f"key {key} is missing; write {key} = {_EXAMPLES[key]}")
        return self.table


_EXAMPLES = {
    "scale": "8",
    "supply": '"21000000"',
    "base": '"BTC"',
    "quote": '"USDT"',
    "tick_size": '"0.01"',
    "lot_size": '"0.0001"',
    "maker": '"0.1%"',
    "taker": '"0.2%"',
}


def _asset(entry: _Entry, buckets: int) -> Asset:
    table = entry.checked(ASSET_KEYS, ASSET_KEYS)
    try:
        asset = Asset(entry.name, table["scale"])
    except UnitError as error:
        entry.fail(str(error), cause=error)
    digits, decimals = _amount(entry, table, "supply")
    units, rest = divmod(digits * 10**asset.scale, 10**decimals)
    if rest:
        entry.fail(f"{table['supply']} has more than {asset.scale} decimals", "supply")
    if units == 0:
        entry.fail("it must be above zero", "supply")
    share = MOST_FROM_OUTSIDE // buckets
    if units > share:
        fits = [scale for scale in range(asset.scale) if digits * 10**scale <= share * 10**decimals]
        remedies = [f"make scale at most {fits[-1]}"] if fits else []
        if units <= MOST_FROM_OUTSIDE:
            remedies.append(f"have at most {MOST_FROM_OUTSIDE // units} buckets")
        remedies.append("give a smaller supply")
        entry.fail(
            f"{table['supply']} with {asset.scale} decimals are {units} smallest units; one of"
            f" {buckets} buckets holds {share}: {', or '.join(remedies)}",
            "supply",
        )
    return asset


def _listing(entry: _Entry, assets: Mapping[str, Asset]) -> Listing:
    table = entry.checked(MARKET_KEYS, ("base", "quote", "tick_size", "lot_size"))
    base, quote = (_listed_asset(entry, table, key, assets) for key in ("base", "quote"))
    for key in ("tick_size", "lot_size"):
        _amount(entry, table, key)
    try:
        market = Market(entry.name, base, quote, table["tick_size"], table["lot_size"])
    except UnitError as error:
        entry.fail(str(error), cause=error)

    given: dict[str, Any] = {}
    for key, name, units_of in (
        ("min_quantity", "min_qty_lots", market.qty_lots),
        ("max_quantity", "max_qty_lots", market.qty_lots),
        ("min_notional", "min_notional", market.quote_amount),
        ("max_notional", "max_notional", market.quote_amount),
    ):
        if key in table:
            _amount(entry, table, key)
            try:
                given[name] = units_of(table[key])
            except UnitError as error:
                entry.fail(str(error), key, error)
    for least, most in (("min_quantity", "max_quantity"), ("min_notional", "max_notional")):
        low, high = (given.get(_NAMES[key]) for key in (least, most))
        if low is not None and high is not None and low > high:
            entry.fail(f"{table[most]} is below {least} = {table[least]}", most)
    if "collar" in table:
        given["collar_bps"] = _rate(entry, table["collar"], "collar", 2)
        if given["collar_bps"] == 0:
            entry.fail('it must be above zero, for example "10%"', "collar")
    if "partition" in table:
        given["partition"] = _partition(entry, table["partition"])
    try:
        return Listing(market, tiers=_tiers(entry, table.get("fees", _NO_FEES)), **given)
    except ValueError as error:
        entry.fail(str(error), cause=error)


_NAMES = {
    "min_quantity": "min_qty_lots",
    "max_quantity": "max_qty_lots",
    "min_notional": "min_notional",
    "max_notional": "max_notional",
}
_NO_FEES = [{"maker": "0%", "taker": "0%"}]


def _listed_asset(
    entry: _Entry, table: Mapping[str, Any], key: str, assets: Mapping[str, Asset]
) -> Asset:
    name = table[key]
    if not isinstance(name, str) or name not in assets:
        known = ", ".join(assets) or "none"
        entry.fail(f"{name!r} is no asset of [assets]; listed are {known}", key)
    return assets[name]


def _amount(entry: _Entry, table: Mapping[str, Any], key: str) -> tuple[int, int]:
    """Digits and decimals of an amount; it must be text."""
    value = table[key]
    if isinstance(value, int | float) and not isinstance(value, bool):
        entry.fail(f'{value} must be text to be exact; write {key} = "{value}"', key)
    try:
        return read_decimal(value, "the amount")
    except UnitError as error:
        entry.fail(str(error), key, error)


def _rate(entry: _Entry, value: object, key: str, decimals: int) -> int:
    """A rate below 100%, in units of its last decimal: "0.1%" with four decimals is 1000."""
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        entry.fail(f'{value!r} is no rate; write it as text with a percent sign: "0.1%"', key)
    fraction = (match[2] or "").rstrip("0")
    if len(fraction) > decimals:
        entry.fail(f"{value} is too fine; at most {decimals} decimals are kept", key)
    rate = int(match[1] + fraction.ljust(decimals, "0"))
    if rate >= 100 * 10**decimals:
        entry.fail(f"{value} must be below 100%", key)
    return rate


def _partition(entry: _Entry, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MOST_PARTITIONS:
        entry.fail(f"{value!r} is not a whole number from 0 to {MOST_PARTITIONS - 1}", "partition")
    return value


def _tiers(entry: _Entry, value: object) -> tuple[Fees, ...]:
    form = '[{ maker = "0.1%", taker = "0.2%" }]'
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_TIERS:
        entry.fail(f"write a list of 1 to {MAX_TIERS} tiers: fees = {form}", "fees")
    tiers = []
    for number, tier in enumerate(value):
        if not isinstance(tier, dict) or set(tier) != {"maker", "taker"}:
            entry.fail(f"tier {number} is not of the form {form[1:-1]}", "fees")
        rates = (_rate(entry, tier[role], f"fees, tier {number} {role}", 4) for role in tier)
        tiers.append(Fees(**dict(zip(tier, rates, strict=True))))
    return tuple(tiers)
