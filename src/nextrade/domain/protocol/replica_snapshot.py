"""A replica's state as bytes, for the book store to keep.

Version 3, all numbers little-endian:

    4 bytes  magic b"NXTR"
    u32      version
    u32      partition, u32 buckets
    u64      batch
    i64      time of the batch
    i64      newest millisecond of which frames were forgotten, -1 if none
    u32      frames remembered, u32 fee tiers, u32 assets
    u32      length of the listings
    listings those of this moment, as domain/listings_text.py packs them
    heads    u64 for each bucket
    settled  i64 for each bucket and asset (BucketSums)
    held     i64 for each bucket and asset
    frames   FRAME_ENTRY_DTYPE
    tiers    TIER_DTYPE
    rest     the partition's own snapshot

The store adds the checksum. Version 2, which is still read, had no listings: they are those of the
founding. Version 1 had no sums; no release ever wrote it.
"""

from __future__ import annotations

import struct

import numpy as np

from ...errors import ListingsRefused, SnapshotError, StoreError
from ..listings import Listings
from ..listings_text import pack_listings, unpack_listings
from ..partition import Partition
from .frames import TIER_DTYPE
from .limits import Limits
from .messages import FRAME_ENTRY_DTYPE
from .replica import Replica

__all__ = ["restore_replica", "snapshot_replica"]

MAGIC = b"NXTR"
VERSION = 3
OLDEST_VERSION = 2
_HEAD = struct.Struct("<4sIIIQqqIII")
_LENGTH = struct.Struct("<I")


def snapshot_replica(replica: Replica) -> bytes:
    """The whole state of a replica."""
    frames = replica.remembered.records()
    tiers = np.array(sorted(replica.tiers.items()), TIER_DTYPE)
    head = _HEAD.pack(
        MAGIC,
        VERSION,
        replica.number,
        replica.buckets,
        replica.batch,
        replica.time_ns,
        replica.remembered.evicted_up_to_ms,
        len(frames),
        len(tiers),
        replica.sums.assets,
    )
    listings = pack_listings(replica.partition.listings)
    arrays = (
        np.array(replica.heads, "<u8"),
        replica.sums.settled,
        replica.sums.held,
        frames,
        tiers,
    )
    parts = [array.tobytes() for array in arrays]
    head += _LENGTH.pack(len(listings)) + listings
    return b"".join([head, *parts, replica.partition.snapshot()])


def restore_replica(
    listings: Listings,
    number: int,
    buckets: int,
    snapshot: bytes,
    limits: Limits,
) -> Replica:
    """The replica that wrote a snapshot; a new one if it is empty.

    ``listings`` are those of the founding; a snapshot has those of its moment.

    Raises StoreError if the bytes are those of something else.
    """
    if not snapshot:
        return Replica(listings, number, buckets, limits)
    if len(snapshot) < _HEAD.size or snapshot[:4] != MAGIC:
        raise StoreError(f"what is stored as a snapshot of partition {number} is none")
    _, version, own, own_buckets, *state = _HEAD.unpack_from(snapshot)
    if not OLDEST_VERSION <= version <= VERSION:
        raise StoreError(
            f"a snapshot of version {version}; this build reads versions {OLDEST_VERSION} to"
            f" {VERSION}"
        )
    if (own, own_buckets) != (number, buckets):
        raise StoreError(
            f"a snapshot of partition {own} over {own_buckets} buckets is stored for partition"
            f" {number} over {buckets}"
        )
    batch, time_ns, evicted, frame_count, tier_count, assets = state
    listings, at = _listings_of(snapshot, version, listings)
    if assets > len(listings.assets):
        raise StoreError(
            f"a snapshot of {assets} assets is stored for partition {number}, and"
            f" {len(listings.assets)} are listed"
        )
    try:
        heads = np.frombuffer(snapshot, "<u8", buckets, at)
        at += heads.nbytes
        sums = np.frombuffer(snapshot, "<i8", 2 * buckets * assets, at)
        at += sums.nbytes
        frames = np.frombuffer(snapshot, FRAME_ENTRY_DTYPE, frame_count, at)
        at += frames.nbytes
        tiers = np.frombuffer(snapshot, TIER_DTYPE, tier_count, at)
        at += tiers.nbytes
        partition = Partition.restore(
            listings,
            number,
            snapshot[at:],
            posting_limit=limits.posting_limit,
            event_limit=limits.event_limit,
        )
    except (ValueError, SnapshotError) as error:
        raise StoreError(f"the stored snapshot of partition {number}: {error}") from error
    replica = Replica(listings, number, buckets, limits, partition)
    replica.batch, replica.time_ns = batch, time_ns
    replica.heads = heads.tolist()
    # Assets that were listed since had nothing.
    settled, held = sums.reshape(2, buckets, assets)
    replica.sums.settled[:, :assets], replica.sums.held[:, :assets] = settled, held
    replica.tiers = dict(tiers.tolist())
    replica.remembered.add(frames)
    replica.remembered.evicted_up_to_ms = max(evicted, replica.remembered.evicted_up_to_ms)
    return replica


def _listings_of(snapshot: bytes, version: int, founded: Listings) -> tuple[Listings, int]:
    """The listings of a snapshot, and where it goes on behind them."""
    if version == OLDEST_VERSION:
        return founded, _HEAD.size
    try:
        (length,) = _LENGTH.unpack_from(snapshot, _HEAD.size)
        at = _HEAD.size + _LENGTH.size
        return unpack_listings(snapshot[at : at + length]), at + length
    except (struct.error, ListingsRefused) as error:
        raise StoreError(f"the listings of a stored snapshot: {error}") from error
