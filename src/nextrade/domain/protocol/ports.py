"""What the batch protocol needs of the world: queue, ledger, book store and clock.

Every call may fail in three ways. ``Unavailable`` errors (LedgerUnavailable, StoreUnavailable,
BusLost) leave open whether the call took effect, and it may be made again as it was. StaleEpoch
says that another worker has taken over: whoever gets it stops. Everything else means that the
state contradicts itself, and stops the partition.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

__all__ = [
    "MOST_IDS",
    "Acquired",
    "Answer",
    "Ask",
    "BatchLedger",
    "BookStore",
    "Bus",
    "Clock",
    "Delivery",
    "Granted",
    "Mark",
    "Reserve",
    "Settle",
]


class Delivery(NamedTuple):
    """One message of a partition's queue that is not acknowledged yet."""

    channel: int
    """Which channel brought it, counted from 1: another one than before means that the worker
    may have lost the queue to somebody else in between."""
    tag: int
    body: bytes
    redelivered: bool
    """Whether it was delivered before, to anybody."""


class Bus(Protocol):
    """The queue of one partition and its stream of events."""

    def take(self, most: int, most_bytes: int, *, wait: bool) -> list[Delivery]:
        """The messages that are waiting here, oldest first, at most so many and so large.

        The first one may be larger. ``wait``: if none is there, wait for one; may return
        nothing after a while, so that the caller can look after other things.
        """
        ...

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """These are done. Nothing happens for those of a channel that is gone."""
        ...

    def publish(self, name: str, messages: Sequence[bytes]) -> None:
        """Send the messages of a batch to the stream of events, in order; does not wait."""
        ...

    def confirm(self) -> None:
        """Wait until all that was published is confirmed.

        Raises BusLost if that cannot be known: then publish what was not confirmed again.
        """
        ...

    def bury(self, message: bytes, reason: str, identity: int) -> None:
        """Put a message with a reason into the queue of dead letters, confirmed; or BusLost."""
        ...

    def ask(self, message: bytes) -> None:
        """Put a frame of the worker's own into the queue, behind all others; does not wait.

        It may get lost: then it is asked again.
        """
        ...

    def drop_channel(self) -> None:
        """Give the queue up, and with it all that is not acknowledged; take() begins anew."""
        ...


class Mark(NamedTuple):
    """What a bucket knows of a partition."""

    watermark: int
    """The last batch settled here, 0 if none."""
    waiting: tuple[int, ...]
    """Frames that have an answer here which no batch has ended."""


class Granted(IntEnum):
    """What a bucket answers a request, one byte.

    A client order id in use is told before there are too many of them, and that before money.
    """

    REFUSED = 0
    """There is too little money."""
    HELD = 1
    """The amount is held, and the client order id is kept, if there is one."""
    ID_IN_USE = 2
    """An order of this account has this client order id; nothing is held."""
    TOO_MANY_IDS = 3
    """The bucket keeps as many client order ids as it may; nothing is held."""


class Ask(NamedTuple):
    """What one frame asks of one bucket."""

    frame: int
    """The frame's id."""
    requests: bytes
    """REQUEST_DTYPE records, in the order of the frame."""
    named: bool = False
    """They are NAMED_REQUEST_DTYPE records instead, all of them."""


MOST_IDS: Final = 1_000_000
"""A bucket keeps so many client order ids, unless told otherwise."""


class Reserve(NamedTuple):
    """What some frames ask of one bucket."""

    bucket: int
    watermark: int
    """The last batch that touches this bucket, as far as the worker knows."""
    frames: tuple[Ask, ...]
    """In the order of the queue."""


class Settle(NamedTuple):
    """What a batch does to one bucket."""

    bucket: int
    batch: int
    previous: int
    """The batch before this one that touched this bucket, 0 if none."""
    touched: bytes
    """A bit for each bucket that the batch touches."""
    postings: bytes
    """POSTING_DTYPE records of the bucket's accounts, ascending."""
    frames: tuple[int, ...]
    """Frames whose answers the bucket may forget."""
    void: bool = False
    """These frames did not run: with the answers, the client order ids that they keep go."""
    strict: bool = False
    """Refuse (MissingAnswer) if a frame has no answer here: the bucket has lost it."""
    ids: bytes = b""
    """KEPT_ID_DTYPE records that the bucket has lost, and keeps again unless they are taken."""


