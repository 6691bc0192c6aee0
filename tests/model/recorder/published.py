"""What is published of a market so far, added up message by message: the levels that it shows."""

from __future__ import annotations

from tests.oracle.codes import Side

from .market import Market, Session

Level = tuple[int, int, int]
"""Price, quantity, number of orders."""


class Published:
    """The orders of one market as its messages tell of them."""

    def __init__(self) -> None:
        self._orders: dict[int, tuple[int, int, int]] = {}

    def start(self, standing: list[tuple[int, int, int, int]]) -> None:
        """Orders that rested before."""
        for side, order_id, price, lots in standing:
            self.add(order_id, side, price, lots)

    def add(self, order_id: int, side: int, price: int, lots: int) -> None:
        """A new order."""
        assert order_id not in self._orders
        self._orders[order_id] = (side, price, lots)

    def shrink(self, order_id: int, lots: int) -> None:
        """An order lost so much; it is gone if nothing is left."""
        side, price, had = self._orders.pop(order_id)
        assert had >= lots
        if had > lots:
            self._orders[order_id] = (side, price, had - lots)

    def change(self, order_id: int, price: int, lots: int) -> None:
        """An order has another price and quantity, or shows its next slice."""
        side = self._orders[order_id][0]
        self._orders[order_id] = (side, price, lots)

    def side_of(self, order_id: int) -> int:
        """Whether the order buys or sells."""
        return self._orders[order_id][0]

    def price_of(self, order_id: int) -> int:
        """The price of the order."""
        return self._orders[order_id][1]

    def lots_of(self, order_id: int) -> int:
        """What the order shows; 0 if it is gone."""
        return self._orders.get(order_id, (0, 0, 0))[2]

    def levels(self, side: int) -> list[Level]:
        """All levels of a side, best first."""
        found: dict[int, tuple[int, int]] = {}
        for its_side, price, lots in self._orders.values():
            if its_side == side:
                sum_lots, count = found.get(price, (0, 0))
                found[price] = (sum_lots + lots, count + 1)
        best_first = sorted(found, reverse=side == Side.BUY)
        return [(price, *found[price]) for price in best_first]

    def agrees_with(self, market: Market) -> bool:
        """Whether it is what the plain book shows: a recorder that lies proves nothing."""
        bids, asks = market.oracle.depth()
        return (self.levels(Side.BUY), self.levels(Side.SELL)) == (bids, asks)


def published_by(session: Session) -> list[Published]:
    """For each market what is known of it before the recording starts: nothing."""
    return [Published() for _ in session.markets]
