"""What the book store of a partition is founded with: listings and limits, as JSON.

An entry of the store says what went into a batch, not what came of it. So whoever replays it
must know the listings, the limits and the number of buckets that the first worker had.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from ...domain.listings import Listings
from ...domain.listings_text import listings_of_plain, listings_to_plain
from ...domain.protocol.limits import Limits
from ...errors import StoreError
from ..exchange.founding import difference

__all__ = ["StoreFounding", "check_same", "open_founding", "open_listings", "write_founding"]

VERSION = 1


@dataclass(frozen=True)
class StoreFounding:
    """What stands in the founding of a book store."""

    listings: Listings
    posting_limit: int
    event_limit: int
    buckets: int
    """How many buckets the ledger has."""

    def limits(self, others: Limits | None = None) -> Limits:
        """The limits of a worker: those that decide what an entry does are of the founding."""
        return replace(
            others or Limits(), posting_limit=self.posting_limit, event_limit=self.event_limit
        )


def write_founding(listings: Listings, buckets: int, limits: Limits | None = None) -> bytes:
    """The founding of the stores of an exchange: the same bytes for the same arguments."""
    known = limits or Limits()
    plain = {
        "version": VERSION,
        "listings": listings_to_plain(listings),
        "posting_limit": known.posting_limit,
        "event_limit": known.event_limit,
        "buckets": buckets,
    }
    return json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()


def open_founding(founding: bytes) -> StoreFounding:
    """Read what a store was founded with; raises StoreError if this version cannot."""
    try:
        plain = json.loads(founding)
        if plain["version"] != VERSION:
            raise StoreError(
                f"a book store was founded with records of version {plain['version']}; this build"
                f" reads version {VERSION}"
            )
        return StoreFounding(
            listings_of_plain(plain["listings"]),
            int(plain["posting_limit"]),
            int(plain["event_limit"]),
            int(plain["buckets"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise StoreError(f"what a book store was founded with cannot be read: {error}") from error


def open_listings(founding: bytes) -> Listings:
    """The listings that a store was founded with; raises StoreError."""
    return open_founding(founding).listings


def check_same(founded: Listings, current: Listings, given: Listings, partition: int) -> None:
    """StoreError unless the listings given are what a partition's store was founded with, or what
    they have become since."""
    if (told := difference(founded, given)) and difference(current, given):
        raise StoreError(f"the book store of partition {partition} {told}: set them back")
