"""The four ports of a worker, with faults between it and the servers.

Before and after every effect a port lets the schedule go on with somebody else, or with nobody:
the worker may be killed there. A call may fail without its effect, after it, or long before it:
a packet that arrives when its sender has given up, or is dead.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import greenlet
import numpy as np
import numpy.typing as npt

from nextrade.domain.postings import KEPT_ID_DTYPE
from nextrade.domain.protocol.frames import Frame, decode, knock_frame
from nextrade.domain.protocol.ports import (
    Acquired,
    Answer,
    Delivery,
    Mark,
    Reserve,
    Settle,
)
from nextrade.errors import (
    BadFrame,
    BusLost,
    Gap,
    LedgerUnavailable,
    MissingAnswer,
    NexTradeError,
    StoreUnavailable,
)

from ..contract.store.memory import MemoryBookStore, Store
from .servers import Broken, BrokenStore, Broker, Bucket, Channel, Queued

NUMBER = 0
"""The partition."""


class Crash(BaseException):
    """The worker is killed here."""


class World:
    """All servers, the time, and the dice."""

    def __init__(self, seed: int, buckets: int, broken: str = "") -> None:
        self.dice = random.Random(seed)
        self.broken = broken
        self.buckets = [Bucket(broken) for _ in range(buckets)]
        self.books = BrokenStore() if broken == "no fence at the store" else MemoryBookStore()
        self.books.found(NUMBER, b"listings")
        self.broker = Broker()
        self.now_ns = 1_800_000_000_000_000_000
        self.faults = True
        self.knocks = True
        """Whether whoever opens a channel sends a frame that wants nothing but to be delivered."""
        self.by_hand = False
        """Whether a queue gives all it may at once, not some."""
        self.late: deque[tuple[int | None, Callable[[], Any]]] = deque()
        """Packets that are on their way for long, and the buckets that they go to."""
        self.places: dict[greenlet.greenlet, str] = {}
        """Where each process stands: the name of the point that it came to."""
        self.poison: set[int] = set()
        self.counts: dict[str, int] = {}

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    @property
    def store(self) -> Store:
        """The book store of the partition."""
        return self.books.stores[NUMBER]

    def point(self, name: str) -> None:
        """Let the schedule choose who goes on."""
        process = greenlet.getcurrent()
        self.places[process] = name
        process.parent.switch()

    def fault(self, weight: float = 0.03) -> str:
        """What goes wrong with a call: nothing, mostly."""
        if not self.faults or self.dice.random() >= weight:
            return ""
        what = self.dice.choice(("lost", "unheard", "late"))
        self.count(what)
        return what

    def call(
        self,
        name: str,
        effect: Callable[[], Any],
        error: type[NexTradeError],
        bucket: int | None = None,
    ) -> Any:
        """One call of a server that takes effect as a whole."""
        self.point(name)
        fault = self.fault()
        if fault == "late":
            self.late.append((bucket, effect))
        if fault in ("late", "lost"):
            raise error("the simulated server does not answer")
        result = effect()
        self.point(f"{name} done")
        if fault == "unheard":
            raise error("the answer of the simulated server was lost")
        return result

    def land(self) -> None:
        """A packet arrives that was on its way for long; nobody hears the answer."""
        _, effect = self.late.popleft()
        self.count("landed late")
        try:
            effect()
        except Broken:
            raise
        except NexTradeError:
            self.count("refused late")

    def lose_time(self, number: int, copy: Bucket) -> None:
        """A bucket's server comes back with an older copy; what was on its way to it is gone."""
        self.buckets[number].restore(copy)
        self.late = deque(packet for packet in self.late if packet[0] != number)


