"""What a worker knows of the batches of its partition: which bucket has settled which.

A settle carries, for each bucket, the last batch before this one that touched it; the bucket
refuses when it last settled another. At a take-over this is read back: every bucket keeps its
last batch and, as bits, which buckets that batch touched. Every batch touches a bucket (an
empty one, a bucket that its partition's number gives), and a batch is not begun before the one
before it is settled everywhere. So the highest batch found is the last that was begun, and it
is settled whole when every bucket that its bits name has it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

__all__ = ["Chain"]


@dataclass
class Chain:
    """The last batch settled everywhere, and the last that each bucket settled."""

    epoch: int
    settled: int
    watermarks: list[int]
    # Buckets that the batch after `settled` touched when it was begun by whoever came before.
    begun: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, epoch: int, texts: Sequence[bytes]) -> Self:
        """Read the watermarks of all buckets: batch u64 and bits, or nothing."""
        watermarks = [int.from_bytes(text[:8], "little") for text in texts]
        last = max(watermarks)
        if last == 0:
            return cls(epoch, 0, watermarks)
        bits = 0
        for text, watermark in zip(texts, watermarks, strict=True):
            if watermark == last:
                bits |= int.from_bytes(text[8:], "little")
        touched = {bucket for bucket in range(len(texts)) if bits >> bucket & 1}
        if all(watermarks[bucket] == last for bucket in touched):
            return cls(epoch, last, watermarks)
        return cls(epoch, last - 1, watermarks, touched)

    def begin(self, touched: Iterable[int]) -> list[int]:
        """Return the buckets that the batch after ``settled`` touches, or was begun at."""
        return sorted({*touched, *self.begun})

    def finish(self, batch: int, touched: Iterable[int]) -> None:
        """Note that all of these buckets have settled the batch."""
        for bucket in touched:
            self.watermarks[bucket] = batch
        self.settled, self.begun = batch, set()
