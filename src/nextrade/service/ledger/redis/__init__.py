"""The ledger on Redis: a few servers of our own, or a Redis Cluster. Needs ``nextrade[redis]``."""

from .batches import BucketBatches
from .ledger import RedisLedger
from .replication import Replication
from .shards import ClusterShards, NamedShards

__all__ = ["BucketBatches", "ClusterShards", "NamedShards", "RedisLedger", "Replication"]
