"""Random numbers by position: draw number i of a stream depends on seed, stream and i alone.

SplitMix64 in whole-number arithmetic modulo 2**64. The same on every machine and with
every version of NumPy, and any stretch of a stream can be had without what lies before it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Draws = npt.NDArray[np.uint64]
Whole = npt.NDArray[np.int64]

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = 2**64 - 1


def draw(seed: int, stream: int, first: int, count: int) -> Draws:
    """``count`` draws of 64 bits, from position ``first`` on."""
    key = (seed * _GOLDEN + stream * 0xD1342543DE82EF95 + 1) & _MASK
    key = int(_mixed(np.array([key], dtype=np.uint64))[0])
    positions = np.arange(first + 1, first + count + 1, dtype=np.uint64)
    return _mixed(positions * np.uint64(_GOLDEN) + np.uint64(key))


def _mixed(z: Draws) -> Draws:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def below(draws: Draws, bound: int) -> Whole:
    """Each draw as a number from 0 to ``bound`` - 1 (``bound`` at most 2**31), evenly."""
    return (((draws >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32)).astype(np.int64)


def power_law(draws: Draws, scale: int, limit: int) -> Whole:
    """Each draw as a number from ``scale`` to ``limit``; P(at least x) falls like 1/x**2.

    The lesser of two numbers whose tails fall like 1/x, each made of 24 bits of the draw.
    """
    one = (draws >> np.uint64(40)).astype(np.int64) + 1
    other = ((draws >> np.uint64(16)) & np.uint64(0xFFFFFF)).astype(np.int64) + 1
    drawn: Whole = np.minimum((scale << 24) // np.maximum(one, other), limit)
    return drawn
