"""Whether the listings that a path's exchange has still fit those that are given."""

from __future__ import annotations

from ...domain.listings import Listing, Listings
from ...errors import ExchangeError


def check_given(founded: Listings, current: Listings, given: Listings, where: str) -> None:
    """ExchangeError unless the listings are of the exchange that lives there.

    They may be those that it was founded with or the current ones, and of a version between, of
    which no copy is left, those that can have come before the current ones: somebody who has not
    heard of a change opens the exchange as before, and its own current listings hold. Others are
    refused, for orders and fees were judged by other ones than the caller believes.
    """
    if given in (founded, current):
        return
    if founded.version < given.version < current.version:
        told = _no_forerunner(given, current)
    elif given.version == founded.version:
        told = difference(founded, given)
    elif given.version == current.version:
        told = difference(current, given, "has")
    else:
        told = (
            f"has version {current.version} of its listings, and version {given.version} is given;"
            " listings change by Exchange.relist"
        )
    if told:
        raise ExchangeError(f"{where}: {told}; open it without listings to take its own")


def difference(founded: Listings, given: Listings, how: str = "was founded with") -> str:
    """In which way an exchange has other listings; empty if they are the same."""
    for what, old, new in (
        ("assets", founded.assets, given.assets),
        ("markets", founded.listings, given.listings),
    ):
        for at, (before, now) in enumerate(zip(old, new, strict=False)):
            if before != now:
                return (
                    f"{how} other listings: of {what}, number {at} was {before}, and {now} is given"
                )
        if len(old) != len(new):
            return f"{how} {len(old)} {what}, and {len(new)} are given"
    return ""


def _no_forerunner(given: Listings, current: Listings) -> str:
    """Why listings cannot have been an earlier version; what may change is not compared."""
    if given.assets != current.assets[: len(given.assets)]:
        return "has other assets than those that are given"
    if len(given.listings) > len(current.listings):
        return f"has {len(current.listings)} markets, and {len(given.listings)} are given"
    for before, now in zip(given.listings, current.listings, strict=False):
        if _lasting(before) != _lasting(now):
            return f"has {now.name} where {before.name} is given, or in another partition"
    return ""


def _lasting(one: Listing) -> tuple[str, str, str, int]:
    """What of a market no change touches."""
    return one.name, one.market.base.name, one.market.quote.name, one.partition
