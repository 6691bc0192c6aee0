"""Slices of a batch's outcome that wait: their bytes in a snapshot, and what must hold of them.

A slice is a tuple of arrays: events, the market of each, postings; and, if price levels were
asked for, the last one has these and the market of each, too.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from ..dtypes import EVENT_DTYPE, LEVEL_DTYPE
from ..errors import InvariantError
from .postings import POSTING_DTYPE

__all__ = ["Slice", "check_slices", "pack_slices", "unpack_slices"]

Slice = tuple[npt.NDArray[np.void], ...]

_COUNT = struct.Struct("<Q")
_SLICE = struct.Struct("<QQQ")
_MARKET_DTYPE: Final = np.dtype(np.uint32)
_SLICE_DTYPES: Final = (EVENT_DTYPE, _MARKET_DTYPE, POSTING_DTYPE, LEVEL_DTYPE, _MARKET_DTYPE)


def pack_slices(slices: Sequence[Slice]) -> bytes:
    """Their number, and each one's numbers of events, postings and levels before its arrays."""
    parts = [_COUNT.pack(len(slices))]
    for one in slices:
        parts.append(_SLICE.pack(len(one[0]), len(one[2]), len(one[3]) if len(one) > 3 else 0))
        parts += [array.tobytes() for array in one]
    return b"".join(parts)


def unpack_slices(data: bytes) -> list[Slice]:
    """Slices out of all these bytes; raises ValueError or struct.error if they do not fit."""
    (count,) = _COUNT.unpack_from(data)
    at = _COUNT.size
    slices = []
    for _ in range(count):
        events, postings, levels = _SLICE.unpack_from(data, at)
        at += _SLICE.size
        arrays = []
        for dtype, length in zip(
            _SLICE_DTYPES, (events, events, postings, levels, levels), strict=True
        ):
            size = length * dtype.itemsize
            if size > len(data) - at:
                raise ValueError("a slice ends early")
            arrays.append(np.frombuffer(data[at : at + size], dtype).copy())
            at += size
        slices.append(tuple(arrays))
    if at != len(data):
        raise ValueError("there is more than slices")
    return slices


def check_slices(slices: Sequence[Slice], assets: int) -> None:
    """Raise InvariantError unless each slice on its own moves money and makes none."""
    for number, (events, markets, postings, *levels) in enumerate(slices):
        keys = postings["account"].astype(np.uint64) << np.uint64(32) | postings["asset"]
        sums = [0] * assets
        if len(events) != len(markets) or len({len(one) for one in levels}) > 1:
            raise InvariantError(f"slice {number}: not every event has a market")
        if (keys[1:] <= keys[:-1]).any() or (postings["asset"] >= assets).any():
            raise InvariantError(f"slice {number}: postings are out of order")
        if (postings["available"] < 0).any() or (postings["held"] > 0).any():
            raise InvariantError(f"slice {number}: a posting takes what is available, or holds")
        for posting in postings:
            sums[posting["asset"]] += int(posting["available"]) + int(posting["held"])
        if any(sums):
            raise InvariantError(f"slice {number}: the postings of an asset do not add up to zero")
