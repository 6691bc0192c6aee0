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

from nextrade.domain.postings import (
    KEPT_ID_DTYPE,
    NAMED_REQUEST_DTYPE,
    POSTING_DTYPE,
    REQUEST_DTYPE,
)
from nextrade.domain.protocol.ids import milliseconds_of
from nextrade.domain.protocol.ports import MOST_IDS, Answer, Ask, Mark, Reserve, Settle
from nextrade.errors import Gap, InsufficientFunds, MissingAnswer, ReferenceReused, StaleEpoch

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
        self.answers: dict[int, tuple[bytes, bytes, bool]] = {}
        """By frame: requests, what was granted, and whether they carry client order ids."""
        self.ids: dict[tuple[int, bytes], tuple[int, int, int, int]] = {}
        """By account and client order id: order, frame, partition, market."""
        self.most_ids = MOST_IDS
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
        self.answers, self.ids = dict(copy.answers), dict(copy.ids)
        self.watermark, self.epoch = copy.watermark, copy.epoch

    def _check(self, epoch: int) -> None:
        if epoch < self.epoch and self.broken != "no fence at the ledger":
            raise StaleEpoch(f"epoch {self.epoch} was seen")

    def fence(self, epoch: int) -> Mark:
        self._check(epoch)
        if self.broken != "no fence at take-over":
            self.epoch = max(self.epoch, epoch)
        return Mark(self.watermark, tuple(self.answers))

    def reserve(self, epoch: int, reserve: Reserve, partition: int = 0) -> list[bytes]:
        self._check(epoch)
        known = {} if self.broken == "no answers" else dict(self.answers)
        for frame, requests, named in reserve.frames:
            if frame not in known and self.watermark != reserve.watermark:
                raise Gap(f"batch {self.watermark} is the last settled here")
            before = known.setdefault(frame, (requests, b"", named))
            if (before[0], before[2]) != (requests, named):
                raise ReferenceReused(f"frame {frame} asked for something else")
        self.epoch = max(self.epoch, epoch)
        return [self._answer(partition, ask) for ask in reserve.frames]

    def _answer(self, partition: int, ask: Ask) -> bytes:
        frame, requests, named = ask
        if frame in self.answers and self.broken != "no answers":
            return self.answers[frame][1]
        granted = bytearray()
        dtype = NAMED_REQUEST_DTYPE if named else REQUEST_DTYPE
        for account, asset, amount, *more in np.frombuffer(requests, dtype).tolist():
            order, market, text = more or (0, 0, b"")
            balance = self.balances[account, asset]
            if text and (account, text) in self.ids:
                granted.append(2)
            elif text and len(self.ids) >= self.most_ids:
                granted.append(3)
            elif balance[0] < amount:
                granted.append(0)
            else:
                granted.append(1)
                balance[0] -= amount
                balance[1] += amount
                if text and self.broken != "no client order ids":
                    self.ids[account, text] = order, frame, partition, market
        self.answers[frame] = requests, bytes(granted), named
        return bytes(granted)

    def _kept_by(self, partition: int, frame: int) -> dict[tuple[int, bytes], tuple[int, ...]]:
        """The ids that a frame's answer keeps, and what for."""
        requests, granted, named = self.answers.get(frame, (b"", b"", False))
        asked = np.frombuffer(requests, NAMED_REQUEST_DTYPE).tolist() if named else []
        return {
            (account, text): (order, frame, partition, market)
            for (account, _, _, order, market, text), answer in zip(asked, granted, strict=False)
            if text and answer == 1
        }

    def settle(self, epoch: int, settle: Settle, partition: int = 0) -> None:
        self._check(epoch)
        if self.broken != "no watermark":
            if self.watermark >= settle.batch:
                self.epoch = max(self.epoch, epoch)
                return
            if self.watermark != settle.previous and self.broken != "no chain":
                raise Gap(f"batch {self.watermark} is the last here, not {settle.previous}")
        missing = set(settle.frames) - set(self.answers)
        if settle.strict and missing and self.broken != "no missing answers":
            raise MissingAnswer(f"frames {missing} have no answer here")
        after = {}
        for account, asset, available, held in np.frombuffer(
            settle.postings, POSTING_DTYPE
        ).tolist():
            before = self.balances[account, asset]
            after[account, asset] = [before[0] + available, before[1] + held]
            if min(after[account, asset]) < 0:
                raise Overdrawn(f"account {account} has {after[account, asset]} of asset {asset}")
        self.balances.update(after)
        free = [
            (account, text, what)
            for account, text, *what in np.frombuffer(settle.ids, KEPT_ID_DTYPE).tolist()
            if self._is_free(account, text, what[1])
        ]
        for frame in settle.frames:
            for key, kept in self._kept_by(partition, frame).items():
                stays = self.broken == "ids of frames that did not run"
                if settle.void and self.ids.get(key) == kept and not stays:
                    del self.ids[key]
            self.answers.pop(frame, None)
        for account, text, what in free:
            if self.broken != "no ids caught up" and self._is_free(account, text, what[1]):
                self.ids[account, text] = tuple(what)
        self.epoch = max(self.epoch, epoch)
        self.watermark = max(self.watermark, settle.batch)

    def _is_free(self, account: int, text: bytes, frame: int) -> bool:
        """Whether nobody has an id, or an earlier frame, which must have been forgotten."""
        kept = self.ids.get((account, text))
        return kept is None or kept[1] < frame

    def answer(self, number: int, frame: int) -> Answer | None:
        known = self.answers.get(frame)
        return None if known is None else Answer(number, *known)

    def named(self, partition: int, before_ms: int) -> list[tuple[Any, ...]]:
        """Client order ids of a partition whose frames are older, as rows of KEPT_ID_DTYPE."""
        return [
            (*key, *kept)
            for key, kept in self.ids.items()
            if kept[2] == partition and milliseconds_of(kept[1]) < before_ms
        ]

    def forget(self, partition: int, epoch: int, rows: list[tuple[Any, ...]]) -> int:
        self._check(epoch)
        self.epoch = max(self.epoch, epoch)
        before = len(self.ids)
        for account, text, order, *_ in rows:
            kept = self.ids.get((account, text))
            if kept is not None and (kept[0], kept[2]) == (order, partition):
                del self.ids[account, text]
        return before - len(self.ids)


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
