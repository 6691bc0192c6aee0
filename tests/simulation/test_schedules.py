"""The schedules that the protocol was made for, step by step."""

import pytest

pytest.importorskip("greenlet", reason="greenlet is not installed")

from nextrade import Side
from nextrade.domain.protocol.frames import Verdict, identity_of
from nextrade.domain.protocol.worker import Worker

from .checks import heard
from .mutations import MUTATIONS
from .play import Process
from .servers import DELIVERY_LIMIT
from .stage import Stage

SELL, BUY = Side.SELL, Side.BUY
ONE, TWO = 1, 2  # accounts in different buckets


def trade() -> Stage:
    """Two workers, and two frames that trade with each other, in one batch of the first."""
    stage = Stage()
    stage.send((ONE, SELL, 3, 4))
    stage.send((TWO, BUY, 2, 4), (TWO, BUY, 1, 2))
    return stage


def handed_over(stage: Stage, *, alive: bool) -> Process:
    """The broker takes the queue from the first worker, who dies or does not know."""
    first, second = stage.processes[:2]
    if alive:
        stage.world.broker.close(first.bus.channel)
        stage.processes.remove(first)
        stage.processes.append(first)
    else:
        stage.crash(first)
    return second


STEPS = ["acquire", "acquire done", "fence", "fence done", "reserve", "reserve done", "commit"]
STEPS += ["commit done", "settle", "settle done", "publish", "publish done", "confirm"]
STEPS += ["acknowledge"]


@pytest.mark.parametrize("alive", [False, True], ids=["dead", "zombie"])
@pytest.mark.parametrize("place", STEPS)
def test_standby_takes_over_in_the_middle(place: str, alive: bool) -> None:
    """Wherever a worker is when it loses the queue, each frame happens once."""
    stage = trade()
    zombie = stage.processes[0]
    stage.until(zombie, place)
    second = handed_over(stage, alive=alive)
    stage.quiet(second)
    if alive:  # it wakes up, is refused, and becomes the standby
        stage.until(zombie, "take", 3)
    stage.end()

    assert [*stage.verdicts().values()] == [[Verdict.RUN]] * 2
    assert (stage.held(ONE), stage.held(TWO)) == (1, 2)


TAKE_OVER = ["acquire", "acquire done", "fence", "fence done", "settle", "settle done", "publish"]
TAKE_OVER += ["publish done", "confirm", "acknowledge", "clear"]


@pytest.mark.parametrize("alive", [False, True], ids=["dead", "zombie"])
@pytest.mark.parametrize("place", TAKE_OVER)
def test_standby_is_taken_over_in_its_take_over(place: str, alive: bool) -> None:
    """A take-over may end anywhere too: the next one goes on."""
    stage = trade()
    stage.start()
    stage.until(stage.processes[0], "commit done")
    second = handed_over(stage, alive=False)
    stage.until(second, place)
    third = handed_over(stage, alive=alive)
    stage.quiet(third)
    if alive:
        stage.until(second, "take", 3)
    stage.end()

    assert [*stage.verdicts().values()] == [[Verdict.RUN]] * 2
    assert (stage.held(ONE), stage.held(TWO)) == (1, 2)


@pytest.mark.parametrize("committed", [False, True])
def test_dead_letter_race(committed: bool) -> None:
    """A frame falls while a zombie holds it: it runs or is a dead letter, never both."""
    stage = Stage()
    frame = identity_of(stage.send((ONE, SELL, 3, 4)))
    zombie, second = stage.processes
    stage.until(zombie, "commit done" if committed else "commit")
    for queued in zombie.bus.channel.unacked.values():
        queued.deliveries = DELIVERY_LIMIT + 1
    handed_over(stage, alive=True)
    while stage.world.broker.fallen:
        stage.relay()
    stage.quiet(second)
    stage.until(zombie, "take", 3)
    stage.end()

    expected = Verdict.RUN if committed else Verdict.DEAD_LETTERED
    assert stage.verdicts()[frame] == [expected]
    assert stage.held(ONE) == (3 if committed else 0)
    assert len([body for body, _, name in stage.world.broker.dead if name == frame]) == (
        not committed
    )


@pytest.mark.parametrize("broken", ["", "no fence at take-over"])
def test_zombie_reserves_after_the_verdict(broken: str) -> None:
    """A bucket refuses a zombie as soon as somebody has taken over: nobody would void its hold."""
    stage = Stage(broken)
    stage.send((ONE, SELL, 3, 4))
    zombie, second = stage.processes
    stage.until(zombie, "reserve")
    for queued in zombie.bus.channel.unacked.values():
        queued.deliveries = DELIVERY_LIMIT + 1
    handed_over(stage, alive=True)
    stage.relay()
    stage.quiet(second)
    stage.until(zombie, "take", 3)

    assert stage.held(ONE) == (3 if broken else 0)