class Answer(NamedTuple):
    """What a bucket answered a frame, before a batch ended it."""

    bucket: int
    requests: bytes
    """The records, as they were asked."""
    granted: bytes
    """A byte for each, see ``Granted``."""
    named: bool = False
    """They are NAMED_REQUEST_DTYPE records."""


class BatchLedger(Protocol):
    """The ledger as a worker uses it: bucket by bucket, everything repeatable."""

    @property
    def buckets(self) -> int:
        """How many buckets there are."""
        ...

    def fence(self, partition: int, epoch: int) -> list[Mark]:
        """Refuse lower epochs from now on, at every bucket; return what each knows."""
        ...

    def turn(
        self,
        partition: int,
        epoch: int,
        settles: Sequence[Settle],
        reserves: Sequence[Reserve],
    ) -> list[list[bytes]]:
        """Settle, and reserve, in that order at each bucket, everything sent at once.

        Returns for each Reserve and frame a byte for each request, see ``Granted``. Made again
        it answers the same and moves nothing. Raises StaleEpoch, Gap, ReferenceReused, and
        MissingAnswer for a settlement that says so.
        """
        ...

    def answers(self, partition: int, frame: int) -> list[Answer]:
        """The answers to a frame that no batch has ended, of all buckets that have one."""
        ...

    def named(
        self, partition: int, before_ms: int, bucket: int, cursor: int = 0
    ) -> tuple[npt.NDArray[np.void], int]:
        """Some client order ids (KEPT_ID_DTYPE) that a bucket keeps of a partition, and where to
        go on; 0: that was all. Only those whose frame was given its id before ``before_ms``.

        One that is there from the first call to the last is told at least once.
        """
        ...

    def forget(self, partition: int, epoch: int, bucket: int, ids: npt.NDArray[np.void]) -> int:
        """Forget client order ids (KEPT_ID_DTYPE) of a partition; return how many went.

        One that is gone, or belongs to another order by now, is left alone. Raises StaleEpoch.
        """
        ...


class Acquired(NamedTuple):
    """A partition's book store at a take-over."""

    epoch: int
    """Now the highest: that of whoever asked."""
    batch: int
    """The last batch committed, 0 if none."""
    cleared: int
    """Up to here everything is settled, and its events confirmed."""
    snapshot: bytes
    """The state after some batch, empty if none was kept."""
    snapshot_batch: int
    """After which; 0 if none was kept."""
    entries: tuple[bytes, ...]
    """The entries of all batches since the snapshot, in order."""
    founding: bytes
    """What the store was founded with."""


class BookStore(Protocol):
    """The record of what a partition's batches did: one call, one change, whole or not at all.

    Every call for a partition whose store was never founded raises StoreError: a worker that
    looks at the wrong place can never begin a second history.
    """

    def found(self, partition: int, founding: bytes) -> None:
        """Begin the history of a partition; the same once more is no error.

        ``founding`` is what its state is made from before the first batch (its listings and
        limits, as JSON). Raises StoreError if the store was founded with something else.
        """
        ...

    def acquire(self, partition: int) -> Acquired:
        """Raise the epoch of the partition by one and return what is stored."""
        ...

    def look(self, partition: int, *, earlier: bool = False) -> Acquired:
        """Return what is stored and change nothing; the epoch is the highest ever given.

        ``earlier``: from the snapshot before the newest one, with the entries since.
        """
        ...

    def commit(self, partition: int, epoch: int, batch: int, cleared: int, entry: bytes) -> None:
        """Store the entry of the next batch; the same once more is no error.

        ``cleared``: see ``clear``. Raises StaleEpoch, Gap if it is not the next batch, and
        StoreError if it is the last one with another entry.
        """
        ...

    def clear(self, partition: int, epoch: int, cleared: int) -> None:
        """Note up to which batch everything is settled and confirmed; never goes back.

        Raises StaleEpoch, and Gap if that batch was never committed.
        """
        ...

    def keep(self, partition: int, epoch: int, batch: int, snapshot: bytes) -> None:
        """Keep the state after a batch that is cleared; drop entries that are not needed now.

        The snapshot before this one stays, and the entries since, for a ledger that lost time.
        The same once more is no error, nor is a batch before the newest snapshot's: it is left
        alone. Raises StaleEpoch, Gap if the batch is not cleared, and StoreError if there is
        another snapshot of it.
        """
        ...


class Clock(Protocol):
    """Where time comes from."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970."""
        ...

    def pause(self, seconds: float) -> None:
        """Let a server come to itself before it is asked again."""
        ...
