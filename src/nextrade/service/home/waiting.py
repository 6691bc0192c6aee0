"""How many changes wait in the outboxes of the ledger until a worker has published them."""

from __future__ import annotations

from ...platform.settings import Settings
from ..ledger.redis.looking import outbox_sizes
from ..ledger.redis.shards import Shards
from .opening import placement_of

__all__ = ["waiting_changes"]


def waiting_changes(settings: Settings, patience_s: float = 2.0) -> dict[str, int]:
    """Changes by shard, in a cluster by address; two visits to each server, however many wait.

    Raises what a ledger raises whose servers do not answer, or that was never founded.
    """
    shards = Shards(placement_of(settings), patience_s=patience_s)
    try:
        found = {name: 0 for name, _ in shards.named()}
        for bucket, size in enumerate(outbox_sizes(shards)):
            found[shards.where(bucket)] += size
        return found
    finally:
        shards.close()
