"""Reads of buckets: balances, totals and the outbox.

They need no function. Each reads the bucket's founding with the same command, so that a bucket
that is gone, or that another map placed, is never taken for an empty one.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
import numpy.typing as npt

from ....domain.postings import BALANCE_DTYPE
from ..protocol import TOTAL_DTYPE
from .bucket_state import check_founding, wrapped
from .codes import Call, Purpose
from .link import packed
from .shards import Shards

__all__ = [
    "BUCKET_TOTAL_DTYPE",
    "OutboxRecord",
    "account_balances",
    "bucket_totals",
    "outbox",
    "outbox_sizes",
    "partition_sums",
    "read_fields",
    "read_pairs",
    "totals",
]

BUCKET_TOTAL_DTYPE = np.dtype(
    [
        ("bucket", "<u4"),
        ("asset", "<u4"),
        ("available", "<i8"),
        ("held", "<i8"),
        ("outside", "<i8"),
        ("transfers", "<i8"),
        ("settled", "<i8"),
    ]
)
"""Sums of one bucket and asset.

Always ``available + held == outside + transfers + settled``; ``transfers`` is what transfers
have brought minus what they have taken, ``settled`` the sum of the postings of all partitions.
"""

MOST_FIELDS = 5000
_NAME_DTYPE = np.dtype([("before", "S4"), ("account", "<u4"), ("asset", "<u4"), ("after", "S2")])
_NOTHING = bytes(16)
_NO_TOTALS = bytes(32)
_CLAIM = struct.Struct("<BIIqI")
_TOTALS = struct.Struct("<qqqq")
_PAIR = struct.Struct("<qq")


@dataclass(frozen=True)
class OutboxRecord:
    """One change outside batches, in the order in which its bucket made it."""

    number: int
    call: Call
    purpose: Purpose
    account: int
    asset: int
    amount: int
    other_account: int
    reference: str


def read_fields(
    shards: Shards, wanted: Sequence[tuple[int, Sequence[bytes]]]
) -> list[list[bytes | None]]:
    """Return the fields wanted of each bucket; raises UnknownBucket or WrongMap."""
    return _replies(
        shards,
        [
            (bucket, packed(b"HMGET", shards.map.key(bucket), b"F", *fields))
            for bucket, fields in wanted
        ],
    )


def _replies(shards: Shards, calls: Sequence[tuple[int, bytes]]) -> list[list[bytes | None]]:
    """Return what HMGET calls bring, without the founding that each of them asks for first."""
    replies: list[Any] = shards.exchange(calls)
    for (bucket, _), reply in zip(calls, replies, strict=True):
        check_founding(shards, bucket, reply.pop(0))
    return replies


def read_pairs(shards: Shards, records: npt.NDArray[np.void]) -> None:
    """Fill in what each account and asset of the records (BALANCE_DTYPE) has."""
    if len(records) == 0:
        return
    buckets = shards.map.of_accounts(records["account"])
    order = np.argsort(buckets, kind="stable")
    sorted_buckets = buckets[order]
    # The fields as the server reads them, made for all at once: each says that it has 8 bytes.
    names = np.empty(len(records), _NAME_DTYPE)
    names["before"], names["after"] = b"$8\r\n", b"\r\n"
    names["account"], names["asset"] = records["account"][order], records["asset"][order]
    text, size = names.tobytes(), _NAME_DTYPE.itemsize
    cuts = [0, *(np.flatnonzero(np.diff(sorted_buckets)) + 1).tolist(), len(records)]
    starts = sorted_buckets[cuts[:-1]].tolist()
    calls = [
        (bucket, shards.map.reading(bucket, last - first) + text[size * first : size * last])
        for bucket, (start, end) in zip(starts, pairwise(cuts), strict=True)
        for first in range(start, end, MOST_FIELDS)
        for last in (min(first + MOST_FIELDS, end),)
    ]
    replies = _replies(shards, calls)
    values = b"".join(value or _NOTHING for reply in replies for value in reply)
    amounts = np.frombuffer(values, "<i8").reshape(-1, 2)
    records["available"][order] = amounts[:, 0]
    records["held"][order] = amounts[:, 1]


def account_balances(shards: Shards, account: int) -> npt.NDArray[np.void]:
    """Return what one account has, ascending by asset, without what it has nothing of."""
    bucket = shards.map.of_account(account)
    ((marks,),) = read_fields(shards, [(bucket, [b"N"])])
    assets = struct.unpack("<II", marks)[0] if marks else 0
    records = np.zeros(assets, BALANCE_DTYPE)
    records["account"], records["asset"] = account, np.arange(assets)
    read_pairs(shards, records)
    return records[(records["available"] | records["held"]) != 0]


def bucket_totals(shards: Shards, buckets: Iterable[int] | None = None) -> npt.NDArray[np.void]:
    """Return the sums that each bucket keeps (BUCKET_TOTAL_DTYPE), ascending."""
    chosen = range(shards.map.buckets) if buckets is None else list(buckets)
    seen = [
        struct.unpack("<II", marks) if marks else (0, 0)
        for (marks,) in read_fields(shards, [(bucket, [b"N"]) for bucket in chosen])
    ]
    wanted, of_partitions = [], []
    for bucket, (assets, partitions) in zip(chosen, seen, strict=True):
        wanted.append((bucket, [b"T" + struct.pack("<I", asset) for asset in range(assets)]))
        pairs = product(range(partitions), range(assets))
        of_partitions.append((bucket, [b"P" + struct.pack("<II", *pair) for pair in pairs]))
    rows = []
    for (bucket, _), values, sums in zip(
        wanted, read_fields(shards, wanted), read_fields(shards, of_partitions), strict=True
    ):
        for asset, value in enumerate(values):
            own = [_PAIR.unpack(text) for text in sums[asset :: len(values)] if text]
            if value is None and not own:
                continue
            available, held, outside, transfers = _TOTALS.unpack(value or _NO_TOTALS)
            of_batches = sum(first for first, _ in own), sum(second for _, second in own)
            amounts = (available + of_batches[0], held + of_batches[1], outside, transfers)
            rows.append((bucket, asset, *map(wrapped, (*amounts, sum(of_batches)))))
    return np.array(rows, BUCKET_TOTAL_DTYPE)


def partition_sums(shards: Shards, partition: int) -> list[tuple[int, int, int, int]]:
    """Bucket, asset, sum of postings, and amount held: what one partition did, ascending."""
    chosen = range(shards.map.buckets)
    marks = read_fields(shards, [(bucket, [b"N"]) for bucket in chosen])
    assets = [struct.unpack("<II", text)[0] if text else 0 for (text,) in marks]
    fields = [
        (bucket, [b"P" + struct.pack("<II", partition, asset) for asset in range(assets[bucket])])
        for bucket in chosen
    ]
    rows = []
    for bucket, values in enumerate(read_fields(shards, fields)):
        for asset, text in enumerate(values):
            if text is not None:
                available, held = _PAIR.unpack(text)
                rows.append((bucket, asset, wrapped(available + held), held))
    return rows


def outbox_sizes(shards: Shards) -> list[int]:
    """Return how many records each bucket's outbox has; a record does not say how old it is."""
    states = read_fields(shards, [(bucket, [b"O"]) for bucket in range(shards.map.buckets)])
    pairs = [struct.unpack("<QQ", state) if state else (0, 0) for (state,) in states]
    return [after - first for first, after in pairs]


