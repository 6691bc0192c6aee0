"""The ledger on Redis: a few servers of our own, or a Redis Cluster. Needs ``nextrade[redis]``."""

from .ledger import RedisLedger
from .shards import ClusterShards

__all__ = ["ClusterShards", "RedisLedger"]
