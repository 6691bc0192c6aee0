"""Call auctions of a recording beside what the engine's own uncross would have done."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from ..._book import OrderBook
from .messages import Action, Flag, Messages
from .report import Check, decimal_text


class Calls:
    """Tells call auctions from books that stay crossed though the market trades.

    An order that left unseen may be crossed by another for the rest of the day. While orders
    trade on arrival no call is on.
    """

    def __init__(self) -> None:
        self._since: int | None = None
        """How many fills there had been when the book became crossed; None: it is not."""
        self._trades_on = False

    def judge(
        self, crossed: npt.NDArray[np.bool_], fills: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """After which events a call is on, given where the book is crossed and how many fills of
        aggressive orders there have been since the start."""
        if not crossed.any():
            if len(crossed):
                self._since, self._trades_on = None, False
            return crossed
        calling = crossed.copy()
        for at, (is_crossed, count) in enumerate(
            zip(crossed.tolist(), fills.tolist(), strict=True)
        ):
            if not is_crossed:
                self._since, self._trades_on = None, False
            elif self._since is None:
                self._since = count
            elif count > self._since:
                self._trades_on = True
            calling[at] = is_crossed and not self._trades_on
        return calling


class Auction:
    """One call auction: where it began, what it traded, what the engine had found."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.lots = 0
        self.ticks = 0
        self.engine_lots = 0
        """What the engine's uncross would trade with the orders that it collected."""
        self.engine_ticks = 0

    def note(self, messages: Messages) -> None:
        """Add up what the recording says was traded at the auction's price."""
        traded = messages[
            (messages["action"] == Action.TRADE) & (messages["flags"] & Flag.AUCTION != 0)
        ]
        if len(traded):
            self.lots += int(traded["qty_lots"].sum())
            self.ticks = int(traded["price_ticks"][-1])

    def expect(self, book: OrderBook) -> None:
        """Ask the engine; the recorded price decides among prices that are equally good."""
        found = book.indicative(self.ticks)
        self.engine_ticks, self.engine_lots = found.price_ticks or 0, found.volume_lots

    @property
    def agrees(self) -> bool:
        """Whether price and volume are the recorded ones."""
        return (self.engine_ticks, self.engine_lots) == (self.ticks, self.lots)

    def told(self, price_decimals: int) -> str:
        """The two in words, prices in the currency of the recording."""
        recorded = decimal_text(Fraction(self.ticks, 10**price_decimals), price_decimals)
        engine = decimal_text(Fraction(self.engine_ticks, 10**price_decimals), price_decimals)
        return (
            f"from {self.place:,}: recorded {self.lots:,} lots at {recorded}, the engine's own"
            f" uncross {self.engine_lots:,} at {engine}"
        )


def auction_checks(auctions: list[Auction], price_decimals: int) -> list[Check]:
    """The auctions as rows of a report; one that has not ended traded nothing yet."""
    ended = [auction for auction in auctions if auction.lots]
    if not ended:
        return []
    wrong = [auction for auction in ended if not auction.agrees]
    note = "; ".join(auction.told(price_decimals) for auction in (wrong or ended)[:3])
    return [Check("call auctions: price and volume", len(ended), len(wrong), note)]
