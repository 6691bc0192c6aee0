"""By which listings the messages of each partition are to be read, as the stream itself tells."""

from __future__ import annotations

from typing import NamedTuple

from ...domain.listings import Listings
from ...domain.listings_text import unpack_listings
from ...domain.protocol.messages import Message

__all__ = ["Known", "Reading"]


class Reading(NamedTuple):
    """How to read a message."""

    listings: Listings
    raw: frozenset[int] = frozenset()
    """Markets whose units at that moment are not known: their prices stay in ticks."""


class Known:
    """Follows the listings of partitions; give it every message in order.

    ``current`` are those of now, ``founded`` those with which the exchange began. ``from_now`` is
    whether messages of before are left out: then the current ones hold until others come.
    """

    def __init__(self, current: Listings, founded: Listings, *, from_now: bool) -> None:
        self._current, self._founded, self._from_now = current, founded, from_now
        self._of: dict[int, Reading] = {}

    def of(self, message: Message) -> Reading:
        """How to read it."""
        if message.listings:
            self._of[message.partition] = Reading(unpack_listings(message.listings))
        elif message.partition not in self._of:
            self._of[message.partition] = self._first(message)
        return self._of[message.partition]

    def _first(self, message: Message) -> Reading:
        if self._from_now:
            return Reading(self._current)
        if message.batch == 1:
            return Reading(self._founded)
        pairs = enumerate(self._current.listings)
        return Reading(self._current, frozenset(at for at, m in pairs if m.units_version > 1))
