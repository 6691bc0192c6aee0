"""Which listings hold now: those of the settings until somebody has changed them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...domain.listings import Listings
from ...errors import WrongMap
from ...platform.settings import Settings
from ..listings_file import listings_of
from ..store.founding import open_listings

if TYPE_CHECKING:
    from ..store.redis import RedisBookStore

__all__ = ["ThenAndNow", "current_listings", "stored_listings", "then_and_now"]


class ThenAndNow(NamedTuple):
    """The listings with which an exchange was founded, and the current ones."""

    founded: Listings
    current: Listings


def current_listings(settings: Settings) -> Listings:
    """The current listings of the exchange that the settings mean; see ``then_and_now``."""
    return then_and_now(settings).current


def then_and_now(settings: Settings) -> ThenAndNow:
    """The listings of the exchange that the settings mean.

    One on Redis keeps them there; the settings say what it is founded with. Raises what opening
    its book stores raises, but for servers on which nothing was founded yet.
    """
    own = listings_of(settings)
    if settings.ledger.home != "redis":
        return ThenAndNow(own, own)
    # Imported when it is used: a gateway to an exchange elsewhere needs no Redis.
    from .stores import open_store

    try:
        store = open_store(settings)
    except WrongMap:
        return ThenAndNow(own, own)
    try:
        founding = store.founding(own.partitions[0])
        founded = open_listings(founding) if founding else own
        return ThenAndNow(founded, stored_listings(store, founded))
    finally:
        store.close()


def stored_listings(store: RedisBookStore, founded: Listings) -> Listings:
    """The current listings of a book store whose exchange was founded, or is to be, with these."""
    from ..store.listed import ListingsRecord

    current = ListingsRecord(store).read().current
    if current is not None:
        return current
    founding = store.founding(founded.partitions[0])
    return open_listings(founding) if founding else founded