def totals(shards: Shards) -> npt.NDArray[np.void]:
    """Return the sums over all buckets (TOTAL_DTYPE), ascending by asset."""
    of_buckets = bucket_totals(shards)
    result = np.zeros(len(assets := np.unique(of_buckets["asset"])), TOTAL_DTYPE)
    for total, asset in zip(result, assets, strict=True):
        of_asset = of_buckets[of_buckets["asset"] == asset]
        total["asset"] = asset
        for name in ("available", "held", "outside"):
            total[name] = of_asset[name].sum()
        total["in_flight"] = of_asset["transfers"].sum()
    return result


def outbox(shards: Shards, bucket: int, most: int) -> list[OutboxRecord]:
    """Return the oldest records of a bucket's outbox, at most so many."""
    ((state,),) = read_fields(shards, [(bucket, [b"O"])])
    first, after = struct.unpack("<QQ", state) if state else (0, 0)
    numbers = range(first, min(after, first + min(most, MOST_FIELDS)))
    fields = [b"o" + struct.pack("<Q", number) for number in numbers]
    (values,) = read_fields(shards, [(bucket, fields)])
    records = []
    for number, value in zip(numbers, values, strict=True):
        # Between the two reads the relay may have trimmed what was there.
        if value is not None:
            purpose, account, asset, amount, other = _CLAIM.unpack_from(value, 2)
            records.append(
                OutboxRecord(
                    number,
                    Call(struct.unpack_from("<H", value)[0]),
                    Purpose(purpose),
                    account,
                    asset,
                    amount,
                    other,
                    value[2 + _CLAIM.size :].decode(),
                )
            )
    return records
