"""Deliberate defects, to see that a simulation finds them.

Some are in the servers, and only named here (see ``broken`` in servers.py and ports.py); the
others are workers that leave something out.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nextrade.domain.protocol.remembered import Remembered
from nextrade.domain.protocol.replica import Replica
from nextrade.domain.protocol.replica_snapshot import restore_replica
from nextrade.domain.protocol.sweep import Sweep
from nextrade.domain.protocol.takeover import replayed
from nextrade.domain.protocol.worker import Worker

from .checks import check
from .play import Play


class ForgetsFrames(Remembered):
    """Never knows a frame again."""

    def find(self, identity: int) -> None:
        del identity


class Forgetful(Worker):
    """Has no memory of frames that ended."""

    def _take_over(self) -> None:
        super()._take_over()
        assert self.replica is not None
        self.replica.remembered = ForgetsFrames()


class ForgetsOldFrames(Worker):
    """Finds no frames in a snapshot."""

    def _rebuilt(self, acquired: Any) -> Any:
        buckets = self._ledger.buckets
        snapshot = acquired.snapshot
        replica = restore_replica(self._listings, self.number, buckets, snapshot, self.limits)
        replica.remembered = Remembered(self.limits.remembered)
        return replica, replayed(replica, acquired)


class TakesOldFrames(Worker):
    """Takes a frame for new that is older than what is remembered."""

    def _work(self, deliveries: Any) -> None:
        if self.replica is not None:
            self.replica.remembered.evicted_up_to_ms = -1
        super()._work(deliveries)


class LeavesUndone(Worker):
    """Does not finish what the worker before it began: no outbox."""

    def _settle_missing(self, acquired: Any, history: Any, marks: Any) -> None:
        del acquired, history, marks


class ForgetsHolds(Worker):
    """Gives a bucket that came back behind what batches did, not what they had reserved."""

    def _settle_missing(self, acquired: Any, history: Any, marks: Any) -> None:
        frames = tuple(frame for settle in history.settles for frame in settle.frames)
        super()._settle_missing(
            acquired,
            history,
            [mark._replace(waiting=(*mark.waiting, *frames)) for mark in marks],
        )
        waiting = {(at, frame) for at, mark in enumerate(marks) for frame in mark.waiting}
        self._waiting &= waiting


class PublishesNothingLeft(Worker):
    """Takes what was committed before it for published."""

    def _rebuilt(self, acquired: Any) -> Any:
        replica, history = super()._rebuilt(acquired)
        return replica, history._replace(uncleared=())


class ForgetsSlices(Worker):
    """Does not go on with a big command that another worker began."""

    def _take_over(self) -> None:
        self._proceed, proceed = lambda: None, self._proceed  # type: ignore[method-assign]
        try:
            super()._take_over()
        finally:
            self._proceed = proceed  # type: ignore[method-assign]


class AcknowledgesEarly(Worker):
    """Acknowledges a frame as soon as it has taken it."""

    def _batch(self, group: Any) -> None:
        self._bus.acknowledge(group.deliveries)
        super()._batch(group)

    def _commit(self, done: Any, deliveries: Any, burials: Any) -> None:  # noqa: ARG002
        super()._commit(done, [], burials)


class AcknowledgesSlices(Worker):
    """Acknowledges a big command with its first part, and others with those before."""

    def _proceed(self) -> None:
        assert self.replica is not None
        while self.replica.partition.pending:
            self._turn([])
            self._commit(self.replica.proceed(), [], [])


class KeepsItsBooks(Worker):
    """Goes on with the books in its memory when it gets the queue back."""

    def _take_over(self) -> None:
        kept = self.replica
        super()._take_over()
        if kept is not None:
            self.replica = kept


class ReservesFirst(Worker):
    """Reserves for a batch before the one before it is settled."""

    def _turn(self, reserves: Any) -> Any:
        answers = []
        if reserves:
            answers = self._insist(lambda: self._ledger.turn(self.number, self.epoch, [], reserves))
        super()._turn([])
        return answers


class PublishesEarly(Worker):
    """Publishes a batch before the one before it is confirmed."""

    def _confirm(self) -> None:
        settling, before = self._settling, self._publishing
        if settling is not None and before is not None and not settling.sent:
            super()._publish(settling)
            self._publishing = before
        super()._confirm()

    def _publish(self, flight: Any) -> None:
        if flight.sent:
            self._publishing = flight
        else:
            super()._publish(flight)


class GivesNothingBack(Worker):
    """Ends frames with a verdict, and leaves what they reserved."""

    def _voided(self, table: Any, identity: int) -> Any:
        assert self.replica is not None
        return self.replica.void(table, identity, [], self._clock.now_ns())


class NeverGivesUp(Worker):
    """Lets frames that do not come again keep what they reserved."""

    def _settle_missing(self, *arguments: Any) -> None:
        super()._settle_missing(*arguments)
        self._waiting = set()


class ClearsEarly(Worker):
    """Says of a batch that it is done when it is committed."""

    def _commit(self, done: Any, deliveries: Any, burials: Any) -> None:
        self.cleared = done.batch - 1
        super()._commit(done, deliveries, burials)


class SnapshotsEarly(Worker):
    """Keeps a snapshot while a batch is on its way."""

    def _keep(self) -> None:
        assert self.replica is not None
        self.cleared = self.replica.batch
        super()._keep()

    def _finish(self) -> None:
        if not self._snapshot_is_due():
            super()._finish()


class BuriesOnce(Worker):
    """Does not bury again what it finds ended."""

    def _end_again(self, deliveries: Any, burials: Any) -> None:
        del burials
        super()._end_again(deliveries, [])


class GoesBackInTime(Replica):
    """Stamps a batch with what the clock says."""

    def plan(
        self, frames: Any, commands: Any, now_ns: int, versions: Any = (), names: Any = None
    ) -> Any:
        self.time_ns = 0
        return super().plan(frames, commands, now_ns, versions, names)


class Timeless(Worker):
    """Has a clock that may step back."""

    def _rebuilt(self, acquired: Any) -> Any:
        replica, history = super()._rebuilt(acquired)
        replica.__class__ = GoesBackInTime
        return replica, history


class TakesAnyUnits(Replica):
    """Takes a price for one in today's ticks, whenever it was made."""

    def plan(
        self, frames: Any, commands: Any, now_ns: int, versions: Any = (), names: Any = None
    ) -> Any:
        return super().plan(frames, commands, now_ns, [0] * len(versions), names)


