"""The way of one partition's frames: what waits, what was sent, what must be sent again.

No thread, no clock, no broker: the gateway brings these. The frames of a partition reach the queue
in the order in which they were filled. So when one is lost, nothing new is sent until what became
of all others is known, and then those that were lost go again in their old order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...domain.protocol.frames import commands_frame, named_frame, tiers_frame
from .ticket import Ticket

__all__ = ["MOST_COMMANDS", "Lane", "OutFrame", "Parcel"]

MOST_COMMANDS = 4096
"""Commands of one frame."""

Records = npt.NDArray[np.void]


class Parcel(NamedTuple):
    """What one ticket stands for, waiting for a frame."""

    ticket: Ticket
    records: Records
    tiers: bool = False
    """Whether the records are fee tiers, which have frames of their own."""
    identity: int = 0
    """A frame id that is given beforehand; such a parcel travels alone."""
    listings: int = 0
    """The version of the listings by which it was made; a frame has those of one version."""
    names: Records | None = None
    """The client order ids (NAME_DTYPE) of its commands, None if they have none."""

    @property
    def travels_alone(self) -> bool:
        """Whether no other parcel may be in its frame."""
        return self.tiers or bool(self.identity)


class Fate(Enum):
    """What is known of a frame."""

    SENT = 1
    CONFIRMED = 2
    LOST = 3


class OutFrame:
    """A frame that was given to the publisher."""

    __slots__ = ("body", "fate", "firsts", "identity", "since_ns", "tickets", "written_off")

    def __init__(
        self, identity: int, body: bytes, tickets: list[Ticket], firsts: list[int]
    ) -> None:
        self.identity = identity
        self.body = body
        self.tickets = tickets
        self.firsts = firsts
        """Where the commands of each ticket begin in it."""
        self.since_ns = min(ticket.since_ns for ticket in tickets)
        self.fate = Fate.SENT
        self.written_off = False
        """Whether its tickets have failed, because nobody waits for so long."""


class Lane:
    """The frames of one partition; whoever calls holds the gateway's lock."""

    def __init__(self, partition: int, *, window: int, most: int = MOST_COMMANDS) -> None:
        self.partition = partition
        self._window = window
        self._most = most
        self._waiting: deque[Parcel] = deque()
        self._out: deque[OutFrame] = deque()
        self.records_waiting = 0

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is on its way."""
        return not self._waiting and not self._out

    @property
    def is_done(self) -> bool:
        """Whether nothing is left that anybody waits for."""
        return not self._waiting and all(frame.written_off for frame in self._out)

    @property
    def broken(self) -> bool:
        """Whether a frame was lost and has not been sent again."""
        return any(frame.fate is Fate.LOST for frame in self._out)

    def add(self, parcel: Parcel) -> None:
        """Let a parcel wait; it has at most as many records as a frame takes."""
        self._waiting.append(parcel)
        self.records_waiting += len(parcel.records)

    def next_frame(self, new_identity: Callable[[], int]) -> OutFrame | None:
        """Fill a frame with what is waiting, as much as it takes; None if none may go now."""
        if not self._waiting or len(self._out) >= self._window or self.broken:
            return None
        parcels = [self._waiting.popleft()]
        count = len(parcels[0].records)
        while self._waiting and not parcels[0].travels_alone:
            following = self._waiting[0]
            if (
                following.travels_alone
                or following.listings != parcels[0].listings
                or count + len(following.records) > self._most
            ):
                break
            parcels.append(self._waiting.popleft())
            count += len(following.records)
        self.records_waiting -= count
        frame = self._frame(parcels, parcels[0].identity or new_identity())
        self._out.append(frame)
        return frame

    def _frame(self, parcels: list[Parcel], identity: int) -> OutFrame:
        firsts, first = [], 0
        for parcel in parcels:
            firsts.append(first)
            first += len(parcel.records)
            parcel.ticket.frame = identity
        records = parcels[0].records
        if len(parcels) > 1:
            records = np.concatenate([parcel.records for parcel in parcels])
        names = _joined(parcels, firsts)
        listings = parcels[0].listings
        if parcels[0].tiers:
            body = tiers_frame(self.partition, identity, records)
        elif names is not None:
            body = named_frame(self.partition, identity, records, names, listings)
        else:
            body = commands_frame(self.partition, identity, records, listings)
        return OutFrame(identity, body, [parcel.ticket for parcel in parcels], firsts)

    def settle(self, frame: OutFrame, fate: Fate) -> None:
        """Note what became of a frame that was sent."""
        frame.fate = fate
        if fate is Fate.LOST and frame.written_off:
            self._out.remove(frame)  # whoever sent it was told that it is given up
        self._trim()

    def forget(self, frame: OutFrame) -> None:
        """Take a frame out that must not be sent again."""
        if frame in self._out:
            self._out.remove(frame)
        self._trim()

    def _trim(self) -> None:
        """Drop confirmed frames from the head of the row.

        One that is confirmed behind a lost one stays, and counts against the window.
        """
        while self._out and self._out[0].fate is Fate.CONFIRMED:
            self._out.popleft()

    def to_resend(self) -> list[OutFrame]:
        """The lost frames in order, once the fate of all others is known; they count as sent."""
        if not self.broken or any(frame.fate is Fate.SENT for frame in self._out):
            return []
        lost = [frame for frame in self._out if frame.fate is Fate.LOST]
        self._out = deque(lost)
        for frame in lost:
            frame.fate = Fate.SENT
        return lost

    def overdue(self, before_ns: int) -> tuple[list[Parcel], list[OutFrame]]:
        """What came before a moment and is not confirmed: parcels never sent, frames unconfirmed.

        The parcels are forgotten. A lost frame is forgotten too; one whose fate is unknown keeps
        its place, for while the broker says nothing there is no use in sending it more.
        """
        parcels = []
        while self._waiting and self._waiting[0].ticket.since_ns < before_ns:
            parcels.append(self._waiting.popleft())
            self.records_waiting -= len(parcels[-1].records)
        frames = [
            frame
            for frame in self._out
            if frame.since_ns < before_ns
            and not frame.written_off
            and frame.fate is not Fate.CONFIRMED
        ]
        for frame in frames:
            frame.written_off = True
            if frame.fate is Fate.LOST:
                self._out.remove(frame)
        self._trim()
        return parcels, frames


def _joined(parcels: list[Parcel], firsts: list[int]) -> Records | None:
    """The client order ids of some parcels, by their rows in one frame; None if there are none."""
    parts = []
    for parcel, first in zip(parcels, firsts, strict=True):
        if parcel.names is not None:
            names = parcel.names.copy()
            names["row"] += first
            parts.append(names)
    return np.concatenate(parts) if parts else None
