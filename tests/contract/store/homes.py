"""The homes that a book store can have, as factories that the contract is run over."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nextrade.domain.protocol.ports import BookStore

from ...redis_here import running
from .memory import MemoryBookStore

NAMES = ("memory", "one", "three", "cluster")
FOUNDING = b'{"markets": ["BTC-USDT"]}'
PART_BYTES = 1000


class Home:
    """Makes new book stores; ``again`` is another worker's view of the last one."""

    def __init__(self, servers: list, cluster: bool = False) -> None:
        self.servers = servers
        self._cluster = cluster
        self._memory = MemoryBookStore()
        self._open: list = []
        if servers:
            from nextrade.service.ledger.redis import RedisLedger

            # The ledger comes first: it founds the map and loads the functions.
            RedisLedger.found(self.shards(), buckets=3).close()

    def shards(self) -> Any:
        """Return what the clients are given to find the servers."""
        from nextrade.service.ledger.redis import ClusterShards

        if self._cluster:
            return ClusterShards([server.address for server in self.servers])
        return {server.folder.name: server.address for server in self.servers}

    def new(self, *partitions: int) -> BookStore:
        """Return a store that has nothing in it, founded for some partitions."""
        self.close()
        self._memory = MemoryBookStore()
        for server in self.servers:
            with server.client() as client:
                keys = client.keys("nextrade:{p*")
                for key in keys:
                    client.delete(key)
        store = self.again()
        for partition in partitions:
            store.found(partition, FOUNDING)
        return store

    def again(self, patience_s: float = 10.0) -> Any:
        """Return the same store for another worker."""
        if not self.servers:
            return self._memory
        from nextrade.service.store import RedisBookStore

        # Small parts, so that small snapshots have several.
        self._open.append(RedisBookStore(self.shards(), patience_s, part_bytes=PART_BYTES))
        return self._open[-1]

    def server_of(self, store: Any, partition: int) -> Any:
        """Return the server that keeps a partition's store."""
        address = store.shards.placement.address_of(store.map, partition)
        (server,) = [server for server in self.servers if server.address == address]
        return server

    def close(self) -> None:
        """Close the connections of every store made."""
        while self._open:
            self._open.pop().close()


@contextmanager
def home(name: str, folder: Path) -> Iterator[Home]:
    """Set up one of NAMES."""
    if name == "memory":
        yield Home([])
        return
    with running(folder, count=1 if name == "one" else 3, cluster=name == "cluster") as servers:
        made = Home(servers, name == "cluster")
        try:
            yield made
        finally:
            made.close()
