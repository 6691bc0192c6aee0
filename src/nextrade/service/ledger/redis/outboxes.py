"""The buckets' outboxes as a relay sees them: looked at, read in order, trimmed."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ....errors import LedgerError
from .bucket_state import names_in
from .calls import call
from .codes import Answer, Call
from .looking import read_fields
from .shards import Shards

__all__ = ["Outboxes", "Waiting"]

_PAIR = struct.Struct("<QQ")


class Waiting(NamedTuple):
    """The oldest records of a bucket's outbox; ``more`` if there are further ones."""

    bucket: int
    first: int
    records: tuple[bytes, ...]
    more: bool

    @property
    def after(self) -> int:
        """The number of the record behind these."""
        return self.first + len(self.records)


class Outboxes:
    """The outboxes of a ledger."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    def by_shard(self) -> dict[str, list[int]]:
        """The buckets of each shard: one that is down keeps those of the others from nothing."""
        found: dict[str, list[int]] = {}
        for bucket in range(self._shards.map.buckets):
            found.setdefault(self._shards.where(bucket), []).append(bucket)
        return found

    def read(self, buckets: Iterable[int], most: int, most_buckets: int = 64) -> list[Waiting]:
        """The oldest records of the buckets that have any; one visit to a server if none has."""
        chosen = list(buckets)
        states = read_fields(self._shards, [(bucket, [b"O"]) for bucket in chosen])
        found: list[tuple[int, range]] = []
        for bucket, (state,) in zip(chosen, states, strict=True):
            first, after = _PAIR.unpack(state) if state else (0, 0)
            if first < after and len(found) < most_buckets:
                found.append((bucket, range(first, min(after, first + most))))
        wanted = [
            (bucket, [b"O", *(b"o" + struct.pack("<Q", number) for number in numbers)])
            for bucket, numbers in found
        ]
        values = read_fields(self._shards, wanted)
        waiting = [
            _waiting(bucket, numbers, own)
            for (bucket, numbers), own in zip(found, values, strict=True)
        ]
        waiting = [one for one in waiting if one.records]
        if self._shards.placement.replication.replicas:
            # A record may be read before the replicas have it, and a stream must not tell what a
            # failover takes back. This trims nothing, and ends once they have all that was read.
            self.trim([(one.bucket, one.first) for one in waiting])
        return waiting

    def trim(self, kept: Sequence[tuple[int, int]]) -> list[bool]:
        """Remove each bucket's records before a number; False where another relay did so before.

        Whoever calls this knows that all of them are published.
        """
        replies = call(
            self._shards,
            Call.TRIM,
            [(bucket, (struct.pack("<Q", number),)) for bucket, number in kept],
        )
        return [reply[0] == Answer.DONE for reply in replies]

    def unfinished(self, buckets: Iterable[int]) -> list[tuple[int, bytes]]:
        """Bucket and reference of every transfer that was begun there and has not ended."""
        chosen = list(buckets)
        values = read_fields(self._shards, [(bucket, [b"t"]) for bucket in chosen])
        return [
            (bucket, name)
            for bucket, (text,) in zip(chosen, values, strict=True)
            for name in names_in(text or b"")
        ]


def _waiting(bucket: int, numbers: range, values: Sequence[bytes | None]) -> Waiting:
    """What one command read of an outbox, at one moment: its state, and the records asked for."""
    state, records = values[0], values[1:]
    first, after = _PAIR.unpack(state) if state else (0, 0)
    # Another relay may have trimmed some since the numbers were known; those are published.
    chosen = []
    for number, record in zip(numbers, records, strict=True):
        if number < first:
            continue
        if record is None:
            raise LedgerError(f"bucket {bucket} lacks record {number} of its outbox")
        chosen.append(record)
    begin = max(first, numbers.start)
    return Waiting(bucket, begin, tuple(chosen), begin + len(chosen) < after)
