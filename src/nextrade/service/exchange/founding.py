"""Whether the listings that an exchange was founded with still fit those that are given."""

from __future__ import annotations

from ...domain.listings import Listings
from ...errors import ExchangeError


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