class Unitless(Worker):
    """Does not look at the version of the listings by which a frame was made."""

    def _rebuilt(self, acquired: Any) -> Any:
        replica, history = super()._rebuilt(acquired)
        replica.__class__ = TakesAnyUnits
        return replica, history


class SweepsOpenOrders(Worker):
    """Forgets client order ids for their age alone."""

    def _forget_ids(self) -> None:
        whole = self.replica
        if whole is not None:
            nothing = Replica(self._listings, self.number, self._ledger.buckets, self.limits)
            self.replica = nothing
        super()._forget_ids()
        self.replica = whole


class SweepsEarly(Worker):
    """Forgets client order ids of orders that are over at once."""

    def __init__(self, *arguments: Any, limits: Any, **more: Any) -> None:
        super().__init__(*arguments, limits=limits, **more)
        self._sweep = Sweep(replace(limits, named_ms=-1_000))


MUTATIONS: dict[str, Callable[..., Worker]] = {
    "no fence at the store": Worker,
    "no fence at the ledger": Worker,
    "no fence at take-over": Worker,
    "no watermark": Worker,
    "no chain": Worker,
    "no answers": Worker,
    "no missing answers": Worker,
    "no memory of frames": Forgetful,
    "no frames in a snapshot": ForgetsOldFrames,
    "old frames are new": TakesOldFrames,
    "no outbox": LeavesUndone,
    "no holds caught up": ForgetsHolds,
    "no events left": PublishesNothingLeft,
    "no slices left": ForgetsSlices,
    "early acknowledgement": AcknowledgesEarly,
    "slices acknowledged": AcknowledgesSlices,
    "old books": KeepsItsBooks,
    "reserve first": ReservesFirst,
    "published early": PublishesEarly,
    "nothing given back": GivesNothingBack,
    "nothing given up": NeverGivesUp,
    "cleared early": ClearsEarly,
    "snapshot early": SnapshotsEarly,
    "buried once": BuriesOnce,
    "back in time": Timeless,
    "any units": Unitless,
    "no client order ids": Worker,
    "ids of frames that did not run": Worker,
    "no ids caught up": Worker,
    "ids of open orders forgotten": SweepsOpenOrders,
    "ids forgotten early": SweepsEarly,
}


class Judged(Play):
    """A schedule and its judgement."""

    def run(self) -> None:
        """Play and check; raises whatever is wrong."""
        self.play()
        check(self)

    def end(self) -> None:
        """Let go of the processes that are still there."""
        for process in self.processes:
            process.task.throw()


def make_play(seed: int, broken: str = "") -> Judged:
    """A schedule, with a defect if one is named."""
    return Judged(seed, broken, MUTATIONS.get(broken, Worker))


def command_for(seed: int, broken: str = "") -> str:
    """What plays one schedule again."""
    more = f" --broken '{broken}'" if broken else ""
    return f"python -m tests.simulation --first {seed} --seeds 1 --trace{more}"
