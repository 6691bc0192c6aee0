"""Servers as they should be, slow and obvious: buckets of the ledger and a broker.

The book store is that of tests/contract/store, which is held there against the real one; the
buckets are held against the real ones in tests/contract/ledger/test_simulated.py. Nothing fails in
here; faults are made by the ports, between a worker and these. ``broken`` names what a mutation
takes away, to see that the checks find it.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nextrade.domain.postings import POSTING_DTYPE, REQUEST_DTYPE
from nextrade.domain.protocol.ports import Answer, Mark, Reserve, Settle
from nextrade.errors import Gap, InsufficientFunds, ReferenceReused, StaleEpoch

from ..contract.store.memory import MemoryBookStore

DELIVERY_LIMIT = 6
PREFETCH = 8


class Broken(AssertionError):
    """The simulated world is in a state that must never be."""


class Overdrawn(Broken, InsufficientFunds):
    """A settlement would leave less than nothing; only a bucket that lost time may say so."""


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
        other.restore(self)
        return other

    def restore(self, copy: "Bucket") -> None:
        """Lose time: be what a copy was."""
        self.balances.clear()
        for key, value in copy.balances.items():
            self.balances[key] = list(value)
        self.answers = dict(copy.answers)
        self.watermark, self.epoch = copy.watermark, copy.epoch

    def _check(self, epoch: int) -> None:
        if epoch < self.epoch and self.broken != "no fence at the ledger":
            raise StaleEpoch(f"epoch {self.epoch} was seen")

    def fence(self, epoch: int) -> Mark:
        self._check(epoch)
        if self.broken != "no fence at take-over":
            self.epoch = max(self.epoch, epoch)
        return Mark(self.watermark, tuple(self.answers))

    def reserve(self, epoch: int, reserve: Reserve) -> list[bytes]:
        self._check(epoch)
        known = {} if self.broken == "no answers" else dict(self.answers)
        for frame, requests, _ in reserve.frames:
            if frame not in known and self.watermark != reserve.watermark:
                raise Gap(f"batch {self.watermark} is the last settled here")
            if known.setdefault(frame, (requests, b""))[0] != requests:
                raise ReferenceReused(f"frame {frame} asked for something else")
        self.epoch = max(self.epoch, epoch)
        return [self._answer(frame, requests) for frame, requests, _ in reserve.frames]

    def _answer(self, frame: int, requests: bytes) -> bytes:
        if frame in self.answers and self.broken != "no answers":
            return self.answers[frame][1]
        granted = bytearray()
        for account, asset, amount in np.frombuffer(requests, REQUEST_DTYPE).tolist():
            balance = self.balances[account, asset]
            granted.append(balance[0] >= amount)
            if balance[0] >= amount:
                balance[0] -= amount
                balance[1] += amount
        self.answers[frame] = requests, bytes(granted)
        return bytes(granted)

    def settle(self, epoch: int, settle: Settle) -> None:
        self._check(epoch)
        if self.broken != "no watermark":
            if self.watermark >= settle.batch:
                self.epoch = max(self.epoch, epoch)
                return
            if self.watermark != settle.previous and self.broken != "no chain":
                raise Gap(f"batch {self.watermark} is the last here, not {settle.previous}")
        after = {}
        for account, asset, available, held in np.frombuffer(
            settle.postings, POSTING_DTYPE
        ).tolist():
            before = self.balances[account, asset]
            after[account, asset] = [before[0] + available, before[1] + held]
            if min(after[account, asset]) < 0:
                raise Overdrawn(f"account {account} has {after[account, asset]} of asset {asset}")
        self.balances.update(after)
        for frame in settle.frames:
            self.answers.pop(frame, None)
        self.epoch = max(self.epoch, epoch)
        self.watermark = max(self.watermark, settle.batch)

    def answer(self, number: int, frame: int) -> Answer | None:
        known = self.answers.get(frame)
        return None if known is None else Answer(number, *known)


class BrokenStore(MemoryBookStore):
    """A book store that takes a commit from anybody."""

    def commit(self, partition: int, epoch: int, batch: int, cleared: int, entry: bytes) -> None:
        del epoch
        store = self.stores[partition]
        store.last = max(store.last, batch)
        store.entries[batch] = entry
        store.cleared = max(store.cleared, cleared)

    def _owned(self, partition: int, epoch: int) -> Any:
        del epoch
        return self._opened(partition)


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
