"""What stands in the hash of a book store, where it is, and what its functions answer.

The layout is described in lua/include/stores.lua.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, Self

from ...errors import Gap, NexTradeError, StaleEpoch, StoreError, WrongLibrary, WrongMap
from ..ledger.redis.bucket_map import BucketMap
from ..ledger.redis.codes import STORE_VERSION, Answer, Call

__all__ = ["ERRORS", "PARTITIONS", "Header", "KeptSnapshot", "StoreMap", "Writing"]

PARTITIONS = 4096
"""Partitions that an exchange can have."""

_HEAD = struct.Struct("<HHII")
_STATE = struct.Struct("<QQQQ")
_SNAPSHOT = struct.Struct("<QQI16s")
_WRITING = struct.Struct("<QI")

ERRORS: dict[Answer, tuple[type[NexTradeError], str]] = {
    Answer.BAD_VERSION: (WrongLibrary, "has records of another version than this client's"),
    Answer.BAD_LENGTH: (WrongLibrary, "found a record of the wrong length in this call"),
    Answer.BAD_CODE: (WrongLibrary, "found an unknown code in this call"),
    Answer.BAD_VALUE: (WrongLibrary, "found a number out of range in this call"),
    Answer.UNFOUNDED: (StoreError, "was never founded, or its data is gone"),
    Answer.WRONG_MAP: (WrongMap, "belongs to another map or partition than this client's"),
    Answer.STALE_EPOCH: (StaleEpoch, "has been taken over by another worker, with epoch"),
    Answer.LOST: (
        StoreError,
        "never gave this epoch: its server has lost time. The highest that it knows is",
    ),
    Answer.GAP: (Gap, "lacks what should be there before this call; it stands at"),
    Answer.REUSED: (StoreError, "has something else where this call would write"),
}
"""The exception of each refusal, and what the store that refuses says of itself."""


@dataclass(frozen=True)
class StoreMap(BucketMap):
    """Where each partition's store is: the ledger's map, read for partitions.

    Partitions go round the shards of the map in their order, so that neighbours are on different
    servers; in a cluster the slot of the key decides. What is stored is the map of buckets: a
    store remembers the map's version as a bucket does.
    """

    @classmethod
    def of(cls, bucket_map: BucketMap) -> Self:
        """Return the places of all partitions by this map."""
        shards = bucket_map.shards
        owners = tuple(number % len(shards) for number in range(PARTITIONS)) if shards else ()
        return cls(bucket_map.version, PARTITIONS, shards, owners)

    def key(self, bucket: int) -> bytes:
        """Return the key of a partition's store."""
        return b"nextrade:{p%d}" % bucket

    def head(self, call: Call, bucket: int) -> bytes:
        """Return the head of a call to a partition's store."""
        return _HEAD.pack(STORE_VERSION, call, self.version, bucket)

    def part_keys(self, partition: int, batch: int, parts: int) -> list[bytes]:
        """Return the keys of the parts of a snapshot; they are in the slot of the store's."""
        return [b"%b:s:%d:%d" % (self.key(partition), batch, part) for part in range(parts)]


class KeptSnapshot(NamedTuple):
    """What the store says of one of its snapshots."""

    batch: int
    size: int
    parts: int
    digest: bytes

    @classmethod
    def of(cls, batch: int, snapshot: bytes, part_bytes: int) -> Self:
        """Describe a snapshot that is to be kept."""
        parts = (len(snapshot) + part_bytes - 1) // part_bytes
        return cls(batch, len(snapshot), parts, _digest(snapshot))

    def packed(self) -> bytes:
        """Return the record of it."""
        return _SNAPSHOT.pack(*self)

    def is_of(self, snapshot: bytes) -> bool:
        """Whether these bytes are the snapshot, whole and undamaged."""
        return len(snapshot) == self.size and _digest(snapshot) == self.digest


class Writing(NamedTuple):
    """A snapshot that somebody began to write."""

    batch: int
    parts: int


class Header(NamedTuple):
    """The state of a store: all but the entries and the bytes of its snapshots."""

    epoch: int
    batch: int
    cleared: int
    first: int
    """The first batch whose entry is still there."""
    snapshots: tuple[KeptSnapshot, ...]
    """The newest first; at most two."""
    founding: bytes
    writing: Writing | None

    @classmethod
    def read(cls, state: bytes, snapshots: bytes, founding: bytes, writing: bytes = b"") -> Self:
        """Read what acquire and look return; raises StoreError if it cannot be read."""
        try:
            epoch, batch, cleared, first = _STATE.unpack(state)
            return cls(
                epoch,
                batch,
                cleared,
                first,
                tuple(map(KeptSnapshot._make, _SNAPSHOT.iter_unpack(snapshots))),
                founding,
                Writing(*_WRITING.unpack(writing)) if writing else None,
            )
        except struct.error as error:
            raise StoreError(f"the state of a book store is damaged: {error}") from error

    def starts(self, earlier: bool) -> Iterator[KeptSnapshot | None]:
        """Give what the state can be rebuilt from, best first; None is the founding itself."""
        for start in (*self.snapshots[earlier:], None):
            if self.first <= (start.batch if start else 0) + 1:
                yield start


def _digest(snapshot: bytes) -> bytes:
    return blake2b(snapshot, digest_size=16).digest()
