"""LOBSTER message files: a Nasdaq book as what happened to each of its orders.

A line is ``time,type,order id,size,price,direction``: seconds after midnight with up to
nine decimals, shares, USD x 10,000, and 1 for a buy. Types: 1 new, 2 reduction, 3
deletion, 4 execution of a visible order, 5 of a hidden one, 6 cross, 7 halt.

**Rebuild mode.** The file says what the exchange did, so nothing may match again: the
book is put into the AUCTION state, where orders only rest. Types 1 to 4 become PLACE,
REDUCE, CANCEL and REDUCE of the order that is named (of an execution the resting one;
the aggressor is not in the file). 5 to 7 change no visible order and are counted.

Orders that rested before the file starts have no line of type 1. A first pass finds them
(``lobster_start``), the second puts them in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ....dtypes import COMMAND_DTYPE
from ....enums import CommandKind, TradingState
from .lobster_messages import (
    CROSS,
    EXECUTION,
    HALT,
    HIDDEN_EXECUTION,
    Messages,
    read_messages,
    rebuild_commands,
)
from .lobster_start import Starters, find_starters
from .source import Batch, Commands, Format

_IGNORED = {
    HIDDEN_EXECUTION: "executions of hidden orders",
    CROSS: "cross trades",
    HALT: "trading halts",
}

_LINE = re.compile(rb"\d+(?:\.\d+)?,[1-7],\d+,\d+,-?\d+,-?1(?:,[^,\r\n]*)?\r?$")


class Step(NamedTuple):
    """Some lines as commands. ``reach[i]`` commands bring the book to the state after line i."""

    commands: Commands
    reach: npt.NDArray[np.int64]
    messages: Messages


def recognises(head: bytes) -> bool:
    """A first line of six columns with a type from 1 to 7 and a direction of 1 or -1."""
    return _LINE.match(head.split(b"\n", 1)[0]) is not None


class Lobster:
    """A LOBSTER message file as a source of commands, in rebuild mode."""

    format_name = "lobster"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file_bytes = path.stat().st_size
        self.length = 2 * self._file_bytes  # it is read twice
        self._starters: Starters | None = None
        self._type_counts = np.zeros(8, dtype=np.int64)
        self._executed = 0

    def batches(self, size: int) -> Iterator[Batch]:
        """Read from the start, as ``Source.batches``; the first pass gives empty batches."""
        nothing = np.zeros(0, dtype=COMMAND_DTYPE)
        for position in self._first_pass():
            yield Batch(nothing, position)
        for step in self.steps():
            position = self._file_bytes + step.messages.position
            for start in range(0, len(step.commands), size):
                yield Batch(step.commands[start : start + size], position)

    def steps(self) -> Iterator[Step]:
        """The commands together with the messages that they come from."""
        for _ in self._first_pass():
            pass
        assert self._starters is not None
        self._type_counts[:] = 0
        self._executed = 0
        pending = self._starters.pending()
        for messages in read_messages(self.path):
            rows = messages.rows
            self._type_counts += np.bincount(rows["type"], minlength=8)
            self._executed += int(rows["size"][rows["type"] == EXECUTION].sum())
            commands, reach = rebuild_commands(rows)
            if not messages.first_row:
                commands = np.concatenate([_collect_only(rows), commands])
                reach += 1
            commands, reach = pending.merge(commands, reach, rows, messages.first_row)
            yield Step(commands, reach, messages)

    def remarks(self) -> list[str]:
        """What was ignored, and what was put in without being in the file as an order."""
        said = [
            f"{self._type_counts[EXECUTION]:,} executions ({self._executed:,} shares) are in the"
            " file as what resting orders lost; rebuilding repeats that and matches nothing"
        ]
        said += [
            f"{self._type_counts[kind]:,} {what} leave the visible book as it is and were skipped"
            for kind, what in _IGNORED.items()
            if self._type_counts[kind]
        ]
        if self._starters is not None and len(self._starters):
            said.append(
                f"{len(self._starters):,} orders rested before the file starts; each was put in"
                " with the price of its first line and all the size it ever loses"
            )
        return said

    def _first_pass(self) -> Iterator[int]:
        if self._starters is None:
            starters = Starters()
            yield from find_starters(starters, read_messages(self.path))
            self._starters = starters  # only now: a pass that was left early found too few


def _collect_only(rows: npt.NDArray[np.void]) -> Commands:
    """The command that lets orders rest without matching."""
    command = np.zeros(1, dtype=COMMAND_DTYPE)
    command["kind"] = CommandKind.SET_STATE
    command["state"] = TradingState.AUCTION
    command["timestamp_ns"] = rows["time_ns"][0]
    return command


FORMAT = Format("lobster", "LOBSTER message file (..._message_N.csv)", recognises, Lobster)
