"""Both sides of the proof, bucket by bucket: what buckets count of a partition, what its books say.

For a bucket whose last settled batch is w: what was settled must be the books' sum at w, and what
is held the books' sum at w and what waiting answers hold.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..ledger.redis.bucket_state import BucketState, wrapped
from ..ledger.redis.scanning import Waiting, waiting_in
from .books import Books

__all__ = ["Flight", "compare_sides", "mark_of"]


def _none() -> dict[int, int]:
    return defaultdict(int)


@dataclass
class Flight:
    """By asset, over all buckets and partitions: what is held by whom, and what is on its way."""

    orders: dict[int, int] = field(default_factory=_none)
    """What open orders hold after the last batch of each partition."""
    frames: dict[int, int] = field(default_factory=_none)
    """What frames hold that are in no batch yet."""
    to_settle: dict[int, int] = field(default_factory=_none)
    """What batches will take from that, which are committed and not settled."""
    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def mark_of(state: BucketState, partition: int) -> int:
    """The last batch of a partition that a bucket has settled."""
    for number, text in state.watermarks:
        if number == partition:
            return int.from_bytes(text[8:16], "little")
    return 0


def compare_sides(
    books: Books, states: Sequence[BucketState], names: Callable[[int], str], flight: Flight
) -> None:
    """Compare one partition in all buckets, and add to what is in flight."""
    if not books.whole:
        return
    number, unsettled, reserved = books.number, [], set()
    for state in states:
        bucket = state.bucket
        if bucket in books.behind:
            flight.remarks.append(
                f"bucket {bucket} stood at batch {mark_of(state, number)} of partition {number},"
                f" before the snapshot of batch {books.snapshot_batch}: it was not compared"
            )
        waiting = _waiting(state, number, flight.faults)
        committed = books.committed[bucket]
        new = [one for one in waiting if one.frame not in committed]
        reserved |= {one.frame for one in new}
        if mark_of(state, number) < books.heads[bucket]:
            unsettled.append(bucket)
        all_waiting, of_frames = _sums(waiting), _sums(new)
        for asset, amount in enumerate(books.held[bucket]):
            flight.orders[asset] += amount
        for asset, amount in of_frames.items():
            flight.frames[asset] += amount
        if bucket in books.notes:
            _compare(books, state, all_waiting, names, flight.faults)
            for asset, amount in enumerate(books.notes[bucket].held):
                flight.to_settle[asset] += (
                    amount + all_waiting[asset] - of_frames[asset] - books.held[bucket][asset]
                )
    if unsettled:
        marks = {mark_of(state, number) for state in states if state.bucket in unsettled}
        flight.remarks.append(
            f"partition {number}: batches after {min(marks)} up to {books.batch} are committed and"
            f" had not settled in {_listed(unsettled)} when read"
        )
    if reserved:
        flight.remarks.append(
            f"partition {number}: {len(reserved)} frames hold what they asked for and were in no"
            " batch when read"
        )


def _compare(
    books: Books,
    state: BucketState,
    waiting: dict[int, int],
    names: Callable[[int], str],
    faults: list[str],
) -> None:
    number, note = books.number, books.notes[state.bucket]
    told = {asset: pair for (own, asset), pair in state.batches if own == number}
    for asset in sorted({*told, *waiting, *range(len(note.held))}):
        available, held = told.get(asset, (0, 0))
        inside = asset < len(note.held)
        settled, kept = (note.settled[asset], note.held[asset]) if inside else (0, 0)
        where = f"bucket {state.bucket}, partition {number}, {names(asset)}, batch {note.batch}"
        if wrapped(available + held) != settled:
            faults.append(
                f"{where}: by the bucket its trades have moved {wrapped(available + held):,}, by"
                f" the books {settled:,}"
            )
        if held != wrapped(kept + waiting[asset]):
            faults.append(
                f"{where}: by the bucket {held:,} is held for orders and frames, by the books"
                f" {kept:,} for orders, and by its answers {waiting[asset]:,} for frames"
            )


def _waiting(state: BucketState, partition: int, faults: list[str]) -> list[Waiting]:
    text = dict(state.answers).get(partition, b"")
    try:
        return list(waiting_in(partition, text))
    except struct.error:
        faults.append(
            f"bucket {state.bucket}: its answers to frames of partition {partition} are damaged"
        )
        return []


def _sums(answers: Sequence[Waiting]) -> dict[int, int]:
    sums = _none()
    for answer in answers:
        for _, asset, amount in answer.held:
            sums[asset] += amount
    return sums


def _listed(buckets: Sequence[int]) -> str:
    return f"bucket{'' if len(buckets) == 1 else 's'} {', '.join(map(str, buckets))}"
