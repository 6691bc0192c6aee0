"""What the book store of a partition was founded with: its listings, and the limits of a batch.

A batch does what it does because of these, so they cannot be those of a settings file that
somebody edits: the store keeps them, and who runs a partition takes them from there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from ...domain.listings import Listings
from ...domain.partition import EVENT_LIMIT, POSTING_LIMIT
from ...errors import NexTradeError, StoreError
from ..exchange.founding import check_same, listings_of_plain, listings_to_plain

__all__ = ["StoreFounding"]

VERSION: Final = 1


@dataclass(frozen=True)
class StoreFounding:
    """The terms of one partition's history."""

    listings: Listings
    buckets: int
    posting_limit: int = POSTING_LIMIT
    event_limit: int = EVENT_LIMIT

    def to_bytes(self) -> bytes:
        """As the store keeps it: equal terms are equal bytes."""
        fields = {
            "version": VERSION,
            "buckets": self.buckets,
            "posting_limit": self.posting_limit,
            "event_limit": self.event_limit,
            "listings": listings_to_plain(self.listings),
        }
        return json.dumps(fields, separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def of_bytes(cls, text: bytes) -> StoreFounding:
        """Read what a store keeps; raises StoreError if it is of another version."""
        try:
            fields = json.loads(text)
            if fields["version"] != VERSION:
                raise StoreError(
                    f"a book store of version {fields['version']}; this build reads {VERSION}"
                )
            return cls(
                listings_of_plain(fields["listings"]),
                int(fields["buckets"]),
                int(fields["posting_limit"]),
                int(fields["event_limit"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"what a book store was founded with cannot be read: {error}"
            ) from error

    def check(self, listings: Listings) -> None:
        """StoreError unless the listings are those that the store was founded with."""
        try:
            check_same(self.listings, listings, "the book store")
        except NexTradeError as error:
            raise StoreError(str(error)) from error
