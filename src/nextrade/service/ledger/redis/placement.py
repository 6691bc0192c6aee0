"""Where the buckets are: at named shards of our own, or in a Redis Cluster."""

from collections.abc import Iterable, Mapping

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.crc import key_slot
from redis.exceptions import RedisClusterException

from ....errors import AccessRefused, LedgerUnavailable
from ....platform.redis_access import OPEN, RedisAccess, refusal
from .bucket_map import BucketMap
from .replication import ALONE, Replication

__all__ = ["ClusterShards", "NamedShards", "host_port"]


def host_port(address: str) -> tuple[str, int]:
    """Return the two parts of an address."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


class NamedShards:
    """Servers of our own, whose names stand in the map."""

    def __init__(
        self,
        addresses: Mapping[str, str],
        access: RedisAccess = OPEN,
        replication: Replication = ALONE,
    ) -> None:
        if not addresses:
            raise ValueError("a ledger needs at least one shard")
        self.by_name = dict(addresses)
        self.access = access
        self.replication = replication

    def addresses(self) -> tuple[str, ...]:
        """Return the address of every shard."""
        return tuple(self.by_name.values())

    def address_of(self, bucket_map: BucketMap, bucket: int) -> str:
        """Return the address of the shard that the map names."""
        return self.by_name[bucket_map.shards[bucket_map.owners[bucket]]]

    def look_again(self) -> None:
        """Do nothing: named shards stay where they are."""


class ClusterShards:
    """A Redis Cluster, found through any of its servers."""

    def __init__(
        self,
        addresses: Iterable[str],
        access: RedisAccess = OPEN,
        replication: Replication = ALONE,
    ) -> None:
        self._startup = tuple(addresses)
        self.access = access
        self.replication = replication
        self._slots: dict[int, str] = {}

    def addresses(self) -> tuple[str, ...]:
        """Return the address of every primary."""
        if not self._slots:
            self.look_again()
        return tuple(sorted(set(self._slots.values())))

    def address_of(self, bucket_map: BucketMap, bucket: int) -> str:
        """Return the address of the primary that has the bucket's slot."""
        if not self._slots:
            self.look_again()
        slot = key_slot(bucket_map.key(bucket))
        if slot not in self._slots:
            raise LedgerUnavailable(f"no server of the cluster has slot {slot}")
        return self._slots[slot]

    def look_again(self) -> None:
        """Ask the cluster which primary has which slot; any server of it that is known will do."""
        known = dict.fromkeys([*self._startup, *self._slots.values()])
        nodes = [
            ClusterNode(*host_port(address))  # type: ignore[no-untyped-call]
            for address in known
        ]
        try:
            cluster = RedisCluster(
                startup_nodes=nodes, require_full_coverage=False, **self.access.client_options()
            )
        except (redis.RedisError, RedisClusterException) as error:  # neither is the other's kind
            if why := refusal(error):
                raise AccessRefused(f"Redis Cluster at {self._startup}: {why}") from error
            raise LedgerUnavailable(f"no Redis Cluster at {self._startup}: {error}") from error
        slots = cluster.nodes_manager.slots_cache
        self._slots = {slot: f"{held[0].host}:{held[0].port}" for slot, held in slots.items()}
        cluster.close()
