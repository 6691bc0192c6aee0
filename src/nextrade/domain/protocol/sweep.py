"""Client order ids that nobody needs any more: found in the buckets piece by piece, and forgotten.

An id stays for so long after its frame was made, and for as long as its order is open. One piece of
one bucket is looked at a time, between two batches, so that what a sweep takes from a loaded worker
is bounded; a round through all buckets is followed by a rest.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from ..partition import Partition
from .limits import Limits
from .ports import BatchLedger

__all__ = ["Sweep"]


class Sweep:
    """Where the sweep of a partition's client order ids stands."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bucket = self._cursor = 0
        self._due_ms = 0

    def look(
        self,
        ledger: BatchLedger,
        partition: Partition,
        epoch: int,
        waiting: Collection[int],
        now_ms: int,
    ) -> int:
        """Forget what is over in the next piece, if one is due; return how many ids went.

        ``waiting`` are frames that have reserved and not ended: they keep their ids. Raises what
        the ledger raises; then the same piece is looked at again later.
        """
        # A clock that was put back must not end the sweeps.
        if 0 <= self._due_ms - now_ms - 1 < self._limits.sweep_rest_ms:
            return 0
        self._due_ms = now_ms + self._limits.sweep_step_ms
        before_ms = now_ms - self._limits.named_ms
        ids, cursor = ledger.named(partition.number, before_ms, self._bucket, self._cursor)
        gone = 0
        if len(ids):
            over = _over(partition, ids, waiting)
            if len(over):
                gone = ledger.forget(partition.number, epoch, self._bucket, over)
        self._cursor = cursor
        if not cursor:
            self._bucket = (self._bucket + 1) % ledger.buckets
            if not self._bucket:
                self._due_ms = now_ms + self._limits.sweep_rest_ms
        return gone


def _over(
    partition: Partition, ids: npt.NDArray[np.void], waiting: Collection[int]
) -> npt.NDArray[np.void]:
    """Those of the ids (KEPT_ID_DTYPE) whose order is not open, and whose frame has ended."""
    books = {market: partition.book(market) for market in partition.markets}
    over = [
        frame not in waiting and not (market in books and order in books[market])
        for order, frame, market in zip(
            ids["order"].tolist(), ids["frame"].tolist(), ids["market"].tolist(), strict=True
        )
    ]
    return ids[np.array(over, np.bool_)]
