"""Proves an exchange on servers while it runs: every bucket, every book store, every stream.

Each bucket is read at one moment of its own, with one command: sums, watermark, waiting answers.
The stores are looked at after all buckets, so none is behind; the replay of a store stops at each
bucket's watermark. So both sides speak of the same batch, and nothing has to stand still.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from ...errors import StoreError, StoreUnavailable
from ..ledger.redis.bucket_state import BucketState, bucket_states
from ..ledger.redis.proof import (
    ATTEMPTS,
    LedgerSums,
    counted_twice,
    fees_of,
    transfer_faults,
    within,
)
from ..ledger.redis.proof_walk import WalkSums, compare_holds, compare_totals, walk_still
from ..ledger.redis.scanning import BucketWalk, Progress, unseen
from ..ledger.redis.shards import Shards
from ..store import RedisBookStore
from .books import Books, replayed_books
from .changes import ChangesProof, OpenChanges, prove_changes
from .sides import Flight, compare_sides, mark_of
from .streams import StreamProof, prove_stream

__all__ = ["ExchangeProof", "OpenStream", "PartitionProof", "prove_exchange", "with_batches"]

OpenStream = Callable[[int], AbstractContextManager[Iterable[tuple[int, bytes]]]]
"""Opens the stream of a partition at its beginning, as offsets and messages."""


@dataclass(frozen=True, slots=True)
class PartitionProof:
    """What was seen of one partition."""

    number: int
    batch: int
    """The last batch that was committed."""
    cleared: int
    """Up to here everything is settled and confirmed."""
    snapshot_batch: int
    """From here on it was done again."""
    open_orders: int
    stream: StreamProof | None


@dataclass(frozen=True, slots=True)
class ExchangeProof:
    """What was proved, what contradicts itself, and what could not be compared."""

    assets: tuple[LedgerSums, ...]
    full: bool
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    partitions: tuple[PartitionProof, ...] = ()
    changes: ChangesProof | None = None
    """Of changes outside batches; None if their stream was not read."""

    @property
    def holds(self) -> bool:
        """Whether no contradiction was found."""
        return not self.faults


@dataclass
class _Readings:
    """The buckets, each as it was at one moment; with ``full`` what was walked at that moment."""

    shards: Shards
    partitions: int
    full: bool
    names: Callable[[int], str]
    states: dict[int, BucketState] = field(default_factory=dict)
    walks: dict[int, BucketWalk] = field(default_factory=dict)
    sums: dict[int, WalkSums] = field(default_factory=dict)

    def read(self, buckets: Iterable[int], progress: Progress = unseen) -> None:
        """Read these buckets, again if they were read before."""
        chosen = list(buckets)
        for bucket, state in zip(
            chosen, bucket_states(self.shards, chosen, self.partitions), strict=True
        ):
            self.states[bucket] = state
        if not self.full:
            return
        for done, bucket in enumerate(chosen):
            progress(done, len(chosen))
            self._walk(bucket)
        progress(len(chosen), len(chosen))

    def _walk(self, bucket: int) -> None:
        self.walks.pop(bucket, None)
        sums = self.sums[bucket] = WalkSums()
        still = walk_still(self.shards, bucket, ATTEMPTS, self.partitions)
        if still is None:
            sums.remarks.append(
                f"bucket {bucket} was in motion while it was walked: its balances were not compared"
                " one by one"
            )
            (self.states[bucket],) = bucket_states(self.shards, [bucket], self.partitions)
            return
        self.states[bucket], found = still
        if self.states[bucket].fault:
            return
        compare_totals(self.shards, *still, self.names, sums)
        # What is available was compared now; what is held waits for the books.
        found.balances = {key: pair for key, pair in found.balances.items() if pair[1]}
        self.walks[bucket] = found

    @property
    def sound(self) -> list[BucketState]:
        """Those that could be read, ascending."""
        return [state for _, state in sorted(self.states.items()) if not state.fault]


def prove_exchange(
    shards: Shards,
    store: RedisBookStore,
    partitions: Sequence[int],
    *,
    full: bool = False,
    open_stream: OpenStream | None = None,
    open_changes: OpenChanges | None = None,
    names: Callable[[int], str] = str,
    progress: Progress = unseen,
) -> ExchangeProof:
    """Prove all of it; ``partitions`` are those that must have a book store.

    Without ``open_stream`` and ``open_changes`` no stream is read. Raises LedgerUnavailable or
    StoreUnavailable if a server does not answer, and what these two raise.
    """
    readings = _Readings(shards, 1 + max(partitions), full, names)
    readings.read(range(shards.map.buckets), progress)
    wanted = sorted({*partitions, *with_batches(readings.sound)})
    with_stream = open_stream is not None
    books: list[Books] = []
    fresh: dict[int, BucketState] = {}
    for attempt in range(ATTEMPTS):
        # From the snapshot before the newest one on, once that has proved too new.
        books = [
            _books(shards, store, number, readings, earlier=attempt > 0, stream=with_stream)
            for number in wanted
        ]
        behind = sorted({bucket for one in books for bucket in one.behind})
        if not behind:
            break
        # A snapshot was kept since they were read; it says only what holds by then.
        states = bucket_states(shards, behind, readings.partitions)
        fresh = dict(zip(behind, states, strict=True))
        if attempt + 1 == ATTEMPTS or any(_lost(one, fresh) for one in books):
            break
        readings.read(behind)
    faults = [state.fault for state in readings.states.values() if state.fault]
    remarks: list[str] = []
    flight = Flight()
    for one in books:
        faults += one.faults + _lost(one, fresh)
        compare_sides(one, readings.sound, names, flight)
    for state in readings.sound:
        faults += within(state, names)
    faults += flight.faults
    remarks += flight.remarks
    for found in (_transfers(shards, readings.partitions, names), _holds(readings, books)):
        faults, remarks = faults + found[0], remarks + found[1]
    streams = {one.number: _stream(one, open_stream) for one in books if open_stream and one.whole}
    for proof in streams.values():
        faults, remarks = faults + proof.faults, remarks + proof.remarks
    changes = None
    if open_changes is not None:
        changes = prove_changes(shards, readings.sound, open_changes, names)
        faults, remarks = faults + changes.faults, remarks + changes.remarks
    return ExchangeProof(
        tuple(_assets(shards, readings.sound, flight)),
        full,
        tuple(faults),
        tuple(remarks),
        tuple(
            PartitionProof(
                one.number,
                one.batch,
                one.cleared,
                one.snapshot_batch,
                one.open_orders,
                streams.get(one.number),
            )
            for one in books
        ),
        changes,
    )


def with_batches(states: Sequence[BucketState]) -> set[int]:
    """The partitions of which some bucket has settled a batch."""
    return {number for state in states for number, _ in state.watermarks if mark_of(state, number)}


def _lost(books: Books, fresh: Mapping[int, BucketState]) -> list[str]:
    """Buckets that stand, read after the books, where they cannot stand any more."""
    return [
        f"bucket {bucket} stands at batch {mark_of(fresh[bucket], books.number)} of partition"
        f" {books.number}, and the snapshot of batch {books.snapshot_batch} needs {needed}: the"
        " bucket's server has lost time"
        for bucket, needed in books.behind.items()
        if mark_of(fresh[bucket], books.number) < needed
    ]


def _books(
    shards: Shards,
    store: RedisBookStore,
    number: int,
    readings: _Readings,
    *,
    earlier: bool,
    stream: bool,
) -> Books:
    marks = {state.bucket: mark_of(state, number) for state in readings.sound}
    try:
        acquired = store.look(number, earlier=earlier)
    except StoreUnavailable:
        raise
    except StoreError as error:
        return Books(number, faults=[str(error)])
    return replayed_books(
        number,
        acquired,
        marks,
        shards.map.buckets,
        full=readings.full,
        stream=stream,
        names=readings.names,
    )


def _transfers(
    shards: Shards, partitions: int, names: Callable[[int], str]
) -> tuple[list[str], list[str]]:
    """Transfers between buckets: batches do not touch them, so these may go on."""

    states = bucket_states(shards, None, partitions)
    for _ in range(ATTEMPTS):
        moving = counted_twice(shards, states)
        again = bucket_states(shards, None, partitions)
        same = all(
            (one.outside_batches, one.transfers, one.outbox)
            == (other.outside_batches, other.transfers, other.outbox)
            for one, other in zip(states, again, strict=True)
        )
        if same:
            counted: dict[int, int] = defaultdict(int)
            for state in states:
                for asset, sums in state.outside_batches:
                    counted[asset] += sums[3]
            return transfer_faults(counted, moving, names)
        states = again
    return [], ["transfers kept moving while they were read: they were not compared"]


def _holds(readings: _Readings, books: Sequence[Books]) -> tuple[list[str], list[str]]:
    """What each account of each walked bucket has held, against what holds it."""
    faults: list[str] = []
    remarks: list[str] = []
    for bucket, sums in sorted(readings.sums.items()):
        found = readings.walks.get(bucket)
        if found is not None:
            orders: dict[tuple[int, int], int] | None = defaultdict(int)
            for one in books:
                if bucket not in one.notes:
                    orders = None
                    break
                assert orders is not None
                for key, amount in one.notes[bucket].orders.items():
                    orders[key] += amount
            compare_holds(readings.shards, found, bucket, orders, readings.names, sums)
        faults, remarks = faults + sums.faults, remarks + sums.remarks
    return faults, remarks


def _stream(books: Books, open_stream: OpenStream) -> StreamProof:
    if not books.compared_batch:
        return StreamProof()
    with open_stream(books.number) as messages:
        return prove_stream(messages, books)


def _assets(shards: Shards, states: Sequence[BucketState], flight: Flight) -> list[LedgerSums]:
    columns: dict[int, list[int]] = defaultdict(lambda: [0] * 7)
    for state in states:
        for asset, sums in state.sums().items():
            columns[asset][:5] = [a + b for a, b in zip(columns[asset], sums, strict=False)]
        for asset, (_, held, _, _) in state.outside_batches:
            columns[asset][5] += held
        for (_, asset), (_, held) in state.batches:
            columns[asset][6] += held
    fees = fees_of(shards, states)
    return [
        LedgerSums(
            asset,
            outside,
            available,
            held,
            fees.get(asset, 0),
            transfers,
            settled,
            in_withdrawals,
            in_orders,
            flight.frames[asset],
            flight.orders[asset],
            flight.to_settle[asset],
        )
        for asset, (
            available,
            held,
            outside,
            transfers,
            settled,
            in_withdrawals,
            in_orders,
        ) in sorted(columns.items())
    ]
