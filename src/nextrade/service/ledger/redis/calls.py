"""Calls of the functions in ``lua/``: how they are packed, and what their answers mean."""

import struct
from collections.abc import Sequence
from typing import Any

from ....errors import LedgerError
from .bucket_map import BucketMap
from .codes import ERRORS, Answer, Call
from .library import library
from .link import packed
from .shards import Shards

__all__ = ["call", "check", "fence_record", "packed_call"]

_FENCE = struct.Struct("<IQ")
_NAMES = {code: f"nextrade_{code.name.lower()}".encode() for code in Call}


def packed_call(bucket_map: BucketMap, code: Call, bucket: int, *parts: bytes) -> bytes:
    """Return the command that calls a function at a bucket."""
    head = bucket_map.head(code, bucket)
    return packed(b"FCALL", _NAMES[code], b"1", bucket_map.key(bucket), head, *parts)


def check(bucket: int, reply: Any) -> None:
    """Raise what a function's answer means, unless it is done, or was before."""
    try:
        answer = Answer(reply[0])
    except (ValueError, TypeError, IndexError) as error:
        raise LedgerError(
            f"bucket {bucket} gave an answer that {library().digest} does not give: {reply!r}"
        ) from error
    if answer in ERRORS:
        error_class, text = ERRORS[answer]
        detail = " ".join(str(part) for part in reply[1:] if isinstance(part, int))
        raise error_class(f"bucket {bucket} {text} {detail}".rstrip())


def call(shards: Shards, code: Call, parts: Sequence[tuple[int, tuple[bytes, ...]]]) -> list[Any]:
    """Call a function at each of these buckets; raises what the first refusal means."""
    replies = shards.exchange(
        [(bucket, packed_call(shards.map, code, bucket, *arguments)) for bucket, arguments in parts]
    )
    for (bucket, _), reply in zip(parts, replies, strict=True):
        check(bucket, reply)
    return replies


def fence_record(partition: int, epoch: int) -> bytes:
    """Return what ledger_fence.lua takes."""
    return _FENCE.pack(partition, epoch)
