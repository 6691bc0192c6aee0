"""Client order ids on their way through a batch: from its frames to requests, entry and events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from ..postings import NAMED_REQUEST_DTYPE, REQUEST_DTYPE
from ..refusals import Refusal
from .frames import Frame
from .messages import CLIENT_ORDER_DTYPE
from .ports import Granted

__all__ = ["NAME_REFUSALS", "joined", "named_requests", "of_orders"]

_Records = npt.NDArray[np.void]

NAME_REFUSALS: Final = {
    Granted.ID_IN_USE: Refusal.DUPLICATE_CLIENT_ORDER_ID,
    Granted.TOO_MANY_IDS: Refusal.TOO_MANY_CLIENT_ORDER_IDS,
}
"""What an order is refused for that a bucket answers so."""


def joined(frames: Sequence[Frame]) -> _Records | None:
    """The names (NAME_DTYPE) of some frames, by the rows of all their commands; None if none."""
    first, parts = 0, []
    for frame in frames:
        if len(frame.names):
            names = frame.names.copy()
            names["row"] += first
            parts.append(names)
        first += len(frame.records)
    if not parts:
        return None
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def named_requests(
    requests: _Records, rows: npt.NDArray[np.int64], commands: _Records, names: _Records
) -> _Records:
    """The requests (REQUEST_DTYPE) of these rows as NAMED_REQUEST_DTYPE."""
    texts = np.zeros(len(commands), "S36")
    texts[names["row"]] = names["text"]
    named = np.zeros(len(rows), NAMED_REQUEST_DTYPE)
    for field in REQUEST_DTYPE.names or ():
        named[field] = requests[field]
    named["order"], named["market"] = commands["order_id"][rows], commands["market"][rows]
    named["text"] = texts[rows]
    return named


def of_orders(commands: _Records, names: _Records) -> _Records:
    """Which order of which account has each name (CLIENT_ORDER_DTYPE)."""
    orders = np.zeros(len(names), CLIENT_ORDER_DTYPE)
    rows = names["row"]
    orders["order"], orders["account"] = commands["order_id"][rows], commands["owner"][rows]
    orders["text"] = names["text"]
    return orders
