"""Messages written by hand."""

from __future__ import annotations

import numpy as np

from nextrade.dtypes import DEPTH_DTYPE
from nextrade.enums import Side
from nextrade.service.replay.messages import MESSAGE_DTYPE, Action, Flag, Messages

BUY, SELL = Side.BUY, Side.SELL


def message(
    action: Action,
    order_id: int = 0,
    side: Side = BUY,
    price: int = 0,
    lots: int = 0,
    *,
    flags: int = Flag.LAST,
    time: int = 0,
    leaves: int = -1,
    market: int = 0,
    place: int = 0,
) -> tuple[int, ...]:
    """One message, fields in the order of MESSAGE_DTYPE."""
    return (time, order_id, price, lots, leaves, place, market, action, side, int(flags))


def messages(*written: tuple[int, ...]) -> Messages:
    """The messages as an array; those without a place are numbered."""
    array = np.array(list(written), dtype=MESSAGE_DTYPE)
    numbers = np.arange(1, len(array) + 1)
    array["place"] = np.where(array["place"] == 0, numbers, array["place"])
    return array


def levels(bids: list[tuple[int, int]], asks: list[tuple[int, int]], count: int = 3) -> np.ndarray:
    """A row of recorded levels (price, quantity), shape (2, ``count``)."""
    row = np.zeros((2, count), dtype=DEPTH_DTYPE)
    for side, there in ((BUY, bids), (SELL, asks)):
        for at, (price, lots) in enumerate(there):
            row["price_ticks"][side, at], row["qty_lots"][side, at] = price, lots
    return row
