"""Listings from a settings file: what the default lists, and what a mistake is answered with."""

import copy
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextrade.domain.listings import Fees
from nextrade.errors import SettingsError
from nextrade.platform.settings import default_text
from nextrade.service.listings_file import default_listings, read_listings

GOOD = tomllib.loads(
    """
    [assets.COIN]
    scale = 4
    supply = "1000"
    [assets.CASH]
    scale = 2
    supply = "5000000"
    [markets.COIN-CASH]
    base = "COIN"
    quote = "CASH"
    tick_size = "0.1"
    lot_size = "0.1"
    min_quantity = "0.2"
    max_quantity = "300"
    min_notional = "1.5"
    max_notional = "100000"
    collar = "2.5%"
    partition = 3
    fees = [{ maker = "0.1%", taker = "0.25 %" }, { taker = "0.0001%", maker = "0%" }]
    """
)


def read(content: dict[str, Any], buckets: int = 24) -> Any:
    """The listings of a file with this content."""
    return read_listings(content["assets"], content["markets"], buckets=buckets, source="x.toml")


def changed(section: str, name: str, key: str, value: object) -> dict[str, Any]:
    """The good content with one value changed, or without the key if it is None."""
    content = copy.deepcopy(GOOD)
    if value is None:
        del content[section][name][key]
    else:
        content[section][name][key] = value
    return content


def refused(content: dict[str, Any], buckets: int = 24) -> str:
    """The message with which this content is refused."""
    with pytest.raises(SettingsError) as caught:
        read(content, buckets)
    return str(caught.value)


def test_every_key_arrives_in_its_unit() -> None:
    """Quantities become lots, notionals ticks x lots, rates millionths and basis points."""
    listings = read(GOOD)
    (listing,) = listings.listings

    assert listings.asset_names == ("COIN", "CASH")
    assert [asset.scale for asset in listings.assets] == [4, 2]
    assert (listing.market.tick_size, listing.market.lot_size) == ("0.1", "0.1")
    assert (listing.min_qty_lots, listing.max_qty_lots) == (2, 3000)
    # One tick x one lot is 0.01 of cash.
    assert (listing.min_notional, listing.max_notional) == (150, 10_000_000)
    assert listing.collar_bps == 250
    assert listing.partition == 3
    assert listing.tiers == (Fees(maker=1000, taker=2500), Fees(maker=0, taker=1))


def test_what_may_be_left_out() -> None:
    """Only assets and steps are needed: without more there are no limits and no fees."""
    content = copy.deepcopy(GOOD)
    market = content["markets"]["COIN-CASH"]
    for key in set(market) - {"base", "quote", "tick_size", "lot_size"}:
        del market[key]
    (listing,) = read(content).listings

    assert (listing.min_qty_lots, listing.max_qty_lots) == (1, 2**63 - 1)
    assert (listing.min_notional, listing.max_notional) == (0, 2**63 - 1)
    assert (listing.partition, listing.tiers) == (0, (Fees(0, 0),))


def test_the_default_lists_three_markets_over_two_partitions() -> None:
    """The package's own listings are those that its file shows."""
    listings = default_listings()
    written = tomllib.loads(default_text())

    assert listings.asset_names == ("BTC", "ETH", "USDT")
    assert [asset.scale for asset in listings.assets] == [8, 8, 6]
    assert listings.market_names == tuple(written["markets"])
    assert [listing.partition for listing in listings.listings] == [0, 1, 1]
    assert all(len(listing.tiers) == 2 for listing in listings.listings)
    btc_usdt = listings.listings[0]
    assert btc_usdt.market.qty_text(btc_usdt.max_qty_lots) == "1000.0000"
    assert btc_usdt.market.amount_text(btc_usdt.min_notional) == "5.000000"


def test_positions_are_those_of_the_file() -> None:
    """Assets and markets are known by the order in which they stand, not by that of names."""
    content = {"assets": dict(reversed(GOOD["assets"].items())), "markets": GOOD["markets"]}

    assert read(content).asset_names == ("CASH", "COIN")


