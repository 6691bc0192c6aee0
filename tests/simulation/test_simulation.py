"""Thousands of schedules, each decided by a seed, none of which may end wrong."""

import pytest

pytest.importorskip("greenlet", reason="greenlet is not installed")

from nextrade.domain.protocol.entries import EntryKind

from .checks import entries_of
from .mutations import command_for, make_play

SEEDS = 1_500
MANY = 20_000


def play(seed: int) -> set[EntryKind]:
    """Play one schedule; fail with the command that plays it again. Returns what came up."""
    schedule = make_play(seed)
    try:
        schedule.run()
    except Exception as error:
        raise AssertionError(f"seed {seed}: {error!r}; again: {command_for(seed)}") from error
    finally:
        schedule.end()
    return set(entries_of(schedule))


def test_schedules() -> None:
    """Whatever crashes, pauses, comes late or twice: money, orders, events and verdicts agree."""
    kinds: set[EntryKind] = set()
    for seed in range(SEEDS):
        kinds |= play(seed)

    assert kinds == set(EntryKind)


@pytest.mark.full
def test_many_schedules() -> None:
    """The same, for as long as a release is worth."""
    for seed in range(SEEDS, SEEDS + MANY):
        play(seed)


def test_the_same_seed_is_the_same_schedule() -> None:
    """A seed decides everything, so a failure can be looked at again."""
    streams = []
    for _ in range(2):
        schedule = make_play(7)
        schedule.run()
        schedule.end()
        streams.append(schedule.world.broker.stream)

    assert streams[0] == streams[1]
    assert streams[0]


def test_a_failure_names_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails says which seed it was, and the command that plays it again."""
    whole = make_play
    monkeypatch.setitem(globals(), "make_play", lambda seed: whole(seed, "no client order ids"))
    with pytest.raises(AssertionError, match=r"seed 0: .*tests\.simulation --first 0 --seeds 1"):
        play(0)
