"""One partition's worker: takes frames, and sees that each happens exactly once.

The steps of a batch: take, reserve, match, commit, settle, publish, acknowledge. Settling a batch
and reserving for the next go to the ledger together, so at most one batch is committed and not
settled. Nothing waits for a batch to fill: what is there is taken, and when nothing is there what
was begun is finished at once.

Who loses the epoch forgets everything it has in memory, for somebody else goes on from what is
stored, and becomes a standby. A server that does not answer is asked again, with the very same
call, until it does.

This file is long because the order of all steps, and what may come between them, is one thing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from ...dtypes import COMMAND_DTYPE
from ...errors import (
    BusLost,
    Gap,
    InsufficientFunds,
    LedgerUnavailable,
    MissingAnswer,
    NexTradeError,
    ReferenceReused,
    StaleEpoch,
    StoreUnavailable,
)
from ..listings import Listings
from .frames import FrameKind, Verdict
from .ids import milliseconds_of
from .judging import REASONS, Burial, Group, frame_record, identity_of_bytes, judge
from .limits import Limits
from .messages import FRAME_ENTRY_DTYPE
from .naming import joined
from .ports import Acquired, BatchLedger, BookStore, Bus, Clock, Delivery, Mark, Reserve, Settle
from .replica import Done, Replica
from .replica_snapshot import restore_replica, snapshot_replica
from .schedule import Expiries
from .sweep import Sweep
from .takeover import History, cannot_follow, is_behind, missing_settles, replayed

__all__ = ["Stopping", "Worker"]

_T = TypeVar("_T")
_FIRST_PAUSE_S: Final = 0.02
_NO_FRAMES: Final = np.zeros(0, FRAME_ENTRY_DTYPE)
_LONGEST_PAUSE_S: Final = 1.0
_MILLISECOND: Final = 1_000_000


class Stopping(NexTradeError):
    """The worker was told to stop while a server did not answer."""


@dataclass
class _Flight:
    """A batch between its commit and its acknowledgement."""

    done: Done
    deliveries: list[Delivery]
    burials: list[Burial] = field(default_factory=list)
    sent: bool = False


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
        self._waiting: set[tuple[int, int]] = set()
        """Buckets and frames that they answered, of workers before this one."""
        self._taken_over_ms = 0
        self._since_snapshot = 0
        self._expiries = Expiries()
        self._sweep = Sweep(self.limits)
        self._bytes_since_snapshot = 0
        self._snapshot_bytes = 0

    # --- the loop ------------------------------------------------------------------------------

    def step(self) -> None:
        """Take what is there and do it; finish what was begun if nothing is there."""
        busy = self._settling is not None or self._publishing is not None
        deliveries = self._bus.take(self.limits.frames, self.limits.frame_bytes, wait=not busy)
        try:
            if self.replica is not None:
                # Orders end at their date by a command that comes through the queue like any other.
                for frame in self._expiries.due(self.replica.partition, self._clock):
                    self._bus.ask(frame)
            if deliveries:
                self._work(deliveries)
                if self._snapshot_is_due():
                    self._finish()
                    self._keep()
            elif busy:
                self._finish()
            elif self.replica is not None:
                self._idle()
            self._forget_ids()
        except (StaleEpoch, MissingAnswer, Gap):
            # The latter two: a bucket has lost what it reserved, or batches. A take-over makes
            # that good, or says why it cannot.
            self.give_up()

    def drain(self) -> None:
        """Finish what was begun, and say so in the store; nothing new is taken."""
        try:
            self._finish()
            self._note_cleared()
        except (StaleEpoch, MissingAnswer, Gap):
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
        assert self.replica is not None
        judgement = judge(self.number, self.replica.remembered, deliveries)
        if judgement.repeated:
            self._end_again(judgement.repeated, judgement.burials)
        for group in judgement.groups:
            self._batch(group)

    # --- what ended before ---------------------------------------------------------------------

    def _end_again(self, deliveries: list[Delivery], burials: list[Burial]) -> None:
        """Acknowledge what ended before, when all that was begun is done.

        The worker that ended it may have died before it was a dead letter.
        """
        flight = self._settling or self._publishing
        if flight is None:
            self._bury(burials)
            self._bus.acknowledge(deliveries)
        else:
            flight.deliveries += deliveries
            flight.burials += burials

    # --- one batch -----------------------------------------------------------------------------

    def _batch(self, group: Group) -> None:
        assert self.replica is not None
        replica = self.replica
        if group.kind == FrameKind.COMMANDS:
            # Joined as bytes: to join records NumPy looks at every field of every frame.
            text = bytearray().join([frame.records.data.cast("B") for frame in group.frames])
            commands = np.frombuffer(text, COMMAND_DTYPE)
            versions = [frame.listings for frame in group.frames]
            names = joined(group.frames) if group.named else None
            plan = replica.plan(group.table(), commands, self._clock.now_ns(), versions, names)
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
        elif group.kind == FrameKind.LISTINGS:
            self._turn([])
            done = self._relisted(group)
        else:
            self._turn([])
            table = group.table()
            done = self._voided(table, int(table["identity"][0]))
        self._commit(done, group.deliveries, group.burials)
        self._proceed()

    def _relisted(self, group: Group) -> Done:
        """Take on new listings, or refuse them: then the frame is a dead letter that says why."""
        assert self.replica is not None
        # A frame that reserved and comes again after the change would ask otherwise. So what was
        # reserved is given back first, and the frame then asks anew.
        for identity in sorted({identity for _, identity in self._waiting}):
            self._commit(self._voided(_NO_FRAMES, identity), [], [])
            self._turn([])
        text = group.frames[0].records.tobytes()
        done = self.replica.relist(group.table(), text, self._clock.now_ns())
        if done.objection:
            identity = group.frames[0].identity
            group.burials.append(Burial(group.deliveries[0].body, done.objection, identity))
        return done

    def _proceed(self) -> None:
        """What did not fit the batch goes before any other frame.

        The frames are acknowledged with the last part: while one is not, somebody is given the
        queue, and so the work.
        """
        assert self.replica is not None
        while self.replica.partition.pending:
            flight = self._settling
            deliveries: list[Delivery] = []
            if flight is not None:
                deliveries, flight.deliveries = flight.deliveries, []
            self._turn([])
            self._commit(self.replica.proceed(), deliveries, [])

    def _collided(self, group: Group) -> None:
        """Another frame of the same id reserved and never came to its batch: find out which of
        these it is about, and end that one. The other may come again, and reserves anew."""
        for delivery, record, frame in zip(
            group.deliveries, group.records, group.frames, strict=True
        ):
            if len(group.frames) > 1:
                alone = Group(group.kind, [delivery], [record], [frame], named=group.named)
                self._batch(alone)
                continue
            self._turn([])
            odd = identity_of_bytes(delivery.body)
            done = self._voided(frame_record(odd, frame.crc, 0, Verdict.REUSED_ID), frame.identity)
            burial = Burial(delivery.body, REASONS[Verdict.REUSED_ID], odd)
            self._commit(done, [delivery], [burial])

    def _voided(self, table: npt.NDArray[np.void], identity: int) -> Done:
        """End a frame with a verdict, and give back what buckets hold under this id."""
        assert self.replica is not None
        answers = []
        if not identity >> 63:
            answers = self._insist(lambda: self._ledger.answers(self.number, identity))
        return self.replica.void(table, identity, answers, self._clock.now_ns())

    def _commit(self, done: Done, deliveries: list[Delivery], burials: list[Burial]) -> None:
        cleared = self.cleared
        self._insist(
            lambda: self._store.commit(self.number, self.epoch, done.batch, cleared, done.entry)
        )
        self._noted_cleared = cleared
        self._since_snapshot += 1
        self._bytes_since_snapshot += len(done.entry)
        if self._waiting:
            self._waiting.difference_update(_ended(done.settles))
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

    def _bury(self, burials: list[Burial]) -> None:
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
            for identity in sorted({identity for _, identity in self._waiting}):
                if now_ms - milliseconds_of(identity) > self.limits.abandoned_ms:
                    table = frame_record(identity, 0, 0, Verdict.ABANDONED)
                    self._commit(self._voided(table, identity), [], [])
                    self._finish()

    def _forget_ids(self) -> None:
        """Forget some client order ids that are over; with a ledger that is away, another time."""
        if self.replica is None:
            return
        waiting = {identity for _, identity in self._waiting}
        now_ms = self._clock.now_ns() // _MILLISECOND
        with suppress(LedgerUnavailable):
            self._sweep.look(self._ledger, self.replica.partition, self.epoch, waiting, now_ms)

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
        replica, history = self._rebuilt(acquired)
        marks = self._insist(lambda: self._ledger.fence(number, acquired.epoch))
        if is_behind(history, marks):
            acquired = self._earlier(acquired)
            replica, history = self._rebuilt(acquired)
        self._settle_missing(acquired, history, marks)
        self.replica = replica
        self._since_snapshot = len(acquired.entries)
        self._bytes_since_snapshot = sum(map(len, acquired.entries))
        self._snapshot_bytes = len(acquired.snapshot)
        self._taken_over_ms = self._clock.now_ns() // _MILLISECOND
        for done in history.uncleared:
            self._publish(_Flight(done, []))
            self._confirm()
        self._proceed()

    def _rebuilt(self, acquired: Acquired) -> tuple[Replica, History]:
        """The state after the last batch, and what was done since the snapshot."""
        replica = restore_replica(
            self._listings, self.number, self._ledger.buckets, acquired.snapshot, self.limits
        )
        return replica, replayed(replica, acquired)

    def _earlier(self, acquired: Acquired) -> Acquired:
        """The same from the snapshot before: a bucket has lost more than the newest one tells."""
        earlier = self._insist(lambda: self._store.look(self.number, earlier=True))
        if earlier.epoch != acquired.epoch:
            raise StaleEpoch(f"partition {self.number} was taken over, epoch {earlier.epoch}")
        return earlier

    def _settle_missing(self, acquired: Acquired, history: History, marks: list[Mark]) -> None:
        number = self.number
        waiting = {(at, identity) for at, mark in enumerate(marks) for identity in mark.waiting}
        try:
            for settles in missing_settles(number, acquired, history, marks):
                self._insist(lambda s=settles: self._ledger.turn(number, acquired.epoch, s, []))  # type: ignore[misc]
                waiting -= _ended(settles)
        except InsufficientFunds as error:
            raise cannot_follow(number, settles[0].batch, error) from error
        self._waiting = waiting

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


def _ended(settles: list[Settle]) -> set[tuple[int, int]]:
    """The answers that these end: bucket and frame."""
    return {(settle.bucket, frame) for settle in settles for frame in settle.frames}
