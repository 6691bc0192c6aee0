"""One schedule: workers, publishers and faults in an order that a seed decides."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from greenlet import greenlet

from nextrade import COMMAND_DTYPE, CommandKind, OrderType, Side, TimeInForce
from nextrade.domain.assets import Asset
from nextrade.domain.buckets import bucket_of_account
from nextrade.domain.listings import Listing, Listings
from nextrade.domain.listings_text import pack_listings
from nextrade.domain.markets import Market
from nextrade.domain.protocol.frames import (
    TIER_DTYPE,
    Verdict,
    commands_frame,
    identity_of,
    listings_frame,
    tiers_frame,
    verdict_frame,
)
from nextrade.domain.protocol.ids import Ids
from nextrade.domain.protocol.limits import Limits
from nextrade.domain.protocol.replica_snapshot import restore_replica
from nextrade.domain.protocol.worker import Worker
from nextrade.errors import PartitionStopped

from .customers import Customers
from .operator import Operator
from .ports import (
    NUMBER,
    Crash,
    SimulatedBus,
    SimulatedClock,
    SimulatedLedger,
    SimulatedStore,
    World,
    frame_of,
)
from .servers import Bucket, Queued

ACCOUNTS = 6
BUCKETS = 4
MONEY = 60
GOLD, DOLLAR = Asset("GOLD", 0), Asset("DOLLAR", 0)
LISTINGS = Listings(
    (GOLD, DOLLAR),
    tuple(Listing(Market(name, GOLD, DOLLAR, "1", "1")) for name in ("GOLD-A", "GOLD-B")),
)


@dataclass
class Process:
    """A worker process: alive, paused, or dead."""

    bus: SimulatedBus
    worker: Worker
    task: greenlet
    failed: Exception | None = None


@dataclass
class Play:
    """What happened in one schedule; ``checks`` judges it."""

    seed: int
    broken: str = ""
    make: Callable[..., Worker] = Worker
    world: World = field(init=False)
    published: dict[int, list[bytes]] = field(default_factory=dict)
    """Frames of gateways by id; of two with one id only one may run."""
    purged: set[int] = field(default_factory=set)
    purged_bodies: set[bytes] = field(default_factory=set)
    strange: list[bytes] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    copies: list[tuple[int, Bucket]] = field(default_factory=list)
    """Older data of buckets, which a server may come back with."""
    lost_time: bool = False
    stopped: bool = False
    """A bucket lost more than the book store can tell, and the partition stopped for it."""

    def __post_init__(self) -> None:
        """Set the stage."""
        world = self.world = World(self.seed, BUCKETS, self.broken)
        dice = world.dice
        for account in range(1, ACCOUNTS + 1):
            bucket = world.buckets[bucket_of_account(account, BUCKETS)]
            for asset in range(2):
                bucket.balances[account, asset] = [MONEY, 0]
        self.limits = Limits(
            frames=dice.choice((2, 4, 8)),
            remembered=dice.choice((4, 12, 1000)),
            entries=dice.choice((3, 10, 1000)),
            posting_limit=dice.choice((2, 5, 1000)),
            event_limit=dice.choice((2, 5, 1000)),
            named_ms=dice.choice((200, 86_400_000)),
            sweep_step_ms=dice.choice((5, 100)),
            sweep_rest_ms=dice.choice((10, 1000)),
        )
        gateways = dice.sample(range(100), 2)
        self._ids = [Ids(number, lambda: world.now_ns // 1_000_000) for number in gateways]
        self._orders: list[int] = []
        self.customers = Customers(dice, self._ids[0].one)
        self.operator = Operator(world, LISTINGS)
        self.lossy = dice.random() < 0.15
        # Then a worker takes over for nothing but what is not acknowledged.
        world.knocks = self.lossy or dice.random() < 0.7
        self._start()
        self._start()

    # --- processes -----------------------------------------------------------------------------

    def _start(self) -> None:
        world = self.world
        bus = SimulatedBus(world)
        worker = self.make(
            LISTINGS,
            0,
            bus,
            SimulatedLedger(world),
            SimulatedStore(world),
            SimulatedClock(world),
            limits=self.limits,
        )
        process = Process(bus, worker, greenlet(lambda: self._live(process)))
        self.processes.append(process)

    def _live(self, process: Process) -> None:
        try:
            while True:
                process.worker.step()
        except Crash:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, the checks shall see it
            process.failed = error

    def resume(self, process: Process) -> None:
        """Let one process go on to its next point."""
        process.task.switch()
        if process.task.dead:
            self._bury(process)

    def kill(self, process: Process) -> None:
        """Kill -9."""
        if process.task:
            process.task.throw(Crash)
        self._bury(process)

    def _bury(self, process: Process) -> None:
        self.processes.remove(process)
        if process.failed is not None:
            raise process.failed
        if process.bus.channel is not None:
            self.world.broker.close(process.bus.channel)
        self.world.count("crashed")
        self._start()

    def active(self) -> Process | None:
        """The process whose consumer the broker serves."""
        channel = self.world.broker.active
        for process in self.processes:
            if channel is not None and process.bus.channel is channel:
                return process
        return None

    # --- gateways ------------------------------------------------------------------------------

    def command(self) -> tuple[int, ...]:
        """One random command."""
        dice, command = self.world.dice, np.zeros(1, COMMAND_DTYPE)[0]
        command["owner"] = dice.randint(1, ACCOUNTS)
        command["market"] = dice.randrange(2 if dice.random() < 0.8 else 3)
        command["side"] = dice.choice((Side.BUY, Side.SELL))
        command["qty_lots"] = dice.randint(1, 6)
        command["price_ticks"] = dice.randint(1, 5)
        command["order_id"] = dice.choice(self._orders) if self._orders else 1
        way = dice.random()
        if way < 0.12:
            command["kind"] = CommandKind.CANCEL
        elif way < 0.2:
            command["kind"] = CommandKind.REPLACE
        elif way < 0.24:
            command["kind"] = CommandKind.MASS_CANCEL
        else:
            command["kind"] = CommandKind.PLACE
            command["order_id"] = self._ids[0].one()
            self._orders = [*self._orders[-12:], int(command["order_id"])]
            if way < 0.34:
                command["order_type"] = OrderType.MARKET
            elif way < 0.44:
                command["order_type"] = OrderType.STOP_LIMIT
                command["trigger_ticks"] = dice.randint(1, 5)
            elif way < 0.5:
                command["time_in_force"] = TimeInForce.IOC
        return command.tolist()

    def publish(self) -> None:
        """A gateway sends a frame, or something that is none."""
        world, dice = self.world, self.world.dice
        way = dice.random()
        identity = dice.choice(self._ids).one()
        if way < 0.03:
            message = dice.randbytes(dice.randint(0, 60))
            self.strange.append(message)
            world.broker.queue.append(Queued(message))
            return
        commands = np.array([self.command() for _ in range(dice.randint(1, 4))], COMMAND_DTYPE)
        if way < 0.05:
            message = commands_frame(1, identity, commands)
            self.strange.append(message)
        elif way < 0.08:
            message = tiers_frame(0, identity, np.array([(1, 0)], TIER_DTYPE))
        elif way < 0.1 and self.published:
            # Two gateways have the same number by mistake.
            other = dice.choice(list(self.published))
            message = commands_frame(0, other, commands)
        elif way < 0.14:
            message = listings_frame(0, identity, pack_listings(self.operator.proposal()))
        else:
            # A gateway knows the first listings, or heard of others, or does not say.
            version = dice.choice((0, 1, self.operator.known().version))
            message = self.customers.frame(identity, commands, version)
            if way > 0.985:
                world.poison.add(identity)
        world.broker.queue.append(Queued(message))
        if message not in self.strange:
            self.published.setdefault(identity_of(message), []).append(message)
        if dice.random() < 0.15:  # its confirmation was lost, so it is sent again
            place = dice.randint(0, len(world.broker.queue))
            world.broker.queue.insert(place, Queued(message))
        if self.published and dice.random() < 0.05:  # the same, much later
            again = dice.choice(list(self.published.values()))[0]
            world.broker.queue.append(Queued(again))

    def relay(self) -> None:
        """What fell goes back to the queue as a request for a verdict."""
        broker, dice = self.world.broker, self.world.dice
        body = broker.fallen[0]
        broker.queue.append(Queued(verdict_frame(0, Verdict.DEAD_LETTERED, body)))
        if not self.world.faults or dice.random() < 0.8:  # else it dies before it acknowledges
            broker.fallen.popleft()

    def purge(self) -> None:
        """An operator empties the queue."""
        queue = self.world.broker.queue
        for queued in queue:
            self.purged_bodies.add(queued.body)
            self.purged.add(identity_of(queued.body))
            if (frame := frame_of(queued.body)) is not None:
                self.purged_bodies.add(frame.about)
        queue.clear()

    # --- the schedule --------------------------------------------------------------------------

    def play(self) -> None:
        """Faults for a while, then quiet until all is done."""
        world, dice = self.world, self.world.dice
        try:
            for _ in range(dice.randint(80, 300)):
                self.happen()
            world.faults = False
            self.settle_down()
        except PartitionStopped:
            if not self.too_much_is_lost():
                raise
            world.count("stopped")
            self.stopped = True

    def happen(self) -> None:
        """One thing of many."""
        world, dice = self.world, self.world.dice
        if dice.random() < 0.2:
            self.publish()
        self.resume(dice.choice(self.processes))
        if world.late and dice.random() < 0.2:
            world.land()
        if world.broker.fallen and dice.random() < 0.2:
            self.relay()
        if dice.random() < 0.03:
            self.kill(dice.choice(self.processes))
        if dice.random() < 0.02 and (channel := world.broker.active) is not None:
            world.count("lost its consumer")
            world.broker.close(channel)  # and the worker goes on, not knowing
        if world.knocks and dice.random() < 0.002:
            self.purge()
            world.count("purged")
        if len(self.processes) < 3 and dice.random() < 0.01:
            self._start()
        if self.lossy:
            self.lose_time()

    def lose_time(self) -> None:
        """A bucket's server is copied, or comes back with a copy, whoever is at work on it."""
        world, dice = self.world, self.world.dice
        way = dice.random()
        if way < 0.1:
            number = dice.randrange(BUCKETS)
            self.copies = [*self.copies[-9:], (number, world.buckets[number].copy())]
            return
        if way > 0.2 or not self.copies:
            return
        number, copy = dice.choice(self.copies)
        bucket = world.buckets[number]
        if copy.watermark == bucket.watermark and copy.answers == bucket.answers:
            return
        if way > 0.19:
            self.restart()
        world.lose_time(number, copy)
        # What was copied later happened to data that are gone.
        last = self.copies.index((number, copy))
        self.copies = [
            one for place, one in enumerate(self.copies) if place <= last or one[0] != number
        ]
        world.count("lost time")
        self.lost_time = True

    def restart(self) -> None:
        """All workers are killed, and others started."""
        for process in list(self.processes):
            self.kill(process)

    def too_much_is_lost(self) -> bool:
        """Whether a bucket stands before all that the book store knows."""
        acquired = self.world.books.look(NUMBER, earlier=True)
        heads = restore_replica(LISTINGS, 0, BUCKETS, acquired.snapshot, self.limits).heads
        buckets = self.world.buckets
        return self.lost_time and any(
            bucket.watermark < head for bucket, head in zip(buckets, heads, strict=True)
        )

    def settle_down(self) -> None:
        """Go on without new faults until nothing is left to do, now and much later."""
        if self.lost_time:  # who lost no connection has not noticed
            self.restart()
        dice = self.world.dice
        self.come_to_rest(kills=dice.randrange(3) if dice.random() < 0.5 else 0)
        self.much_later()
        if any(bucket.answers for bucket in self.world.buckets):
            self.much_later()  # somebody took over after all that time, and counts from then

    def much_later(self) -> None:
        """So much later that what waits for a frame waits no longer."""
        self.world.now_ns += 2 * self.limits.abandoned_ms * 1_000_000
        self.come_to_rest()

    def come_to_rest(self, kills: int = 0) -> None:
        """Go on until nothing is on its way, and every process has looked around."""
        world, dice = self.world, self.world.dice
        begun = {id(process): process.bus.takes for process in self.processes}
        for _ in range(20_000):
            process = self.active()
            if process is None or dice.random() < 0.3:
                process = dice.choice(self.processes)
            self.resume(process)
            if kills and dice.random() < 0.02:
                kills -= 1
                self.kill(dice.choice(self.processes))
            if world.late:
                world.land()
            if world.broker.fallen:
                self.relay()
            # An active worker looks around when it is given nothing, and then takes again.
            if self.at_rest() and all(
                process.bus.takes > begun.get(id(process), 0) + 2 for process in self.processes
            ):
                return
        raise AssertionError("it does not come to rest")

    def at_rest(self) -> bool:
        """Whether no message, packet or batch is on its way."""
        broker, store = self.world.broker, self.world.store
        busy = broker.queue or broker.fallen or self.world.late
        if busy or any(channel.unacked for channel in broker.channels):
            return False
        return store.cleared == store.last or not self.world.knocks
