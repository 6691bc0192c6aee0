"""The homes that a ledger can have, as factories that the contract is run over."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nextrade.service.ledger import Ledger, MemoryLedger

from ...redis_here import running

NAMES = ("memory", "redis", "cluster")


class Home:
    """Makes new ledgers, empty each time; ``again`` is another worker's view of the last one."""

    def __init__(self, servers: list, cluster: bool = False) -> None:
        self.servers = servers
        self._cluster = cluster
        self._memory = MemoryLedger()
        self._open: list = []

    def restart(self, server: Any) -> None:
        """Start a server again that was killed, and wait until all of them can be used."""
        from nextrade.platform.redis_servers import wait_for_cluster

        server.start()
        if self._cluster:
            wait_for_cluster(self.servers)

    def new(self, buckets: int = 24) -> Ledger:
        """Return a ledger that has nothing in it."""
        self.close()
        if not self.servers:
            self._memory = MemoryLedger()
            return self._memory
        from nextrade.service.ledger.redis import RedisLedger

        for server in self.servers:
            with server.client() as client:
                client.flushall()
        self._open.append(RedisLedger.found(self._shards(), buckets))
        return self._open[-1]

    def again(self) -> Ledger:
        """Return the same ledger for another worker, who knows nothing of the first one."""
        if not self.servers:
            return self._memory
        from nextrade.service.ledger.redis import RedisLedger

        self._open.append(RedisLedger(self._shards()))
        return self._open[-1]

    def _shards(self) -> object:
        from nextrade.service.ledger.redis import ClusterShards

        if self._cluster:
            return ClusterShards([server.address for server in self.servers])
        return {server.folder.name: server.address for server in self.servers}

    def close(self) -> None:
        """Close the connections of every ledger made."""
        while self._open:
            self._open.pop().close()


@contextmanager
def home(name: str, folder: Path) -> Iterator[Home]:
    """Set up one of NAMES."""
    if name == "memory":
        yield Home([])
        return
    with running(folder, cluster=name == "cluster") as servers:
        made = Home(servers, name == "cluster")
        try:
            yield made
        finally:
            made.close()
