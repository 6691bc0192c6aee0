"""The simulation finds what it is for: each deliberate defect, within so many schedules."""

import pytest

pytest.importorskip("greenlet", reason="greenlet is not installed")

from .mutations import MUTATIONS, make_play

SEEDS = 600
"""More than any of them needs, should another change of the code shift all schedules."""


BY_HAND = {"no chain", "no fence at take-over", "slices acknowledged", "cleared early"}
"""These matter so rarely that their schedules are written out: test_lost_time.py and
test_schedules.py."""


def fails(seed: int, broken: str) -> bool:
    """Whether a schedule ends wrong."""
    play = make_play(seed, broken)
    try:
        play.run()
    except Exception:  # noqa: BLE001 - any failure finds the defect
        return True
    finally:
        play.end()
    return False


@pytest.mark.parametrize("broken", sorted(MUTATIONS.keys() - BY_HAND))
def test_defect_is_found(broken: str) -> None:
    """A server or worker that leaves one thing out ends some schedule wrong."""
    assert any(fails(seed, broken) for seed in range(SEEDS)), broken
