"""What one call of an exchange did, for people: status, fills and reasons in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from ...domain.markets import Market
from ...domain.refusals import name_of
from ...enums import EventKind

if TYPE_CHECKING:
    from .machine import Batch

_GONE = (EventKind.CANCELED, EventKind.EXPIRED)


class Fill(NamedTuple):
    """One trade of an order, as exact decimal text."""

    price: str
    quantity: str


class Placed:
    """What became of one order by one call."""

    def __init__(self, batch: Batch, market: Market, order_id: int) -> None:
        self.order_id = order_id
        self.events: npt.NDArray[np.void] = batch.events
        """Everything that the call did, of EVENT_DTYPE, other orders included."""
        self._market = market

    def __repr__(self) -> str:
        return f"<order {self.order_id} {self.status} {self.reason or ''}".rstrip() + ">"

    @property
    def status(self) -> str:
        """``rejected``, ``filled``, ``canceled`` (also with fills before), or ``open``."""
        status = "open"
        for event in self.events:
            kind = EventKind(int(event["kind"]))
            if kind == EventKind.TRADE:
                own = self._leaves(event)
                if own == 0:
                    status = "filled"
            elif int(event["order_id"]) == self.order_id:
                if kind == EventKind.REJECTED:
                    status = "rejected"
                elif kind in _GONE:
                    status = "canceled"
        return status

    def _leaves(self, event: np.void) -> int | None:
        if int(event["order_id"]) == self.order_id:
            return int(event["leaves_lots"])
        if int(event["maker_id"]) == self.order_id:
            return int(event["maker_leaves_lots"])
        return None

    @property
    def reason(self) -> str:
        """Why it was rejected or canceled, by name; empty if it was not."""
        for event in self.events:
            code = int(event["reason"])
            if code and int(event["order_id"]) == self.order_id:
                return name_of(code)
        return ""

    @property
    def fills(self) -> list[Fill]:
        """The trades of this order, in order."""
        return [
            Fill(
                self._market.price_text(int(event["price_ticks"])),
                self._market.qty_text(int(event["qty_lots"])),
            )
            for event in self._own_trades()
        ]

    @property
    def filled(self) -> str:
        """The quantity traded by this call."""
        return self._market.qty_text(int(self._own_trades()["qty_lots"].sum()))

    def _own_trades(self) -> npt.NDArray[np.void]:
        trades = self.events[self.events["kind"] == EventKind.TRADE]
        own = (trades["order_id"] == self.order_id) | (trades["maker_id"] == self.order_id)
        return trades[own]