COIN, CASH, MARKET = ("assets", "COIN"), ("assets", "CASH"), ("markets", "COIN-CASH")
MISTAKES: list[tuple[tuple[str, str], str, object, str]] = [
    (COIN, "scale", "4", "'4' is not a whole number"),
    (COIN, "scale", 19, "19 is not between 0 and 18"),
    (COIN, "scale", None, "key scale is missing; write scale = 8"),
    (COIN, "scael", 4, "key scael is unknown; did you mean scale?"),
    (COIN, "supply", 1000, '1000 must be text to be exact; write supply = "1000"'),
    (COIN, "supply", "-1", "must not be negative"),
    (COIN, "supply", "0", "it must be above zero"),
    (COIN, "supply", "0.00001", "has more than 4 decimals"),
    (COIN, "supply", None, "key supply is missing"),
    (MARKET, "base", "COYN", "'COYN' is no asset of [assets]; listed are COIN, CASH"),
    (MARKET, "base", ["COIN"], "is no asset of [assets]"),
    (MARKET, "base", "CASH", "base and quote are both CASH"),
    (MARKET, "quote", None, "key quote is missing"),
    (MARKET, "tick_size", 0.1, '0.1 must be text to be exact; write tick_size = "0.1"'),
    (MARKET, "tick_size", "0.01", "is no whole number of base units of CASH"),
    (MARKET, "lot_size", "0.00001", "is finer than COIN with 4 decimals"),
    (MARKET, "tick_sise", "1", "key tick_sise is unknown; did you mean tick_size?"),
    (MARKET, "min_quantity", "0.25", "min_quantity: COIN-CASH quantity"),
    (MARKET, "min_quantity", "0", "min_qty_lots: 0 is not between 1"),
    (MARKET, "min_quantity", "301", "max_quantity: 300 is below min_quantity = 301"),
    (MARKET, "max_quantity", 300, 'write max_quantity = "300"'),
    (MARKET, "max_notional", "1", "max_notional: 1 is below min_notional = 1.5"),
    (MARKET, "max_notional", "1.005", "max_notional:"),
    (MARKET, "collar", "10", "'10' is no rate; write it as text with a percent sign"),
    (MARKET, "collar", 10, "10 is no rate"),
    (MARKET, "collar", "0%", "collar: it must be above zero"),
    (MARKET, "collar", "100%", "100% must be below 100%"),
    (MARKET, "collar", "0.001%", "at most 2 decimals are kept"),
    (MARKET, "partition", -1, "-1 is not a whole number from 0 to 4095"),
    (MARKET, "partition", True, "True is not a whole number"),
    (MARKET, "fees", [], "write a list of 1 to 255 tiers"),
    (MARKET, "fees", "0.1%", "write a list of 1 to 255 tiers"),
    (MARKET, "fees", [{"maker": "0.1%"}], "tier 0 is not of the form { maker"),
    (MARKET, "fees", [{"maker": "1%", "taker": "x"}], "fees, tier 0 taker: 'x' is no rate"),
    (MARKET, "fees", [{"maker": "1%", "taker": "0.00001%"}], "at most 4 decimals are kept"),
]


@pytest.mark.parametrize(("entry", "key", "value", "expected"), MISTAKES)
def test_a_mistake_names_its_entry(
    entry: tuple[str, str], key: str, value: object, expected: str
) -> None:
    """The message names the file, the entry, and what would fit."""
    said = refused(changed(*entry, key, value))

    assert said.startswith(f"x.toml, [{entry[0]}.{entry[1]}]")
    assert expected in said


def test_an_entry_that_is_no_section() -> None:
    """A value where a section should stand is answered with the line to write."""
    content = copy.deepcopy(GOOD)
    content["assets"]["MORE"] = 8

    assert "[assets.MORE]: it is no section; write a line [assets.MORE]" in refused(content)


def test_the_supply_must_fit_in_one_bucket() -> None:
    """2**62 smallest units are shared by the buckets; what does not fit is told three remedies."""
    share = 2**62 // 24  # 192,153,584,101,141,162
    fits = changed("assets", "COIN", "supply", f"{share // 10**4}")
    assert read(fits).asset_names[0] == "COIN"
    said = refused(changed("assets", "COIN", "supply", f"{share // 10**4 + 1}"))

    assert f"one of 24 buckets holds {share}" in said
    assert "make scale at most 3, or have at most 23 buckets, or give a smaller supply" in said


def test_more_buckets_leave_less_room() -> None:
    """The same assets fit 24 buckets and not 64 when their supply lies between the shares."""
    content = changed("assets", "COIN", "supply", str(10**13))  # 10**17 units

    assert read(content, buckets=24)
    assert "one of 64 buckets holds 72057594037927936" in refused(content, buckets=64)


@given(
    value=st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,7})? ?%?", fullmatch=True)
    | st.lists(st.dictionaries(st.sampled_from(["maker", "taker", "x"]), st.text(max_size=3))),
    place=st.sampled_from(
        [
            (section, name, key)
            for section in GOOD
            for name in GOOD[section]
            for key in GOOD[section][name]
        ]
    ),
)
def test_whatever_stands_there(value: object, place: tuple[str, str, str]) -> None:
    """Any value in any place is taken, or refused in words that begin with file and entry."""
    said = ""
    try:
        read(changed(*place, value))
    except SettingsError as error:
        said = str(error)

    assert said.startswith("x.toml, [") or not said
