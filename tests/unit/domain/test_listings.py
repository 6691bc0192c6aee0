"""Assets, markets, limits and fees as an exchange lists them."""

import numpy as np
import pytest

from nextrade.domain.assets import Asset
from nextrade.domain.listings import LISTING_DTYPE, Fees, Listing, Listings
from nextrade.domain.markets import Market
from nextrade.errors import UnitError

BTC, ETH, USDT = Asset("BTC", 8), Asset("ETH", 8), Asset("USDT", 6)


def market(base: Asset = BTC, quote: Asset = USDT) -> Market:
    """A market with a lot of 10,000 base units, and a tick that is one unit on it."""
    return Market(f"{base.name}-{quote.name}", base, quote, "0.01", "0.0001")


def test_positions_are_ids() -> None:
    """Assets and markets are found by name and known by their positions."""
    first, second = Listing(market(), partition=1), Listing(market(ETH), partition=0)
    listings = Listings((USDT, ETH, BTC), (first, second))

    assert listings.asset_names == ("USDT", "ETH", "BTC")
    assert listings.market_names == ("BTC-USDT", "ETH-USDT")
    assert [listings.asset(name) for name in ("USDT", "BTC")] == [0, 2]
    assert listings.market("ETH-USDT") == 1
    assert listings.in_partition(1) == (0,)
    assert listings.in_partition(0) == (1,)
    assert listings.in_partition(2) == ()
    assert listings.partitions == (0, 1)


def test_table_holds_what_the_compiled_code_needs() -> None:
    """A lot of 0.0001 BTC is 10,000 base units; a tick of 0.01 USDT on it is one."""
    listing = Listing(
        market(), min_qty_lots=2, max_qty_lots=9, min_notional=3, max_notional=10, collar_bps=5
    )

    table = Listings((USDT, BTC), (listing,)).table

    assert table.dtype == LISTING_DTYPE
    assert table.tolist() == [(1, 0, 10_000, 1, 2, 9, 3, 10)]
    assert not table.flags.writeable


def test_fees_are_padded_with_no_such_tier() -> None:
    """Markets with fewer tiers than others have -1 where there is none."""
    one = Listing(market(), tiers=(Fees(1, 2),))
    two = Listing(market(ETH), tiers=(Fees(3, 4), Fees(5, 6)))

    fees = Listings((BTC, ETH, USDT), (one, two)).fees

    assert fees.dtype == np.int64
    assert fees.tolist() == [[[1, 2], [-1, -1]], [[3, 4], [5, 6]]]


def test_unknown_names_are_named() -> None:
    """Who asks for what is not listed is told what is."""
    listings = Listings((BTC, USDT), (Listing(market()),))

    with pytest.raises(UnitError, match="no asset 'XRP' is listed; there are BTC, USDT"):
        listings.asset("XRP")
    with pytest.raises(UnitError, match="no market 'X' is listed; there are BTC-USDT"):
        listings.market("X")


@pytest.mark.parametrize(
    ("assets", "markets", "message"),
    [
        ((BTC, BTC, USDT), (), "two assets have the name 'BTC'"),
        ((BTC, USDT), (market(), market()), "two markets have the name 'BTC-USDT'"),
        ((BTC,), (market(),), "BTC-USDT: USDT is not among the listed assets"),
        ((USDT,), (market(),), "BTC-USDT: BTC is not among the listed assets"),
        ((Asset("BTC", 9), USDT), (market(),), "BTC has a scale of 8, and is listed with 9"),
    ],
)
def test_names_must_fit(
    assets: tuple[Asset, ...], markets: tuple[Market, ...], message: str
) -> None:
    """Two of one name, and a market of an asset that is not listed, are refused."""
    with pytest.raises(UnitError, match=message):
        Listings(assets, tuple(Listing(one) for one in markets))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"partition": -1}, "partition: -1 is not between"),
        ({"min_qty_lots": 0}, "min_qty_lots: 0 is not between 1"),
        ({"max_qty_lots": 2**63}, "max_qty_lots"),
        ({"min_notional": -1}, "min_notional"),
        ({"max_notional": 1.5}, "max_notional: 1.5 is not a whole number"),
        ({"collar_bps": 10_001}, "collar_bps"),
        ({"collar_bps": True}, "collar_bps: True is not a whole number"),
        ({"min_qty_lots": 5, "max_qty_lots": 4}, "min_qty_lots is more than max_qty_lots"),
        ({"min_notional": 5, "max_notional": 4}, "min_notional is more than max_notional"),
        ({"tiers": ()}, "give a tuple of 1 to 255 Fees"),
        ({"tiers": (Fees(),) * 256}, "give a tuple of 1 to 255 Fees"),
    ],
)
def test_limits_must_make_sense(changes: dict[str, object], message: str) -> None:
    """A limit out of bounds, or a minimum above its maximum, is refused by name."""
    with pytest.raises(UnitError, match=message):
        Listing(market(), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [-1, 1_000_000, 0.1, True])
def test_fees_are_whole_and_below_everything(rate: object) -> None:
    """A fee is a whole number of hundredths of a basis point, and less than all of it."""
    with pytest.raises(UnitError, match="maker fee"):
        Fees(maker=rate)  # type: ignore[arg-type]
    with pytest.raises(UnitError, match="taker fee"):
        Fees(taker=rate)  # type: ignore[arg-type]


def test_a_lot_that_no_balance_could_hold() -> None:
    """A market whose lot is more base units than fit in 64 bits is refused."""
    coin = Asset("COIN", 18)
    huge = Market("COIN-USDT", coin, USDT, "1", "10")

    with pytest.raises(UnitError, match="more than fits in 64 bits"):
        Listings((coin, USDT), (Listing(huge),))
