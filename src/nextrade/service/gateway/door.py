"""What a gateway refuses before anything is sent, and to which partition the rest belongs.

The rules are those of the partitions' own door, run by the same compiled code, so a command is
refused here for the reason that its partition would give. What depends on balances or on a book
is left to the partition.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ...domain.listings import Listings
from ...domain.partition import Partition
from ...domain.refusals import Refusal
from ...dtypes import COMMAND_DTYPE
from ...enums import CommandKind, Reason

__all__ = ["Door"]

_LAST_KIND = max(CommandKind)


class Door:
    """The listings as a gateway needs them."""

    def __init__(self, listings: Listings) -> None:
        # The door looks at a command and its market alone, so one that has all markets does.
        together = Listings(
            listings.assets,
            tuple(replace(listing, partition=0) for listing in listings.listings),
            listings.version,
        )
        self.listings = listings
        self._all_markets = Partition(together, 0)
        self._partition_of = np.array(
            [listing.partition for listing in listings.listings], np.uint32
        )

    def refusals(self, commands: npt.NDArray[np.void], *, operator: bool) -> npt.NDArray[np.uint8]:
        """For each command the Refusal or Reason for which it is not sent, 0 for none.

        Account 0 is the exchange itself: unless ``operator``, what claims to come from it is
        refused, for as owner 0 anybody's order could be taken out.
        """
        refusals = self._all_markets.reservations(commands).refusal.copy()
        kinds = commands["kind"]
        unknown = (kinds == 0) | (kinds > _LAST_KIND)
        refusals[(refusals == 0) & unknown] = Reason.UNKNOWN_COMMAND
        if not operator:
            refusals[(refusals == 0) & (commands["owner"] == 0)] = Refusal.OPERATOR_ONLY
        return refusals

    def by_partition(
        self, commands: npt.NDArray[np.void], rows: npt.NDArray[np.intp]
    ) -> list[tuple[int, npt.NDArray[np.intp]]]:
        """The given rows of ``commands`` by the partition of their markets, ascending."""
        if not len(rows):
            return []
        partitions = self._partition_of[commands["market"][rows]]
        first = int(partitions[0])
        if (partitions == first).all():
            return [(first, rows)]
        numbers: list[int] = np.unique(partitions).tolist()
        return [(number, rows[partitions == number]) for number in numbers]


def checked(commands: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """A copy of the commands without their times; TypeError for any other array."""
    if not isinstance(commands, np.ndarray) or commands.dtype != COMMAND_DTYPE:
        raise TypeError("commands are an array of nextrade.COMMAND_DTYPE")
    own = np.array(commands).reshape(-1)
    # The worker gives the time, so that nobody can date an order back.
    own["timestamp_ns"] = 0
    return own
