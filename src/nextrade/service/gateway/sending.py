"""A file of orders sent through a gateway: read, paced, confirmed, and what became of it."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from ...domain.listings import Listings
from ...domain.protocol.ids import Ids
from ...domain.refusals import name_of
from ...enums import CommandKind
from ...errors import BusLost, DataError, NexTradeError
from ..replay.readers import open_source
from ..replay.readers.source import Flow
from ..replay.readers.unpacked import first_bytes
from .gateway import Gateway
from .ticket import Ticket
from .words import read_lines

__all__ = ["MOST_RATE", "NewIds", "Piece", "Sent", "pieces_of_file", "pieces_of_lines", "send_all"]

MOST_RATE = 10_000_000
"""Commands a second that may be asked for."""

_PIECE = 16_384
_LINES_BYTES = 1 << 18
_SLICES_PER_S = 100
"""A rate is kept by so many small bursts a second."""

_CHANGES = (CommandKind.CANCEL, CommandKind.REDUCE, CommandKind.REPLACE)


class Piece(NamedTuple):
    """Some commands of a source, and how far it has been read."""

    commands: npt.NDArray[np.void]
    position: int
    length: int
    """0 if nobody knows, of a pipe for example."""
    client_order_ids: npt.NDArray[np.bytes_] | None = None
    """Of each command its client order id, empty if it has none; None if that is so of all."""


def pieces_of_file(listings: Listings, path: Path) -> Iterator[Piece]:
    """The commands of a file: lines in words, or one of the native formats by its first bytes."""
    if first_bytes(path).lstrip().startswith(b"{"):
        with path.open("rb") as stream:
            yield from pieces_of_lines(listings, stream, str(path), path.stat().st_size)
        return
    source = open_source(path)
    if not isinstance(source, Flow):
        raise DataError(
            f"{path}: a recording of format {source.format_name}; it has messages, not commands:"
            " make a flow of it with nextrade convert"
        )
    for batch in source.batches(_PIECE):
        yield Piece(batch.commands, batch.position, source.length, batch.client_order_ids)


def pieces_of_lines(
    listings: Listings, stream: BinaryIO, where: str, length: int = 0
) -> Iterator[Piece]:
    """Commands in words as they come: what a pipe has is taken at once, whole lines each time."""
    rest, position, line = b"", 0, 1
    read = getattr(stream, "read1", stream.read)
    while data := read(_LINES_BYTES):
        position += len(data)
        *lines, rest = (rest + data).split(b"\n")
        commands, names = read_lines(listings, lines, where, line)
        yield Piece(commands, position, length, names)
        line += len(lines)
    if rest:
        commands, names = read_lines(listings, [rest], where, line)
        yield Piece(commands, position, length, names)


class NewIds:
    """Gives the orders of a file new ids, and changes of these orders the same ones.

    A change of an order that the file did not place keeps the id that it names.
    """

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._new: dict[tuple[int, int], int] = {}

    def renew(self, commands: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
        """A copy of the commands with the new ids."""
        own = commands.copy()
        kinds = own["kind"]
        rows = np.flatnonzero(
            (own["order_id"] != 0) & ((kinds == CommandKind.PLACE) | np.isin(kinds, _CHANGES))
        )
        fresh = iter(self._ids.take(int(np.count_nonzero(kinds[rows] == CommandKind.PLACE))))
        ids = own["order_id"]
        for row, kind, market, old in zip(
            rows.tolist(),
            kinds[rows].tolist(),
            own["market"][rows].tolist(),
            ids[rows].tolist(),
            strict=True,
        ):
            if kind == CommandKind.PLACE:
                self._new[market, old] = next(fresh)
            ids[row] = self._new.get((market, old), old)
        return own


@dataclass
class Sent:
    """What was sent, and how long the broker took."""

    commands: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Commands that were not sent, by reason."""
    frames: dict[int, int] = field(default_factory=dict)
    """Confirmed commands by the id of their frame."""
    unconfirmed: Counter[int] = field(default_factory=Counter)
    """Commands by frame that may or may not have been taken; frame 0: never sent."""
    faults: list[str] = field(default_factory=list)
    """What the first few of those failed with."""
    waited_ns: list[int] = field(default_factory=list)
    """How long each part took from the call to the confirmation."""
    elapsed_s: float = 0.0

    @property
    def confirmed(self) -> int:
        """Commands that the broker has."""
        return sum(self.frames.values())

    def latency_ms(self, percentile: float) -> float:
        """A percentile of the times to the confirmation."""
        return float(np.percentile(self.waited_ns, percentile)) / 1e6 if self.waited_ns else 0.0

    def settle(self, ticket: Ticket) -> None:
        """Note how a ticket ended; waits for it."""
        count = len(ticket.rows)
        try:
            confirmed = ticket.confirmed.result()
        except NexTradeError as error:
            self.unconfirmed[ticket.frame] += count
            if len(self.faults) < 5:
                self.faults.append(str(error))
        else:
            self.frames[confirmed.frame] = self.frames.get(confirmed.frame, 0) + count
            self.waited_ns.append(confirmed.waited_ns)


def send_all(
    gateway: Gateway,
    pieces: Iterator[Piece],
    sent: Sent,
    *,
    rate: int | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Send everything and wait for the confirmations, noting it in ``sent`` as it goes.

    ``sent`` says what was done also if this is interrupted, or if a piece cannot be read.
    """
    start = clock()
    tickets: deque[Ticket] = deque()
    try:
        for piece in pieces:
            names = piece.client_order_ids
            for rows in _paced(len(piece.commands), rate, start, sent, clock, pause):
                some = piece.commands[rows]
                submission = gateway.submit(
                    some,
                    operator=True,
                    client_order_ids=None if names is None else names[rows],
                )
                sent.commands += len(some)
                for code, count in Counter(submission.refusals.tolist()).items():
                    if code:
                        sent.refused[name_of(code)] += count
                tickets.extend(submission.tickets)
                while tickets and tickets[0].confirmed.done():
                    sent.settle(tickets.popleft())
                if sent.faults:
                    raise BusLost(f"{sent.faults[0]}; stopped after {sent.commands:,} commands")
            progress(piece.position, piece.length)
    finally:
        while tickets:
            sent.settle(tickets.popleft())
        sent.elapsed_s = clock() - start


def _paced(
    commands: int,
    rate: int | None,
    start: float,
    sent: Sent,
    clock: Callable[[], float],
    pause: Callable[[float], None],
) -> Iterator[slice]:
    """Slices of so many commands, each not before its time at this rate."""
    if rate is None:
        if commands:
            yield slice(0, commands)
        return
    size = max(rate // _SLICES_PER_S, 1)
    for first in range(0, commands, size):
        early = sent.commands / rate - (clock() - start)
        if early > 0:
            pause(early)
        yield slice(first, min(first + size, commands))
