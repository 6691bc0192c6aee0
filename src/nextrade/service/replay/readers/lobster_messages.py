"""The lines of a LOBSTER message file, and the commands that repeat them on a book."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ....dtypes import COMMAND_DTYPE
from ....enums import CommandKind, Side
from .columns import Place, scaled_decimals, whole_numbers
from .source import Commands
from .text_blocks import blocks, split

MESSAGE_DTYPE = np.dtype(
    [
        ("time_ns", "<i8"),
        ("order_id", "<u8"),
        ("size", "<i8"),
        ("price_ticks", "<i8"),
        ("type", "u1"),
        ("direction", "i1"),
    ]
)
"""One line of a message file: nanoseconds after midnight, ticks of 1/10,000 USD."""

NEW, REDUCTION, DELETION, EXECUTION, HIDDEN_EXECUTION, CROSS, HALT = range(1, 8)

_KIND_OF_TYPE = np.zeros(8, dtype=np.uint8)
_KIND_OF_TYPE[[NEW, REDUCTION, DELETION, EXECUTION]] = [
    CommandKind.PLACE,
    CommandKind.REDUCE,
    CommandKind.CANCEL,
    CommandKind.REDUCE,
]


class Messages(NamedTuple):
    """Some lines of a message file."""

    rows: npt.NDArray[np.void]
    """Records of MESSAGE_DTYPE."""
    first_row: int
    """Row number of the first, counted from 0."""
    position: int


def read_messages(path: Path) -> Iterator[Messages]:
    """Read a message file in blocks; DataError names file, line, column and remedy."""
    columns = 0
    for block in blocks(path):
        if not columns:  # newer files have a seventh column, which is not needed here
            first = block.data[: int(np.argmax(block.data == ord("\n")))]
            columns = 7 if np.count_nonzero(first == ord(",")) == 6 else 6
        table = split(path, block, columns)
        place = Place(path, block.first_line)
        rows = np.zeros(len(table.starts), dtype=MESSAGE_DTYPE)
        rows["time_ns"] = scaled_decimals(table, 0, "time", 9, place)
        for column, name in enumerate(("type", "order_id", "size", "price_ticks", "direction"), 1):
            rows[name] = whole_numbers(table, column, name, MESSAGE_DTYPE[name], place)
        _check(rows, place)
        yield Messages(rows, block.first_line - 1, block.position)


def _check(rows: npt.NDArray[np.void], place: Place) -> None:
    wrong_type = (rows["type"] < NEW) | (rows["type"] > HALT)
    if wrong_type.any():
        row = int(np.argmax(wrong_type))
        raise place.error(row, "type", f"{rows['type'][row]} is not a message type from 1 to 7")
    wrong_direction = np.abs(rows["direction"]) != 1
    if wrong_direction.any():
        row = int(np.argmax(wrong_direction))
        raise place.error(row, "direction", f"{rows['direction'][row]} is neither 1 nor -1")


def makes_command(rows: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """Which messages change the visible book, and so become a command."""
    makes: npt.NDArray[np.bool_] = _KIND_OF_TYPE[rows["type"]] != 0
    return makes


def rebuild_commands(rows: npt.NDArray[np.void]) -> tuple[Commands, npt.NDArray[np.int64]]:
    """The commands of some messages, and for each message how many there are up to it."""
    kinds = _KIND_OF_TYPE[rows["type"]]
    used = makes_command(rows)
    kept = rows[used]
    commands = np.zeros(len(kept), dtype=COMMAND_DTYPE)
    commands["kind"] = kinds[used]
    commands["timestamp_ns"] = kept["time_ns"]
    commands["order_id"] = kept["order_id"]
    commands["qty_lots"] = np.where(kept["type"] == DELETION, 0, kept["size"])
    is_new = kept["type"] == NEW
    commands["price_ticks"] = np.where(is_new, kept["price_ticks"], 0)
    commands["side"] = np.where(is_new & (kept["direction"] < 0), Side.SELL, Side.BUY)
    return commands, np.cumsum(used, dtype=np.int64)
