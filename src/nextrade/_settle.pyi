from collections.abc import Sequence
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt

from ._book import OrderBook

__all__ = ["Settlement"]

_Records = npt.NDArray[np.void]
# Events, markets, postings; and price levels with their markets, in the last one, if asked for.
_Slice = tuple[npt.NDArray[Any], ...]

@final
class Settlement:
    def __new__(
        cls,
        listings: _Records,
        rates: npt.NDArray[np.int64],
        markets: Sequence[int],
        books: Sequence[OrderBook],
        posting_limit: int,
        event_limit: int,
    ) -> Self: ...
    def reservations(
        self, commands: _Records
    ) -> tuple[
        npt.NDArray[np.uint32],
        npt.NDArray[np.uint32],
        npt.NDArray[np.int64],
        npt.NDArray[np.uint8],
    ]: ...
    def process(
        self,
        commands: _Records,
        tiers: npt.NDArray[np.uint8],
        granted: npt.NDArray[np.int64],
        levels: bool,
    ) -> _Slice: ...
    def proceed(self) -> _Slice: ...
    @property
    def pending(self) -> tuple[_Slice, ...]: ...
    def wait_for(self, slices: Sequence[_Slice]) -> None: ...
    def check_running(self) -> None: ...
    def holds(self) -> npt.NDArray[Any]: ...
    def load(self, holds: _Records) -> None: ...
    @property
    def totals(self) -> npt.NDArray[np.uint64]: ...

def _fail_allocations_after(count: int) -> None: ...
