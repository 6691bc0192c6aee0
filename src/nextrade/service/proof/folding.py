"""Open orders from events alone: what a stranger knows who only hears the stream.

Every event says what it changed and what is left. Both are held against what was known before, so
an event that was changed, or that is missing, contradicts the next one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...enums import EventFlag, EventKind, Side
from .books import OPEN_ORDER_DTYPE

__all__ = ["EventFold"]

_KEPT = (EventKind.REPLACED, EventKind.REDUCED, EventKind.TRIGGERED, EventKind.REFRESHED)
_GONE = (EventKind.CANCELED, EventKind.EXPIRED)


@dataclass(slots=True)
class _Open:
    account: int
    side: int
    price: int
    leaves: int


class EventFold:
    """Open orders by market and id; ``faults`` names the events that contradict them."""

    def __init__(self) -> None:
        self._orders: dict[tuple[int, int], _Open] = {}
        self.faults: list[str] = []
        self._where = ""

    def start(self, orders: npt.NDArray[np.void]) -> None:
        """Begin with these open orders (OPEN_ORDER_DTYPE) instead of none."""
        self._orders = {
            (market, order_id): _Open(account, side, price, leaves)
            for market, order_id, account, side, price, leaves in orders.tolist()
        }

    def table(self) -> npt.NDArray[np.void]:
        """The open orders as OPEN_ORDER_DTYPE, ascending."""
        rows = [
            (market, order_id, one.account, one.side, one.price, one.leaves)
            for (market, order_id), one in sorted(self._orders.items())
        ]
        return np.array(rows, OPEN_ORDER_DTYPE)

    def fold(
        self, batch: int, events: npt.NDArray[np.void], markets: npt.NDArray[np.uint32]
    ) -> None:
        """Go on by some events of a batch; each must come once, in order."""
        columns = [
            events[name].tolist()
            for name in (
                "kind",
                "order_id",
                "side",
                "owner",
                "price_ticks",
                "qty_lots",
                "leaves_lots",
                "flags",
                "maker_id",
                "maker_owner",
                "maker_leaves_lots",
            )
        ]
        for kind, order_id, side, owner, price, lots, leaves, flags, *maker, market in zip(
            *columns, markets.tolist(), strict=True
        ):
            key = market, order_id
            by_amount = flags & EventFlag.BY_AMOUNT
            if kind == EventKind.TRADE:
                maker_id, maker_owner, maker_leaves = maker
                worth = price if by_amount else 1
                self._take(batch, key, owner, lots * worth, leaves)
                self._take(batch, (market, maker_id), maker_owner, lots, maker_leaves)
            elif side == Side.NONE or kind == EventKind.REJECTED:
                continue  # of a market, or of a command that changed nothing
            elif kind == EventKind.ACCEPTED:
                if key in self._orders:
                    self._wrong(batch, key, "is taken in a second time")
                self._orders[key] = _Open(owner, side, price, leaves)
            elif kind in _GONE:
                order = self._orders.pop(key, None)
                if order is None:
                    self._wrong(batch, key, "ends, and was not open")
                elif not by_amount and (lots, leaves) != (order.leaves, 0):
                    self._wrong(batch, key, f"ends with {lots}, and {order.leaves} were left")
            elif kind in _KEPT:
                self._change(batch, key, kind, price, lots, leaves, by_amount=bool(by_amount))

    def _change(
        self,
        batch: int,
        key: tuple[int, int],
        kind: int,
        price: int,
        lots: int,
        leaves: int,
        *,
        by_amount: bool,
    ) -> None:
        order = self._orders.get(key)
        if order is None:
            self._wrong(batch, key, "changes, and was not open")
            return
        expected = leaves if by_amount else order.leaves
        if kind == EventKind.REDUCED and not by_amount:
            expected -= lots
        elif kind == EventKind.REPLACED:
            expected = lots
        if leaves != expected:
            self._wrong(
                batch, key, f"has {leaves} left by its event, and {expected} by those before"
            )
        if kind == EventKind.REPLACED:
            order.price = price
        elif order.price != price:
            self._wrong(batch, key, f"has the price {price}, and had {order.price}")
        order.leaves = leaves

    def _take(
        self, batch: int, key: tuple[int, int], account: int, taken: int, leaves: int
    ) -> None:
        order = self._orders.get(key)
        if order is None:
            self._wrong(batch, key, "trades, and was not open")
            return
        if order.account != account:
            self._wrong(batch, key, f"trades for account {account}, and is of {order.account}")
        if order.leaves - taken != leaves:
            self._wrong(
                batch,
                key,
                f"has {leaves} left by its event, and {order.leaves - taken} by those before",
            )
        order.leaves = leaves
        if not leaves:
            del self._orders[key]

    def _wrong(self, batch: int, key: tuple[int, int], what: str) -> None:
        self.faults.append(f"batch {batch}: order {key[1]} of market {key[0]} {what}")
