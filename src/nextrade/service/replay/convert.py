"""A file in another form: the commands of any source, or the messages of a recording.

What a recording says happened becomes commands that repeat it on a book, in the AUCTION
state, where nothing matches: the flow then replays to the book that was recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..._messages import causes
from ...dtypes import COMMAND_DTYPE
from ...enums import CommandKind, TradingState
from ...errors import DataError
from .incoming import Incoming
from .messages import MESSAGE_DTYPE, Messages
from .readers.source import Batch, Commands, Flow, Recording, Source
from .rebuild import rebuild_commands
from .split import by_market
from .starters import Pending, Starters, find_starters
from .writers.layouts import COMMANDS, MESSAGES, Records
from .writers.new_file import part_of
from .writers.tables import open_table

KINDS = ("flow", "messages")
"""What can be written: commands for a book, or what a recording says."""

BATCH = 65_536

Progress = Callable[[int, int, int], None]
"""Called with position, length (both in the source's unit) and records so far."""


def convert(
    source: Source,
    target: Path,
    progress: Progress,
    *,
    kind: str = "flow",
    market: str | None = None,
) -> int:
    """Write a source to ``target`` (.npy, .csv or .parquet); returns the number of records.

    ``market`` takes only that one, by its name; in a flow, where markets have no names, by
    its number. Raises DataError if the source is damaged, has no such market or stands where
    the target is written until it is complete, or if a flow is asked for its messages.
    """
    part = part_of(target)
    if part.exists() and source.path.exists() and part.samefile(source.path):
        raise DataError(f"{part}: is the file that is read; choose another name for {target}")
    batches = _command_batches(source) if kind == "flow" else _message_batches(source)
    layout = COMMANDS if kind == "flow" else MESSAGES
    names: Sequence[str] = ()
    about: dict[str, str | int] = {"format": source.format_name}
    if isinstance(source, Recording):
        names = source.markets
        about |= {"price_decimals": source.price_decimals, "qty_decimals": source.qty_decimals}
    written = 0
    # Half a flow is another flow: an interrupt leaves nothing.
    with open_table(target, layout, markets=names, about=about, keep_interrupted=False) as table:
        for records, position in batches:
            wanted = records if market is None else _of_market(records, market, source)
            table.write(wanted)
            written += len(wanted)
            progress(position, source.length, written)
        if market is not None and not written:
            known = f"; it has {', '.join(names[:20])}" if names else ""
            raise DataError(f"{source.path}: nothing of market {market!r} in this file{known}")
    return written


def flow_batches(source: Source, size: int) -> Iterator[Batch]:
    """The commands of a source; of a recording those that repeat on a book what it says."""
    if isinstance(source, Flow):
        yield from source.batches(size)
        return
    starters: dict[int, Starters] = {}
    passes = 1
    if not source.starts_empty:
        passes = 2
        for position, found in find_starters(source):
            starters = found
            yield Batch(np.zeros(0, dtype=COMMAND_DTYPE), position // passes)
    repeaters: dict[int, _Repeater] = {}
    for part in source.parts():
        position = (source.length * (passes - 1) + part.position) // passes
        pieces = []
        for market, rows in by_market(part.messages):
            if market not in repeaters:
                repeaters[market] = _Repeater(starters.get(market), source)
            pieces.append(repeaters[market].take(part.messages[rows]))
        yield Batch(_joined(pieces), position)
    none = np.zeros(0, dtype=MESSAGE_DTYPE)
    pieces = [repeater.take(none, last=True) for repeater in repeaters.values()]
    yield Batch(_joined(pieces), source.length)


class _Piece(NamedTuple):
    """Some commands of one market, and numbers that rise with their places in the file."""

    commands: Commands
    order: npt.NDArray[np.int64]


class _Repeater:
    """Makes the commands that repeat one market of a recording."""

    def __init__(self, starters: Starters | None, recording: Recording) -> None:
        pending = Pending(starters, by_id=recording.queued_by_id)
        self._incoming = Incoming(pending, recording.aggressors)
        self._begun = False

    def take(self, messages: Messages, *, last: bool = False) -> _Piece:
        """The commands for the next messages, but for some that the next call gives."""
        chunk = self._incoming.take(messages, np.zeros(0, dtype=np.int64), None, last=last)
        # True times are worth more in a file than queues by id, which would need ids for times.
        commands, reach = rebuild_commands(chunk.messages)
        places = np.maximum.accumulate(chunk.messages["place"])
        order = places[causes(reach)]
        if len(places) and not self._begun:
            self._begun = True
            commands = np.concatenate([_collect(chunk.messages[:1]), commands])
            order = np.concatenate([places[:1], order])
        return _Piece(commands, order)


def _joined(pieces: list[_Piece]) -> Commands:
    """The commands of all markets, in the order of the file."""
    if len(pieces) == 1:
        return pieces[0].commands
    commands = [np.zeros(0, dtype=COMMAND_DTYPE), *(piece.commands for piece in pieces)]
    order = [np.zeros(0, dtype=np.int64), *(piece.order for piece in pieces)]
    return np.concatenate(commands)[np.argsort(np.concatenate(order), kind="stable")]


def _collect(first: Messages) -> Commands:
    """The command that lets the orders of a market rest without matching."""
    commands = np.zeros(1, dtype=COMMAND_DTYPE)
    commands["timestamp_ns"] = first["timestamp_ns"]
    commands["market"] = first["market"]
    commands["kind"] = CommandKind.SET_STATE
    commands["state"] = TradingState.AUCTION
    return commands


def _command_batches(source: Source) -> Iterator[tuple[Records, int]]:
    for batch in flow_batches(source, BATCH):
        yield batch.commands, batch.position


def _message_batches(source: Source) -> Iterator[tuple[Messages, int]]:
    if not isinstance(source, Recording):
        raise DataError(f"{source.path}: holds commands and no messages; convert it as a flow")
    for part in source.parts():
        yield part.messages, part.position


def _of_market(records: Records, market: str, source: Source) -> Records:
    if isinstance(source, Recording):
        numbers = [number for number, name in enumerate(source.markets) if name == market]
    else:
        numbers = [int(market)] if market.isascii() and market.isdigit() else []
    kept: Records = records[np.isin(records["market"], numbers)]
    return kept
