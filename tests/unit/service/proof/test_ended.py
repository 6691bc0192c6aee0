"""Frames that ended twice are found among very many, in little memory."""

import tracemalloc

import numpy as np
import pytest

from nextrade.domain.protocol.frames import Verdict
from nextrade.domain.protocol.messages import FRAME_ENTRY_DTYPE
from nextrade.service.proof.ended import EndedFrames, Twice

ODD = 1 << 63


def table(*frames: tuple[int, int]) -> np.ndarray:
    """A batch's frames, given as id and verdict."""
    return np.array([(one, 0, 1, verdict, 0) for one, verdict in frames], FRAME_ENTRY_DTYPE)


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ((7, Verdict.RUN), (8, Verdict.RUN), []),
        ((7, Verdict.RUN), (7, Verdict.RUN), [Twice(7, 3, 5)]),
        ((7, Verdict.RUN), (7, Verdict.DEAD_LETTERED), [Twice(7, 3, 5)]),
        ((7, Verdict.RUN), (7, Verdict.TOO_OLD), []),
        ((7, Verdict.RUN), (7, Verdict.ABANDONED), []),
        ((7, Verdict.TOO_OLD), (7, Verdict.RUN), [Twice(7, 3, 5)]),
        ((ODD | 7, Verdict.UNDECODABLE), (ODD | 7, Verdict.UNDECODABLE), []),
        ((ODD | 7, Verdict.UNDECODABLE), (ODD | 7, Verdict.RUN), [Twice(ODD | 7, 3, 5)]),
    ],
)
def test_what_ends_twice(
    first: tuple[int, int], second: tuple[int, int], found: list[Twice]
) -> None:
    """One outcome for each frame; what was forgotten may be judged once more, and never run."""
    ended = EndedFrames()
    ended.add(3, table((1, 0), first))
    ended.add(4, table())
    ended.add(5, table(second, (2, 0)))
    count, twice = ended.compare()

    assert list(twice) == found
    assert count == (4 if first[0] != second[0] else 3)


def test_a_batch_that_is_told_again() -> None:
    """The rest of a batch may bring its frames a second time: they end there once."""
    ended = EndedFrames()
    for batch in (1, 1, 2):
        ended.add(batch, table((batch, 0)))
    count, twice = ended.compare()

    assert (count, list(twice)) == (2, [])
    assert EndedFrames().compare()[0] == 0


def test_many_frames_against_a_dict() -> None:
    """Over many pieces, with batch numbers far apart: the same as a plain dict finds."""
    dice = np.random.default_rng(11)
    ended, expected, known, batch = EndedFrames(), [], {}, 1
    for _ in range(4000):
        batch += int(dice.choice([1, 2, 1 << 33], p=[0.9, 0.09, 0.01]))
        frames = np.zeros(int(dice.integers(0, 100)), FRAME_ENTRY_DTYPE)
        frames["identity"] = dice.integers(1, 40_000_000, len(frames))
        frames["verdict"] = dice.choice([Verdict.RUN, Verdict.TOO_OLD], len(frames))
        ended.add(batch, frames)
        for identity, _, _, verdict, _ in frames.tolist():
            before = known.setdefault(identity, batch)
            if before != batch and verdict == Verdict.RUN:
                expected.append(Twice(identity, before, batch))
    count, twice = ended.compare()

    assert count == len(known) > 3 * (1 << 16) // 2
    assert len(expected) > 100
    assert list(twice) == expected


def test_bytes_of_a_frame() -> None:
    """At its largest moment the proof keeps less than 24 bytes of each frame."""
    frames = np.zeros(500, FRAME_ENTRY_DTYPE)
    count = 800_000
    tracemalloc.start()
    try:
        ended = EndedFrames()
        for batch in range(count // 500):
            frames["identity"] = np.arange(500) + 500 * batch
            ended.add(batch, frames)
        found, _ = ended.compare()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert found == count
    assert peak / count < 24
