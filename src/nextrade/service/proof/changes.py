"""What buckets keep of changes outside batches, against the ledger's stream and the outboxes.

Of each bucket: the records that wait in its outbox are read first, then the stream from its
beginning until it has told everything before them and what was there when it was opened. Both
together must be one sequence without a hole; where it begins with the first change ever, adding it
up must give the bucket's own sums. Relays may go on meanwhile: what one trims away after the bucket
was read is in the stream.

A relay may publish a change twice, and both are the same. A bucket whose server came back with
older data numbers anew from there: then one number stands for two changes, and that is named.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ...domain.protocol.changes import (
    Change,
    ChangeKind,
    ChangeMessage,
    ChangePurpose,
    read_change_message,
)
from ...errors import BadFrame
from ..ledger.redis.bucket_state import BucketState
from ..ledger.redis.looking import read_fields
from ..ledger.redis.shards import Shards

__all__ = ["ChangesProof", "LedgerStream", "OpenChanges", "prove_changes"]


class LedgerStream(NamedTuple):
    """The ledger's stream from its beginning."""

    messages: Iterable[tuple[int, bytes]]
    """Offsets and messages; may go on for as long as somebody publishes."""
    last: int
    """The offset of the last message that was there when it was opened, -1 if there was none."""


OpenChanges = Callable[[], AbstractContextManager[LedgerStream]]
"""Opens the ledger's stream."""

_STEP: Final = 5000
_MOST_FAULTS: Final = 40
_MOST_NAMED: Final = 5
"""Of each bucket so many numbers that stand for two changes are named, and the others counted."""
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
    # Of every change a digest, 8 bytes: a server may come back with data of any age, so a window
    # of the last ones would do for some of them only. Ten million changes take 80 MB.
    told: array[int] = field(default_factory=lambda: array("Q"))
    """Digests of the changes of the stream, from ``first`` on."""
    kept: array[int] = field(default_factory=lambda: array("Q"))
    """Digests of what waits in the outbox, from ``needed`` on."""
    others: int = 0
    """Numbers that were told again with something else."""

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
        with open_changes() as stream:
            begins_late = _follow(stream, buckets, proof)
        _compare_ends(shards, buckets, proof)
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
                del one.kept[:]
                continue
            try:
                change = Change.read(record)
                one.add(change)
                one.kept.append(_digest(change))
            except BadFrame as error:
                _wrong(proof, f"bucket {state.bucket}, record {number} of its outbox: {error}")
                one.broken = True
    proof.waiting += after - one.needed
    return one


def _follow(stream: LedgerStream, buckets: dict[int, _Bucket], proof: ChangesProof) -> bool:
    """Read the stream until every bucket has what it needs, and up to where it ended when it was
    opened; tells whether its beginning is gone."""
    begins_late = False
    for place, (offset, text) in enumerate(stream.messages):
        begins_late = begins_late or (place == 0 and offset > 0)
        try:
            message = read_change_message(text)
        except BadFrame as error:
            _wrong(proof, f"ledger's stream at offset {offset}: {error}")
        else:
            one = buckets.get(message.bucket)
            if one is not None and not one.broken:
                _take(one, message, offset, proof, begins_late=begins_late)
        if offset >= stream.last and all(other.is_complete for other in buckets.values()):
            break
    return begins_late


def _take(
    one: _Bucket, message: ChangeMessage, offset: int, proof: ChangesProof, *, begins_late: bool
) -> None:
    """The next message of a bucket."""
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
            return
        # The oldest message that is left was a late copy: what stood before it is gone.
        one.first = one.next = message.first
        del one.told[:]
    if message.after <= one.next:
        proof.repeats += 1
    one.messages += 1
    for sequence, change in enumerate(message.changes, message.first):
        digest = _digest(change)
        if sequence >= one.next:
            one.told.append(digest)
            # Beyond what is needed the outbox has told it, or it came after the bucket was read.
            if sequence < one.needed:
                one.add(change)
                proof.published += 1
            elif sequence - one.needed < len(one.kept):
                waits = one.kept[sequence - one.needed]
                _same(one, sequence, digest, waits, f"at offset {offset}", "in its outbox", proof)
        elif sequence >= one.first:
            before = one.told[sequence - one.first]
            _same(one, sequence, before, digest, "at first", f"at offset {offset}", proof)
    one.next = max(one.next, message.after)


def _digest(change: Change) -> int:
    """64 bits of a change, the lowest eight its kind and purpose; good in this process only."""
    return (hash(change) << 8 | change.kind << 4 | change.purpose) & 0xFFFF_FFFF_FFFF_FFFF


def _same(
    one: _Bucket, sequence: int, first: int, second: int, here: str, there: str, proof: ChangesProof
) -> None:
    """One number may be told twice, and then of the same change."""
    if first == second:
        return
    one.others += 1
    if one.others <= _MOST_NAMED:
        article = "another" if first & 0xFF == second & 0xFF else "a"
        _wrong(
            proof,
            f"bucket {one.state.bucket}: change {sequence} is a {_told(first)} {here} and"
            f" {article} {_told(second)} {there}: its server has lost time",
        )


def _told(digest: int) -> str:
    kind, purpose = ChangeKind(digest >> 4 & 15), ChangePurpose(digest & 15)
    return f"{kind.name.lower()} of a {purpose.name.lower()}"


def _compare_ends(shards: Shards, buckets: dict[int, _Bucket], proof: ChangesProof) -> None:
    """What was published had been made: a bucket that has made less by now has lost some of it."""
    for number, one in sorted(buckets.items()):
        if one.others > _MOST_NAMED:
            _wrong(
                proof,
                f"bucket {number}: {one.others - _MOST_NAMED} more of its changes are told twice"
                " with another content",
            )
        if one.next > one.state.outbox[1]:
            ((outbox,),) = read_fields(shards, [(number, [b"O"])])
            after = struct.unpack("<QQ", outbox)[1] if outbox else 0
            if after < one.next:
                _wrong(
                    proof,
                    f"bucket {number}: the ledger's stream tells {one.next} changes, and the bucket"
                    f" has made {after}: its server has lost time",
                )


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
