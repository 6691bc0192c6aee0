"""One partition's worker: takes frames, and sees that each happens exactly once.

The steps of a batch: take, reserve, match, commit, settle, publish, acknowledge. Settling a batch
and reserving for the next go to the ledger together, so at most one batch is committed and not
settled. Nothing waits for a batch to fill: what is there is taken, and when nothing is there what
was begun is finished at once.

Who loses the epoch forgets everything it has in memory, for somebody else goes on from what is
stored, and becomes a standby. A server that does not answer is asked again, with the very same
call, until it does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from ...errors import (
    BadFrame,
    BusLost,
    LedgerUnavailable,
    NexTradeError,
    ReferenceReused,
    StaleEpoch,
    StoreUnavailable,
)
from ..listings import Listings
from .frames import Frame, FrameKind, Verdict, decode
from .ids import milliseconds_of
from .limits import Limits
from .ports import BatchLedger, BookStore, Bus, Clock, Delivery, Reserve
from .replica import Done, Replica, frame_record
from .replica_snapshot import restore_replica, snapshot_replica
from .takeover import missing_settles, replayed

__all__ = ["Stopping", "Worker"]

_T = TypeVar("_T")
_FIRST_PAUSE_S: Final = 0.02
_LONGEST_PAUSE_S: Final = 1.0
_MILLISECOND: Final = 1_000_000


_REASONS: Final = {
    Verdict.UNDECODABLE: "it is no frame",
    Verdict.WRONG_PARTITION: "it names another partition than that of its queue",
    Verdict.REUSED_ID: "another frame had its id",
    Verdict.TOO_OLD: "it is older than the frames that are remembered: it may have run before",
    Verdict.DEAD_LETTERED: "it was delivered too often without an end",
    Verdict.ABANDONED: "it reserved, did not come again for long, and was given up",
}


class Stopping(NexTradeError):
    """The worker was told to stop while a server did not answer."""


@dataclass
class _Flight:
    """A batch between its commit and its acknowledgement."""

    done: Done
    deliveries: list[Delivery]
    burials: list[tuple[bytes, str, int]] = field(default_factory=list)
    sent: bool = False


@dataclass
class _Group:
    """Frames that make one batch."""

    kind: FrameKind
    deliveries: list[Delivery] = field(default_factory=list)
    records: list[tuple[int, int, int, int]] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    burials: list[tuple[bytes, str, int]] = field(default_factory=list)

    def table(self) -> npt.NDArray[np.void]:
        """The FRAME_ENTRY_DTYPE records."""
        return np.concatenate([frame_record(*record) for record in self.records])


class Worker:
    """The worker of one partition over its four ports; ``step`` is called over and over.

    ``listings`` are those that the store was founded with.
    """

    def __init__(
        self,
        listings: Listings,
        number: int,
        bus: Bus,
        ledger: BatchLedger,
        store: BookStore,
        clock: Clock,
        *,
        limits: Limits | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.number = number
        self.limits = limits or Limits()
        self.replica: Replica | None = None
        self.epoch = 0
        self.cleared = 0
        self._listings = listings
        self._bus, self._ledger, self._store, self._clock = bus, ledger, store, clock
        self._stopping = stopping
        self._channel = 0
        self._settling: _Flight | None = None
        self._publishing: _Flight | None = None
        self._noted_cleared = 0
        self._waiting: set[int] = set()
        self._taken_over_ms = 0
        self._since_snapshot = 0
        self._bytes_since_snapshot = 0
        self._snapshot_bytes = 0

    # --- the loop ------------------------------------------------------------------------------

    def step(self) -> None:
        """Take what is there and do it; finish what was begun if nothing is there."""
        busy = self._settling is not None or self._publishing is not None
        deliveries = self._bus.take(self.limits.frames, self.limits.frame_bytes, wait=not busy)
        try:
            if deliveries:
                self._work(deliveries)
                if self._snapshot_is_due():
                    self._finish()
                    self._keep()
            elif busy:
                self._finish()
            elif self.replica is not None:
                self._idle()
        except StaleEpoch:
            self.give_up()

    def drain(self) -> None:
        """Finish what was begun, and say so in the store; nothing new is taken."""
        try:
            self._finish()
            self._note_cleared()
        except StaleEpoch:
            self.give_up()

    def give_up(self) -> None:
        """Forget everything in memory and wait as a standby."""
        self.replica = None
        self._settling = self._publishing = None
        self._channel = 0
        self._bus.drop_channel()

    def _work(self, deliveries: list[Delivery]) -> None:
        if deliveries[0].channel != self._channel or self.replica is None:
            self._take_over()
            self._channel = deliveries[0].channel
        for group in self._groups(deliveries):
            self._batch(group)

    # --- sorting what was delivered ------------------------------------------------------------

    def _groups(self, deliveries: list[Delivery]) -> list[_Group]:
        """The batches that these deliveries make, in their order.

        A frame that came before goes alone: if it is the one that kills workers, it takes no
        other with it.
        """
        groups: list[_Group] = []
        repeated: list[Delivery] = []
        seen: dict[int, int] = {}
        alone = False
        for delivery in deliveries:
            group = self._judged(delivery, seen)
            if group is None:
                repeated.append(delivery)
                continue
            last = groups[-1] if groups else None
            together = last is not None and last.kind == group.kind == FrameKind.COMMANDS
            if last is not None and together and not alone and not delivery.redelivered:
                last.deliveries += group.deliveries
                last.records += group.records
                last.frames += group.frames
                last.burials += group.burials
            else:
                groups.append(group)
            alone = delivery.redelivered
        if repeated:
            self._acknowledge_later(repeated)
        return groups

    def _judged(self, delivery: Delivery, seen: dict[int, int]) -> _Group | None:
        """What is to become of one delivery; None if it is a repetition of what ended."""
        assert self.replica is not None
        message = delivery.body
        try:
            frame = decode(message)
        except BadFrame as error:
            return self._refused(delivery, Verdict.UNDECODABLE, str(error), seen)
        if frame.partition != self.number:
            reason = f"it names partition {frame.partition}, and came to {self.number}"
            return self._refused(delivery, Verdict.WRONG_PARTITION, reason, seen)
        identity = frame.identity
        known = self.replica.remembered.find(identity)
        if frame.kind == FrameKind.VERDICT:
            return self._condemned(delivery, frame, seen)
        if known is not None and known.verdict != Verdict.RUN:
            self._bury_later(message, _REASONS[Verdict(known.verdict)], identity)
            return None
        if known is not None or identity in seen:
            if frame.crc == (seen[identity] if known is None else known.crc):
                return None
            return self._refused(delivery, Verdict.REUSED_ID, _REASONS[Verdict.REUSED_ID], seen)
        seen[identity] = frame.crc
        if self.replica.remembered.too_old(identity):
            reason = _REASONS[Verdict.TOO_OLD]
            return self._sentence(delivery, frame.identity, frame.crc, Verdict.TOO_OLD, reason)
        record = (identity, frame.crc, len(frame.records), Verdict.RUN)
        if frame.kind == FrameKind.TIERS:
            record = (identity, frame.crc, 0, Verdict.RUN)
        return _Group(frame.kind, [delivery], [record], [frame])

    def _refused(
        self, delivery: Delivery, verdict: Verdict, reason: str, seen: dict[int, int]
    ) -> _Group | None:
        """A message that is no frame of ours: it reserved nothing, and has a name by its bytes."""
        assert self.replica is not None
        odd = _odd_identity(delivery.body)
        if self.replica.remembered.find(odd) is not None:
            self._bury_later(delivery.body, reason, odd)
            return None
        if odd in seen:
            return None
        seen[odd] = 0
        return self._sentence(delivery, odd, 0, verdict, reason)

    def _condemned(self, delivery: Delivery, frame: Frame, seen: dict[int, int]) -> _Group | None:
        """A frame that was delivered too often: end it, unless it ended after all."""
        assert self.replica is not None
        identity = frame.identity
        reason = _REASONS[frame.verdict]
        known = self.replica.remembered.find(identity)
        if known is not None or identity in seen:
            if known is not None and known.verdict != Verdict.RUN:
                self._bury_later(frame.about, reason, identity)
            return None
        seen[identity] = 0
        crc = 0 if identity >> 63 else decode(frame.about).crc
        verdict = frame.verdict
        if self.replica.remembered.too_old(identity):
            verdict = Verdict.TOO_OLD  # it may have run: nobody shall take it for one that did not
        group = self._sentence(delivery, identity, crc, verdict, reason)
        group.burials = [(frame.about, reason, identity)]
        return group

    def _sentence(
        self, delivery: Delivery, identity: int, crc: int, verdict: Verdict, reason: str
    ) -> _Group:
        record = (identity, crc, 0, verdict)
        burial = (delivery.body, reason, identity)
        return _Group(FrameKind.VERDICT, [delivery], [record], [], [burial])

    def _acknowledge_later(self, deliveries: list[Delivery]) -> None:
        """What ended before may be acknowledged when all that was begun is done."""
        flight = self._settling or self._publishing
        if flight is None:
            self._bus.acknowledge(deliveries)
        else:
            flight.deliveries += deliveries

    def _bury_later(self, message: bytes, reason: str, identity: int) -> None:
        """The worker that ended this frame may have died before it was a dead letter."""
        burial = message, reason, identity
        flight = self._settling or self._publishing
        if flight is None:
            self._bury([burial])
        else:
            flight.burials.append(burial)

    # --- one batch -----------------------------------------------------------------------------

    def _batch(self, group: _Group) -> None:
        assert self.replica is not None
        replica = self.replica
        if group.kind == FrameKind.COMMANDS:
            commands = np.concatenate([frame.records for frame in group.frames])
            plan = replica.plan(group.table(), commands, self._clock.now_ns())
            try:
                answers = self._turn(plan.reserves)
            except ReferenceReused:
                self._collided(group)
                return
            done = replica.run(plan, answers)
        elif group.kind == FrameKind.TIERS:
            self._turn([])
            now = self._clock.now_ns()
            done = replica.give_tiers(group.table(), group.frames[0].records, now)
        else:
            self._turn([])
            table = group.table()
            done = self._voided(table, int(table["identity"][0]))
        self._commit(done, group.deliveries, group.burials)
        self._proceed()

    def _proceed(self) -> None:
        """What did not fit the batch goes before any other frame."""
        assert self.replica is not None
        while self.replica.partition.pending:
            self._turn([])
            self._commit(self.replica.proceed(), [], [])

    def _collided(self, group: _Group) -> None:
        """Another frame of the same id reserved and never came to its batch: find out which of
        these it is about, and end that one. The other may come again, and reserves anew."""
        for delivery, record, frame in zip(
            group.deliveries, group.records, group.frames, strict=True
        ):
            if len(group.frames) > 1:
                self._batch(_Group(group.kind, [delivery], [record], [frame]))
                continue
            self._turn([])
            odd = _odd_identity(delivery.body)
            done = self._voided(frame_record(odd, frame.crc, 0, Verdict.REUSED_ID), frame.identity)
            burial = (delivery.body, _REASONS[Verdict.REUSED_ID], odd)
            self._commit(done, [delivery], [burial])

    def _voided(self, table: npt.NDArray[np.void], identity: int) -> Done:
        """End a frame with a verdict, and give back what buckets hold under this id."""
        assert self.replica is not None
        answers = []
        if not identity >> 63:
            answers = self._insist(lambda: self._ledger.answers(self.number, identity))
        return self.replica.void(table, identity, answers, self._clock.now_ns())

    def _commit(
        self, done: Done, deliveries: list[Delivery], burials: list[tuple[bytes, str, int]]
    ) -> None:
        cleared = self.cleared
        self._insist(
            lambda: self._store.commit(self.number, self.epoch, done.batch, cleared, done.entry)
        )
        self._noted_cleared = cleared
        self._since_snapshot += 1
        self._bytes_since_snapshot += len(done.entry)
        if self._waiting:
            self._waiting.difference_update(
                identity for settle in done.settles for identity in settle.frames
            )
        self._settling = _Flight(done, deliveries, burials)

    def _turn(self, reserves: list[Reserve]) -> list[list[bytes]]:
        """Settle the batch before, reserve for the next; then the former's events go out."""
        settling = self._settling
        settles = [] if settling is None else settling.done.settles
        answers: list[list[bytes]] = []
        if settles or reserves:
            answers = self._insist(
                lambda: self._ledger.turn(self.number, self.epoch, settles, reserves)
            )
        if settling is not None:
            self._confirm()
            self._settling = None
            self._publish(settling)
        return answers

    def _publish(self, flight: _Flight) -> None:
        self._publishing = flight
        try:
            self._send(flight)
        except BusLost:
            flight.sent = False

    def _send(self, flight: _Flight) -> None:
        self._bus.publish(f"{self.number}/{flight.done.batch}", flight.done.messages)
        flight.sent = True

    def _confirm(self) -> None:
        """Wait for the events of the batch that was published last; then it is done."""
        flight = self._publishing
        if flight is None:
            return
        self._insist(lambda: self._sent_and_confirmed(flight))
        self.cleared = flight.done.batch
        self._bury(flight.burials)
        self._publishing = None
        if flight.deliveries:
            self._bus.acknowledge(flight.deliveries)

    def _sent_and_confirmed(self, flight: _Flight) -> None:
        try:
            if not flight.sent:
                self._send(flight)
            self._bus.confirm()
        except BusLost:
            flight.sent = False
            raise

    def _bury(self, burials: list[tuple[bytes, str, int]]) -> None:
        for message, reason, identity in burials:
            self._insist(lambda m=message, r=reason, i=identity: self._bus.bury(m, r, i))  # type: ignore[misc]

    def _finish(self) -> None:
        """Settle, publish, confirm and acknowledge all that was committed."""
        self._turn([])
        self._confirm()

    # --- when there is nothing to do -----------------------------------------------------------

    def _idle(self) -> None:
        assert self.replica is not None
        self._note_cleared()
        if self._snapshot_is_due():
            self._keep()
        now_ms = self._clock.now_ns() // _MILLISECOND
        if now_ms - self._taken_over_ms > self.limits.abandoned_ms:
            for identity in sorted(self._waiting):
                if now_ms - milliseconds_of(identity) > self.limits.abandoned_ms:
                    self._waiting.discard(identity)
                    table = frame_record(identity, 0, 0, Verdict.ABANDONED)
                    self._commit(self._voided(table, identity), [], [])
                    self._finish()

    def _note_cleared(self) -> None:
        if self.replica is None or self.cleared == self._noted_cleared:
            return
        cleared = self.cleared
        self._insist(lambda: self._store.clear(self.number, self.epoch, cleared))
        self._noted_cleared = cleared

    def _snapshot_is_due(self) -> bool:
        enough = max(self.limits.entry_bytes, 2 * self._snapshot_bytes)
        return self._since_snapshot >= self.limits.entries or self._bytes_since_snapshot >= enough

    def _keep(self) -> None:
        """Keep a snapshot; everything committed is finished."""
        assert self.replica is not None
        self._note_cleared()
        batch, snapshot = self.replica.batch, snapshot_replica(self.replica)
        self._insist(lambda: self._store.keep(self.number, self.epoch, batch, snapshot))
        self._since_snapshot = self._bytes_since_snapshot = 0
        self._snapshot_bytes = len(snapshot)

    # --- taking over ---------------------------------------------------------------------------

    def _take_over(self) -> None:
        """Raise the epoch, rebuild the books, finish what the worker before left undone."""
        self.replica = None
        self._settling = self._publishing = None
        number = self.number
        acquired = self._insist(lambda: self._store.acquire(number))
        self.epoch, self.cleared = acquired.epoch, acquired.cleared
        self._noted_cleared = acquired.cleared
        buckets = self._ledger.buckets
        replica = restore_replica(self._listings, number, buckets, acquired.snapshot, self.limits)
        history = replayed(replica, acquired)
        marks = self._insist(lambda: self._ledger.fence(number, acquired.epoch))
        waiting = {identity for mark in marks for identity in mark.waiting}
        for settles in missing_settles(number, acquired, history, marks):
            self._insist(lambda s=settles: self._ledger.turn(number, acquired.epoch, s, []))  # type: ignore[misc]
            waiting.difference_update(frame for settle in settles for frame in settle.frames)
        self.replica = replica
        self._since_snapshot = len(acquired.entries)
        self._bytes_since_snapshot = sum(map(len, acquired.entries))
        self._snapshot_bytes = len(acquired.snapshot)
        self._waiting = waiting
        self._taken_over_ms = self._clock.now_ns() // _MILLISECOND
        for done in history.uncleared:
            self._publish(_Flight(done, []))
            self._confirm()
        self._proceed()

    # --- servers that do not answer ------------------------------------------------------------

    def _insist(self, call: Callable[[], _T]) -> _T:
        """Make a call until it is answered; raises Stopping if the worker is to end instead."""
        pause = _FIRST_PAUSE_S
        while True:
            try:
                return call()
            except (LedgerUnavailable, StoreUnavailable, BusLost) as error:
                if self._stopping():
                    raise Stopping(
                        f"told to stop while a server did not answer: {error}"
                    ) from error
                self._clock.pause(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)


def _odd_identity(message: bytes) -> int:
    """A number for a message that is no frame of this partition, above all frame ids."""
    return int.from_bytes(hashlib.blake2b(message, digest_size=8).digest(), "little") | 1 << 63
