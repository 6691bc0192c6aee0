"""The messages of one market, made ready for a book: starters in, times rising, events whole."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..._messages import times_fall
from ...dtypes import DEPTH_DTYPE
from .messages import MESSAGE_DTYPE, Aggressors, DepthRows, Messages
from .requests import complete
from .starters import Pending
from .transactions import cancels_first

_NO_ROWS = DepthRows(
    np.zeros(0, dtype=np.int64), np.zeros((0, 2, 1), dtype=DEPTH_DTYPE), orders_known=False
)


class Chunk(NamedTuple):
    """Some messages that need nothing of those that follow."""

    messages: Messages
    samples: npt.NDArray[np.int64]
    """After how many of the messages the book is to be sampled."""
    rows: DepthRows
    """What the recording shows meanwhile; ``after`` counts these messages."""


class Incoming:
    """Holds back what cannot be read yet, and counts in merged messages."""

    def __init__(self, pending: Pending, style: Aggressors) -> None:
        self._pending = pending
        self._style = style
        self._held = np.zeros(0, dtype=MESSAGE_DTYPE)
        self._rows: list[DepthRows] = []
        self._samples = np.zeros(0, dtype=np.int64)
        self._now_ns = np.iinfo(np.int64).min

    @property
    def placed(self) -> int:
        """How many orders from before the start were put in among the messages."""
        return self._pending.placed

    def take(
        self,
        messages: Messages,
        samples: npt.NDArray[np.int64],
        rows: DepthRows | None,
        *,
        last: bool = False,
    ) -> Chunk:
        """Add messages; returns those that are complete, all of them if these are the last."""
        merged, counts = self._pending.merge(messages)
        merged = self._with_rising_times(merged)
        before = len(self._held)
        if len(samples):
            self._samples = np.concatenate([self._samples, before + counts[samples]])
        if rows is not None and len(rows.after):
            self._rows.append(rows._replace(after=before + counts[rows.after]))
        merged = np.concatenate([self._held, merged]) if before else merged
        ready = len(merged) if last else complete(merged, self._style)
        self._held = merged[ready:].copy()
        whole = merged[:ready]
        if self._style == Aggressors.PRINTED:
            whole = cancels_first(whole)
        return Chunk(whole, self._ready_samples(ready), self._ready_rows(ready))

    def _with_rising_times(self, messages: Messages) -> Messages:
        """Queues are ordered by time and arrival, and the order of the file is the truth: where
        the clock of a recording steps back it stands still."""
        if times_fall(messages, self._now_ns):
            messages = messages.copy()
            times = np.maximum(messages["timestamp_ns"], self._now_ns)
            messages["timestamp_ns"] = np.maximum.accumulate(times)
        if len(messages):
            self._now_ns = int(messages["timestamp_ns"][-1])
        return messages

    def _ready_samples(self, ready: int) -> npt.NDArray[np.int64]:
        if not len(self._samples) or self._samples[-1] <= ready:
            now, self._samples = self._samples, self._samples[:0]
            return now
        due = self._samples <= ready
        now, self._samples = self._samples[due], self._samples[~due] - ready
        return now

    def _ready_rows(self, ready: int) -> DepthRows:
        now: list[DepthRows] = []
        later: list[DepthRows] = []
        for rows in self._rows:
            due = rows.after <= ready
            if due.any():
                now.append(rows._replace(after=rows.after[due], levels=rows.levels[due]))
            if not due.all():
                later.append(
                    rows._replace(after=rows.after[~due] - ready, levels=rows.levels[~due])
                )
        self._rows = later
        if not now:
            return _NO_ROWS
        if len(now) == 1:
            return now[0]
        deepest = max(rows.levels.shape[2] for rows in now)
        levels = [_padded(rows.levels, deepest) for rows in now]
        return now[0]._replace(
            after=np.concatenate([rows.after for rows in now]), levels=np.concatenate(levels)
        )


def _padded(levels: npt.NDArray[np.void], deepest: int) -> npt.NDArray[np.void]:
    if levels.shape[2] == deepest:
        return levels
    wider = np.zeros((len(levels), 2, deepest), dtype=DEPTH_DTYPE)
    wider[:, :, : levels.shape[2]] = levels
    return wider
