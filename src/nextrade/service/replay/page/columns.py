"""A market's series cut into columns of equal time, which is what pictures over time need."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ....dtypes import DEPTH_DTYPE
from ..series import DepthSamples
from .axes import TimeAxis

__all__ = ["Columns", "columns"]

MOST = 480


class Columns(NamedTuple):
    """The book at the end of each column of time."""

    middle_ns: npt.NDArray[np.int64]
    levels: npt.NDArray[np.void]
    """DEPTH_DTYPE, shape (columns, 2, levels); zeros before the first sample."""


def columns(samples: DepthSamples, time: TimeAxis, count: int = MOST) -> Columns:
    """The last sample up to the end of each column: until something changes, the book stays."""
    ends = time.start_ns + (np.arange(1, count + 1) * (time.span_ns / count)).astype(np.int64)
    ends[-1] = time.end_ns
    middle = ends - time.span_ns // (2 * count)
    levels = np.zeros((count, *samples.levels.shape[1:]), dtype=DEPTH_DTYPE)
    at = np.searchsorted(samples.timestamp_ns, ends, side="right") - 1
    levels[at >= 0] = samples.levels[at[at >= 0]]
    return Columns(middle, levels)
