"""Listings that the tests of the exchange share: two partitions, two fee tiers."""

from nextrade import Asset, Market
from nextrade.domain.listings import Fees, Listing, Listings

BTC, ETH, USDT = Asset("BTC", 8), Asset("ETH", 8), Asset("USDT", 6)
TIERS = (Fees(maker=1000, taker=2000), Fees(maker=0, taker=500))


def listings() -> Listings:
    """BTC-USDT and ETH-BTC in partition 0, ETH-USDT in partition 1."""
    return Listings(
        (BTC, ETH, USDT),
        (
            Listing(Market("BTC-USDT", BTC, USDT, "0.01", "0.0001"), 0, tiers=TIERS),
            Listing(Market("ETH-USDT", ETH, USDT, "0.01", "0.001"), 1, tiers=TIERS),
            Listing(Market("ETH-BTC", ETH, BTC, "0.00001", "0.001"), 0, tiers=TIERS),
        ),
    )
