"""Client order ids that buckets keep: looked up by gateways, walked through by who forgets them.

Their fields are described in ``lua/include/ids.lua``. A record (KEPT_ID_DTYPE) is the field's name
without its letter, and the value behind it.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ....domain.postings import KEPT_ID_DTYPE
from ....domain.protocol.ids import first_id
from .link import packed
from .looking import MOST_FIELDS, read_fields
from .shards import Shards

__all__ = ["LETTER", "NAME_BYTES", "find", "of_account", "page", "without_rest"]

LETTER = b"I"
NAME_BYTES = 41
_VALUE_BYTES = 24
_PAGE = 1000
_FORGET_BYTES = 48
_TEXT_BYTES = 36

_Records = npt.NDArray[np.void]


def find(shards: Shards, accounts: Sequence[int], texts: Sequence[bytes]) -> _Records:
    """Return what each account's id stands for, in their order; order 0 if it is not kept.

    One round trip to each shard. Raises UnknownBucket or WrongMap.
    """
    if any(len(text) > _TEXT_BYTES for text in texts):
        raise ValueError(f"a client order id has at most {_TEXT_BYTES} characters")
    records = np.zeros(len(accounts), KEPT_ID_DTYPE)
    records["account"], records["text"] = accounts, texts
    if len(records) == 0:
        return records
    buckets = shards.map.of_accounts(records["account"])
    order = np.argsort(buckets, kind="stable")
    text, size = records[order].tobytes(), KEPT_ID_DTYPE.itemsize
    names = [LETTER + text[at : at + NAME_BYTES - 1] for at in range(0, len(text), size)]
    cuts = [0, *(np.flatnonzero(np.diff(buckets[order])) + 1).tolist(), len(records)]
    wanted = [
        (int(buckets[order[start]]), names[first : min(first + MOST_FIELDS, end)])
        for start, end in pairwise(cuts)
        for first in range(start, end, MOST_FIELDS)
    ]
    values = [value for reply in read_fields(shards, wanted) for value in reply]
    found = [
        name[1:] + (value or bytes(_VALUE_BYTES)) for name, value in zip(names, values, strict=True)
    ]
    records[order] = np.frombuffer(b"".join(found), KEPT_ID_DTYPE)
    return records


def page(
    shards: Shards, partition: int, before_ms: int, bucket: int, cursor: int
) -> tuple[_Records, int]:
    """Return some ids of a partition whose frames are older, and where to go on; 0 at the end."""
    records, cursor = _scanned(shards, bucket, LETTER + b"*", cursor)
    mine = records["partition"] == partition
    return records[mine & (records["frame"] < first_id(before_ms))], cursor


def of_account(shards: Shards, account: int) -> _Records:
    """Return all ids of an account, ascending by frame and order; its whole bucket is walked."""
    bucket = shards.map.of_account(account)
    # In a pattern some characters mean something else than themselves.
    name = account.to_bytes(4, "little")
    escaped = b"".join(b"\\" + bytes([byte]) for byte in name)
    parts = list(_pages(shards, bucket, LETTER + escaped + b"*"))
    # What a page tells twice is the same twice.
    records = np.unique(np.concatenate(parts))
    records = records[records["account"] == account]
    return records[np.lexsort((records["order"], records["frame"]))]


def without_rest(records: _Records) -> bytes:
    """Return accounts, ids and orders alone, as ledger_forget.lua takes them."""
    if records.dtype != KEPT_ID_DTYPE:
        raise TypeError(f"a one-dimensional array of {KEPT_ID_DTYPE.names} records is needed")
    whole = np.frombuffer(records.tobytes(), np.uint8).reshape(-1, KEPT_ID_DTYPE.itemsize)
    return whole[:, :_FORGET_BYTES].tobytes()


def _pages(shards: Shards, bucket: int, pattern: bytes) -> Iterator[_Records]:
    cursor = 0
    while True:
        records, cursor = _scanned(shards, bucket, pattern, cursor)
        yield records
        if cursor == 0:
            return


def _scanned(shards: Shards, bucket: int, pattern: bytes, cursor: int) -> tuple[_Records, int]:
    command = packed(b"HSCAN", shards.map.key(bucket), cursor, b"MATCH", pattern, b"COUNT", _PAGE)
    replies: list[Any] = shards.exchange([(bucket, command)])
    ((following, found),) = replies
    text = b"".join(
        name[1:] + value
        for name, value in zip(found[::2], found[1::2], strict=True)
        # A balance of some account begins with the same letter.
        if len(name) == NAME_BYTES and len(value) == _VALUE_BYTES
    )
    return np.frombuffer(text, KEPT_ID_DTYPE), int(following)
