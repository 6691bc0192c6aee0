"""Small exchanges on real Redis servers: real workers over real ledger and store.

Their queue and stream are lists in this process: what a broker does is tested elsewhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nextrade import COMMAND_DTYPE, CommandKind, Side, TimeInForce
from nextrade.domain.assets import Asset
from nextrade.domain.listings import Fees, Listing, Listings
from nextrade.domain.markets import Market
from nextrade.domain.protocol.frames import TIER_DTYPE, commands_frame, tiers_frame
from nextrade.domain.protocol.ids import Ids
from nextrade.domain.protocol.limits import Limits
from nextrade.domain.protocol.ports import Delivery
from nextrade.domain.protocol.worker import Worker

BUCKETS = 6
ACCOUNTS = range(1, 25)
MONEY = 10_000
GOLD, TIN, DOLLAR = Asset("GOLD", 0), Asset("TIN", 0), Asset("DOLLAR", 0)
LISTINGS = Listings(
    (GOLD, TIN, DOLLAR),
    tuple(
        Listing(Market(name, base, DOLLAR, "1", "1"), partition, tiers=(Fees(0, 500_000),))
        for name, base, partition in (
            ("GOLD-DOLLAR", GOLD, 0),
            ("TIN-DOLLAR", TIN, 0),
            ("GOLD-B", GOLD, 1),
        )
    ),
)


@dataclass
class ListBus:
    """A queue and a stream as lists."""

    queue: deque[bytes] = field(default_factory=deque)
    stream: list[bytes] = field(default_factory=list)
    dead: list[bytes] = field(default_factory=list)
    channel: int = 1
    touched: Callable[[], None] = lambda: None
    """Called after everything that changes something."""

    def take(self, most: int, most_bytes: int, *, wait: bool) -> list[Delivery]:
        """What waits; nothing is lost here, so that nothing is kept for another delivery."""
        del most_bytes, wait
        count = min(most, len(self.queue))
        return [Delivery(self.channel, 1, self.queue.popleft(), False) for _ in range(count)]

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Nothing is kept that could be forgotten."""
        del deliveries

    def publish(self, name: str, messages: Sequence[bytes]) -> None:
        """Messages of a batch."""
        del name
        self.stream += messages
        self.touched()

    def confirm(self) -> None:
        """A list keeps what it is given."""

    def bury(self, message: bytes, reason: str, identity: int) -> None:
        """A dead letter."""
        del reason, identity
        self.dead.append(message)

    def ask(self, message: bytes) -> None:
        """A frame of the worker's own."""
        self.queue.append(message)

    def drop_channel(self) -> None:
        """The next delivery is of another channel."""
        self.channel += 1


class SteppedClock:
    """A clock that goes on whenever it is asked."""

    def __init__(self) -> None:
        self.time_ns = 1_800_000_000_000_000_000

    def now_ns(self) -> int:
        """A millisecond later."""
        self.time_ns += 1_000_000
        return self.time_ns

    def pause(self, seconds: float) -> None:
        """Servers answer here."""
        raise AssertionError(f"a server did not answer: {seconds}")


