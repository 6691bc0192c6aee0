"""Every format that a session can be recorded in, and the units that its reader counts in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import b3, bitstamp, cme_mbo, itch, lobster, nasdaq_mbo, pitch
from .market import Manners, Session
from .truth import Trade, told_apart, trades


def _as_it_is(time_ns: int) -> int:
    return time_ns


@dataclass(frozen=True)
class Format:
    """One way of recording."""

    name: str
    manners: Manners
    write: Callable[[Session, Path, int], Path]
    """Write what is published of a session into a folder, without the first so many lines."""
    tick: int
    lot: int = 1
    clock: Callable[[int], int] = _as_it_is
    names_aggressors: bool = False
    """Whether two aggressive orders in a row are always told apart."""
    before: int = 0
    """How many requests come before the recording, which begins with the book as it was."""

    def trades(self, session: Session, market: int = 0) -> list[Trade]:
        """The trades of aggressive orders as the reader counts."""
        found = trades(session, market, tick=self.tick, lot=self.lot)
        return [trade._replace(time_ns=self.clock(trade.time_ns)) for trade in found]

    def aggressive(self, session: Session) -> int:
        """How many aggressive orders the recording tells apart."""
        if self.names_aggressors:
            return sum(bool(one.fills) for one in session.happened)
        return sum(told_apart(session, market.number) for market in session.markets)

    def __str__(self) -> str:
        return self.name


def _itch(session: Session, folder: Path, skip: int, *, announced: bool = True) -> Path:
    path = folder / "day.itch"
    messages = [message for _, message in itch.record(session)]
    path.write_bytes(itch.framed(messages[skip:], announced=announced))
    return path


def _itch_without_lengths(session: Session, folder: Path, skip: int) -> Path:
    return _itch(session, folder, skip, announced=False)


def _pitch(session: Session, folder: Path, skip: int) -> Path:
    path = folder / "day.pitch"
    path.write_text("".join(f"{line}\n" for line in pitch.record(session)[skip:]))
    return path


LOBSTER = Format(
    "lobster",
    lobster.MANNERS,
    lambda session, folder, skip: lobster.record(session).write(folder, skip),
    lobster.TICK,
)
ITCH = Format("itch", itch.MANNERS, _itch, itch.TICK)
ITCH_WITHOUT_LENGTHS = Format(
    "itch-without-lengths", itch.MANNERS, _itch_without_lengths, itch.TICK
)
PITCH = Format("pitch", pitch.MANNERS, _pitch, pitch.TICK)
NASDAQ = Format(
    "nasdaq",
    nasdaq_mbo.MANNERS,
    lambda session, folder, skip: nasdaq_mbo.record(session).write(folder, skip),
    nasdaq_mbo.TICK,
    clock=nasdaq_mbo.since_1970,
)
CME = Format(
    "cme",
    cme_mbo.MANNERS,
    lambda session, folder, skip: cme_mbo.record(session).write(folder, skip),
    cme_mbo.TICK,
    names_aggressors=True,
    before=30,
)
B3 = Format(
    "b3",
    b3.MANNERS,
    lambda session, folder, skip: b3.record(session).write(folder, skip),
    b3.TICK,
    clock=b3.since_1970,
    names_aggressors=True,
)
BITSTAMP = Format(
    "bitstamp",
    bitstamp.MANNERS,
    lambda session, folder, skip: bitstamp.record(session).write(folder, skip),
    tick=1,
    lot=bitstamp.LOT,
    clock=bitstamp.since_1970,
)
FORMATS = (LOBSTER, ITCH, ITCH_WITHOUT_LENGTHS, PITCH, NASDAQ, CME, B3, BITSTAMP)
