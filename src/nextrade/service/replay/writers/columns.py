"""Records of a layout as columns of Arrow: codes and markets as words, the rest as it is."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..readers.delimited import arrow
from .layouts import Layout, Records

if TYPE_CHECKING:
    import pyarrow


class Columns:
    """Turns records into a table of Arrow. ``markets`` may grow meanwhile."""

    def __init__(self, layout: Layout, markets: Sequence[str]) -> None:
        self._arrow = arrow()
        self._layout = layout
        self._markets = markets
        self._words = {name: _Words(enum) for name, enum in layout.codes.items()}

    def schema(self) -> Any:
        """The schema of every table that ``table`` gives."""
        package = self._arrow
        word = package.dictionary(package.int32(), package.utf8())
        return package.schema(
            [
                (
                    name,
                    word
                    if self._is_word(name)
                    else package.from_numpy_dtype(self._layout.dtype[name]),
                )
                for name in self._layout.shown
            ]
        )

    def table(self, records: Records) -> pyarrow.Table:
        """The records, one column a field that the layout shows."""
        arrays = []
        for name in self._layout.shown:
            values = np.ascontiguousarray(records[name])
            if name in self._words:
                arrays.append(self._dictionary(*self._words[name].positions(values)))
            elif self._is_word(name):
                arrays.append(self._dictionary(*self._market_positions(values)))
            else:
                arrays.append(self._arrow.array(values))
        return self._arrow.Table.from_arrays(arrays, schema=self.schema())

    def _is_word(self, name: str) -> bool:
        return name in self._words or (name == "market" and self._layout.named_market)

    def _dictionary(self, positions: npt.NDArray[np.int32], words: list[str]) -> Any:
        return self._arrow.DictionaryArray.from_arrays(
            self._arrow.array(positions), self._arrow.array(words, type=self._arrow.utf8())
        )

    def _market_positions(
        self, numbers: npt.NDArray[np.uint32]
    ) -> tuple[npt.NDArray[np.int32], list[str]]:
        """Only the names that are met: there may be thousands, and few in one batch."""
        if len(numbers) and (numbers == numbers[0]).all():
            met, positions = numbers[:1], np.zeros(len(numbers), dtype=np.int32)
        else:
            met, inverse = np.unique(numbers, return_inverse=True)
            positions = inverse.astype(np.int32)
        known = self._markets
        words = [known[n] if n < len(known) else str(n) for n in met.tolist()]
        return positions, words


class _Words:
    """The names of an enum; a code of no member is called by its number."""

    def __init__(self, enum: type[IntEnum]) -> None:
        self._names = [member.name for member in enum]
        self._positions = np.full(256, -1, dtype=np.int32)
        self._positions[[member.value for member in enum]] = np.arange(len(self._names))

    def positions(self, codes: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int32], list[str]]:
        found = self._positions[codes]
        if not len(found) or found.min() >= 0:
            return found, self._names
        strange = np.unique(codes[found < 0])
        table = self._positions.copy()
        table[strange] = np.arange(len(self._names), len(self._names) + len(strange))
        return table[codes], self._names + [str(code) for code in strange.tolist()]
