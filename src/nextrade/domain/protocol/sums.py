"""What a partition's batches have done to each bucket of the ledger, by asset: the books' side.

A bucket counts the same of every partition (lua/include/totals.lua, field P). So a proof needs no
list of orders: at any batch both sides must say the same, bucket by bucket.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["BucketSums"]


class BucketSums:
    """Sums by bucket and asset; they wrap around at 64 bits, as those of a bucket do."""

    def __init__(self, buckets: int, assets: int) -> None:
        self.assets = assets
        self.settled: npt.NDArray[np.int64] = np.zeros((buckets, assets), np.int64)
        """All postings: what they made available, and held."""
        self.held: npt.NDArray[np.int64] = np.zeros((buckets, assets), np.int64)
        """What was reserved and granted, and what postings did to it."""

    def grow(self, assets: int) -> None:
        """Count so many assets from now on; those that are new have nothing yet."""
        more = ((0, 0), (0, assets - self.assets))
        self.settled, self.held = np.pad(self.settled, more), np.pad(self.held, more)
        self.assets = assets

    def reserve(
        self,
        buckets: npt.NDArray[np.int64],
        assets: npt.NDArray[np.uint32],
        amounts: npt.NDArray[np.int64],
    ) -> None:
        """Count what was held for commands."""
        np.add.at(self.held.reshape(-1), buckets * self.assets + assets, amounts)

    def post(self, buckets: npt.NDArray[np.int64], postings: npt.NDArray[np.void]) -> None:
        """Count the postings (POSTING_DTYPE) of a batch, each with its bucket."""
        cells = buckets * self.assets + postings["asset"]
        held = postings["held"]
        np.add.at(self.held.reshape(-1), cells, held)
        np.add.at(self.settled.reshape(-1), cells, postings["available"] + held)
