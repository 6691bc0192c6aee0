"""Numbers of instruments to positions in a list of markets, in order of appearance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt


class MarketIds:
    """Which market each instrument id is; the list grows as ids are met."""

    def __init__(self, markets: list[str], names: Mapping[int, str]) -> None:
        self._markets = markets
        self._names = names
        self._ids = np.zeros(0, dtype=np.uint32)
        self._positions = np.zeros(0, dtype=np.uint32)

    def positions(self, ids: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        """The market of each id."""
        if not len(ids):
            return np.zeros(0, dtype=np.uint32)
        if (ids == ids[0]).all():
            one = self._found(ids[:1])
            return np.full(len(ids), one[0], dtype=np.uint32)
        return self._found(ids)

    def _found(self, ids: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        place = np.searchsorted(self._ids, ids)
        known = place < len(self._ids)
        known[known] = self._ids[place[known]] == ids[known]
        if not known.all():
            self._meet(ids[~known])
            place = np.searchsorted(self._ids, ids)
        return self._positions[place]

    def _meet(self, ids: npt.NDArray[np.uint32]) -> None:
        distinct, first = np.unique(ids, return_index=True)
        distinct = distinct[np.argsort(first)]
        start = len(self._markets)
        self._markets.extend(self._names.get(one, str(one)) for one in distinct.tolist())
        together = np.concatenate([self._ids, distinct])
        positions = np.arange(start, start + len(distinct), dtype=np.uint32)
        order = np.argsort(together)
        self._ids = together[order]
        self._positions = np.concatenate([self._positions, positions])[order]
