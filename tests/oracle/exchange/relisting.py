"""Other listings for an exchange that runs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from tests.oracle.codes import I64_MAX
from tests.oracle.oracle import Oracle

from .holds import Holds
from .listing import Listing

if TYPE_CHECKING:
    from .exchange import Exchange


def relist(exchange: Exchange, listings: Sequence[Listing]) -> bool:
    """Go over to listings that may have more markets; False, and nothing, if orders forbid it."""
    changed = [
        market
        for market, (before, now) in enumerate(zip(exchange.listings, listings, strict=False))
        if units(before) != units(now)
    ]
    if any(exchange.books[market].book.all_orders() for market in changed):
        return False
    for market in changed:
        begin_anew(exchange.books[market], exchange.listings[market], listings[market])
    for listing in listings[len(exchange.listings) :]:
        exchange.books.append(Oracle())
        exchange.holds.append(Holds(listing, exchange.accounts))
    for holds, listing in zip(exchange.holds, listings, strict=True):
        holds.listing = listing
    exchange.listings = list(listings)
    return True


def units(listing: Listing) -> tuple[int, int]:
    return listing.base_units_per_lot, listing.quote_units_per_tick_lot


def tick(listing: Listing) -> Fraction:
    """What one tick is, in quote units for a base unit."""
    return Fraction(listing.quote_units_per_tick_lot, listing.base_units_per_lot)


def begin_anew(oracle: Oracle, before: Listing, now: Listing) -> None:
    """A book without orders: only its last price needs to be said in other ticks."""
    book = oracle.book
    price = book.last_price * tick(before) / tick(now)
    if price.denominator == 1 and price <= I64_MAX:
        book.last_price = price.numerator
    else:
        book.last_price = 0
    if book.last_price == 0:
        book.trade_count = 0
