"""Call auctions of a recording beside what the engine's own uncross would have done."""

from __future__ import annotations

from ..._book import Indicative, OrderBook
from .messages import Action, Flag, Messages
from .report import Check


class Auction:
    """One call auction: where it began, what it traded, what the engine had found."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.lots = 0
        self.ticks = 0
        self._engine = Indicative(None, 0, 0)

    def note(self, messages: Messages) -> None:
        """Add up what the recording says was traded at the auction's price."""
        traded = messages[
            (messages["action"] == Action.TRADE) & (messages["flags"] & Flag.AUCTION != 0)
        ]
        if len(traded):
            self.lots += int(traded["qty_lots"].sum())
            self.ticks = int(traded["price_ticks"][-1])

    def expect(self, book: OrderBook) -> None:
        """What the engine's uncross would do with the orders that it collected, where the recorded
        price decides among prices that are equally good."""
        self._engine = book.indicative(self.ticks)

    @property
    def agrees(self) -> bool:
        """Whether price and volume are the recorded ones."""
        return (self._engine.price_ticks, self._engine.volume_lots) == (self.ticks, self.lots)

    def __str__(self) -> str:
        found = self._engine
        return (
            f"from {self.place:,}: recorded {self.lots:,} lots at {self.ticks:,}, the engine's own"
            f" uncross {found.volume_lots:,} at {found.price_ticks or 0:,}"
        )


def auction_checks(auctions: list[Auction]) -> list[Check]:
    """The auctions as rows of a report; one that has not ended traded nothing yet."""
    ended = [auction for auction in auctions if auction.lots]
    if not ended:
        return []
    wrong = [auction for auction in ended if not auction.agrees]
    note = "; ".join(str(auction) for auction in (wrong or ended)[:3])
    return [Check("call auctions: price and volume", len(ended), len(wrong), note)]
