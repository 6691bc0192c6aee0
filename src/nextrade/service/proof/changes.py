"""What buckets keep of changes outside batches, against the ledger's stream and the outboxes.

Of each bucket: the records that wait in its outbox are read first, then the stream from its
beginning until it has told everything before them. Both together must be one sequence without a
hole; where it begins with the first change ever, adding it up must give the bucket's own sums.
Relays may go on meanwhile: what one trims away after the bucket was read is in the stream.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final

from ...domain.protocol.changes import Change, read_change_message
from ...errors import BadFrame
from ..ledger.redis.bucket_state import BucketState
from ..ledger.redis.looking import read_fields
from ..ledger.redis.shards import Shards

__all__ = ["ChangesProof", "OpenChanges", "prove_changes"]

OpenChanges = Callable[[], AbstractContextManager[Iterable[tuple[int, bytes]]]]
"""Opens the ledger's stream at its beginning, as offsets and messages."""

_STEP: Final = 5000
_MOST_FAULTS: Final = 40
_Sums = dict[int, list[int]]


@dataclass
class ChangesProof:
    """What was found in outboxes and stream."""

    waiting: int = 0
    """Records that no relay has published yet, when their buckets were read."""
    published: int = 0
    """Changes that were taken from the stream."""
    repeats: int = 0
    """Messages of the stream that told nothing new."""
    added_up: int = 0
    """Buckets whose sums came out as the changes add up."""
    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass
class _Bucket:
    state: BucketState
    needed: int
    """The stream must tell all changes before this one."""
    first: int | None = None
    """The first change that the stream has."""
    next: int = 0
    messages: int = 0
    sums: _Sums = field(default_factory=dict)
    broken: bool = False

    def add(self, change: Change) -> None:
        own = self.sums.setdefault(change.asset, [0] * 4)
        own[:] = (a + b for a, b in zip(own, change.sums(), strict=True))

    @property
    def is_complete(self) -> bool:
        return self.broken or self.next >= self.needed


def prove_changes(
    shards: Shards,
    states: Sequence[BucketState],
    open_changes: OpenChanges,
    names: Callable[[int], str] = str,
) -> ChangesProof:
    """Prove the buckets, each as it was when its state was read, in this order and before this.

    Raises what ``open_changes`` raises; the stream is not opened where nothing was published.
    """
    proof = ChangesProof()
    buckets = {state.bucket: _waiting(shards, state, proof) for state in states}
    if any(not one.is_complete for one in buckets.values()):
        with open_changes() as messages:
            begins_late = _follow(messages, buckets, proof)
    else:
        begins_late = False
    for number, one in sorted(buckets.items()):
        if not one.is_complete and begins_late and one.first is None:
            proof.remarks.append(
                f"bucket {number}: the ledger's stream has no change of it any more"
            )
        elif not one.is_complete:
            _wrong(
                proof,
                f"bucket {number}: changes {one.next} to {one.needed - 1} are neither in its outbox"
                " nor in the ledger's stream",
            )
        elif not one.broken:
            _compare(one, proof, names)
    return proof


def _waiting(shards: Shards, state: BucketState, proof: ChangesProof) -> _Bucket:
    """Add up what waits in an outbox; what was trimmed since the state was read starts it anew."""
    first, after = state.outbox
    one = _Bucket(state, first)
    for begin in range(first, after, _STEP):
        numbers = range(begin, min(begin + _STEP, after))
        names = [b"o" + struct.pack("<Q", number) for number in numbers]
        ((outbox, *records),) = read_fields(shards, [(state.bucket, [b"O", *names])])
        kept = struct.unpack("<QQ", outbox)[0] if outbox else 0
        for number, record in zip(numbers, records, strict=True):
            if record is None:
                if number >= kept:
                    _wrong(proof, f"bucket {state.bucket} lacks record {number} of its outbox")
                    one.broken = True
                one.needed, one.sums = number + 1, {}
                continue
            try:
                one.add(Change.read(record))
            except BadFrame as error:
                _wrong(proof, f"bucket {state.bucket}, record {number} of its outbox: {error}")
                one.broken = True
    proof.waiting += after - one.needed
    return one


def _follow(
    messages: Iterable[tuple[int, bytes]], buckets: dict[int, _Bucket], proof: ChangesProof
) -> bool:
    """Read the stream until every bucket has what it needs; tells whether its beginning is gone."""
    begins_late = False
    for place, (offset, text) in enumerate(messages):
        begins_late = begins_late or (place == 0 and offset > 0)
        try:
            message = read_change_message(text)
        except BadFrame as error:
            _wrong(proof, f"ledger's stream at offset {offset}: {error}")
            continue
        one = buckets.get(message.bucket)
        if one is None or one.broken:
            continue
        if one.first is None:
            one.first = one.next = message.first
        if message.first > one.next:
            if not (begins_late and one.messages == 1):
                _wrong(
                    proof,
                    f"bucket {message.bucket}: the stream lacks changes {one.next} to"
                    f" {message.first - 1}, at offset {offset}",
                )
                one.broken = True
                continue
            # The oldest message that is left was a late copy: what stood before it is gone.
            one.first = one.next = message.first
        if message.after <= one.next:
            proof.repeats += 1
        one.messages += 1
        for sequence, change in enumerate(message.changes, message.first):
            # Beyond what is needed the outbox has told it, or it came after the bucket was read.
            if one.next <= sequence < one.needed:
                one.add(change)
                proof.published += 1
        one.next = max(one.next, message.after)
        if one.is_complete and all(other.is_complete for other in buckets.values()):
            break
    return begins_late


def _compare(one: _Bucket, proof: ChangesProof, names: Callable[[int], str]) -> None:
    """The sums of a bucket against its changes, if all are known."""
    state = one.state
    if one.needed and one.first != 0:
        proof.remarks.append(
            f"bucket {state.bucket}: the ledger's stream begins with change {one.first}, so sums"
            " were not compared with it"
        )
        return
    own = {asset: list(sums) for asset, sums in state.outside_batches if any(sums)}
    told = {asset: sums for asset, sums in one.sums.items() if any(sums)}
    if own == told:
        proof.added_up += 1
        return
    for asset in sorted({*own, *told}):
        ours, theirs = own.get(asset, [0] * 4), told.get(asset, [0] * 4)
        for name, kept, added in zip(
            ("available", "held", "outside", "transfers"), ours, theirs, strict=True
        ):
            if kept != added:
                _wrong(
                    proof,
                    f"bucket {state.bucket}: its changes outside batches come to {added:,}"
                    f" {names(asset)} {name}, and the bucket has {kept:,}",
                )


def _wrong(proof: ChangesProof, what: str) -> None:
    if len(proof.faults) < _MOST_FAULTS:
        proof.faults.append(what)
