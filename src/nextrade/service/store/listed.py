"""The current listings of an exchange: one record for all partitions, gateways and tools.

It is a hash beside the book store of partition 0: of each version what was proposed (``p`` and the
version, empty once it is decided) and what the newest one is (``a`` and the version). A field is
only ever set where there is none, so of several who propose one wins, and whoever finishes a
proposal may die at any point: the next one does the same again.
"""

from typing import Any, NamedTuple

from ...domain.listings import Listings
from ...domain.listings_text import pack_listings, unpack_listings
from ...errors import ListingsRefused, StoreError
from ..ledger.redis.link import packed
from .redis import RedisBookStore, translated

__all__ = ["Listed", "ListingsRecord"]

_OWNER = 0


class Listed(NamedTuple):
    """What the record says."""

    current: Listings | None
    """None as long as nothing was ever changed: then those of the founding hold."""
    proposal: Listings | None
    """The next version, if somebody has proposed it and not finished."""


class ListingsRecord:
    """The record on the servers of a book store."""

    def __init__(self, store: RedisBookStore) -> None:
        self._shards = store.shards
        self._key = b"%b:listings" % store.map.key(_OWNER)

    def read(self) -> Listed:
        """Raises StoreUnavailable, and StoreError for a record that cannot be read."""
        reply = self._do(b"HGETALL", self._key)
        fields = dict(zip(reply[::2], reply[1::2], strict=True))
        versions = [int(name[1:]) for name in fields if name[:1] == b"a"]
        newest = max(versions, default=1)
        text = fields.get(b"p%d" % (newest + 1), b"")
        return Listed(
            _read(fields[b"a%d" % newest]) if versions else None, _read(text) if text else None
        )

    def propose(self, listings: Listings) -> bool:
        """Let these be the next version; False if there is another proposal, or it is decided."""
        text = pack_listings(listings)
        name = b"p%d" % listings.version
        self._do(b"HSETNX", self._key, name, text)
        return bytes(self._do(b"HGET", self._key, name) or b"") == text

    def adopt(self, listings: Listings) -> None:
        """These are current now; the same once more is no error."""
        version = listings.version
        self._do(b"HSETNX", self._key, b"a%d" % version, pack_listings(listings))
        self._do(b"HSET", self._key, b"p%d" % version, b"")
        self._do(b"HDEL", self._key, b"a%d" % (version - 1))

    def _do(self, *words: Any) -> Any:
        with translated():
            (reply,) = self._shards.exchange([(_OWNER, packed(*words))])
        if isinstance(reply, Exception):
            raise StoreError(f"the record of the listings: {reply}")
        return reply


def _read(text: bytes) -> Listings:
    try:
        return unpack_listings(bytes(text))
    except ListingsRefused as error:
        raise StoreError(f"the record of the listings cannot be read: {error}") from error
