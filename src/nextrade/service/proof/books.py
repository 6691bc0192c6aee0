"""The books' side of a proof: a partition rebuilt from its store, noted at the right batches.

Buckets are read first, the store after them, so the store is never behind. Each bucket stands at
some batch of the partition; the replay stops there and notes what the books say of that bucket.
That is exact while everything runs.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...domain.buckets import buckets_of_accounts
from ...domain.partition import Partition
from ...domain.protocol.entries import EntryKind, read_entry
from ...domain.protocol.messages import read_message
from ...domain.protocol.ports import Acquired
from ...domain.protocol.replica import Done, Replica
from ...domain.protocol.replica_snapshot import restore_replica
from ...errors import BatchPending, StoreError
from ..store.founding import open_founding

__all__ = ["OPEN_ORDER_DTYPE", "Books", "BucketNote", "open_orders", "rebuilt", "replayed_books"]

OPEN_ORDER_DTYPE = np.dtype(
    [
        ("market", "<u4"),
        ("order_id", "<u8"),
        ("account", "<u4"),
        ("side", "u1"),
        ("price_ticks", "<i8"),
        ("leaves_lots", "<i8"),
    ]
)
"""An open order as its events tell it too, ascending by market and id."""


class BucketNote(NamedTuple):
    """What the books say of one bucket after the batch at which it stands."""

    batch: int
    settled: tuple[int, ...]
    """By asset, as BucketSums counts it."""
    held: tuple[int, ...]
    orders: Mapping[tuple[int, int], int]
    """By account and asset: what open orders hold; empty unless asked for."""


@dataclass
class Books:
    """One partition by its store."""

    number: int
    batch: int = 0
    cleared: int = 0
    snapshot_batch: int = 0
    faults: list[str] = field(default_factory=list)
    notes: dict[int, BucketNote] = field(default_factory=dict)
    """By bucket; one is missing if the books have nothing to say of it, see ``behind``."""
    behind: dict[int, int] = field(default_factory=dict)
    """Buckets that stood before the snapshot, and the batch where they must stand by then."""
    heads: tuple[int, ...] = ()
    """By bucket: the last batch that touches it."""
    held: tuple[tuple[int, ...], ...] = ()
    """By bucket and asset: what is held by the books after the last batch."""
    committed: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    """By bucket: frames of batches that it has not settled."""
    open_orders: int = 0
    first_orders: npt.NDArray[np.void] = field(
        default_factory=lambda: np.zeros(0, OPEN_ORDER_DTYPE)
    )
    """The open orders of the snapshot."""
    compared_batch: int = 0
    """The last batch up to which the stream must have everything, with nothing left over."""
    compared_orders: npt.NDArray[np.void] = field(
        default_factory=lambda: np.zeros(0, OPEN_ORDER_DTYPE)
    )
    """The open orders after it."""
    messages: dict[tuple[int, int], int] = field(default_factory=dict)
    """By batch and first index: the checksum of what the stream must say."""

    @property
    def whole(self) -> bool:
        """Whether the partition could be rebuilt up to its last batch."""
        return bool(self.heads)


def rebuilt(acquired: Acquired, number: int, buckets: int) -> Replica:
    """A partition as it was at the start of the stored entries; raises StoreError."""
    founding = open_founding(acquired.founding)
    if founding.buckets != buckets:
        raise StoreError(
            f"the book store of partition {number} was founded for a ledger of {founding.buckets}"
            f" buckets, and this one has {buckets}"
        )
    return restore_replica(founding.listings, number, buckets, acquired.snapshot, founding.limits())


def replayed_books(
    number: int,
    acquired: Acquired,
    marks: Mapping[int, int],
    buckets: int,
    *,
    full: bool = False,
    stream: bool = False,
    names: Callable[[int], str] = str,
) -> Books:
    """Rebuild a partition; ``marks`` is the batch at which each bucket stood before that.

    ``full`` notes what each account's orders hold, ``stream`` what the stream must say. What
    contradicts itself is in the ``faults`` of the result, not raised, with assets by ``names``.
    """
    books = Books(number, acquired.batch, acquired.cleared, acquired.snapshot_batch)
    try:
        replica = rebuilt(acquired, number, buckets)
        noter = _Noter(books, replica, acquired, marks, full=full, stream=stream, names=names)
        for entry in acquired.entries:
            noter.note(replica.replay(entry))
        noter.finish()
    except (StoreError, BatchPending, ValueError, OverflowError) as error:
        # An entry that was changed may be anything: whatever it breaks is its fault.
        books.faults.append(f"partition {number} cannot be rebuilt from its book store: {error}")
    return books


class _Noter:
    """Watches a replay and fills in the books."""

    def __init__(
        self,
        books: Books,
        replica: Replica,
        acquired: Acquired,
        marks: Mapping[int, int],
        *,
        full: bool,
        stream: bool,
        names: Callable[[int], str],
    ) -> None:
        self._books, self._replica, self._full, self._stream = books, replica, full, stream
        self._marks, self._names = marks, names
        self._stops: dict[int, list[int]] = defaultdict(list)
        first = replica.batch
        if first != acquired.snapshot_batch:
            raise StoreError(
                f"its snapshot is of batch {first}, and the store says that it is of"
                f" {acquired.snapshot_batch}"
            )
        for bucket, mark in marks.items():
            if mark > first:
                self._stops[mark].append(bucket)
            elif mark < replica.heads[bucket]:
                books.behind[bucket] = replica.heads[bucket]
            elif mark > replica.heads[bucket]:
                books.faults.append(self._no_link(bucket, mark))
            else:
                self._stops[first].append(bucket)
        self._cuts = _cuts(acquired)
        self._orders: dict[int, npt.NDArray[np.void]] = {}
        books.first_orders = open_orders(replica.partition)
        self._look(first, set(self._stops.get(first, ())))

    def note(self, done: Done) -> None:
        """After a batch."""
        books = self._books
        touched = {settle.bucket for settle in done.settles}
        for settle in done.settles:
            if settle.frames and self._marks.get(settle.bucket, done.batch) < done.batch:
                books.committed[settle.bucket].update(settle.frames)
        if self._stream:
            for text in done.messages:
                message = read_message(text)
                books.messages[message.batch, message.first_index] = zlib.crc32(text)
        stopped = set(self._stops.get(done.batch, ()))
        books.faults += [self._no_link(bucket, done.batch) for bucket in stopped - touched]
        self._look(done.batch, stopped & touched)

    def _look(self, batch: int, stopped: set[int]) -> None:
        if batch in self._cuts:
            self._orders[batch] = open_orders(self._replica.partition)
        if stopped:
            self._note_buckets(batch, stopped)

    def finish(self) -> None:
        """At the last batch."""
        books, replica = self._books, self._replica
        if replica.batch != books.batch:
            raise StoreError(
                f"it names batch {books.batch} as the last, and its entries end with"
                f" {replica.batch}"
            )
        for batch, buckets in self._stops.items():
            if batch > books.batch:
                books.faults += [
                    f"bucket {bucket} has settled batch {batch} of partition {books.number}, and"
                    f" the book store ends with batch {books.batch}: one of the servers has lost"
                    " time"
                    for bucket in buckets
                ]
        self._note_buckets(replica.batch, set())
        books.faults += [
            f"partition {books.number}, {self._names(asset)}: what its batches posted adds up to"
            f" {left:,} after batch {replica.batch}, and to zero it must"
            for asset, left in enumerate(replica.sums.settled.sum(axis=0).tolist())
            if left
        ]
        # What was listed since a bucket was noted had nothing then.
        more = (0,) * replica.sums.assets
        for bucket, note in books.notes.items():
            settled, held = ((*sums, *more[len(sums) :]) for sums in (note.settled, note.held))
            books.notes[bucket] = note._replace(settled=settled, held=held)
        books.heads = tuple(replica.heads)
        books.held = tuple(tuple(row) for row in replica.sums.held.tolist())
        books.open_orders = len(replica.partition.open_orders())
        usable = [b for b in self._cuts if b < replica.batch or not replica.partition.pending]
        books.compared_batch = max(usable)
        books.compared_orders = self._orders[books.compared_batch]

    def _note_buckets(self, batch: int, buckets: set[int]) -> None:
        """Note what orders hold now; it must be what was reserved and posted (all buckets)."""
        books, replica = self._books, self._replica
        account, asset, held = _holds(replica.partition)
        of_bucket = buckets_of_accounts(account, replica.buckets)
        sums = np.zeros_like(replica.sums.held)
        np.add.at(sums, (of_bucket, asset), held)
        for bucket, number in np.argwhere(sums != replica.sums.held).tolist():
            books.faults.append(
                f"partition {books.number}, bucket {bucket}, {self._names(number)}: open orders"
                f" hold {sums[bucket, number]:,} after batch {batch}, and what was reserved and"
                f" posted comes to {replica.sums.held[bucket, number]:,}"
            )
        orders: dict[int, dict[tuple[int, int], int]] = defaultdict(lambda: defaultdict(int))
        if self._full and buckets:
            rows = np.isin(of_bucket, list(buckets))
            columns = (of_bucket[rows], account[rows], asset[rows], held[rows])
            for bucket, *key, amount in zip(*(column.tolist() for column in columns), strict=True):
                orders[bucket][key[0], key[1]] += amount
        for bucket in buckets:
            books.notes[bucket] = BucketNote(
                batch,
                tuple(replica.sums.settled[bucket].tolist()),
                tuple(replica.sums.held[bucket].tolist()),
                orders[bucket],
            )

    def _no_link(self, bucket: int, batch: int) -> str:
        return (
            f"bucket {bucket} stands at batch {batch} of partition {self._books.number}, which"
            " never touched it: ledger and book store are not of one exchange, or one was changed"
        )


def _holds(
    partition: Partition,
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """Account, asset and amount of what is held for orders: theirs, and of pending slices."""
    orders, pending = partition.open_orders(), partition.pending_postings()
    return (
        np.concatenate([orders["account"], pending["account"]]),
        np.concatenate([orders["asset"], pending["asset"]]),
        np.concatenate([orders["held"], -pending["held"]]),
    )


def open_orders(partition: Partition) -> npt.NDArray[np.void]:
    """The open orders of a partition as OPEN_ORDER_DTYPE."""
    parts = []
    for market in partition.markets:
        orders = partition.book(market).orders()
        table = np.zeros(len(orders), OPEN_ORDER_DTYPE)
        table["market"] = market
        table["order_id"], table["account"] = orders["order_id"], orders["owner"]
        table["side"], table["price_ticks"] = orders["side"], orders["price_ticks"]
        table["leaves_lots"] = orders["visible_lots"] + orders["hidden_lots"]
        parts.append(np.sort(table, order="order_id"))
    return np.concatenate(parts)


def _cuts(acquired: Acquired) -> set[int]:
    """Batches up to ``cleared`` behind which nothing of a bigger batch is left over, or may be.

    What did not fit a batch follows in batches of its own, whose events are out when they are.
    """
    first = acquired.snapshot_batch

    def goes_on(batch: int) -> bool:
        text = acquired.entries[batch - first - 1]
        return read_entry(text)[0].kind == EntryKind.PROCEED

    def before(batch: int) -> int:
        while batch > first and goes_on(batch):
            batch -= 1
        return max(first, batch - 1)

    cleared = max(acquired.cleared, first)
    if cleared < acquired.batch:
        return {before(cleared) if goes_on(cleared + 1) else cleared}
    # Whether more follows is known only when the last batch has been done again.
    return {cleared, before(cleared)}
