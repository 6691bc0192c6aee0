"""A gateway, a feed and visits to dead letters as the settings describe them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from threading import Lock
from typing import Literal

import numpy as np
import numpy.typing as npt

from ...domain.protocol.ids import GATEWAYS, Ids
from ...platform.rabbit.connection import RabbitConnection
from ...platform.rabbit.inbox import Inbox
from ...platform.rabbit.publisher import Publisher
from ...platform.rabbit.stream import StreamReader
from ...platform.rabbit.target import RabbitTarget, target_of
from ...platform.settings import Settings
from ..home.listed import then_and_now
from ..home.opening import open_ledger
from ..ledger.redis.ledger import RedisLedger
from ..topology import Topology
from .feed import Feed
from .gateway import Gateway
from .known import Known
from .lane import MOST_COMMANDS
from .place import Seen, place_of

__all__ = ["Bus"]

_CONNECT_S = 10.0
_FIRST_S, _LOOK_S = 2.0, 10.0
"""How long the first message of a stream is waited for, which may be empty, and any other."""


class Bus:
    """The broker that the settings name, with the exchange's queues.

    Raises SettingsError for settings that cannot hold. ``listings`` are those of the moment when
    it is made; where the exchange lives in Redis it keeps them, and must be reached.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.topology = Topology(settings.rabbit.prefix)
        """How the exchange's queues are called."""
        self._target: RabbitTarget = target_of(settings)
        self._founded, self.listings = then_and_now(settings)
        number = settings.gateway.number
        self.number = secrets.randbelow(GATEWAYS) if number < 0 else number
        """The number of this gateway."""
        self.ids = Ids(self.number, lambda: time.time_ns() // 1_000_000)

    def known(self, *, from_now: bool) -> Known:
        """By which listings a feed is to be read that begins now, or at some batch of before."""
        return Known(self.listings, self._founded, from_now=from_now)

    @contextmanager
    def publisher(self) -> Iterator[Publisher]:
        """A publisher with a connection of its own; BusLost or BusRefused if there is none."""
        with RabbitConnection(self._target, "gateway") as connection:
            publisher = Publisher(connection)
            publisher.wait_ready(_CONNECT_S)
            yield publisher

    @contextmanager
    def gateway(self, *, most_commands: int = MOST_COMMANDS) -> Iterator[Gateway]:
        """A gateway to all partitions; at the end what is waiting is sent."""
        wanted = self._settings.gateway
        with (
            closing(_Names(self._settings)) as names,
            self.publisher() as publisher,
            Gateway(
                self.listings,
                publisher,
                self.ids,
                queue_of=self.topology.orders,
                window=wanted.window,
                patience_s=wanted.patience_s,
                most_commands=most_commands,
                client_orders=names.look_up,
            ) as gateway,
        ):
            yield gateway

    @contextmanager
    def feed(
        self,
        partitions: tuple[int, ...],
        start: Literal["first", "next"],
        batch: int | None = None,
    ) -> Iterator[Feed]:
        """The events of some partitions; they are being read when this returns."""
        with RabbitConnection(self._target, "feed") as connection:
            connection.wait_open(_CONNECT_S)
            with Feed(
                partitions,
                lambda partition: self._reader(connection, partition, start, batch),
                batch,
            ) as feed:
                yield feed

    def _reader(
        self,
        connection: RabbitConnection,
        partition: int,
        start: Literal["first", "next"],
        batch: int | None,
    ) -> StreamReader:
        """The stream of a partition from ``start`` on, or from shortly before a batch."""
        queue = self.topology.events(partition)
        begin = start if batch is None else self._place(connection, queue, batch)
        return StreamReader(connection, queue, begin)

    def place(self, partition: int, batch: int) -> int | Literal["first"]:
        """The offset of a partition's stream from which a batch is read."""
        with RabbitConnection(self._target, "feed") as connection:
            connection.wait_open(_CONNECT_S)
            return self._place(connection, self.topology.events(partition), batch)

    def _place(
        self, connection: RabbitConnection, queue: str, batch: int
    ) -> int | Literal["first"]:
        def look(at: int | Literal["first", "last"]) -> Seen | None:
            with StreamReader(connection, queue, at, prefetch=1) as reader:
                entries = reader.read(_FIRST_S if at == "first" else _LOOK_S)
                return Seen(*entries[0]) if entries else None

        return place_of(batch, look)

    @contextmanager
    def ledger_reader(self, start: Literal["first", "next"]) -> Iterator[StreamReader]:
        """The ledger's stream, being read."""
        with RabbitConnection(self._target, "ledger feed") as connection:
            connection.wait_open(_CONNECT_S)
            with StreamReader(connection, self.topology.ledger, start) as reader:
                yield reader

    def client_orders(
        self, accounts: Sequence[int], texts: Sequence[bytes]
    ) -> npt.NDArray[np.void]:
        """What client order ids stand for, read from the ledger that the settings name."""
        with closing(_Names(self._settings)) as names:
            return names.look_up(accounts, texts)

    def dead_letters(self, partition: int) -> Inbox:
        """A visit to the dead letters of a partition, one at a time; BusRefused while another is
        in for long."""
        topology = self.topology
        return Inbox(self._target, topology.dead(partition), sign=topology.sign(partition))


class _Names:
    """Looks client order ids up in a ledger that is opened when the first is asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ledger: RedisLedger | None = None
        self._lock = Lock()

    def look_up(self, accounts: Sequence[int], texts: Sequence[bytes]) -> npt.NDArray[np.void]:
        """What they stand for (KEPT_ID_DTYPE); one thread at a time."""
        with self._lock:
            if self._ledger is None:
                self._ledger = open_ledger(self._settings)
            return self._ledger.client_orders(accounts, texts)

    def close(self) -> None:
        """Let go of the ledger."""
        if self._ledger is not None:
            self._ledger.close()
