from typing import Self, final

import numpy as np
import numpy.typing as npt
from _typeshed import ReadableBuffer

__all__ = ["FAULTS", "ITCH_LENGTHS", "ItchDecoder", "PitchDecoder"]

FAULTS: tuple[str, ...]
ITCH_LENGTHS: dict[str, int]

class _Decoder:
    def __new__(cls, seed: int = 0) -> Self: ...
    def decode(
        self, data: ReadableBuffer, start: int, out: npt.NDArray[np.void], filled: int, place: int
    ) -> tuple[int, int, int, int]: ...
    @property
    def markets(self) -> list[str]: ...
    @property
    def counts(self) -> dict[str, int]: ...
    @property
    def unknown(self) -> int: ...
    @property
    def excess(self) -> int: ...
    @property
    def repeated(self) -> int: ...
    @property
    def open_orders(self) -> int: ...
    @property
    def slots(self) -> int: ...

@final
class ItchDecoder(_Decoder):
    @staticmethod
    def resume(data: ReadableBuffer, start: int, pending: int, last: bool) -> tuple[int, int]: ...

@final
class PitchDecoder(_Decoder): ...

def _fail_allocations_after(count: int) -> None: ...
