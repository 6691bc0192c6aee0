"""Records of many markets, taken apart by market."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Rows = slice | npt.NDArray[np.int64]


def by_market(records: npt.NDArray[np.void]) -> Iterator[tuple[int, Rows]]:
    """Each market among the records and which of them are its own, in order.

    ``records`` has a field ``market``. Where there is one market alone nothing is copied.
    """
    if not len(records):
        return
    markets = records["market"]
    first = int(markets[0])
    if (markets == first).all():
        yield first, slice(None)
        return
    order = np.argsort(markets, kind="stable")
    cuts = np.flatnonzero(np.diff(markets[order])) + 1
    for rows in np.split(order, cuts):
        yield int(markets[rows[0]]), rows
