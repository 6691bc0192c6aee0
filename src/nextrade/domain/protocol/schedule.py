"""Frames of what no customer sends, with ids that say what is due."""

from __future__ import annotations

from typing import Final

import numpy as np

from ...dtypes import COMMAND_DTYPE
from ...enums import CommandKind
from ..partition import Partition
from .frames import commands_frame
from .ids import scheduled_id
from .ports import Clock

__all__ = ["EXPIRY_STEP_MS", "Expiries", "expiry_frame"]

EXPIRY_STEP_MS = 100
"""Expiries of one market within so many milliseconds have one id: they are one frame."""

_ASK_AGAIN_MS: Final = 5_000


class Expiries:
    """Which expiries of a partition are due, and were not asked for lately."""

    def __init__(self) -> None:
        self._looked_ms = 0
        # By market: the expiry that was asked for last, and when.
        self._asked: dict[int, tuple[int, int]] = {}

    def due(self, partition: Partition, clock: Clock) -> list[bytes]:
        """The frames that end what has expired; one that got lost is given again."""
        dues = [partition.book(market).next_expiry_ns for market in partition.markets]
        if not any(dues):
            return []
        now_ns = clock.now_ns()
        now_ms = now_ns // 1_000_000
        if now_ms - self._looked_ms < EXPIRY_STEP_MS:
            return []
        self._looked_ms = now_ms
        frames = []
        for place, (market, due_ns) in enumerate(zip(partition.markets, dues, strict=True)):
            if due_ns is None or due_ns > now_ns:
                continue
            asked_ns, asked_ms = self._asked.get(market, (0, 0))
            if asked_ns != due_ns or now_ms - asked_ms > _ASK_AGAIN_MS:
                self._asked[market] = due_ns, now_ms
                frames.append(expiry_frame(partition.number, market, place, now_ms))
        return frames


def expiry_frame(partition: int, market: int, place: int, now_ms: int) -> bytes:
    """An EXPIRE of a market, which is the partition's one of this ``place``."""
    command = np.zeros(1, COMMAND_DTYPE)
    command["kind"], command["market"] = CommandKind.EXPIRE, market
    due_ms = now_ms // EXPIRY_STEP_MS * EXPIRY_STEP_MS
    return commands_frame(partition, scheduled_id(due_ms, place, CommandKind.EXPIRE), command)
