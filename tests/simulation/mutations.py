"""Deliberate defects, to see that a simulation finds them."""

from collections.abc import Callable

from nextrade.domain.protocol import worker as worker_module
from nextrade.domain.protocol.remembered import Remembered
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


class LeavesUndone(Worker):
    """Does not finish what the worker before it began: no outbox."""

    def _take_over(self) -> None:
        missing = worker_module.missing_settles
        worker_module.missing_settles = lambda *_: []
        try:
            super()._take_over()
        finally:
            worker_module.missing_settles = missing


class PublishesNothingLeft(Worker):
    """Takes what was committed before it for published."""

    def _take_over(self) -> None:
        replayed = worker_module.replayed

        def forget(*arguments: object) -> object:
            return replayed(*arguments)._replace(uncleared=())

        worker_module.replayed = forget
        try:
            super()._take_over()
        finally:
            worker_module.replayed = replayed


class AcknowledgesEarly(Worker):
    """Acknowledges a frame as soon as it has taken it."""

    def _batch(self, group: object) -> None:
        self._bus.acknowledge(group.deliveries)
        group.deliveries = []
        super()._batch(group)


class KeepsItsBooks(Worker):
    """Goes on with the books in its memory when it gets the queue back."""

    def _take_over(self) -> None:
        kept = self.replica
        super()._take_over()
        if kept is not None:
            self.replica = kept


MUTATIONS: dict[str, Callable[..., Worker]] = {
    "no fence at the store": Worker,
    "no fence at the ledger": Worker,
    "no watermark": Worker,
    "no chain": Worker,
    "no answers": Worker,
    "no memory of frames": Forgetful,
    "no outbox": LeavesUndone,
    "no events left": PublishesNothingLeft,
    "early acknowledgement": AcknowledgesEarly,
    "old books": KeepsItsBooks,
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
