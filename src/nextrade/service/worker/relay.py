"""Publishes what the buckets' outboxes hold, and trims what the broker has confirmed.

Any number of relays may run, and stop anywhere. Each reads the oldest records of a bucket, sends
them as one message, waits for its confirmation, and only then trims. So when a message is sent
that begins with change n, the outbox began with n when it was read, and whatever lay before it
had been confirmed by the relay that trimmed it; and a bucket has one message of a relay on its
way at a time. Therefore all changes before n stand in the stream before the message does: who
reads the stream from its beginning sees repeats and never a gap.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from typing import Final, NamedTuple, Protocol

from ...domain.protocol.changes import MOST_CHANGES, write_change_message
from ...errors import NexTradeError

__all__ = ["LedgerRelay", "OutboxPort", "Round", "WaitingRecords"]

_LOOK_S: Final = 0.2


class WaitingRecords(Protocol):
    """The oldest records of a bucket's outbox."""

    @property
    def bucket(self) -> int:
        """Whose outbox it is."""
        ...

    @property
    def first(self) -> int:
        """The number of the first of them."""
        ...

    @property
    def records(self) -> tuple[bytes, ...]:
        """They themselves."""
        ...

    @property
    def more(self) -> bool:
        """Whether there are further ones."""
        ...

    @property
    def after(self) -> int:
        """The number of the record behind them."""
        ...


class OutboxPort(Protocol):
    """The outboxes that a relay empties."""

    def read(self, buckets: Iterable[int], most: int) -> Sequence[WaitingRecords]:
        """The oldest records of the buckets that have any."""
        ...

    def trim(self, kept: Sequence[tuple[int, int]]) -> list[bool]:
        """Remove each bucket's records before a number; False where that was done before."""
        ...


class Round(NamedTuple):
    """What one round came to."""

    published: int = 0
    """Records that the broker confirmed."""
    more: bool = False
    """Whether the next round is worth being begun at once."""
    overtaken: bool = False
    """Whether another relay had done some of it: then there is one too many."""
    trouble: NexTradeError | None = None
    """Why something was not confirmed."""


class LedgerRelay:
    """Carries records from outboxes to a stream, a round at a time.

    ``send`` publishes a message of this name; its future ends when the broker has it.
    """

    def __init__(self, outboxes: OutboxPort, send: Callable[[bytes, str], Future[None]]) -> None:
        self._outboxes = outboxes
        self._send = send

    def round(self, buckets: Iterable[int], stop: threading.Event) -> Round:
        """Read, publish, wait, trim what is confirmed. Raises what the outboxes raise."""
        read = self.read(buckets)
        sent = self.send(read)
        while any(not future.done() for future in sent) and not stop.is_set():
            wait(sent, _LOOK_S)
        return self.trim(read, sent)

    def read(self, buckets: Iterable[int]) -> Sequence[WaitingRecords]:
        """The oldest records of these buckets, at most a message of each."""
        return self._outboxes.read(buckets, MOST_CHANGES)

    def send(self, read: Sequence[WaitingRecords]) -> list[Future[None]]:
        """Publish them, one message a bucket."""
        return [
            self._send(
                write_change_message(one.bucket, one.first, time.time_ns(), one.records),
                f"{one.bucket}-{one.first}",
            )
            for one in read
        ]

    def trim(self, read: Sequence[WaitingRecords], sent: Sequence[Future[None]]) -> Round:
        """Take what is confirmed out of the outboxes; the rest stays for another round."""
        confirmed, trouble = [], None
        for one, future in zip(read, sent, strict=True):
            if not future.done():
                continue
            error = future.exception()
            if error is None:
                confirmed.append(one)
            elif isinstance(error, NexTradeError):
                trouble = error
            else:
                raise error
        if not confirmed:
            return Round(trouble=trouble)
        first = self._outboxes.trim([(one.bucket, one.after) for one in confirmed])
        return Round(
            sum(len(one.records) for one in confirmed),
            any(one.more for one in confirmed),
            not all(first),
            trouble,
        )
