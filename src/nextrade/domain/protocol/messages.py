"""What a batch tells the world: messages of the stream of events.

A batch has one message or several, and its facts one numbering through all of them: first its
events, then its price levels. A fact is named by (partition, batch, index), so who reads the
stream drops what comes twice and sees what is missing; a batch that is done again after a crash
gives the same names to the same facts.

Version 3, all numbers little-endian:

    4 bytes  magic b"NXTE"
    u16      version
    u16      flags: 1 the batch has further messages, 2 the listings follow at the end,
             4 what its commands do goes on in the next batch, 8 client order ids follow at the end
             (a batch that changes the listings has none)
    u32      partition
    u64      batch
    i64      time of the batch, nanoseconds since 1970
    u32      index of the first fact
    u32      frames, u32 events, u32 levels in this message
    u32      CRC-32 of all other bytes
    frames   FRAME_ENTRY_DTYPE, in the first message of a batch only
    events   EVENT_DTYPE, then their markets, u32 each
    levels   LEVEL_DTYPE, then their markets, u32 each
    listings those that hold from this batch on, as domain/listings_text.py packs them
    ids      CLIENT_ORDER_DTYPE, up to the end: the client order ids of the batch's commands, in the
             first message of a batch only

Version 2 has no client order ids; it is read, and still written where there are none. Version 1,
which is still read, had no listings either.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...dtypes import EVENT_DTYPE, LEVEL_DTYPE
from ...errors import BadFrame

__all__ = ["CLIENT_ORDER_DTYPE", "FRAME_ENTRY_DTYPE", "Message", "read_message", "write_messages"]

MAGIC = b"NXTE"
VERSION = 3
UNNAMED_VERSION = 2
OLDEST_VERSION = 1
MOST_FACTS = 4096
"""Facts of one message: less than 400,000 bytes."""
_MORE = 1
_LISTINGS = 2
_GOES_ON = 4
_IDS = 8
_HEAD = struct.Struct("<4sHHIQqIIII")
_CRC = struct.Struct("<I")
_HEAD_BYTES = _HEAD.size + _CRC.size

FRAME_ENTRY_DTYPE = np.dtype(
    [("identity", "<u8"), ("crc", "<u4"), ("records", "<u4"), ("verdict", "<u2"), ("zero", "<u2")]
)
"""A frame that a batch ended, 20 bytes: its id and checksum, how many records of it ran, and
its Verdict. The commands of a batch are those of its frames, one after the other."""

CLIENT_ORDER_DTYPE = np.dtype([("order", "<u8"), ("account", "<u4"), ("text", "S36")])
"""The client order id with which a new order came, accepted or not, 48 bytes."""

_NO_IDS = np.zeros(0, CLIENT_ORDER_DTYPE)


class Message(NamedTuple):
    """One message of the stream, decoded."""

    partition: int
    batch: int
    time_ns: int
    first_index: int
    more: bool
    """Whether further messages of this batch follow."""
    frames: npt.NDArray[np.void]
    events: npt.NDArray[np.void]
    markets: npt.NDArray[np.uint32]
    levels: npt.NDArray[np.void]
    level_markets: npt.NDArray[np.uint32]
    listings: bytes = b""
    """The listings from this batch on, where it changed them."""
    goes_on: bool = False
    """Whether what its commands do goes on in the next batch, which has no frames of its own."""
    ids: npt.NDArray[np.void] = _NO_IDS
    """The client order ids of its commands (CLIENT_ORDER_DTYPE), in a batch's first message."""

    @property
    def next_index(self) -> int:
        """The index of the fact after those of this message."""
        return self.first_index + len(self.events) + len(self.levels)


