"""Frames: the unit in which commands travel through the queue, and of doing things once.

Version 2, all numbers little-endian:

    4 bytes  magic b"NXTF"
    u16      version
    u16      FrameKind
    u32      partition
    u32      count of records
    u64      frame id (protocol/ids.py); a frame that is sent again keeps it
    u32      length of the body
    u32      version of the listings by which it was made; 0: no matter which
    u32      CRC-32 of the 32 bytes before and of the body
    body     COMMANDS: COMMAND_DTYPE records, their times zero: the worker gives the time
             NAMED:    COMMAND_DTYPE records, as many as the count says, then NAME_DTYPE records:
                       the client order ids of some of them
             TIERS:    TIER_DTYPE records
             VERDICT:  u16 Verdict, u16 zero, and the message of the queue that it is about
             KNOCK:    nothing
             LISTINGS: new listings, as domain/listings_text.py packs them

Version 1, which is still read, has no version of the listings: whoever wrote it knew those that
the exchange was founded with, and no others.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from enum import IntEnum
from operator import lt
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...dtypes import COMMAND_DTYPE
from ...enums import CommandKind
from ...errors import BadFrame
from ..listings_text import MOST_LISTINGS_BYTES

__all__ = [
    "NAME_DTYPE",
    "TIER_DTYPE",
    "Frame",
    "FrameKind",
    "Verdict",
    "commands_frame",
    "decode",
    "identity_of",
    "knock_frame",
    "listings_frame",
    "named_frame",
    "tiers_frame",
    "verdict_frame",
]

MAGIC = b"NXTF"
VERSION = 2
OLDEST_VERSION = 1
MOST_RECORDS = 65_536
"""A frame of more is refused: it would not fit a batch."""
_HEAD = struct.Struct("<4sHHIIQII")
_HEAD_BEFORE = struct.Struct("<4sHHIIQI")
_CRC = struct.Struct("<I")
_VERDICT = struct.Struct("<HH")
HEAD_BYTES = _HEAD.size + _CRC.size
HEAD_BYTES_BEFORE = _HEAD_BEFORE.size + _CRC.size

TIER_DTYPE = np.dtype([("account", "<u4"), ("tier", "<u4")])
"""The fee tier of an account from now on, 8 bytes."""

NAME_DTYPE = np.dtype([("row", "<u4"), ("text", "S36")])
"""The client order id of a command that places an order, 40 bytes: the command's position, and the
id, 1 to 36 printable ASCII characters without spaces, padded with NUL."""

_LEGAL = bytes(range(0x21, 0x7F))
_NO_NAMES = np.zeros(0, NAME_DTYPE)


class FrameKind(IntEnum):
    """What a frame carries."""

    COMMANDS = 1
    TIERS = 2
    VERDICT = 3
    KNOCK = 4
    NAMED = 5
    """Commands, and the client order ids of some of them."""
    LISTINGS = 6


class Verdict(IntEnum):
    """What was decided of a frame."""

    RUN = 0
    """Its commands ran; their events say what became of each."""
    UNDECODABLE = 1
    """It is no frame of a version that is known here."""
    WRONG_PARTITION = 2
    """It names another partition than that of its queue."""
    REUSED_ID = 3
    """Another frame had its id."""
    TOO_OLD = 4
    """It is older than the ids that are remembered: it may have run before."""
    DEAD_LETTERED = 5
    """It was delivered too often without an end."""
    ABANDONED = 6
    """It reserved and then did not come again for a long time."""
    LISTINGS_REFUSED = 7
    """The listings may not change as it says."""


class Frame(NamedTuple):
    """A decoded frame; ``records`` is what its kind has, bytes for listings, empty for a verdict.

    ``about`` is of a verdict alone; ``listings`` is the version by which it was made, 0 for any.
    ``names`` are the client order ids (NAME_DTYPE) of a NAMED frame.
    """

    kind: FrameKind
    partition: int
    identity: int
    crc: int
    records: npt.NDArray[Any]
    verdict: Verdict = Verdict.RUN
    about: bytes = b""
    listings: int = 0
    names: npt.NDArray[np.void] = _NO_NAMES


_RECORDS: dict[int, np.dtype[Any]] = {
    FrameKind.COMMANDS: COMMAND_DTYPE,
    FrameKind.TIERS: TIER_DTYPE,
    FrameKind.LISTINGS: np.dtype(np.uint8),
}


def _frame(
    kind: FrameKind, partition: int, identity: int, count: int, body: bytes, listings: int = 0
) -> bytes:
    head = _HEAD.pack(MAGIC, VERSION, kind, partition, count, identity, len(body), listings)
    return head + _CRC.pack(zlib.crc32(body, zlib.crc32(head))) + body


def commands_frame(
    partition: int, identity: int, commands: npt.NDArray[np.void], listings: int = 0
) -> bytes:
    """The bytes of a frame of commands; raises ValueError for too many or none.

    ``listings`` is the version by which prices and quantities were counted, 0 if there are none.
    """
    if commands.dtype != COMMAND_DTYPE or not 0 < len(commands) <= MOST_RECORDS:
        raise ValueError(f"a frame carries 1 to {MOST_RECORDS:,} commands")
    body = commands.tobytes()
    return _frame(FrameKind.COMMANDS, partition, identity, len(commands), body, listings)


def named_frame(
    partition: int,
    identity: int,
    commands: npt.NDArray[np.void],
    names: npt.NDArray[np.void],
    listings: int = 0,
) -> bytes:
    """The bytes of a frame of commands of which some have client order ids (NAME_DTYPE).

    Raises ValueError as ``commands_frame``, and for names that no frame may have.
    """
    if commands.dtype != COMMAND_DTYPE or not 0 < len(commands) <= MOST_RECORDS:
        raise ValueError(f"a frame carries 1 to {MOST_RECORDS:,} commands")
    if names.dtype != NAME_DTYPE:
        raise ValueError(f"client order ids are an array of {NAME_DTYPE}")
    if fault := _fault_of_names(commands, names):
        raise ValueError(fault)
    body = commands.tobytes() + names.tobytes()
    return _frame(FrameKind.NAMED, partition, identity, len(commands), body, listings)


def tiers_frame(partition: int, identity: int, tiers: npt.NDArray[np.void]) -> bytes:
    """The bytes of a frame that gives accounts their fee tiers."""
    if tiers.dtype != TIER_DTYPE or not 0 < len(tiers) <= MOST_RECORDS:
        raise ValueError(f"a frame carries 1 to {MOST_RECORDS:,} fee tiers")
    return _frame(FrameKind.TIERS, partition, identity, len(tiers), tiers.tobytes())


def listings_frame(partition: int, identity: int, listings: bytes) -> bytes:
    """A frame that gives a partition new listings, as ``pack_listings`` wrote them."""
    if not 0 < len(listings) <= MOST_LISTINGS_BYTES:
        raise ValueError(f"a frame carries listings of 1 to {MOST_LISTINGS_BYTES:,} bytes")
    return _frame(FrameKind.LISTINGS, partition, identity, len(listings), listings)


def verdict_frame(partition: int, verdict: Verdict, about: bytes) -> bytes:
    """A frame that asks the active worker to end another one, given as its message.

    It has the id of what it is about, so that it is about that alone.
    """
    body = _VERDICT.pack(verdict, 0) + about
    return _frame(FrameKind.VERDICT, partition, identity_of(about), 1, body)


def knock_frame(partition: int) -> bytes:
    """A frame of no id that only wants to be delivered.

    A worker takes a partition over when it is given something. So whoever comes new knocks, and
    what a worker before left undone is finished even if no customer sends anything.
    """
    return _frame(FrameKind.KNOCK, partition, 0, 0, b"")


def identity_of(message: bytes) -> int:
    """The frame id of a message; for one that is no frame, a number above all frame ids."""
    try:
        return decode(message).identity
    except BadFrame:
        digest = hashlib.blake2b(message, digest_size=8).digest()
        return int.from_bytes(digest, "little") | 1 << 63


def decode(message: bytes) -> Frame:
    """Read a frame; raises BadFrame, which says what is wrong with it."""
    if len(message) < HEAD_BYTES_BEFORE or message[:4] != MAGIC:
        raise BadFrame(f"{len(message)} bytes that do not begin as a frame does")
    _, version, kind, partition, count, identity, length = _HEAD_BEFORE.unpack_from(message)
    if not OLDEST_VERSION <= version <= VERSION:
        raise BadFrame(
            f"a frame of version {version}; this build reads versions {OLDEST_VERSION} to {VERSION}"
        )
    head = _HEAD if version > 1 else _HEAD_BEFORE
    start = head.size + _CRC.size
    if len(message) != start + length:
        raise BadFrame(f"a frame of {start + length} bytes in a message of {len(message)}")
    listings = _HEAD.unpack_from(message)[-1] if version > 1 else 1
    (crc,) = _CRC.unpack_from(message, head.size)
    body = memoryview(message)[start:]
    if zlib.crc32(body, zlib.crc32(message[: head.size])) != crc:
        raise BadFrame("a frame whose checksum does not fit its bytes")
    if kind == FrameKind.VERDICT:
        return _verdict(partition, identity, crc, body)
    if kind == FrameKind.KNOCK and (identity, count, length) == (0, 0, 0):
        return Frame(FrameKind.KNOCK, partition, 0, crc, np.zeros(0, COMMAND_DTYPE))
    dtype = _RECORDS.get(kind)
    if dtype is None:
        if kind == FrameKind.NAMED:
            return _named(partition, identity, crc, count, body)._replace(listings=listings)
        raise BadFrame(f"a frame of unknown kind {kind}")
    if identity == 0 or identity >> 62:
        raise BadFrame(_no_identity(identity))
    most = MOST_LISTINGS_BYTES if kind == FrameKind.LISTINGS else MOST_RECORDS
    if not 0 < count <= most or length != count * dtype.itemsize:
        raise BadFrame(f"{count} records of {dtype.itemsize} bytes in a body of {length}")
    records = np.frombuffer(body, dtype)
    return Frame(FrameKind(kind), partition, identity, crc, records, listings=listings)


def _no_identity(identity: int) -> str:
    return f"a frame with the id {identity}, which no gateway gives"


def _named(partition: int, identity: int, crc: int, count: int, body: memoryview) -> Frame:
    if identity == 0 or identity >> 62:
        raise BadFrame(_no_identity(identity))
    size, each = COMMAND_DTYPE.itemsize * count, NAME_DTYPE.itemsize
    if not 0 < count <= MOST_RECORDS or len(body) <= size or (len(body) - size) % each:
        raise BadFrame(f"{count} commands and client order ids in a body of {len(body)} bytes")
    records = np.frombuffer(body, COMMAND_DTYPE, count)
    names = np.frombuffer(body, NAME_DTYPE, offset=size)
    if fault := _fault_of_names(records, names):
        raise BadFrame(fault)
    return Frame(FrameKind.NAMED, partition, identity, crc, records, names=names)


def _fault_of_names(commands: npt.NDArray[np.void], names: npt.NDArray[np.void]) -> str:
    """What is wrong with the client order ids of some commands; empty if nothing is."""
    rows: list[int] = names["row"].tolist()
    texts: list[bytes] = names["text"].tolist()
    if not rows or rows[-1] >= len(commands) or not all(map(lt, rows, rows[1:])):
        return "client order ids of which not each belongs to a command of its own, in order"
    if (commands["kind"][rows] != CommandKind.PLACE).any():
        return "a client order id for a command that places no order"
    if b"" in texts or b"".join(texts).translate(None, _LEGAL):
        return "a client order id is 1 to 36 printable ASCII characters without spaces"
    return ""


def _verdict(partition: int, identity: int, crc: int, body: memoryview) -> Frame:
    if len(body) < _VERDICT.size:
        raise BadFrame("a verdict that does not say what it is about")
    code, _ = _VERDICT.unpack_from(body)
    about = bytes(body[_VERDICT.size :])
    if code not in (Verdict.UNDECODABLE, Verdict.DEAD_LETTERED) or identity != identity_of(about):
        raise BadFrame(f"a verdict of unknown code {code}, or about another frame than it holds")
    return Frame(
        FrameKind.VERDICT,
        partition,
        identity,
        crc,
        np.zeros(0, COMMAND_DTYPE),
        Verdict(code),
        about,
    )