class SmallExchange:
    """Two partitions over three servers, and random orders for them."""

    def __init__(self, servers: list, seed: int, **limits: int) -> None:
        from nextrade.service.ledger.redis import BucketBatches, RedisLedger
        from nextrade.service.store import RedisBookStore
        from nextrade.service.store.founding import write_founding

        self.dice = np.random.default_rng(seed)
        addresses = {server.folder.name: server.address for server in servers}
        self.servers = servers
        self.clients: tuple[Any, Any] | None = None
        self.ledger = RedisLedger.found(addresses, BUCKETS)
        self.store = RedisBookStore(addresses)
        self.batches = BucketBatches(self.ledger.shards)
        self.limits = Limits(**{"frames": 4, **limits})
        self.clock = SteppedClock()
        self.ids = Ids(1, lambda: self.clock.time_ns // 1_000_000)
        self.orders = [1]
        for number in LISTINGS.partitions:
            self.store.found(number, write_founding(LISTINGS, BUCKETS, self.limits))
        for account in ACCOUNTS:
            for asset in range(3):
                self.ledger.credit(f"in-{account}-{asset}", account, asset, MONEY)
        self.buses = {number: ListBus() for number in LISTINGS.partitions}
        self.workers: dict[int, Worker] = {}
        for number in LISTINGS.partitions:
            self.start(number)

    def start(self, number: int, ledger: Any = None, store: Any = None) -> None:
        """A new worker for a partition, who knows nothing; perhaps over other ports."""
        self.buses[number].drop_channel()
        self.workers[number] = Worker(
            LISTINGS,
            number,
            self.buses[number],
            ledger or self.batches,
            store or self.store,
            self.clock,
            limits=self.limits,
        )

    def close(self) -> None:
        """Close all connections."""
        for client in (self.ledger, self.store, *(self.clients or ())):
            client.close()

    # --- orders ----------------------------------------------------------------------------------

    def send(self, number: int, frames: int = 1) -> None:
        """Put frames of random commands into a queue."""
        for _ in range(frames):
            if self.dice.random() < 0.05:
                text = tiers_frame(number, self.ids.one(), np.array([(1, 0)], TIER_DTYPE))
            else:
                text = commands_frame(number, self.ids.one(), self._commands(number))
            self.buses[number].queue.append(text)

    def _commands(self, number: int) -> np.ndarray:
        dice, count = self.dice, int(self.dice.integers(1, 7))
        some = np.zeros(count, COMMAND_DTYPE)
        for command in some:
            command["owner"] = dice.choice(ACCOUNTS)
            command["market"] = dice.choice(LISTINGS.in_partition(number))
            command["side"] = dice.choice([Side.BUY, Side.SELL])
            command["qty_lots"] = dice.integers(1, 60)
            command["price_ticks"] = dice.integers(8, 14)
            command["order_id"] = dice.choice(self.orders)
            way = dice.random()
            if way < 0.12:
                command["kind"] = CommandKind.CANCEL
            elif way < 0.2:
                command["kind"] = CommandKind.REPLACE
            elif way < 0.24:
                command["kind"] = CommandKind.REDUCE
                command["price_ticks"] = 0
            elif way < 0.26:
                command["kind"] = CommandKind.MASS_CANCEL
            else:
                command["kind"], command["order_id"] = CommandKind.PLACE, self.ids.one()
                self.orders = [*self.orders[-40:], int(command["order_id"])]
                if way < 0.34:
                    command["time_in_force"] = TimeInForce.IOC
                elif way < 0.44:
                    command["display_lots"] = 5
        return some

    def work(self, number: int, rounds: int = 20, frames: int = 3) -> None:
        """Send and run, and finish."""
        for _ in range(rounds):
            self.send(number, frames)
            self.workers[number].step()
        self.rest(number)

    def rest(self, number: int) -> None:
        """Run what waits, finish it, and say so in the store."""
        while self.buses[number].queue:
            self.workers[number].step()
        self.workers[number].step()
        self.workers[number].drain()

    # --- proofs ----------------------------------------------------------------------------------

    def prove(self, *, full: bool = True, stream: bool = True) -> Any:
        """The proof of all of it."""
        from nextrade.service.proof.exchange import prove_exchange

        ledger, store = self.clients or (self.ledger, self.store)
        return prove_exchange(
            ledger.shards,
            store,
            LISTINGS.partitions,
            full=full,
            open_stream=self.open_stream if stream else None,
            names=lambda asset: LISTINGS.assets[asset].name if asset < 3 else f"asset {asset}",
        )

    @contextmanager
    def open_stream(self, number: int) -> Iterator[list[tuple[int, bytes]]]:
        """The stream of a partition."""
        yield list(enumerate(self.buses[number].stream))

    def look_from_outside(self) -> None:
        """Prove over connections of their own from now on, as another process would."""
        from nextrade.service.ledger.redis import RedisLedger
        from nextrade.service.store import RedisBookStore

        addresses = {server.folder.name: server.address for server in self.servers}
        self.clients = RedisLedger(addresses), RedisBookStore(addresses)

    def at(self, bucket: int) -> Any:
        """A connection to the server of a bucket."""
        return self._client(self.ledger.shards, self.ledger.map, bucket)

    def at_store(self, number: int) -> Any:
        """A connection to the server of a partition's store."""
        return self._client(self.store.shards, self.store.map, number)

    def _client(self, shards: Any, placed: Any, number: int) -> Any:
        address = shards.placement.address_of(placed, number)
        return next(server for server in self.servers if server.address == address).client()
