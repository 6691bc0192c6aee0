"""The book stores of the settings' partitions: founded, opened."""

from __future__ import annotations

from ...platform.settings import Settings
from ..ledger.redis.shards import PATIENCE_S
from ..listings_file import listings_of
from ..store.founding import StoreFounding
from ..store.redis import RedisBookStore
from .opening import placement_of

__all__ = ["found_stores", "open_store"]


def open_store(settings: Settings, patience_s: float = PATIENCE_S) -> RedisBookStore:
    """The book stores of the settings; WrongMap if the ledger beside them was never founded."""
    return RedisBookStore(placement_of(settings), patience_s)


def found_stores(settings: Settings, patience_s: float = PATIENCE_S) -> tuple[int, ...]:
    """Found the book store of every partition, over a ledger that is founded; the partitions.

    It may be repeated. Raises StoreError if one was founded with other listings.
    """
    listings = listings_of(settings)
    founding = StoreFounding(listings, settings.ledger.buckets).to_bytes()
    store = open_store(settings, patience_s)
    try:
        for partition in listings.partitions:
            store.found(partition, founding)
    finally:
        store.close()
    return listings.partitions
