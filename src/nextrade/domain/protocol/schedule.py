"""Frames of what no customer sends, with ids that say what is due."""

from __future__ import annotations

import numpy as np

from ...dtypes import COMMAND_DTYPE
from ...enums import CommandKind
from .frames import commands_frame
from .ids import scheduled_id

__all__ = ["EXPIRY_STEP_MS", "expiry_frame"]

EXPIRY_STEP_MS = 100
"""Expiries of one market within so many milliseconds have one id: they are one frame."""


def expiry_frame(partition: int, market: int, place: int, now_ms: int) -> bytes:
    """An EXPIRE of a market, which is the partition's one of this ``place``."""
    command = np.zeros(1, COMMAND_DTYPE)
    command["kind"], command["market"] = CommandKind.EXPIRE, market
    due_ms = now_ms // EXPIRY_STEP_MS * EXPIRY_STEP_MS
    return commands_frame(partition, scheduled_id(due_ms, place, CommandKind.EXPIRE), command)
