"""The ledger as the worker of a partition uses it: bucket by bucket, all sent at once.

It remembers nothing. Which batch touched which bucket last, and what is to be sent again, is
the batch protocol's business (domain/protocol); see ``BatchLedger`` for what each call promises.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ....domain.protocol.ports import MOST_IDS, Answer, Ask, Mark, Reserve, Settle
from ..protocol import check_batch
from . import kept_ids, looking
from .answer_texts import NAMED_BIT, NAMED_BYTES, REQUEST_BYTES, answers_in
from .calls import call, check, fence_record, packed_call
from .codes import Call
from .shards import Shards

__all__ = ["PARTITION_SUM_DTYPE", "BucketBatches", "PartitionSums"]

PARTITION_SUM_DTYPE = np.dtype(
    [("bucket", "<u4"), ("asset", "<u4"), ("settled", "<i8"), ("held", "<i8")]
)
"""What batches of one partition did to one bucket and asset.

``settled`` is the sum of the postings, ``held`` what reservations have held and postings have
not used or given back: the holds of the partition's orders, and of frames that wait for their
batch. Both count modulo 2**64.
"""

_RECORD = struct.Struct("<IQQI")
_SETTLE = struct.Struct("<IQQQI")
_FRAME = struct.Struct("<QI")


class PartitionSums(NamedTuple):
    """What the buckets know of a partition, to be compared with its books."""

    sums: npt.NDArray[np.void]
    """PARTITION_SUM_DTYPE, ascending by bucket and asset."""
    waiting: list[tuple[int, Answer]]
    """Frame and answer, where no batch has ended it."""


class BucketBatches:
    """A BatchLedger on Redis servers; a bucket keeps at most so many client order ids."""

    def __init__(self, shards: Shards, most_ids: int = MOST_IDS) -> None:
        self._shards, self._most_ids = shards, most_ids

    @property
    def buckets(self) -> int:
        """How many buckets there are."""
        return self._shards.map.buckets

    def fence(self, partition: int, epoch: int) -> list[Mark]:
        """Refuse lower epochs from now on, at every bucket; return what each knows."""
        return [
            Mark(
                int.from_bytes(settled[:8], "little"),
                struct.unpack(f"<{len(waiting) // 8}Q", waiting),
            )
            for settled, waiting in fenced(self._shards, partition, epoch)
        ]

    def turn(
        self,
        partition: int,
        epoch: int,
        settles: Sequence[Settle],
        reserves: Sequence[Reserve],
    ) -> list[list[bytes]]:
        """Settle, and reserve, in that order at each bucket; return the bytes of each answer.

        A request asks for more than nothing. A bucket refuses a reservation whose watermark is
        not the last batch that it has settled by then: raises Gap.
        """
        check_batch(partition, epoch)
        bucket_map = self._shards.map
        commands = [
            (
                part.bucket,
                packed_call(
                    bucket_map,
                    Call.SETTLE,
                    part.bucket,
                    _SETTLE.pack(
                        partition, epoch, part.batch, part.previous, part.void + 2 * part.strict
                    ),
                    part.touched,
                    part.postings,
                    struct.pack(f"<{len(part.frames)}Q", *part.frames),
                    *((part.ids,) if part.ids else ()),
                ),
            )
            for part in settles
        ]
        commands += [
            (
                asked.bucket,
                packed_call(
                    bucket_map,
                    Call.RESERVE,
                    asked.bucket,
                    _RECORD.pack(partition, epoch, asked.watermark, self._most_ids),
                    b"".join(_framed(asked.frames)),
                ),
            )
            for asked in reserves
        ]
        replies = self._shards.exchange(commands)
        for (bucket, _), reply in zip(commands, replies, strict=True):
            check(bucket, reply)
        return [
            _cut(asked.frames, reply[1])
            for asked, reply in zip(reserves, replies[len(settles) :], strict=True)
        ]

    def answers(
        self, partition: int, frame: int, buckets: Iterable[int] | None = None
    ) -> list[Answer]:
        """The answers to a frame that no batch has ended, of all buckets (or these)."""
        chosen = range(self.buckets) if buckets is None else list(buckets)
        return [answer for other, answer in self._waiting(partition, chosen) if other == frame]

    def named(
        self, partition: int, before_ms: int, bucket: int, cursor: int = 0
    ) -> tuple[npt.NDArray[np.void], int]:
        """Some of the client order ids of a partition here, and where to go on."""
        return kept_ids.page(self._shards, partition, before_ms, bucket, cursor)

    def forget(self, partition: int, epoch: int, bucket: int, ids: npt.NDArray[np.void]) -> int:
        """Forget client order ids of a partition; return how many went."""
        check_batch(partition, epoch)
        record = fence_record(partition, epoch)
        ((_, gone),) = call(
            self._shards, Call.FORGET, [(bucket, (record, kept_ids.without_rest(ids)))]
        )
        return int(gone)

    def sums(self, partition: int) -> PartitionSums:
        """What the buckets know of a partition, for proofs; one bucket after the other is read."""
        chosen = range(self.buckets)
        rows = looking.partition_sums(self._shards, partition)
        return PartitionSums(
            np.array(rows, PARTITION_SUM_DTYPE), list(self._waiting(partition, chosen))
        )

    def _waiting(self, partition: int, buckets: Sequence[int]) -> Iterator[tuple[int, Answer]]:
        field = b"A" + struct.pack("<I", partition)
        texts = looking.read_fields(self._shards, [(bucket, [field]) for bucket in buckets])
        for bucket, (text,) in zip(buckets, texts, strict=True):
            for frame, requests, granted, named in answers_in(text or b""):
                yield frame, Answer(bucket, requests, granted, named)


def fenced(shards: Shards, partition: int, epoch: int) -> list[tuple[bytes, bytes]]:
    """Fence a partition everywhere; return last batch and touched bits, and waiting frames."""
    check_batch(partition, epoch)
    record = fence_record(partition, epoch)
    replies = call(shards, Call.FENCE, [(b, (record,)) for b in range(shards.map.buckets)])
    return [(settled, waiting) for _, settled, waiting in replies]


def _framed(frames: Iterable[Ask]) -> Iterator[bytes]:
    """Frames and their requests as ledger_reserve.lua takes them."""
    for frame, requests, named in frames:
        if named:
            yield _FRAME.pack(frame, len(requests) // NAMED_BYTES | NAMED_BIT)
        else:
            yield _FRAME.pack(frame, len(requests) // REQUEST_BYTES)
        yield requests


def _cut(frames: Sequence[Ask], granted: bytes) -> list[bytes]:
    """Cut the bytes of a bucket's answer into those of each frame."""
    parts, at = [], 0
    for _, requests, named in frames:
        after = at + len(requests) // (NAMED_BYTES if named else REQUEST_BYTES)
        parts.append(granted[at:after])
        at = after
    return parts
