from collections.abc import Sequence
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt

from ._book import OrderBook

__all__ = ["Settlement"]

_Records = npt.NDArray[np.void]

@final
class Settlement:
    def __new__(
        cls,
        listings: _Records,
        rates: npt.NDArray[np.int64],
        markets: Sequence[int],
        books: Sequence[OrderBook],
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
        self, commands: _Records, tiers: npt.NDArray[np.uint8], granted: npt.NDArray[np.int64]
    ) -> tuple[_Records, npt.NDArray[np.uint32], _Records]: ...
    def check_running(self) -> None: ...
    def holds(self) -> npt.NDArray[Any]: ...
    def load(self, holds: _Records) -> None: ...
    @property
    def totals(self) -> npt.NDArray[np.uint64]: ...

def _fail_allocations_after(count: int) -> None: ...
