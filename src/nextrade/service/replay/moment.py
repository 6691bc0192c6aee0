"""The books of a file at chosen moments: walk to one, look, walk on.

The state at a moment has in it all records up to it and none that follows. An event of
several records is in once all of them are: its first half would show a book that never was.
The first pass for orders that rested before the start reads the whole file beforehand.

Times that step back count as the latest time before them, since the order of the file is
the truth. The records of a starting book have no moment of their own: they are in from the
start, whatever their times.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..._book import OrderBook
from ...enums import EventKind
from ...errors import DataError
from .incoming import Incoming
from .messages import MESSAGE_DTYPE, Action, Flag, Messages
from .readers.source import Flow, Recording, Source
from .rebuild import collecting_book, rebuild_commands
from .split import by_market
from .starters import Pending, Starters, find_starters

_BATCH = 65_536
_LONG_AGO = int(np.iinfo(np.int64).min)
_NO_MESSAGES = np.zeros(0, dtype=MESSAGE_DTYPE)
_NO_ROWS = np.zeros(0, dtype=np.int64)

_Records = npt.NDArray[np.void]
_Counts = npt.NDArray[np.int64]

Progress = Callable[[int, int, int], None]
"""Called with position, length (both in the source's unit) and records so far."""


def _silent(position: int, length: int, records: int) -> None:
    """The progress of a caller who does not ask."""


class LastTrade(NamedTuple):
    """The latest execution of a market, also one that nobody saw in the book."""

    timestamp_ns: int
    price_ticks: int
    qty_lots: int


class _Piece(NamedTuple):
    """Some records that were read and are not yet all in the books."""

    records: _Records
    times_ns: _Counts
    """Never falling, also from the piece before."""
    ends: _Counts | None
    """After how many records an event is complete; None where each record is one."""
    position: int


class _Market:
    """One market: its book, and the trade that came last."""

    def __init__(self, book: OrderBook) -> None:
        self.book = book
        self.last_trade: LastTrade | None = None

    def take(self, records: _Records) -> None:
        """Put records in; a recorded market may hold some back until others follow."""
        events = self.book.process(records)
        trades = events[events["kind"] == EventKind.TRADE]
        if len(trades):
            self.note_trade(trades[-1])

    def settle(self) -> None:
        """Nothing is held back."""

    def note_trade(self, trade: np.void) -> None:
        """Remember an execution."""
        self.last_trade = LastTrade(
            int(trade["timestamp_ns"]), int(trade["price_ticks"]), int(trade["qty_lots"])
        )


class _RecordedMarket(_Market):
    """One market of a recording, whose book only repeats what the recording says."""

    def __init__(self, recording: Recording, starters: Starters | None) -> None:
        super().__init__(collecting_book())
        self._by_id = recording.queued_by_id
        pending = Pending(starters, by_id=self._by_id)
        self._incoming = Incoming(pending, recording.aggressors)

    def take(self, records: Messages) -> None:
        """As ``_Market.take``."""
        self._put(records, last=False)

    def settle(self) -> None:
        """Put in what was held back for records that would follow."""
        self._put(_NO_MESSAGES, last=True)

    def _put(self, records: Messages, *, last: bool) -> None:
        chunk = self._incoming.take(records, _NO_ROWS, None, last=last)
        messages = chunk.messages
        commands, _ = rebuild_commands(messages, by_id=self._by_id)
        self.book.process(commands)
        executes = np.isin(messages["action"], (Action.FILL, Action.TRADE, Action.HIDDEN))
        rows = np.flatnonzero(executes & (messages["qty_lots"] > 0))
        if len(rows):
            self.note_trade(messages[rows[-1]])


class MomentWalk:
    """A walk through a file that stops at moments, forward only.

    ``market`` keeps the books of that one alone. Memory follows what is open, not the file.
    The methods raise DataError if the file cannot be read.
    """

    def __init__(
        self, source: Source, *, market: str | None = None, progress: Progress = _silent
    ) -> None:
        self.source = source
        self.records = 0
        """How many records of the file (of all its markets) are in."""
        self.now_ns: int | None = None
        """The time of the last of them; None before the first that has one."""
        self._only = market
        self._progress = progress
        self._markets: dict[int, _Market] = {}
        self._unsettled: set[int] = set()
        self._met: set[int] = set()
        self._starters: dict[int, Starters] = {}
        self._passes = 1
        self._latest_ns = _LONG_AGO
        self._ahead: deque[_Piece] = deque()
        self._at = 0
        """How many records of the foremost piece are in."""
        self._pieces = self._read_pieces()

    # --- where it stands -------------------------------------------------------------------

    def first_ns(self) -> int | None:
        """The time of the next record that has one; before the walk, of the first of the file."""
        at, tried = self._at, 0
        while tried < len(self._ahead) or self._read_on():
            times = self._ahead[tried].times_ns[at:]
            dated = times[np.searchsorted(times, _LONG_AGO, side="right") :]
            if len(dated):
                return int(dated[0])
            at, tried = 0, tried + 1
        return None

    def next_ns(self) -> int | None:
        """The time up to which to walk so that one more event is in; None at the end."""
        if self.ended:
            return None
        piece = self._ahead[0]
        end = self._at + 1
        if piece.ends is not None:
            end = int(piece.ends[np.searchsorted(piece.ends, self._at, side="right")])
        time_ns = int(piece.times_ns[end - 1])
        return self.first_ns() if time_ns == _LONG_AGO else time_ns

    @property
    def ended(self) -> bool:
        """Whether all records are in."""
        return not self._ahead and not self._read_on()

    @property
    def markets(self) -> dict[str, OrderBook]:
        """The book of each market that has had a record, by name. Do not change them."""
        return {self._name(at): one.book for at, one in self._markets.items()}

    def last_trade(self, market: str) -> LastTrade | None:
        """The latest execution of a market, None if there was none."""
        for at, one in self._markets.items():
            if self._name(at) == market:
                return one.last_trade
        return None

    # --- walking ---------------------------------------------------------------------------

    def to_time(self, time_ns: int) -> None:
        """Take in all events up to and at this time."""
        self._walk(lambda piece: int(np.searchsorted(piece.times_ns, time_ns, side="right")))

    def to_records(self, count: int) -> None:
        """Take in the events that are complete after so many records of the file."""
        self._walk(lambda piece: min(count - self.records + self._at, len(piece.records)))

    def to_end(self) -> None:
        """Take in all that is left."""
        self._walk(lambda piece: len(piece.records))

    def find_market(self) -> None:
        """Raise DataError if the market that was asked for is nowhere in the file.

        Reads on if it has not been met, so there is no walking further after that.
        """
        wanted = self._only
        if wanted is None or wanted in self.markets:
            return
        seen = self._met.union(*(_numbers(piece.records) for piece in self._ahead))
        while wanted not in self._names(seen) and self._read_on():
            seen.update(_numbers(self._ahead.pop().records))
        if wanted not in (names := self._names(seen)):
            known = ", ".join(sorted(names)[:20]) + (", ..." if len(names) > 20 else "")
            raise DataError(
                f"{self.source.path}: nothing of market {wanted!r} in this file;"
                f" it has {known or 'no markets'}"
            )

    def _names(self, seen: set[int]) -> set[str]:
        listed = self.source.markets if isinstance(self.source, Recording) else []
        return set(listed) | {self._name(at) for at in seen}

    def _walk(self, wanted: Callable[[_Piece], int]) -> None:
        """Put records in until fewer of a piece are wanted than it has."""
        while self._ahead or self._read_on():
            piece = self._ahead[0]
            end = wanted(piece)
            if piece.ends is not None and end < len(piece.records):
                whole = int(np.searchsorted(piece.ends, end, side="right"))
                end = int(piece.ends[whole - 1]) if whole else 0
            if end > self._at:
                self._take(piece, end)
            if self._at < len(piece.records):
                break
            self._ahead.popleft()
            self._at = 0
            self._progress(piece.position, self._passes * self.source.length, self.records)
        for at in self._unsettled:
            self._markets[at].settle()
        self._unsettled.clear()

    def _take(self, piece: _Piece, end: int) -> None:
        records = piece.records[self._at : end]
        self.records += len(records)
        self._at = end
        if piece.times_ns[end - 1] != _LONG_AGO:
            self.now_ns = int(piece.times_ns[end - 1])
        for at, rows in by_market(records):
            self._met.add(at)
            if self._only is not None and self._name(at) != self._only:
                continue
            if at not in self._markets:
                self._markets[at] = self._new_market(at)
            self._markets[at].take(records[rows])
            self._unsettled.add(at)

    def _new_market(self, at: int) -> _Market:
        if isinstance(self.source, Recording):
            return _RecordedMarket(self.source, self._starters.pop(at, None))
        return _Market(OrderBook())

    def _name(self, at: int) -> str:
        names = self.source.markets if isinstance(self.source, Recording) else []
        return names[at] if at < len(names) else str(at)

    # --- reading ---------------------------------------------------------------------------

    def _read_on(self) -> bool:
        """Read one more piece; False at the end of the file."""
        for piece in self._pieces:
            if len(piece.records):
                self._ahead.append(piece)
                return True
        return False

    def _read_pieces(self) -> Iterator[_Piece]:
        source = self.source
        if isinstance(source, Flow):
            for batch in source.batches(_BATCH):
                times = self._rising(batch.commands["timestamp_ns"])
                yield _Piece(batch.commands, times, None, batch.position)
            return
        before = 0
        if not source.starts_empty:
            self._passes, before = 2, source.length
            for position, self._starters in find_starters(source):
                self._progress(position, 2 * source.length, 0)
        for part in source.parts():
            messages = part.messages
            starting = messages["flags"] & Flag.SNAPSHOT != 0
            times = np.where(starting, _LONG_AGO, messages["timestamp_ns"])
            ends = messages["flags"] & Flag.LAST != 0
            ends[:-1] |= starting[:-1] & ~starting[1:]
            ends[-1:] = True
            yield _Piece(
                messages, self._rising(times), np.flatnonzero(ends) + 1, before + part.position
            )

    def _rising(self, times_ns: _Counts) -> _Counts:
        rising = np.maximum.accumulate(np.maximum(times_ns, self._latest_ns))
        if len(rising):
            self._latest_ns = int(rising[-1])
        return rising


def _numbers(records: _Records) -> list[int]:
    found: list[int] = np.unique(records["market"]).tolist()
    return found
