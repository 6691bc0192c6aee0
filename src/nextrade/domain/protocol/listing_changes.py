"""New listings as batches meet them: what becomes of a proposal, and of commands in old units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from ...enums import CommandKind
from ...errors import ListingsRefused
from ..listings_text import unpack_listings
from ..partition import Partition
from ..refusals import Refusal
from ..relisting import check_change

__all__ = ["Units", "decide"]

_IN_UNITS: Final = (
    CommandKind.PLACE,
    CommandKind.REDUCE,
    CommandKind.REPLACE,
    CommandKind.UNCROSS,
)
"""Commands with prices or quantities; all others mean the same in whatever units."""


def decide(partition: Partition, text: bytes) -> str:
    """Let a partition go over to new listings; answers why it does not, or an empty text.

    What a version is, is decided once: one that open orders forbid becomes what the version before
    was. So whoever asks again, not knowing what became of it, is told the same.
    """
    try:
        listings = unpack_listings(text)
        if listings.version == partition.listings.version:
            if listings == partition.listings:
                return ""
            return f"version {listings.version} of the listings is another one"
        check_change(partition.listings, listings)
    except ListingsRefused as error:
        return str(error)
    try:
        partition.relist(listings)
    except ListingsRefused as error:
        partition.relist(replace(partition.listings, version=listings.version))
        return str(error)
    return ""


class Units:
    """Since which version of the listings each market of a partition counts as it does."""

    def __init__(self, partition: Partition) -> None:
        listings = partition.listings.listings
        self._since = np.zeros(len(listings), np.uint32)
        for market in partition.markets:
            self._since[market] = listings[market].units_version
        self._newest = int(self._since.max())

    def stale(
        self,
        frames: npt.NDArray[np.void],
        commands: npt.NDArray[np.void],
        versions: Sequence[int],
    ) -> npt.NDArray[np.uint8] | None:
        """Of each command why it is refused for the version by which its frame was made.

        None if that is so of no command; ``versions`` are those of the frames, 0 for any.
        """
        if all(version == 0 or version >= self._newest for version in versions):
            return None
        known = np.array(versions, np.uint32).repeat(frames["records"])
        markets = commands["market"]
        listed = markets < len(self._since)
        since = np.where(listed, self._since[np.where(listed, markets, 0)], 0)
        stale = (known != 0) & (known < since) & np.isin(commands["kind"], _IN_UNITS)
        return np.where(stale, np.uint8(Refusal.STALE_LISTINGS), np.uint8(0))
