"""The bytes of a snapshot: magic, version, length, canonical state, checksum.

The canonical state is described in docs/explanation/matching-rules.md, section 10. Version 1:

    8 bytes   magic b"NXT-BOOK"
    u32       version
    u32       zero
    u64       length of the state
    ...       state
    16 bytes  BLAKE2b (digest size 16) of everything before

All numbers are little-endian.
"""

import hashlib
import struct

from .errors import SnapshotError

MAGIC = b"NXT-BOOK"
VERSION = 1
_HEAD = struct.Struct("<8sIIQ")
_STATE = struct.Struct("<BqqqQQQ")
_DIGEST_BYTES = 16


def state_hash(state: bytes) -> int:
    """Hash of a canonical state: BLAKE2b with 8 bytes, read as a little-endian integer."""
    return int.from_bytes(hashlib.blake2b(state, digest_size=8).digest(), "little")


def pack(state: bytes) -> bytes:
    """Wrap a canonical state into a snapshot."""
    body = _HEAD.pack(MAGIC, VERSION, 0, len(state)) + state
    return body + hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest()


def empty(phase: int, clock_ns: int, last_price: int, trade_count: int) -> bytes:
    """Snapshot of a book without orders; without trades the last price is 0, and only then."""
    return pack(_STATE.pack(phase, clock_ns, last_price, trade_count, 0, 0, 0))


def unpack(snapshot: bytes) -> bytes:
    """Canonical state of a snapshot; raises SnapshotError if it is not intact and ours."""
    if not isinstance(snapshot, bytes | bytearray | memoryview):
        raise TypeError(f"a snapshot is bytes, not {type(snapshot).__name__}")
    data = bytes(snapshot)
    if len(data) < len(MAGIC) or data[: len(MAGIC)] != MAGIC:
        raise SnapshotError(
            "not an order book snapshot: it does not begin with "
            f"{MAGIC!r}; pass the bytes that OrderBook.snapshot() returned"
        )
    if len(data) < _HEAD.size + _DIGEST_BYTES:
        raise SnapshotError(f"snapshot cut off: {len(data)} bytes is less than its frame alone")
    _, version, zero, length = _HEAD.unpack_from(data)
    if version != VERSION:
        raise SnapshotError(
            f"snapshot version {version} is unknown here (this build reads version {VERSION}); "
            "restore it with the release that wrote it, or a later one"
        )
    expected = _HEAD.size + length + _DIGEST_BYTES
    if len(data) != expected:
        raise SnapshotError(f"snapshot damaged: {len(data)} bytes where its head says {expected}")
    body = memoryview(data)[:-_DIGEST_BYTES]
    digest = hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest()
    if zero or digest != data[-_DIGEST_BYTES:]:
        raise SnapshotError("snapshot damaged: its checksum does not fit its bytes")
    return bytes(body[_HEAD.size :])
