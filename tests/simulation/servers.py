"""Servers as they should be, slow and obvious: buckets of the ledger, a book store, a broker.

Nothing fails in here; faults are made by the ports, between a worker and these. ``broken`` names
what a mutation takes away, to see that the checks find it.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field

import numpy as np

from nextrade.domain.postings import POSTING_DTYPE, REQUEST_DTYPE
from nextrade.domain.protocol.ports import Acquired, Answer, Mark, Reserve, Settle
from nextrade.errors import Gap, ReferenceReused, StaleEpoch, StoreError

DELIVERY_LIMIT = 6
PREFETCH = 8


class Broken(AssertionError):
    """The simulated world is in a state that must never be."""


class Bucket:
    """Balances of some accounts, and what the protocol keeps beside them."""

    def __init__(self, broken: str = "") -> None:
        self.broken = broken
        self.balances: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
        self.answers: dict[int, tuple[bytes, bytes]] = {}
        self.watermark = 0
        self.epoch = 0

    def copy(self) -> "Bucket":
        other = Bucket(self.broken)
        for key, value in self.balances.items():
            other.balances[key] = list(value)
        other.answers = dict(self.answers)
        other.watermark, other.epoch = self.watermark, self.epoch
        return other

    def _check(self, epoch: int) -> None:
        if epoch < self.epoch and self.broken != "no fence at the ledger":
            raise StaleEpoch(f"epoch {self.epoch} was seen")
        self.epoch = max(self.epoch, epoch)

    def fence(self, epoch: int) -> Mark:
        self._check(epoch)
        return Mark(self.watermark, tuple(self.answers))

    def reserve(self, epoch: int, reserve: Reserve) -> list[bytes]:
        self._check(epoch)
        for frame, requests in reserve.frames:
            known = self.answers.get(frame)
            if known is not None and known[0] != requests and self.broken != "no answers":
                raise ReferenceReused(f"frame {frame} asked for something else")
        replies = []
        for frame, requests in reserve.frames:
            if frame in self.answers and self.broken != "no answers":
                replies.append(self.answers[frame][1])
                continue
            if self.watermark > reserve.watermark:
                raise Gap(f"batch {self.watermark} was settled since")
            granted = bytearray()
            for account, asset, amount in np.frombuffer(requests, REQUEST_DTYPE).tolist():
                balance = self.balances[account, asset]
                granted.append(balance[0] >= amount)
                if balance[0] >= amount:
                    balance[0] -= amount
                    balance[1] += amount
            self.answers[frame] = requests, bytes(granted)
            replies.append(bytes(granted))
        return replies

    def settle(self, epoch: int, settle: Settle) -> None:
        self._check(epoch)
        if self.broken != "no watermark":
            if self.watermark >= settle.batch:
                return
            if self.watermark != settle.previous and self.broken != "no chain":
                raise Gap(f"batch {self.watermark} is the last here, not {settle.previous}")
        for posting in np.frombuffer(settle.postings, POSTING_DTYPE).tolist():
            account, asset, available, held = posting
            balance = self.balances[account, asset]
            balance[0] += available
            balance[1] += held
            if min(balance) < 0:
                raise Broken(f"account {account} has {balance} of asset {asset}")
        for frame in settle.frames:
            self.answers.pop(frame, None)
        self.watermark = max(self.watermark, settle.batch)

    def answer(self, number: int, frame: int) -> Answer | None:
        known = self.answers.get(frame)
        return None if known is None else Answer(number, *known)


@dataclass
class Store:
    """The book store of one partition."""

    broken: str = ""
    epoch: int = 0
    batch: int = 0
    cleared: int = 0
    entries: dict[int, bytes] = field(default_factory=dict)
    snapshots: list[tuple[int, bytes]] = field(default_factory=list)

    def acquire(self) -> Acquired:
        self.epoch += 1
        return self.look()

    def look(self) -> Acquired:
        since, snapshot = self.snapshots[-1] if self.snapshots else (0, b"")
        entries = tuple(self.entries[batch] for batch in range(since + 1, self.batch + 1))
        return Acquired(
            epoch=self.epoch,
            batch=self.batch,
            cleared=self.cleared,
            snapshot=snapshot,
            snapshot_batch=since,
            entries=entries,
            founding=b"",
        )

    def _check(self, epoch: int) -> None:
        if epoch != self.epoch and self.broken != "no fence at the store":
            raise StaleEpoch(f"epoch {self.epoch} was seen")

    def commit(self, epoch: int, batch: int, cleared: int, entry: bytes) -> None:
        self._check(epoch)
        if batch == self.batch and self.entries[batch] == entry:
            return
        if self.broken == "no fence at the store":
            self.batch = max(self.batch, batch - 1)
        if batch == self.batch and self.broken != "no fence at the store":
            raise StoreError(f"batch {batch} was committed with another entry")
        if batch != self.batch + 1 and self.broken != "no fence at the store":
            raise Gap(f"batch {self.batch} is the last")
        self.entries[batch] = entry
        self.batch = batch
        self.cleared = max(self.cleared, cleared)

    def clear(self, epoch: int, cleared: int) -> None:
        self._check(epoch)
        self.cleared = max(self.cleared, cleared)

    def keep(self, epoch: int, batch: int, snapshot: bytes) -> None:
        self._check(epoch)
        if batch > self.cleared:
            raise Broken(f"a snapshot of batch {batch}, and {self.cleared} is cleared")
        if self.snapshots and self.snapshots[-1][0] >= batch:
            return
        self.snapshots = [*self.snapshots[-1:], (batch, snapshot)]
        oldest = self.snapshots[0][0] if len(self.snapshots) > 1 else 0
        self.entries = {number: text for number, text in self.entries.items() if number > oldest}


@dataclass
class Queued:
    """A message in the queue."""

    body: bytes
    deliveries: int = 0


@dataclass
class Channel:
    """A consumer's channel; ``buffer`` is on the worker's side, and stays with it."""

    number: int
    alive: bool = True
    careful: bool = True
    unacked: dict[int, Queued] = field(default_factory=dict)
    buffer: deque = field(default_factory=deque)
    next_tag: int = 1


class Broker:
    """The queue of one partition with its dead letters, and the stream of events."""

    def __init__(self) -> None:
        self.queue: deque[Queued] = deque()
        self.channels: list[Channel] = []
        self.fallen: deque[bytes] = deque()
        self.dead: list[tuple[bytes, str, int]] = []
        self.stream: list[bytes] = []
        self._opened = 0

    def open(self) -> Channel:
        self._opened += 1
        channel = Channel(self._opened)
        self.channels.append(channel)
        return channel

    @property
    def active(self) -> Channel | None:
        return self.channels[0] if self.channels else None

    def deliver(self) -> None:
        """The active consumer gets what its prefetch allows."""
        channel = self.active
        if channel is None:
            return
        while self.queue and len(channel.unacked) < (1 if channel.careful else PREFETCH):
            queued = self.queue.popleft()
            tag = channel.next_tag
            channel.next_tag += 1
            channel.unacked[tag] = queued
            channel.buffer.append((tag, queued.body, queued.deliveries > 0))
            queued.deliveries += 1

    def acknowledge(self, channel: Channel, tag: int) -> None:
        queued = channel.unacked.pop(tag, None)
        if queued is None:
            raise Broken(f"delivery {tag} is acknowledged twice")
        if queued.deliveries == 1:
            channel.careful = False

    def close(self, channel: Channel) -> None:
        """Everything that is not acknowledged goes back to the front, or falls."""
        if not channel.alive:
            return
        channel.alive = False
        self.channels.remove(channel)
        for tag in sorted(channel.unacked, reverse=True):
            queued = channel.unacked[tag]
            if queued.deliveries > DELIVERY_LIMIT:
                self.fallen.append(queued.body)
            else:
                self.queue.appendleft(queued)
        channel.unacked = {}
