"""The bytes of a partition's snapshot: its books, and what their open orders hold.

Version 3, all numbers little-endian:

    8 bytes   magic b"NXT-PART"
    u32       version
    u32       zero
    u64       length of the body
    body      u32 number of the partition, u32 version of the listings,
                  u32 number of markets, then for each market
                  u32 position in the listings, u32 base, u32 quote, u32 zero,
                  i64 base units per lot, i64 quote units per tick and lot,
                  u64 length of the book's snapshot, and that snapshot;
              then a u64 number of open orders, and one ORDER_HOLD_DTYPE record for each, by
              market and order id; then the slices of a batch that wait: a u64 number of them,
              and for each
                  u64 number of its events, u64 of its postings, u64 of its price levels,
                  EVENT_DTYPE records, a u32 market for each, POSTING_DTYPE records,
                  LEVEL_DTYPE records, a u32 market for each
    16 bytes  BLAKE2b (digest size 16) of everything before

Versions before are still read. Version 2 has no version of the listings, which was always 1.
Version 1 ends, besides, with the records of the open orders, without their number; nothing could
wait.

The units of each market are kept so that a snapshot cannot be restored under listings by
which its holds would mean other amounts. Limits and fees may change.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import SnapshotError
from .slices import Slice, pack_slices, unpack_slices

MAGIC = b"NXT-PART"
VERSION = 3
OLDEST_VERSION = 1
_HEAD = struct.Struct("<8sIIQ")
_BODY = struct.Struct("<III")
_BODY_BEFORE = struct.Struct("<II")
_MARKET = struct.Struct("<IIIIqqQ")
_COUNT = struct.Struct("<Q")
_DIGEST_BYTES = 16


class Units(NamedTuple):
    """What a market's ticks and lots are worth."""

    market: int
    base: int
    quote: int
    base_units_per_lot: int
    quote_units_per_tick_lot: int


class Contents(NamedTuple):
    """What a snapshot holds."""

    number: int
    units: list[Units]
    books: list[bytes]
    holds: npt.NDArray[np.void]
    pending: Sequence[Slice]
    version: int = 1
    """Of the listings."""


def units_of(table: npt.NDArray[np.void], market: int) -> Units:
    """Units of a listed market."""
    row = table[market]
    return Units(
        market,
        int(row["base"]),
        int(row["quote"]),
        int(row["base_units_per_lot"]),
        int(row["quote_units_per_tick_lot"]),
    )


def pack(contents: Contents) -> bytes:
    """Bytes of a snapshot."""
    parts = [_BODY.pack(contents.number, contents.version, len(contents.units))]
    for units, book in zip(contents.units, contents.books, strict=True):
        parts += [_MARKET.pack(*units[:3], 0, *units[3:], len(book)), book]
    parts += [_COUNT.pack(len(contents.holds)), contents.holds.tobytes()]
    parts.append(pack_slices(contents.pending))
    body = b"".join(parts)
    whole = _HEAD.pack(MAGIC, VERSION, 0, len(body)) + body
    return whole + hashlib.blake2b(whole, digest_size=_DIGEST_BYTES).digest()


def unpack(snapshot: bytes, hold_dtype: np.dtype[np.void]) -> Contents:
    """Contents of a snapshot; raises SnapshotError if it is not intact and ours."""
    version, body = _body(snapshot)
    try:
        if version > 2:
            number, listed, count = _BODY.unpack_from(body)
            at = _BODY.size
        else:
            number, count = _BODY_BEFORE.unpack_from(body)
            listed, at = 1, _BODY_BEFORE.size
        units, books = [], []
        for _ in range(count):
            market, base, quote, _zero, lot, tick_lot, length = _MARKET.unpack_from(body, at)
            at += _MARKET.size
            units.append(Units(market, base, quote, lot, tick_lot))
            books.append(body[at : at + length])
            at += length
        end = len(body)
        if version > 1:
            (orders,) = _COUNT.unpack_from(body, at)
            at += _COUNT.size
            end = at + orders * hold_dtype.itemsize
        holds = np.frombuffer(body[at:end], hold_dtype)
        pending = unpack_slices(body[end:]) if version > 1 else []
    except (struct.error, ValueError) as error:
        raise SnapshotError("partition snapshot contradicts itself: it ends early") from error
    return Contents(number, units, books, holds, pending, listed)


def _body(snapshot: bytes) -> tuple[int, bytes]:
    """Version and body of a snapshot that is intact."""
    if not isinstance(snapshot, bytes | bytearray | memoryview):
        raise TypeError(f"a snapshot is bytes, not {type(snapshot).__name__}")
    data = bytes(snapshot)
    if data[: len(MAGIC)] != MAGIC:
        raise SnapshotError(
            f"not a partition's snapshot: it does not begin with {MAGIC!r}; pass the bytes that "
            "Partition.snapshot() returned"
        )
    if len(data) < _HEAD.size + _DIGEST_BYTES:
        raise SnapshotError(f"snapshot cut off: {len(data)} bytes is less than its frame alone")
    _, version, zero, length = _HEAD.unpack_from(data)
    if not OLDEST_VERSION <= version <= VERSION:
        raise SnapshotError(
            f"partition snapshot version {version} is unknown here (this build reads versions "
            f"{OLDEST_VERSION} to {VERSION}); restore it with the release that wrote it, or a "
            "later one"
        )
    if len(data) != _HEAD.size + length + _DIGEST_BYTES:
        raise SnapshotError(f"snapshot damaged: {len(data)} bytes is not what its head says")
    digest = hashlib.blake2b(data[:-_DIGEST_BYTES], digest_size=_DIGEST_BYTES).digest()
    if zero or digest != data[-_DIGEST_BYTES:]:
        raise SnapshotError("snapshot damaged: its checksum does not fit its bytes")
    return version, data[_HEAD.size : -_DIGEST_BYTES]
