from typing import final

import numpy as np
import numpy.typing as npt

__all__ = [
    "ASSETS",
    "BAD_AMOUNT",
    "BAD_ASSET",
    "DONE",
    "NOT_ASCENDING",
    "NOT_ZERO",
    "OVERFLOW",
    "TOO_LITTLE",
    "Balances",
]

DONE: int
TOO_LITTLE: int
OVERFLOW: int
NOT_ASCENDING: int
NOT_ZERO: int
BAD_ASSET: int
BAD_AMOUNT: int
ASSETS: int

@final
class Balances:
    @property
    def fault(self) -> int: ...
    def __len__(self) -> int: ...
    def apply(self, postings: npt.NDArray[np.void]) -> int: ...
    def reserve(self, requests: npt.NDArray[np.void], granted: npt.NDArray[np.uint8]) -> int: ...
    def move(self, account: int, asset: int, available: int, held: int) -> int: ...
    def look_up(self, balances: npt.NDArray[np.void]) -> None: ...
    def copy_to(self, balances: npt.NDArray[np.void]) -> None: ...