def write_messages(
    partition: int,
    batch: int,
    time_ns: int,
    frames: npt.NDArray[np.void],
    events: npt.NDArray[np.void],
    markets: npt.NDArray[np.uint32],
    levels: npt.NDArray[np.void],
    level_markets: npt.NDArray[np.uint32],
    listings: bytes = b"",
    *,
    goes_on: bool = False,
    ids: npt.NDArray[np.void] = _NO_IDS,
) -> list[bytes]:
    """The messages of a batch, at least one; the arrays are what ``Message`` gives back."""
    facts = len(events) + len(levels)
    messages = []
    for first in range(0, max(facts, 1), MOST_FACTS):
        last = min(first + MOST_FACTS, facts)
        some = slice(min(first, len(events)), min(last, len(events)))
        of_levels = slice(max(first - len(events), 0), max(last - len(events), 0))
        own_frames = frames if first == 0 else frames[:0]
        own_listings = listings if first == 0 else b""
        own_ids = ids if first == 0 else ids[:0]
        head = _HEAD.pack(
            MAGIC,
            VERSION if len(own_ids) else UNNAMED_VERSION,
            (_MORE if last < facts else 0)
            | (_LISTINGS if own_listings else 0)
            | (_GOES_ON if goes_on else 0)
            | (_IDS if len(own_ids) else 0),
            partition,
            batch,
            time_ns,
            first,
            len(own_frames),
            some.stop - some.start,
            of_levels.stop - of_levels.start,
        )
        body = b"".join(
            (
                own_frames.tobytes(),
                events[some].tobytes(),
                markets[some].tobytes(),
                levels[of_levels].tobytes(),
                level_markets[of_levels].tobytes(),
                own_listings,
                own_ids.tobytes(),
            )
        )
        messages.append(head + _CRC.pack(zlib.crc32(body, zlib.crc32(head))) + body)
    return messages


def read_message(message: bytes) -> Message:
    """Read a message of the stream; raises BadFrame for anything else."""
    if len(message) < _HEAD_BYTES or message[:4] != MAGIC:
        raise BadFrame(f"{len(message)} bytes that do not begin as a message of events does")
    head = _HEAD.unpack_from(message)
    _, version, flags, partition, batch, time_ns, first, *counts = head
    if not OLDEST_VERSION <= version <= VERSION:
        raise BadFrame(
            f"events of version {version}; this build reads versions {OLDEST_VERSION} to {VERSION}"
        )
    crc = zlib.crc32(message[_HEAD_BYTES:], zlib.crc32(message[: _HEAD.size]))
    sizes = (counts[0] * FRAME_ENTRY_DTYPE.itemsize, counts[1] * 84, counts[2] * 36)
    listings = message[_HEAD_BYTES + sum(sizes) :] if flags & _LISTINGS else b""
    ids = _NO_IDS
    if flags & _IDS and not listings:
        count = max(len(message) - _HEAD_BYTES - sum(sizes), 0) // CLIENT_ORDER_DTYPE.itemsize
        ids = np.zeros(count, CLIENT_ORDER_DTYPE)
    length = _HEAD_BYTES + sum(sizes) + len(listings) + ids.nbytes
    if len(message) != length or _CRC.unpack_from(message, _HEAD.size)[0] != crc:
        raise BadFrame("a message of events whose checksum or length does not fit its bytes")
    at = _HEAD_BYTES
    parts: list[npt.NDArray[Any]] = []
    for dtype, count in (
        (FRAME_ENTRY_DTYPE, counts[0]),
        (EVENT_DTYPE, counts[1]),
        (np.dtype("<u4"), counts[1]),
        (LEVEL_DTYPE, counts[2]),
        (np.dtype("<u4"), counts[2]),
        (CLIENT_ORDER_DTYPE, len(ids)),
    ):
        parts.append(np.frombuffer(message, dtype, count, at))
        at += count * dtype.itemsize
    more = bool(flags & _MORE)
    frames, events, markets, levels, of_levels, ids = parts
    return Message(
        *(partition, batch, time_ns, first, more),
        *(frames, events, markets, levels, of_levels),
        *(listings, bool(flags & _GOES_ON), ids),
    )