def test_eviction() -> None:
    """A frame that was forgotten comes again: it does not run, and is told so."""
    stage = Stage(remembered=2)
    old = stage.send((ONE, SELL, 3, 4))
    for _ in range(3):
        stage.send((TWO, SELL, 1, 5))
    stage.quiet(stage.processes[0])
    stage.put(old)
    stage.end()

    assert stage.verdicts()[identity_of(old)] == [Verdict.RUN, Verdict.TOO_OLD]
    assert (stage.held(ONE), stage.held(TWO)) == (3, 3)


def unconfirmed(broken: str = "") -> Stage:
    """The events of a batch are lost, the next one is committed, and the worker dies."""
    stage = Stage(make=MUTATIONS.get(broken, Worker), frames=1)
    first = stage.processes[0]
    stage.send((ONE, SELL, 3, 4))
    stage.until(first, "reserve")
    stage.world.broker.active.careful = False  # its prefetch is no longer one
    stage.send((TWO, BUY, 2, 4))
    stage.send((TWO, BUY, 1, 1))
    stage.until(first, "publish done")
    stage.world.broker.stream.clear()
    first.bus._lost = True
    stage.until(first, "commit done")
    stage.crash(first)
    return stage


def test_events_unconfirmed() -> None:
    """Events that were sent and not confirmed are sent again by whoever comes next, in order."""
    stage = unconfirmed()
    assert stage.world.broker.stream == []
    stage.end()

    assert [message.batch for message in heard(stage)] == [1, 2, 3]


def test_purge() -> None:
    """A frame that reserved and was purged gives its hold back after the time limit."""
    stage = Stage()
    frame = identity_of(stage.send((ONE, SELL, 3, 4)))
    first = stage.processes[0]
    stage.until(first, "commit")
    stage.crash(first)
    stage.purge()
    second = stage.processes[0]
    stage.quiet(second)
    assert stage.held(ONE) == 3
    stage.world.now_ns += 1_000_000 * stage.limits.abandoned_ms - 1
    stage.quiet(second)
    stage.world.now_ns += 10_000_000
    stage.end()

    assert stage.verdicts()[frame] == [Verdict.ABANDONED]
    assert stage.held(ONE) == 0


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("place", ["commit", "commit done", "settle done", "publish done"])
def test_big_command_in_slices(place: str, times: int) -> None:
    """A command of many batches is ended by whoever comes, before any other command."""
    stage = Stage(posting_limit=2, event_limit=2)
    stage.start()
    first = stage.processes[0]
    stage.send(*[(ONE, SELL, 1, ticks) for ticks in (1, 2, 3, 4, 5)])
    stage.quiet(first)
    stage.send(ONE)
    stage.send((ONE, SELL, 2, 3))
    stage.until(first, place, times)
    stage.crash(first)
    stage.end()

    assert [*stage.verdicts().values()] == [[Verdict.RUN]] * 3
    assert stage.held(ONE) == 2


def test_poison() -> None:
    """A frame that kills every worker is set aside in the end, and takes no other with it."""
    stage = Stage()
    innocents = [stage.send((ONE, SELL, 1, 4)) for _ in range(2)]
    poison = stage.send((TWO, SELL, 3, 4))
    innocents += [stage.send((ONE, SELL, 1, 4)) for _ in range(5)]
    stage.world.poison.add(identity_of(poison))
    stage.settle_down()

    verdicts = stage.verdicts()
    assert verdicts[identity_of(poison)] == [Verdict.DEAD_LETTERED]
    assert [verdicts[identity_of(frame)] for frame in innocents] == [[Verdict.RUN]] * 7
    assert (stage.held(ONE), stage.held(TWO)) == (7, 0)


def test_events_lost_by_one_that_clears_early() -> None:
    """A worker that calls a batch done when it is committed loses its events."""
    stage = unconfirmed("cleared early")
    with pytest.raises(AssertionError, match="stream goes on with"):
        stage.end()


def test_slices_lost_by_one_that_acknowledges_early() -> None:
    """A big command is acknowledged with its last part: else nobody may be given its rest."""
    for broken in ("slices acknowledged", ""):
        stage = Stage(make=MUTATIONS.get(broken, Worker), posting_limit=2, event_limit=2)
        stage.world.knocks = False
        first, second = stage.processes
        stage.send(*[(ONE, SELL, 1, ticks) for ticks in (1, 2, 3, 4, 5)])
        stage.until(first, "commit done", 3)
        stage.crash(first)
        stage.until(second, "take", 5)
        begun = second.worker.epoch > 0
        assert begun == (not broken)
