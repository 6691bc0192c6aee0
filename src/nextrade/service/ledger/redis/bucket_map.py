"""Which bucket an account falls into, and which shard keeps a bucket.

The first is arithmetic and never changes: an account is mixed and scaled to the number of
buckets. The second is stored data with a version, computed when the ledger is founded: a ring
of consistent hashing, on which a shard that has its share passes further buckets on to the
next ("bounded load"). In Redis Cluster the slots decide instead, and the map names no shard.
"""

import hashlib
import json
import struct
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Self

import numpy as np
import numpy.typing as npt

from ....errors import WrongMap
from ..protocol import MOST_FROM_OUTSIDE
from .codes import VERSION, Call

__all__ = ["BUCKETS", "MAP_KEY", "BucketMap", "ring"]

BUCKETS = 24
"""Buckets of a ledger unless told otherwise; about eight a shard cost least."""

MAP_KEY = "nextrade:map"
"""Key of the map on every shard; in a cluster it is in one place."""

POINTS = 64
"""Points of each shard on the ring: enough that shares are about equal."""

_HEAD = struct.Struct("<HHIII")
_FOUNDING = struct.Struct("<IIII")
_MIX = np.uint64(0x9E3779B1)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def _point(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def ring(shards: Sequence[str], buckets: int) -> tuple[int, ...]:
    """Place of each bucket's shard in ``shards``; no shard gets more than its share, rounded up."""
    if len(set(shards)) != len(shards) or not shards:
        raise ValueError(f"shards need names of their own: {list(shards)}")
    points = sorted(
        (_point(f"{name}/{number}"), place)
        for place, name in enumerate(shards)
        for number in range(POINTS)
    )
    room = [ceil(buckets / len(shards))] * len(shards)
    owners = []
    for bucket in range(buckets):
        at = bisect(points, (_point(f"bucket {bucket}"), 0))
        while room[points[at % len(points)][1]] == 0:
            at += 1
        owner = points[at % len(points)][1]
        room[owner] -= 1
        owners.append(owner)
    return tuple(owners)


@dataclass(frozen=True)
class BucketMap:
    """The stored map. ``owners`` is empty on Redis Cluster."""

    version: int
    buckets: int
    shards: tuple[str, ...]
    owners: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse a map that leaves a bucket without a shard."""
        if not 0 < self.buckets <= 4096 or not 0 < self.version < 2**32:
            raise ValueError("a map has 1 to 4,096 buckets and a version from 1")
        if self.shards and len(self.owners) != self.buckets:
            raise ValueError("every bucket needs a shard")

    @classmethod
    def founded(cls, shards: Sequence[str], buckets: int = BUCKETS) -> Self:
        """Return the first map of a ledger over these shards; none: over a Redis Cluster."""
        return cls(1, buckets, tuple(shards), ring(shards, buckets) if shards else ())

    @property
    def share(self) -> int:
        """Return the most of one asset that may come in from outside through one bucket."""
        return MOST_FROM_OUTSIDE // self.buckets

    def of_accounts(self, accounts: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        """Return the bucket of each account."""
        mixed = (accounts.astype(np.uint64) * _MIX) & _LOW
        return ((mixed * np.uint64(self.buckets)) >> _HALF).astype(np.int64)

    def of_account(self, account: int) -> int:
        """Return the bucket of one account."""
        return ((account * 0x9E3779B1 & 0xFFFFFFFF) * self.buckets) >> 32

    def of_reference(self, reference: bytes) -> int:
        """Return the bucket that knows what a reference stands for."""
        digest = hashlib.blake2b(reference, digest_size=8).digest()
        return int.from_bytes(digest, "little") % self.buckets

    def key(self, bucket: int) -> bytes:
        """Return the key of a bucket; the braces tell a cluster what to compute its slot from."""
        return b"nextrade:{b%d}" % bucket

    def head(self, call: Call, bucket: int) -> bytes:
        """Return the head of a call to a bucket (lua/include/calls.lua)."""
        return _HEAD.pack(VERSION, call, self.version, bucket, self.buckets)

    def founding(self, bucket: int) -> bytes:
        """Return how the founding of a bucket begins that belongs to this map and version."""
        return self._foundings[bucket]

    @cached_property
    def _foundings(self) -> list[bytes]:
        return [
            _FOUNDING.pack(self.version, bucket, self.buckets, VERSION)
            for bucket in range(self.buckets)
        ]

    def reading(self, bucket: int, count: int) -> bytes:
        """Return how a command begins that reads a bucket's founding and so many other fields."""
        return b"*%d\r\n%b" % (count + 3, self._readings[bucket])

    @cached_property
    def _readings(self) -> list[bytes]:
        keys = map(self.key, range(self.buckets))
        return [b"$5\r\nHMGET\r\n$%d\r\n%b\r\n$1\r\nF\r\n" % (len(key), key) for key in keys]

    def to_json(self) -> str:
        """Return the map as it is stored."""
        fields = {"version": self.version, "buckets": self.buckets}
        return json.dumps(fields | {"shards": self.shards, "owners": self.owners})

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a stored map; raises WrongMap if it is none."""
        try:
            fields = json.loads(text)
            return cls(
                int(fields["version"]),
                int(fields["buckets"]),
                tuple(map(str, fields["shards"])),
                tuple(map(int, fields["owners"])),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise WrongMap(f"what is stored as a map of buckets is none: {text!r}") from error
