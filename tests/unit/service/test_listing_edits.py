"""New listings out of the current ones, in the words of a settings file."""

from dataclasses import replace

import pytest

from nextrade.domain.assets import Asset
from nextrade.domain.listings import Listings
from nextrade.domain.relisting import check_change
from nextrade.errors import ListingsRefused, SettingsError, UnitError
from nextrade.service.listing_edits import differences, with_fees, with_market, with_new_market
from nextrade.service.listings_file import default_listings, market_table, read_market

FOUNDED = default_listings()
NEXT = replace(FOUNDED, version=2)
SOL = {"base": "SOL", "quote": "USDT", "tick_size": "0.01", "lot_size": "0.001", "partition": 1}


def changed(**wanted: object) -> Listings:
    """BTC-USDT otherwise, and as it may be."""
    listings = with_market(NEXT, "BTC-USDT", wanted)
    check_change(FOUNDED, listings)
    return listings


def test_a_market_is_what_its_own_table_says() -> None:
    """Every key that is written is read back the same."""
    assets = {asset.name: asset for asset in FOUNDED.assets}
    for listing in FOUNDED.listings:
        assert read_market(listing.name, market_table(listing), assets, "here") == listing


def test_what_is_not_named_stays() -> None:
    """Fees, limits and units change one by one; limits are said in text, whatever the units."""
    before = market_table(FOUNDED.listings[0])
    for key, value in (("min_quantity", "0.0010"), ("max_notional", "70.000000"), ("collar", "5%")):
        after = market_table(changed(**{key: value}).listings[0])
        assert after == before | {key: value}
    coarser = changed(tick_size="0.1").listings[0]
    assert market_table(coarser) == before | {"tick_size": "0.1"}
    assert 10 * coarser.min_notional == FOUNDED.listings[0].min_notional
    assert coarser.units_version == 2
    assert changed(tick_size="0.010").listings[0].units_version == 1
    with pytest.raises(SettingsError, match=r"\[markets.BTC-USDT\] max_quantity: .*multiple"):
        changed(lot_size="0.3")
    with pytest.raises(UnitError, match="no market 'BTC-EUR' is listed"):
        with_market(NEXT, "BTC-EUR", {})


def test_fees_change_by_tier() -> None:
    """One rate of one tier, or the next tier with both."""
    fees = with_fees(NEXT, "BTC-USDT", 1, None, "0.04%")
    assert fees == [{"maker": "0.1%", "taker": "0.2%"}, {"maker": "0.02%", "taker": "0.04%"}]
    fees = with_fees(NEXT, "BTC-USDT", 2, "0%", "0.01%")
    assert (fees[2], len(fees)) == ({"maker": "0%", "taker": "0.01%"}, 3)
    assert differences(FOUNDED, changed(fees=fees), "BTC-USDT") == [
        ("fees", "0.1% / 0.2%, 0.02% / 0.05%", "0.1% / 0.2%, 0.02% / 0.05%, 0% / 0.01%")
    ]
    with pytest.raises(ListingsRefused, match="has 2 fee tiers; the next one is 2"):
        with_fees(NEXT, "BTC-USDT", 3, "0%", "0%")
    with pytest.raises(ListingsRefused, match="tier 2 of BTC-USDT is new; give"):
        with_fees(NEXT, "BTC-USDT", 2, None, "0%")


def test_a_market_comes_to_the_end_with_its_assets() -> None:
    """Units of the new version; names are given once."""
    listings = with_new_market(NEXT, "SOL-USDT", SOL, [Asset("SOL", 9)])
    check_change(FOUNDED, listings)
    assert listings.asset_names[-1] == "SOL"
    assert (listings.listings[-1].name, listings.listings[-1].units_version) == ("SOL-USDT", 2)
    with pytest.raises(ListingsRefused, match="the asset BTC is listed already"):
        with_new_market(NEXT, "SOL-USDT", SOL, [Asset("BTC", 8)])
    with pytest.raises(ListingsRefused, match="the market ETH-BTC is listed already"):
        with_new_market(NEXT, "ETH-BTC", SOL, [Asset("SOL", 9)])
    with pytest.raises(SettingsError, match="'SOL' is no asset"):
        with_new_market(NEXT, "SOL-USDT", SOL)
