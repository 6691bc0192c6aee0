"""The book stores of the settings' partitions."""

from __future__ import annotations

from ...platform.settings import Settings
from ..ledger.redis.shards import PATIENCE_S
from ..store.redis import RedisBookStore
from .opening import placement_of

__all__ = ["open_store"]


def open_store(settings: Settings, patience_s: float = PATIENCE_S) -> RedisBookStore:
    """The book stores of the settings; WrongMap if the ledger beside them was never founded."""
    return RedisBookStore(placement_of(settings), patience_s)
