"""Decimal digits in byte buffers to integers, a column at a time.

The readers and the unit conversions meet millions of short numbers as text. Here they
are read with array operations, without a Python object each and without floats. What
the fast path does not understand is only marked: the caller reads those few again,
slowly, and knows what to say about them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MAX_FAST_DIGITS = 18
"""The longest number the fast path takes: 18 digits fit in int64 whatever they are."""

_ZERO, _NINE, _DOT = 48, 57, 46


class Decimals(NamedTuple):
    """Numbers as ``digits / 10**decimals``; where ``known`` is false the other two say nothing."""

    digits: npt.NDArray[np.int64]
    decimals: npt.NDArray[np.int64]
    known: Flags


def read_whole(
    buffer: Bytes, starts: Positions, ends: Positions
) -> tuple[npt.NDArray[np.int64], Flags]:
    """Read ``buffer[starts[i]:ends[i]]`` as unsigned whole numbers.

    Returns the values and a mask of the fields that were 1 to 18 digits and nothing else.
    """
    width = ends - starts
    values = np.zeros(len(starts), dtype=np.int64)
    known = (width >= 1) & (width <= MAX_FAST_DIGITS)
    if not len(starts):
        return values, known
    shortest = int(width.min())
    longest = min(int(width.max()), MAX_FAST_DIGITS)
    power = 1
    rows: Positions | slice = slice(None)
    for place in range(longest):
        if place >= shortest:  # only some fields are this long: touch no others
            rows = np.flatnonzero(width > place)
        digit = buffer[ends[rows] - 1 - place] - np.uint8(_ZERO)  # below "0" wraps past 9
        known[rows] &= digit <= 9
        values[rows] += digit.astype(np.int64) * power
        power *= 10
    values[~known] = 0
    return values, known


def read_decimals(buffer: Bytes, starts: Positions, ends: Positions) -> Decimals:
    """Read ``buffer[starts[i]:ends[i]]`` as unsigned decimal numbers such as ``101.25``.

    A point, if there is one, needs a digit on each side of it.
    """
    dots = np.flatnonzero(buffer == _DOT)
    if not len(dots):
        values, known = read_whole(buffer, starts, ends)
        return Decimals(values, np.zeros(len(starts), dtype=np.int64), known)
    following = np.searchsorted(dots, starts)  # the first point at or after each start
    dot = dots[np.minimum(following, len(dots) - 1)]
    has_dot = (dot >= starts) & (dot < ends)
    whole, known = read_whole(buffer, starts, np.where(has_dot, dot, ends))
    decimals = np.where(has_dot, ends - dot - 1, 0)
    fraction_starts = np.where(has_dot, dot + 1, starts)
    fraction, fraction_known = read_whole(buffer, fraction_starts, ends)
    known &= ~has_dot | fraction_known
    fits = (ends - starts) <= MAX_FAST_DIGITS
    known &= fits
    decimals = np.where(known, decimals, 0)
    power = np.power(np.int64(10), decimals)
    digits = np.where(has_dot, whole * power + fraction, whole)
    return Decimals(np.where(known, digits, 0), decimals, known)


def as_fields(texts: npt.NDArray[np.str_]) -> tuple[Bytes, Positions, Positions]:
    """Lay the strings of a one-dimensional array out in one buffer, with start and end of each.

    Characters beyond ASCII become ``?``, which no number contains.
    """
    width = max(texts.dtype.itemsize // 4, 1)
    codes = np.ascontiguousarray(texts).view(np.uint32).reshape(len(texts), width)
    buffer = np.where(codes > 127, ord("?"), codes).astype(np.uint8).ravel()
    starts = np.arange(len(texts), dtype=np.int64) * width
    return buffer, starts, starts + np.char.str_len(texts).astype(np.int64)
