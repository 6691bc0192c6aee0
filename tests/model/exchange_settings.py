"""The exchanges that the tests found: some assets, markets that share them, fees and limits.

Each setting is worth trading in: it says around which price and with how many lots, so that
orders meet each other and accounts run out of money now and then.
"""

from typing import NamedTuple

from tests.oracle.exchange.listing import Fees, Listing

BTC, ETH, USDT = range(3)
ASSETS = ("BTC", "ETH", "USDT")
MARKETS = ("BTC-USDT", "ETH-USDT", "ETH-BTC")

FREE = (Fees(0, 0),)
USUAL = (Fees(1000, 2000), Fees(0, 1500), Fees(0, 0))
STEEP = (Fees(333_333, 500_000), Fees(1, 999_999), Fees(0, 7))


class Setting(NamedTuple):
    """Three markets over three assets, and what trading in them looks like."""

    name: str
    listings: tuple[Listing, ...]
    price: int = 100
    width: int = 6
    max_lots: int = 20

    @property
    def partitions(self) -> int:
        return 1 + max(listing.partition for listing in self.listings)

    def worth(self, asset: int) -> int:
        """What one large order costs at most, of whichever market."""
        costs = [1]
        for listing in self.listings:
            if listing.base == asset:
                costs.append(self.max_lots * listing.base_units_per_lot)
            if listing.quote == asset:
                price = self.price + self.width
                costs.append(price * self.max_lots * listing.quote_units_per_tick_lot)
        return max(costs)


def three_markets(
    lot: int,
    tick_lot: int,
    tiers: tuple[Fees, ...],
    partitions: tuple[int, int, int],
    **limits: int,
) -> tuple[Listing, ...]:
    """Listings that differ in their assets and partitions only."""
    pairs = ((BTC, USDT), (ETH, USDT), (ETH, BTC))
    return tuple(
        Listing(base, quote, lot, tick_lot, partition, tiers=tiers, **limits)
        for (base, quote), partition in zip(pairs, partitions, strict=True)
    )


SETTINGS = (
    Setting("units", three_markets(1, 1, STEEP, (0, 0, 0))),
    Setting("usual", three_markets(100_000, 100, USUAL, (0, 1, 0))),
    Setting("free", three_markets(1, 1, FREE, (0, 0, 1)), width=2, max_lots=5),
    Setting(
        "limited",
        three_markets(
            10, 3, USUAL, (0, 1, 1), min_qty=2, max_qty=15, min_notional=300, max_notional=1500
        ),
        max_lots=16,
    ),
    # One order is worth some 2**60 base units, a millionth of which is no small matter either.
    Setting("huge", three_markets(10**15, 2 * 10**7, STEEP, (0, 0, 1)), price=2**31, max_lots=15),
    # Prices so low that a buy is worth a unit or two, and every fee is rounded down to nothing.
    Setting("tiny", three_markets(1, 1, STEEP, (0, 1, 2)), price=3, width=2, max_lots=3),
)
