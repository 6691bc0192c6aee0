"""The stream of events folded into what people ask for: what became of a frame, of an order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...domain.protocol.frames import Verdict
from ...domain.protocol.messages import Message
from ...domain.refusals import name_of
from ...enums import EventFlag, EventKind, Side

__all__ = ["FrameOutcome", "Frames", "OrderState", "Orders"]


class FrameOutcome(NamedTuple):
    """What became of one frame, told by the batch that ended it."""

    frame: int
    partition: int
    batch: int
    time_ns: int
    verdict: Verdict
    records: int
    """How many of its records ran."""
    events: npt.NDArray[np.void]
    """What its commands did; ``command`` is the position in the frame."""
    markets: npt.NDArray[np.uint32]
    continued: bool
    """Whether this is more of a frame that a batch before this one ended."""
    ids: npt.NDArray[np.void]
    """The client order ids (CLIENT_ORDER_DTYPE) of all new orders of the batch that ended it."""

    @property
    def rejected(self) -> npt.NDArray[np.void]:
        """The events of its commands that were refused."""
        return self.events[self.events["kind"] == EventKind.REJECTED]

    @property
    def trades(self) -> npt.NDArray[np.void]:
        """The trades that its commands made."""
        return self.events[self.events["kind"] == EventKind.TRADE]

    def of_command(self, position: int) -> npt.NDArray[np.void]:
        """The events of one command of the frame."""
        low, high = np.searchsorted(self.events["command"], [position, position + 1])
        return self.events[low:high]


class Frames:
    """Puts the messages of batches together and takes them apart by frame.

    A command that does more than fits a batch goes on in batches without frames, before any other
    command: their events are given as further outcomes of its frame, with ``continued``.
    """

    def __init__(self) -> None:
        self._parts: dict[int, list[Message]] = {}
        self._last: dict[int, Message] = {}
        """By partition: the first message of the last batch that ended frames."""
        self._going_on: dict[int, frozenset[int]] = {}

    def fold(self, message: Message) -> list[FrameOutcome]:
        """The frames that are known with this message: those of a batch, at its end.

        Give it what a Follower accepted. A batch that began before is left out.
        """
        if message.first_index and message.partition not in self._parts:
            return []
        if message.first_index == 0:
            self._parts[message.partition] = []
        parts = self._parts[message.partition]
        parts.append(message)
        if message.more:
            return []
        del self._parts[message.partition]
        continued = not len(parts[0].frames)
        self._note(parts[0], continued=continued)
        if continued:
            begun = self._last.get(message.partition, parts[0])
        else:
            begun = self._last[message.partition] = parts[0]
        return _by_frame(begun, parts, continued=continued)

    def is_going_on(self, frame: int) -> bool:
        """Whether commands of its batch do more in batches to come."""
        return any(frame in frames for frames in self._going_on.values())

    def _note(self, message: Message, *, continued: bool) -> None:
        if not message.goes_on:
            self._going_on.pop(message.partition, None)
        elif not continued:
            # Which of the batch's commands goes on is not said: none has ended for sure.
            frames: list[int] = message.frames["identity"].tolist()
            self._going_on[message.partition] = frozenset(frames)


def _by_frame(begun: Message, parts: list[Message], *, continued: bool) -> list[FrameOutcome]:
    """The events of a batch by the frames whose commands caused them."""
    frames = begun.frames
    events = np.concatenate([part.events for part in parts])
    markets = np.concatenate([part.markets for part in parts])
    ends = np.cumsum(frames["records"], dtype=np.int64)
    cuts = np.searchsorted(events["command"], ends).tolist()
    outcomes, low, start = [], 0, 0
    for row, high, end in zip(frames, cuts, ends.tolist(), strict=True):
        if high > low or not continued:
            own = events[low:high].copy()
            own["command"] -= start
            outcomes.append(
                FrameOutcome(
                    int(row["identity"]),
                    parts[0].partition,
                    parts[0].batch,
                    parts[0].time_ns,
                    Verdict(int(row["verdict"])),
                    int(row["records"]),
                    own,
                    markets[low:high],
                    continued,
                    begun.ids,
                )
            )
        low, start = high, end
    return outcomes


@dataclass(slots=True)
class OrderState:
    """An order as its events tell it, in ticks and lots."""

    order_id: int
    market: int
    account: int
    side: Side
    status: str = "open"
    """``open``, ``filled``, ``canceled``, ``expired`` or ``rejected``."""
    reason: str = ""
    """Why it was rejected or canceled, by name."""
    leaves: int = 0
    """Lots that are left; with ``by_amount`` what is left of its amount."""
    filled_lots: int = 0
    filled_amount: int = 0
    """Ticks times lots of its trades."""
    by_amount: bool = False

    @property
    def is_done(self) -> bool:
        """Whether it is in no book any more."""
        return self.status != "open"


_ENDS = {EventKind.CANCELED: "canceled", EventKind.EXPIRED: "expired"}


class Orders:
    """The state of each order that the events name; ``accounts`` limits whose are kept.

    A refused command changes no order: only a refused new order is kept, as rejected. States
    stay until they are taken out of ``states``.
    """

    def __init__(self, accounts: frozenset[int] | None = None) -> None:
        self._accounts = accounts
        self.states: dict[tuple[int, int], OrderState] = {}
        """By market and order id."""

    def fold(self, events: npt.NDArray[np.void], markets: npt.NDArray[np.uint32]) -> None:
        """Go on by some events; each must come once, in order."""
        for event, market in zip(events, markets.tolist(), strict=True):
            kind = int(event["kind"])
            if kind == EventKind.TRADE:
                self._trade(event, market)
                continue
            side = Side(int(event["side"]))
            if side == Side.NONE:  # of a market, or of a command that named an order
                continue
            key = market, int(event["order_id"])
            if kind == EventKind.REJECTED:
                # Its id may be that of an order that is open, which goes on as it was.
                if key not in self.states and (state := self._state(key, event, side)):
                    state.status, state.reason = "rejected", name_of(int(event["reason"]))
                continue
            if kind == EventKind.ACCEPTED and key in self.states and self.states[key].is_done:
                del self.states[key]  # an id may be used again once its order is gone
            if not (state := self._state(key, event, side)):
                continue
            if kind in _ENDS:
                state.status, state.leaves = _ENDS[EventKind(kind)], 0
                state.reason = name_of(int(event["reason"])) if event["reason"] else ""
            else:
                state.leaves = int(event["leaves_lots"])

    def _trade(self, event: np.void, market: int) -> None:
        side = Side(int(event["side"]))
        if side == Side.NONE:  # of an uncross, which names the buyer first
            side = Side.BUY
        taker = self._state((market, int(event["order_id"])), event, side)
        maker = self._state((market, int(event["maker_id"])), event, Side(1 - side), "maker_owner")
        for state, leaves in ((taker, "leaves_lots"), (maker, "maker_leaves_lots")):
            if state is None:
                continue
            state.leaves = int(event[leaves])
            state.filled_lots += int(event["qty_lots"])
            state.filled_amount += int(event["qty_lots"]) * int(event["price_ticks"])
            if not state.leaves:
                state.status = "filled"

    def _state(
        self, key: tuple[int, int], event: np.void, side: Side, owner: str = "owner"
    ) -> OrderState | None:
        account = int(event[owner])
        if self._accounts is not None and account not in self._accounts:
            return None
        state = self.states.get(key)
        if state is None:
            by_amount = owner == "owner" and bool(int(event["flags"]) & EventFlag.BY_AMOUNT)
            state = OrderState(key[1], key[0], account, side, by_amount=by_amount)
            self.states[key] = state
        return state
