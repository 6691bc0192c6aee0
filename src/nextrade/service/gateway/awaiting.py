"""Waiting for what becomes of frames: their outcomes counted, read off the stream of events."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from types import TracebackType
from typing import NamedTuple, Self

from ...domain.protocol.frames import Verdict
from ...domain.protocol.ids import gateway_of
from ...domain.protocol.messages import Message
from ...domain.refusals import Refusal, name_of
from ...errors import BusLost, BusRefused
from .feed import Feed
from .outcomes import FrameOutcome, Frames
from .sending import Sent

__all__ = ["Awaiting", "Duplicate", "Outcome"]

_STEP_S = 0.1
_SHOWN = 20


class Duplicate(NamedTuple):
    """An order that was refused for its client order id."""

    order: int
    account: int
    text: bytes


@dataclass
class Outcome:
    """What became of the commands that were sent."""

    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    """Commands that ran and were refused, by reason."""
    not_run: Counter[str] = field(default_factory=Counter)
    """Commands of frames that did not run, by verdict."""
    trades: int = 0
    missing: int = 0
    """Commands whose outcome did not come."""
    duplicates: list[Duplicate] = field(default_factory=list)
    """Orders whose client order id another order has, the first few."""


class Awaiting:
    """Collects the outcomes of one gateway's frames, from before they are sent."""

    def __init__(self, feed: Feed, gateway: int) -> None:
        self._feed = feed
        self._gateway = gateway
        self._frames = Frames()
        self._ended: dict[int, list[FrameOutcome]] = {}
        self._fault: BusLost | BusRefused | None = None
        self.troubles: list[str] = []
        """What was missing in the stream, the first few."""
        # What a message tells is taken in whole before anybody looks who is done.
        self._taking_in = Lock()
        self._stop = Event()
        self._thread = Thread(target=self._collect, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _collect(self) -> None:
        while not self._stop.is_set():
            try:
                for one in self._feed.news(_STEP_S):
                    if one.message is None:
                        if len(self.troubles) < 5:
                            self.troubles.append(one.trouble)
                        continue
                    with self._taking_in:
                        self._take_in(one.message)
                    if self._stop.is_set():
                        return
            except (BusLost, BusRefused) as error:
                self._fault = error
                return

    def _take_in(self, message: Message) -> None:
        for outcome in self._frames.fold(message):
            if gateway_of(outcome.frame) == self._gateway:
                self._ended.setdefault(outcome.frame, []).append(outcome)

    def wait(
        self,
        sent: Sent,
        patience_s: float,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Outcome:
        """Wait until every confirmed frame has its end, or none came for so long.

        A command may do more than fits a batch: then the last of it is waited for.

        Raises BusLost if the stream cannot be read any more.
        """
        last, since = -1, time.monotonic()
        while (done := self._done(sent)) < len(sent.frames):
            if self._fault is not None:
                raise self._fault
            if done != last:
                last, since = done, time.monotonic()
                progress(done)
            if time.monotonic() - since > patience_s:
                break
            time.sleep(_STEP_S / 10)
        return self.so_far(sent)

    def _done(self, sent: Sent) -> int:
        """Frames of which all is known, also what did not fit their batch."""
        with self._taking_in:
            ended = [frame for frame in sent.frames if frame in self._ended]
            return sum(not self._frames.is_going_on(frame) for frame in ended)

    def so_far(self, sent: Sent) -> Outcome:
        """What is known now of what was sent."""
        outcome = Outcome()
        for frame, commands in sent.frames.items():
            parts = self._ended.get(frame)
            if parts is None:
                outcome.missing += commands
                continue
            refused = 0
            for part in parts:
                outcome.duplicates += _duplicates(part)[: _SHOWN - len(outcome.duplicates)]
                outcome.trades += len(part.trades)
                for code, count in Counter(part.rejected["reason"].tolist()).items():
                    outcome.rejected[name_of(code)] += count
                    refused += count
            if parts[0].verdict == Verdict.RUN:
                outcome.accepted += parts[0].records - refused
            else:
                outcome.not_run[parts[0].verdict.name] += commands
        return outcome


def _duplicates(part: FrameOutcome) -> list[Duplicate]:
    refused = part.rejected
    refused = refused[refused["reason"] == Refusal.DUPLICATE_CLIENT_ORDER_ID]
    if not len(refused):
        return []
    named = {order: (account, text) for order, account, text in part.ids.tolist()}
    orders: list[int] = refused["order_id"].tolist()
    return [Duplicate(order, *named[order]) for order in orders if order in named]