class SimulatedLedger:
    """BatchLedger over the simulated buckets; each bucket on a connection of its own."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def buckets(self) -> int:
        return len(self._world.buckets)

    def fence(self, partition: int, epoch: int) -> list[Mark]:
        del partition
        return [
            self._world.call("fence", lambda b=bucket: b.fence(epoch), LedgerUnavailable, number)
            for number, bucket in enumerate(self._world.buckets)
        ]

    def turn(
        self, partition: int, epoch: int, settles: Sequence[Settle], reserves: Sequence[Reserve]
    ) -> list[list[bytes]]:
        del partition
        world = self._world
        lines: dict[int, list[tuple[Callable[[], Any], int | None]]] = {}
        for settle in settles:
            bucket = world.buckets[settle.bucket]
            effect = lambda b=bucket, s=settle: b.settle(epoch, s)  # noqa: E731
            lines.setdefault(settle.bucket, []).append((effect, None))
        for place, reserve in enumerate(reserves):
            bucket = world.buckets[reserve.bucket]
            effect = lambda b=bucket, r=reserve: b.reserve(epoch, r)  # noqa: E731
            lines.setdefault(reserve.bucket, []).append((effect, place))
        replies: list[list[bytes]] = [[] for _ in reserves]
        order = list(lines)
        world.dice.shuffle(order)
        failed = False
        for number in order:
            failed |= self._line(number, lines[number], replies)
        if any(frame in world.poison for one in reserves for frame, *_ in one.frames):
            world.count("poisoned")
            raise Crash
        if failed:
            raise LedgerUnavailable("a simulated shard does not answer")
        return replies

    def _line(
        self,
        bucket: int,
        calls: list[tuple[Callable[[], Any], int | None]],
        replies: list[list[bytes]],
    ) -> bool:
        """The calls of one connection, in order; True if it broke before all were answered."""
        world = self._world
        name = "settle" if calls[0][1] is None else "reserve"
        world.point(name)
        fault = world.fault()
        arrive = len(calls) if fault in ("", "unheard") else world.dice.randrange(len(calls) + 1)
        for effect, place in calls[:arrive]:
            try:
                reply = effect()
            except MissingAnswer:
                world.count("noticed a lost answer")
                raise
            except Gap:
                world.count("noticed lost time")
                raise
            if place is not None:
                replies[place] = reply
        if fault == "late":
            world.late.extend((bucket, effect) for effect, _ in calls[arrive:])
        world.point(f"{name} done")
        return fault != ""

    def answers(self, partition: int, frame: int) -> list[Answer]:
        del partition
        found = self._world.call(
            "answers",
            lambda: [b.answer(n, frame) for n, b in enumerate(self._world.buckets)],
            LedgerUnavailable,
        )
        return [answer for answer in found if answer is not None]

    def named(
        self, partition: int, before_ms: int, bucket: int, cursor: int = 0
    ) -> tuple[npt.NDArray[np.void], int]:
        one = self._world.buckets[bucket]
        rows = self._world.call(
            "named", lambda: one.named(partition, before_ms), LedgerUnavailable, bucket
        )
        # In two pieces, if there is more than one.
        half = len(rows) // 2
        piece = rows[half:] if cursor or not half else rows[:half]
        return np.array(piece, KEPT_ID_DTYPE), 1 if half and not cursor else 0

    def forget(self, partition: int, epoch: int, bucket: int, ids: npt.NDArray[np.void]) -> int:
        one, rows = self._world.buckets[bucket], ids.tolist()
        gone: int = self._world.call(
            "forget", lambda: one.forget(partition, epoch, rows), LedgerUnavailable, bucket
        )
        self._world.count("forgotten ids")
        return gone


class SimulatedStore:
    """BookStore over the simulated one."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _call(self, name: str, *arguments: Any, **more: Any) -> Any:
        books = self._world.books
        effect = lambda: getattr(books, name)(*arguments, **more)  # noqa: E731
        return self._world.call(name, effect, StoreUnavailable)

    def acquire(self, partition: int) -> Acquired:
        return self._call("acquire", partition)

    def look(self, partition: int, *, earlier: bool = False) -> Acquired:
        return self._call("look", partition, earlier=earlier)

    def commit(self, partition: int, epoch: int, batch: int, cleared: int, entry: bytes) -> None:
        self._call("commit", partition, epoch, batch, cleared, entry)

    def clear(self, partition: int, epoch: int, cleared: int) -> None:
        self._call("clear", partition, epoch, cleared)

    def keep(self, partition: int, epoch: int, batch: int, snapshot: bytes) -> None:
        self._call("keep", partition, epoch, batch, snapshot)


class SimulatedBus:
    """Bus over the simulated broker, one for each worker process."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.channel: Channel | None = None
        self.takes = 0
        """How often it was asked for deliveries."""
        self._lost = False

    def take(self, most: int, most_bytes: int, *, wait: bool) -> list[Delivery]:
        del most_bytes, wait
        world = self._world
        world.point("take")
        self.takes += 1
        channel = self.channel
        if channel is None or (not channel.alive and not channel.buffer):
            channel = self.channel = world.broker.open()
            if world.knocks:
                world.broker.queue.append(Queued(knock_frame(NUMBER)))
        world.broker.deliver()
        taken: list[Delivery] = []
        if not channel.buffer:
            return taken
        count = most if world.by_hand else world.dice.randint(1, most)
        while channel.buffer and len(taken) < count:
            tag, body, redelivered = channel.buffer.popleft()
            taken.append(Delivery(channel.number, tag, body, redelivered))
        return taken

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        world = self._world
        world.point("acknowledge")
        channel = self.channel
        for delivery in deliveries:
            if channel is not None and channel.alive and delivery.channel == channel.number:
                world.broker.acknowledge(channel, delivery.tag)

    def publish(self, name: str, messages: Sequence[bytes]) -> None:
        del name
        world = self._world
        world.point("publish")
        fault = world.fault(0.1)
        if fault:
            self._lost = True
            arrive = world.dice.randrange(len(messages) + 1)
            world.broker.stream += messages[:arrive]
            if fault == "late":
                rest = list(messages[arrive:])
                world.late.append((None, lambda: world.broker.stream.extend(rest)))
            if world.dice.random() < 0.5:
                self._lose_channel()
        else:
            world.broker.stream += messages
        world.point("publish done")

    def confirm(self) -> None:
        world = self._world
        world.point("confirm")
        lost, self._lost = self._lost or world.fault() != "", False
        if lost:
            raise BusLost("a simulated confirmation did not come")

    def bury(self, message: bytes, reason: str, identity: int) -> None:
        dead = self._world.broker.dead
        self._world.call("bury", lambda: dead.append((message, reason, identity)), BusLost)

    def ask(self, message: bytes) -> None:
        self._world.broker.queue.append(Queued(message))

    def drop_channel(self) -> None:
        self._world.point("drop channel")
        if self.channel is not None:
            self._lose_channel()
            self.channel.buffer.clear()

    def _lose_channel(self) -> None:
        if self.channel is not None:
            self._world.broker.close(self.channel)


class SimulatedClock:
    """A clock that is a little off, and steps back at times."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._skew_ns = world.dice.randrange(-5_000_000, 5_000_000)

    def now_ns(self) -> int:
        world = self._world
        world.now_ns += world.dice.randrange(2_000_000)
        return world.now_ns + self._skew_ns - world.dice.randrange(1_000_000)

    def pause(self, seconds: float) -> None:
        self._world.now_ns += int(seconds * 1e9)
        self._world.point("pause")


def frame_of(message: bytes) -> Frame | None:
    """The frame in a message; None if there is none."""
    try:
        return decode(message)
    except BadFrame:
        return None
