"""Entries of a book store: what went into each batch, so that doing it again gives its outcome.

The exchange is a deterministic state machine. So an entry holds the batch's commands and which of
them got their reservation, and neither orders nor postings nor events: replayed on the state
before, it gives the same bytes again, which its digest proves.

Version 2, all numbers little-endian:

    4 bytes  magic b"NXTB"
    u16      version
    u16      EntryKind
    u64      batch
    i64      time of the batch, nanoseconds since 1970
    u32      frames, u32 records, u32 endings
    u32      CRC-32 of the events and postings of the batch
    u32      CRC-32 of all other bytes
    frames   FRAME_ENTRY_DTYPE (protocol/messages.py)
    records  RUN: COMMAND_DTYPE, then u8 fee tier of each, then u8 of each: what the ledger
             answered (Granted), 1 if it asked for nothing, and from 128 on the Refusal that it met
             before it asked
             TIERS: TIER_DTYPE;  VOID: POSTING_DTYPE;  PROCEED: none
             LISTINGS: the bytes of the listings that were proposed
    endings  VOID: ENDING_DTYPE
    names    RUN: NAME_DTYPE (protocol/frames.py), the client order ids, up to the end of the entry

Version 1 has no names. It is read, and still written where there are none.
"""

from __future__ import annotations

import struct
import zlib
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...dtypes import COMMAND_DTYPE
from ...errors import StoreError
from ..postings import POSTING_DTYPE
from .frames import NAME_DTYPE, TIER_DTYPE
from .messages import FRAME_ENTRY_DTYPE

__all__ = ["ENDING_DTYPE", "Entry", "EntryKind", "read_entry", "write_entry"]

MAGIC = b"NXTB"
VERSION = 2
UNNAMED_VERSION = 1
_HEAD = struct.Struct("<4sHHQqIIII")
_CRC = struct.Struct("<I")
_HEAD_BYTES = _HEAD.size + _CRC.size

ENDING_DTYPE = np.dtype([("bucket", "<u4"), ("zero", "<u4"), ("frame", "<u8")])
"""A frame whose answer a bucket forgets with this batch, 16 bytes."""


class EntryKind(IntEnum):
    """What a batch is made of."""

    RUN = 1
    """Commands of one frame or several."""
    PROCEED = 2
    """The next part of what did not fit the batch before."""
    TIERS = 3
    """A frame that gives accounts their fee tiers."""
    VOID = 4
    """The verdict on a frame that does not run: what it reserved goes back."""
    LISTINGS = 5
    """A frame of new listings, which the state before it takes on or refuses."""


_RECORDS: dict[int, np.dtype[Any]] = {
    EntryKind.RUN: COMMAND_DTYPE,
    EntryKind.PROCEED: COMMAND_DTYPE,
    EntryKind.TIERS: TIER_DTYPE,
    EntryKind.VOID: POSTING_DTYPE,
    EntryKind.LISTINGS: np.dtype(np.uint8),
}
_NO_FRAMES = np.zeros(0, FRAME_ENTRY_DTYPE)
_NO_BYTES = np.zeros(0, np.uint8)
_NO_ENDINGS = np.zeros(0, ENDING_DTYPE)
_NO_NAMES = np.zeros(0, NAME_DTYPE)


class Entry(NamedTuple):
    """One entry, decoded; what a kind does not have is empty."""

    kind: EntryKind
    batch: int
    time_ns: int
    frames: npt.NDArray[np.void] = _NO_FRAMES
    records: npt.NDArray[Any] = np.zeros(0, COMMAND_DTYPE)
    tiers: npt.NDArray[np.uint8] = _NO_BYTES
    granted: npt.NDArray[np.uint8] = _NO_BYTES
    endings: npt.NDArray[np.void] = _NO_ENDINGS
    names: npt.NDArray[np.void] = _NO_NAMES


def write_entry(entry: Entry, digest: int) -> bytes:
    """The bytes of an entry; ``digest`` is the CRC-32 of its outcome."""
    head = _HEAD.pack(
        MAGIC,
        VERSION if len(entry.names) else UNNAMED_VERSION,
        entry.kind,
        entry.batch,
        entry.time_ns,
        len(entry.frames),
        len(entry.records),
        len(entry.endings),
        digest,
    )
    parts = (
        *(entry.frames, entry.records, entry.tiers, entry.granted, entry.endings),
        entry.names,
    )
    body = b"".join([part.tobytes() for part in parts])
    return head + _CRC.pack(zlib.crc32(body, zlib.crc32(head))) + body


def read_entry(text: bytes) -> tuple[Entry, int]:
    """An entry and the digest of its outcome; raises StoreError for anything else."""
    if len(text) < _HEAD_BYTES or text[:4] != MAGIC:
        raise StoreError(f"{len(text)} bytes in a book store that do not begin as an entry does")
    _, version, kind, batch, time_ns, frames, records, endings, digest = _HEAD.unpack_from(text)
    if not UNNAMED_VERSION <= version <= VERSION or kind not in _RECORDS:
        raise StoreError(
            f"an entry of version {version} and kind {kind}; this build reads versions"
            f" {UNNAMED_VERSION} to {VERSION}"
        )
    crc = zlib.crc32(memoryview(text)[_HEAD_BYTES:], zlib.crc32(text[: _HEAD.size]))
    marks = records if kind == EntryKind.RUN else 0
    layout: list[tuple[np.dtype[Any], int]] = [
        (FRAME_ENTRY_DTYPE, frames),
        (_RECORDS[EntryKind(kind)], records),
        (np.dtype(np.uint8), marks),
        (np.dtype(np.uint8), marks),
        (ENDING_DTYPE, endings),
    ]
    length = _HEAD_BYTES + sum(dtype.itemsize * count for dtype, count in layout)
    if version == VERSION:
        names = max(len(text) - length, 0) // NAME_DTYPE.itemsize
        layout.append((NAME_DTYPE, names))
        length += NAME_DTYPE.itemsize * names
    if len(text) != length or _CRC.unpack_from(text, _HEAD.size)[0] != crc:
        raise StoreError(f"the entry of batch {batch} is damaged: its length or checksum is wrong")
    at = _HEAD_BYTES
    parts: list[npt.NDArray[Any]] = []
    for dtype, count in layout:
        parts.append(np.frombuffer(text, dtype, count, at))
        at += dtype.itemsize * count
    return Entry(EntryKind(kind), batch, time_ns, *parts), digest
