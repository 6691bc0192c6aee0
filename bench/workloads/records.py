"""The record of a workload file, and what it means to an order book."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from nextrade.dtypes import COMMAND_DTYPE
from nextrade.enums import CommandKind, OrderType

from . import native

__all__ = ["RECORD_DTYPE", "Op", "to_commands"]

RECORD_DTYPE = np.dtype(
    [
        ("timestamp_ns", "<i8"),
        ("order_id", "<u8"),
        ("price_ticks", "<i4"),
        ("qty_lots", "<i4"),
        ("op", "u1"),
        ("side", "u1"),
        ("pad", "V6"),
    ]
)
"""One record of a workload, 32 bytes; external workload files have the same layout."""


class Op(IntEnum):
    """What a record asks for."""

    LIMIT = 0
    MARKET = 1
    CANCEL = 2
    REDUCE = 3
    """Take ``qty_lots`` off and keep the place."""
    REPLACE = 4
    """New price and quantity, always at the back of the queue."""


_KINDS = np.array(
    [
        CommandKind.PLACE,
        CommandKind.PLACE,
        CommandKind.CANCEL,
        CommandKind.REDUCE,
        CommandKind.REPLACE,
    ],
    dtype=np.uint8,
)


def to_commands(records: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """The commands that do to an order book what ``records`` do to the ladder.

    A REPLACE record always loses its place. The book keeps the place of an order that only
    shrinks at its own price, so such a record becomes two commands: CANCEL, then PLACE with
    the same id. Flows of our own contain none; external ones a few in a hundred replaces.
    """
    keeps = np.zeros(len(records), dtype=np.uint8)
    if (records["op"] == Op.REPLACE).any():
        native.library().ladder_shrinking_replaces(
            native.pointer(records), len(records), native.pointer(keeps)
        )
    split = keeps.astype(bool)
    rows = np.repeat(np.arange(len(records)), 1 + split)
    second_half = np.zeros(len(rows), dtype=bool)
    second_half[1:] = rows[1:] == rows[:-1]
    first_half = np.zeros(len(rows), dtype=bool)
    first_half[:-1] = second_half[1:]

    source = records[rows]
    op = source["op"].copy()
    op[first_half] = Op.CANCEL
    op[second_half] = Op.LIMIT

    commands = np.zeros(len(rows), dtype=COMMAND_DTYPE)
    commands["timestamp_ns"] = source["timestamp_ns"]
    commands["order_id"] = source["order_id"]
    commands["kind"] = _KINDS[op]
    commands["order_type"] = np.where(op == Op.MARKET, OrderType.MARKET, OrderType.LIMIT)
    priced = (op == Op.LIMIT) | (op == Op.REPLACE)
    commands["price_ticks"] = np.where(priced, source["price_ticks"], 0)
    commands["qty_lots"] = np.where(op == Op.CANCEL, 0, source["qty_lots"])
    placed = (op == Op.LIMIT) | (op == Op.MARKET)
    commands["side"] = np.where(placed, source["side"], 0)
    return commands
