"""A whole exchange on this machine: private servers, ledger and book stores, queues, workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ..errors import BusRefused, NexTradeError, StackError
from ..platform.server_folder import ServerStatus, written_since
from ..platform.servers import Servers, missing
from ..platform.settings import Settings

__all__ = ["Raised", "Stack"]

_FOUND_S: Final = 60.0
_LOOK_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Raised:
    """What ``up`` came to."""

    status: list[ServerStatus]
    buckets: int = 0
    """How many buckets the ledger has; 0 if none was founded or looked for."""
    stores: int = 0
    """How many partitions have a book store."""
    queues: bool = False
    """Whether the queues of every partition are there."""


class Stack:
    """The exchange that the settings describe, as far as it lives in the stack's folder.

    Where [ledger] shards or [rabbit] addresses name other servers, the stack has no workers and
    founds nothing: that is for whoever runs those servers. Raises StackError, and what the
    ledger, the stores and RabbitMQ raise.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.servers = Servers(settings.stack)
        self.folder = self.servers.folder

    @property
    def has_ledger(self) -> bool:
        """Whether the ledger of the settings lives on these servers."""
        ledger = self._settings.ledger
        return not ledger.shards and not ledger.cluster

    @property
    def has_queues(self) -> bool:
        """Whether the queues of the settings live on this broker."""
        return self._settings.stack.rabbit and not self._settings.rabbit.addresses

    @property
    def has_workers(self) -> bool:
        """Whether workers belong to it."""
        return self.has_ledger and self.has_queues and self._settings.stack.workers > 0

    def up(
        self,
        waiting: Callable[[str, float], None] = lambda *_: None,
        *,
        servers_only: bool = False,
    ) -> Raised:
        """Start what does not run yet, found what is not there, and wait until all is ready.

        ``waiting`` is called with what is waited for and how many seconds it takes, again and
        again. It may be repeated: what is there stays as it is.
        """
        if lacking := missing(with_rabbit=self._settings.stack.rabbit):
            raise StackError(lacking)
        if not servers_only:
            self._import_clients()
        found = self.servers.up(lambda seconds: waiting("RabbitMQ", seconds))
        if servers_only:
            return Raised(found)
        buckets = stores = 0
        if self.has_ledger:
            from .home.opening import found_ledger

            founding = found_ledger(self._settings)
            buckets, stores = founding.bucket_map.buckets, len(founding.partitions)
        if self.has_queues:
            self._declare(lambda seconds: waiting("RabbitMQ", seconds))
        if self.has_workers:
            from .worker.background import Workers

            found += Workers(self._settings).up(lambda seconds: waiting("the workers", seconds))
        return Raised(found, buckets, stores, self.has_queues)

    def down(self) -> list[str]:
        """Stop the workers, which finish what they began, then the servers; who of them ran."""
        ended = []
        if (self.folder / "workers").is_dir():
            from .worker.background import NAME, Workers

            if Workers(self._settings).down():
                ended.append(NAME)
        return [*ended, *self.servers.down()]

    def status(self) -> list[ServerStatus]:
        """Every server and worker that there is or is to be; changes nothing."""
        return self.servers.status() + self._workers()

    def waiting(self, found: list[ServerStatus]) -> dict[str, int]:
        """Changes that wait at each Redis server to be published; empty if that cannot be told."""
        shards = [one for one in found if one.name in self.servers.redis.primaries]
        if not self.has_ledger or any(one.state != "running" for one in shards):
            return {}
        try:
            from .home.waiting import waiting_changes

            return waiting_changes(self._settings)
        except NexTradeError:  # no ledger was founded, or the client is not installed
            return {}

    def all_run(self, found: list[ServerStatus]) -> bool:
        """Whether everything runs that the settings ask for."""
        workers = [one for one in found if one.name.startswith("worker-")]
        alive = all(one.state == "running" for one in workers)
        return self.servers.all_run(found) and (alive or not self.has_workers)

    def logs(self, lines: int) -> list[tuple[str, str]]:
        """The last lines of each server's log and of the workers', with the name."""
        told = written_since(self.folder / "workers" / "worker.log", 0).splitlines()
        return self.servers.logs(lines) + [("workers", line) for line in told[-lines:]]

    def _declare(self, waiting: Callable[[float], None]) -> None:
        """Declare the queues; after a crash the broker answers before it has found all of them."""
        from ..platform.rabbit.target import target_of
        from .listings_file import listings_of
        from .topology import Topology

        partitions = listings_of(self._settings).partitions
        topology, target = Topology(self._settings.rabbit.prefix), target_of(self._settings)
        begin = time.monotonic()
        while True:
            try:
                return topology.declare(target, partitions)
            except BusRefused as error:
                passed = time.monotonic() - begin
                if "is down or inaccessible" not in str(error) or passed > _FOUND_S:
                    raise
            waiting(passed)
            time.sleep(_LOOK_S)

    def _workers(self) -> list[ServerStatus]:
        if not self.has_workers:
            return []
        from .worker.background import Workers

        return Workers(self._settings).status()

    def _import_clients(self) -> None:
        """Raise MissingExtra before anything is started."""
        if self.has_ledger:
            from .home import opening  # noqa: F401
        if self.has_queues:
            from . import topology  # noqa: F401
