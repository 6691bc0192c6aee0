"""Assets and markets: units that settle exactly, and the remedy where they would not."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextrade.domain.assets import Asset
from nextrade.domain.markets import Market
from nextrade.domain.units import INT64_MAX
from nextrade.errors import UnitError

BTC, USDT = Asset("BTC", 8), Asset("USDT", 6)
MARKET = Market("BTC-USDT", BTC, USDT, "0.01", "0.0001")


def test_prices_quantities_and_amounts_go_both_ways() -> None:
    """The market of the documentation converts as the documentation says."""
    assert MARKET.price_ticks("101.25") == 10125
    assert MARKET.price_text(10125) == "101.25"
    assert MARKET.qty_lots("0.5") == 5000
    assert MARKET.qty_text(5000) == "0.5000"
    assert MARKET.base_units(5000) == 50_000_000
    assert MARKET.lots_of_base_units(50_000_000) == 5000
    assert MARKET.quote_units(10125 * 5000) == 50_625_000
    assert MARKET.amount_text(10125 * 5000) == "50.625000"
    assert MARKET.quote_amount("50.625") == 10125 * 5000
    assert MARKET.prices_ticks(np.array(["101.25", "0.01"])).tolist() == [10125, 1]
    assert MARKET.qtys_text(MARKET.qtys_lots(["0.5", "1"])).tolist() == ["0.5000", "1.0000"]
    assert MARKET.prices_text(np.array([1, 100])).tolist() == ["0.01", "1.00"]


@given(st.integers(0, INT64_MAX))
def test_an_amount_survives_the_way_through_text(amount: int) -> None:
    """Ticks x lots become quote text and come back, as long as they fit."""
    assert MARKET.quote_units_per_tick_lot == 1
    assert MARKET.quote_amount(MARKET.amount_text(amount)) == amount


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_price_times_quantity_is_the_same_money_in_text_and_units(price: int, qty: int) -> None:
    """price x quantity in exact decimals equals the amount that settlement would move."""
    whole_ticks = int(MARKET.price_text(price).replace(".", ""))
    whole_lots = int(MARKET.qty_text(qty).replace(".", ""))

    assert MARKET.quote_units(price * qty) * 10**6 == whole_ticks * whole_lots * 10**USDT.scale


def test_a_tick_times_a_lot_must_settle_exactly() -> None:
    """A market whose trades could not be paid to the unit is refused with what would help."""
    with pytest.raises(UnitError, match="scale of 8, or make tick_size or lot_size 100 times"):
        Market("BTC-USDT", BTC, USDT, "0.01", "0.000001")
    # Both remedies that the message offers are sound.
    Market("BTC-USDT", BTC, Asset("USDT", 8), "0.01", "0.000001")
    Market("BTC-USDT", BTC, USDT, "0.01", "0.0001")


def test_a_half_tick_and_an_even_lot_can_settle_together() -> None:
    """Only the product counts: a tick of 0.5 and a lot of 2 need no decimals at all."""
    market = Market("A-B", Asset("A", 0), Asset("B", 0), "0.5", "2")

    assert market.quote_units_per_tick_lot == 1
    assert market.quote_units(3) == 3


def test_a_lot_must_be_whole_base_units() -> None:
    """A lot finer than the base asset is refused."""
    with pytest.raises(UnitError, match=r"lot_size: 0\.001 is finer than A with 2 decimals"):
        Market("A-B", Asset("A", 2), Asset("B", 9), "1", "0.001")


@pytest.mark.parametrize("name", ["", "a b", "x" * 17, "\u00e9", "a\n", 7])
def test_asset_names_are_plain(name: object) -> None:
    """Names that would break a key, a file or a terminal are refused."""
    with pytest.raises(UnitError, match="asset name"):
        Asset(name, 2)  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [-1, 19, 1.0, "2", True])
def test_scales_are_whole_and_fit(scale: object) -> None:
    """The scale is a whole number from 0 to 18."""
    with pytest.raises(UnitError, match="scale of BTC"):
        Asset("BTC", scale)  # type: ignore[arg-type]


def test_markets_need_a_name_and_two_assets() -> None:
    """An unprintable name, or one asset priced in itself, is refused."""
    with pytest.raises(UnitError, match="market name"):
        Market("a b", BTC, USDT, "1", "1")
    with pytest.raises(UnitError, match="both BTC"):
        Market("X", BTC, BTC, "1", "1")
    with pytest.raises(UnitError, match="X tick_size"):
        Market("X", BTC, USDT, "0", "1")
    with pytest.raises(UnitError, match="X lot_size"):
        Market("X", BTC, USDT, "1", "1e-3")


def test_sums_beyond_int64_and_remainders_are_refused() -> None:
    """Nothing wraps around and nothing is rounded."""
    with pytest.raises(UnitError, match="at most"):
        MARKET.base_units(INT64_MAX)
    with pytest.raises(UnitError, match=r"multiple of 0\.00010000"):
        MARKET.lots_of_base_units(1)
    with pytest.raises(UnitError, match="whole number"):
        MARKET.base_units(1.0)  # type: ignore[arg-type]
    with pytest.raises(UnitError, match="whole number"):
        MARKET.quote_units(-1)
    with pytest.raises(UnitError, match="base units"):
        MARKET.lots_of_base_units(-1)


def test_markets_and_assets_are_frozen_values() -> None:
    """Equal by what was written, hashable, unchangeable."""
    again = Market("BTC-USDT", Asset("BTC", 8), Asset("USDT", 6), "0.01", "0.0001")

    assert again == MARKET
    assert hash(again) == hash(MARKET)
    with pytest.raises(dataclasses.FrozenInstanceError):
        MARKET.name = "other"  # type: ignore[misc]
