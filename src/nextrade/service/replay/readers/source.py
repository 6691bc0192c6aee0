"""What a reader is: a file opened as a recording (of messages) or as a flow (of commands)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ....errors import DataError
from ..messages import Aggressors, Part

Commands = npt.NDArray[np.void]
"""A one-dimensional, contiguous array of COMMAND_DTYPE."""


class Batch(NamedTuple):
    """Some commands, and how far into the file they reach, in the source's own unit."""

    commands: Commands
    position: int
    client_order_ids: npt.NDArray[np.bytes_] | None = None
    """Of each command its client order id, empty if it has none; None where a file has no such
    column. Only a gateway makes use of them."""


@dataclass(slots=True)
class BadRecords:
    """What to do with a record that cannot be read: stop (strict), or skip, count and say."""

    skip: bool = False
    count: int = 0
    first: list[str] = field(default_factory=list)
    """What was wrong with the first few, each with its place in the file."""

    def meet(self, error: DataError, records: int = 1) -> None:
        """Note bad records; raises ``error`` itself unless they are to be skipped."""
        if not self.skip:
            raise error
        self.count += records
        if len(self.first) < 5:
            self.first.append(str(error))

    def reset(self) -> None:
        """Forget what an earlier reading met."""
        self.count = 0
        self.first.clear()

    def remarks(self) -> list[str]:
        """What a user should know, a sentence each."""
        if not self.count:
            return []
        return [f"{self.count:,} records could not be read and were skipped", *self.first]


@runtime_checkable
class Flow(Protocol):
    """A file of commands in one of NexTrade's own formats. It can be read more than once."""

    path: Path
    format_name: str
    length: int
    """The end of the file in the unit of ``Batch.position``: bytes on disk, or records."""

    def batches(self, size: int) -> Iterator[Batch]:
        """Read from the start: batches of at most ``size`` commands, in file order.

        Memory does not grow with the file. Raises DataError naming file, place and remedy.
        """
        ...

    def remarks(self) -> list[str]:
        """What a user should know about the last reading, a sentence each."""
        ...


@runtime_checkable
class Recording(Protocol):
    """A file in which a market told what it did. It can be read more than once."""

    path: Path
    format_name: str
    length: int
    """Bytes on disk."""
    aggressors: Aggressors
    """How this recording shows aggressive orders."""
    starts_empty: bool
    """Whether every order that rests is in the file. Otherwise a first pass looks for those
    that rested before."""
    queued_by_id: bool
    """Ids grow with time and say where an order stands in its queue, also one from before the
    start. Otherwise orders queue as they come, and those from before stand there at the start."""
    shows_auctions: bool
    """Whether an order that crosses the book without trading means a call auction."""
    price_decimals: int
    """A tick is ``10**-price_decimals`` of the currency that the recording counts in."""
    qty_decimals: int
    """A lot is ``10**-qty_decimals`` of what is traded."""
    markets: list[str]
    """Names by ``market``; complete once the file has been read."""

    def parts(self) -> Iterator[Part]:
        """Read from the start, in the exchange's own order.

        Memory does not grow with the file. Raises DataError naming file, place and remedy.
        """
        ...

    def remarks(self) -> list[str]:
        """What a user should know about the last reading, a sentence each."""
        ...


Source = Flow | Recording


@dataclass(frozen=True, slots=True)
class Format:
    """One line of the table of formats."""

    name: str
    summary: str
    recognises: Callable[[bytes], bool]
    """Whether these first bytes (unpacked, up to 4 KiB) are of this format."""
    open: Callable[[Path, BadRecords], Source]
