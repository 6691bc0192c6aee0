"""Other listings for an exchange in one process: by the rules of all, kept with its path."""

from dataclasses import replace
from pathlib import Path

import pytest

from nextrade import Asset, Exchange, Market, errors
from nextrade.domain.listings import Fees, Listing, Listings

from .markets import BTC, ETH, TIERS, USDT, listings

SOL = Asset("SOL", 9)


def cheaper(before: Listings) -> Listings:
    """Nobody pays for trades in the first market."""
    first, *rest = before.listings
    free = replace(first, tiers=tuple(Fees(maker=0, taker=0) for _ in first.tiers))
    return replace(before, listings=(free, *rest), version=before.version + 1)


def with_sol(before: Listings) -> Listings:
    """SOL comes, and a market in partition 1."""
    version = before.version + 1
    market = Market("SOL-USDT", SOL, USDT, "0.01", "0.001")
    one = Listing(market, 1, tiers=TIERS, units_version=version)
    return Listings((*before.assets, SOL), (*before.listings, one), version)


def coarser(before: Listings, market: int, tick: str = "0.1") -> Listings:
    """A market has another tick."""
    version = before.version + 1
    rows = list(before.listings)
    old = rows[market].market
    changed = Market(old.name, old.base, old.quote, tick, old.lot_size)
    rows[market] = replace(rows[market], market=changed, units_version=version)
    return replace(before, listings=tuple(rows), version=version)


def opened(path: Path, given: Listings | None = None) -> Exchange:
    """A path's exchange."""
    return Exchange(given, path, fsync=False)


def test_the_paths_own_listings_win(tmp_path: Path) -> None:
    """Whoever opens it with those of the founding, or between, or none, gets the current ones."""
    with opened(tmp_path, listings()) as exchange:
        exchange.deposit(1, "USDT", "1000")
        exchange.deposit(2, "BTC", "1")
        exchange.relist(between := cheaper(exchange.listings))
        exchange.place(1, "BTC-USDT", "buy", price="100", quantity="1")
        exchange.place(2, "BTC-USDT", "sell", price="100", quantity="1")
        assert exchange.balances(2)["USDT"].available == "100.000000"
        exchange.relist(current := with_sol(exchange.listings))
        exchange.deposit(3, "SOL", "5")
        assert exchange.place(3, "SOL-USDT", "sell", price="10", quantity="5").status == "open"
        state = exchange.state_hash()
    for given in (None, listings(), between, current, None):
        with opened(tmp_path, given) as exchange:
            assert exchange.listings == current
            assert exchange.state_hash() == state
            assert exchange.verify(full=True).holds
            exchange.snapshot()


def test_others_are_refused(tmp_path: Path) -> None:
    """Those that never were this exchange's, whatever their version."""
    with opened(tmp_path, listings()) as exchange:
        exchange.relist(cheaper(exchange.listings))
        exchange.relist(with_sol(exchange.listings))
        current = exchange.listings
    two, sol = replace(listings(), version=2), with_sol(listings())
    others = {
        "was founded with other listings": replace(cheaper(listings()), version=1),
        "has other listings": with_sol(two),
        "has 4 assets, and 3": replace(two, version=3),
        "has version 3 of its listings": cheaper(current),
        "has BTC-USDT where ETH-BTC": replace(two, listings=two.listings[::-1]),
        "has other assets": Listings((USDT, ETH, BTC), two.listings, 2),
        "has 4 markets, and 5": replace(sol, listings=(*sol.listings, _eth_sol())),
    }
    for told, given in others.items():
        with pytest.raises(errors.ExchangeError, match=told):
            opened(tmp_path, given)


def _eth_sol() -> Listing:
    return Listing(Market("SOL-ETH", SOL, ETH, "0.01", "0.001"), 1, units_version=2)


def test_what_may_not_change_is_refused(tmp_path: Path) -> None:
    """The rules and words are those of the distributed exchange; nothing is written down."""
    with opened(tmp_path, listings()) as exchange:
        exchange.deposit(1, "USDT", "1000")
        order = exchange.place(1, "ETH-USDT", "buy", price="100", quantity="1")
        before, now = exchange.state_hash(), exchange.listings
        wrong = {
            "does not follow": replace(cheaper(now), version=3),
            "version 1 of the listings is another one": replace(cheaper(now), version=1),
            "none can be left out": replace(now, listings=now.listings[:2], version=2),
            "has open orders.*account 1": coarser(now, 1),
        }
        for told, listed in wrong.items():
            with pytest.raises(errors.ListingsRefused, match=told):
                exchange.relist(listed)
        # The first partition could change, the second one may not: neither does.
        rows = (coarser(now, 0).listings[0], coarser(now, 1).listings[1], now.listings[2])
        with pytest.raises(errors.ListingsRefused, match="ETH-USDT has open orders"):
            exchange.relist(replace(now, listings=rows, version=2))
        exchange.relist(now)
        assert exchange.state_hash() == before

        exchange.cancel(1, "ETH-USDT", order.order_id)
        exchange.relist(coarser(now, 1))
        with pytest.raises(errors.UnitError):
            exchange.place(1, "ETH-USDT", "buy", price="100.01", quantity="1")
        assert exchange.place(1, "ETH-USDT", "buy", price="100.1", quantity="1").status == "open"
    with opened(tmp_path) as exchange:
        assert exchange.listings == coarser(now, 1)
        assert exchange.book("ETH-USDT").best_bid == 1001


def test_one_that_is_open_to_read_or_closed_takes_none(tmp_path: Path) -> None:
    """As it takes nothing else."""
    with opened(tmp_path, listings()) as exchange:
        pass
    with pytest.raises(errors.ExchangeError, match="closed"):
        exchange.relist(cheaper(listings()))
    with Exchange(path=tmp_path, read_only=True) as seen:
        with pytest.raises(errors.ExchangeError, match="read only"):
            seen.relist(cheaper(listings()))
        assert seen.listings == listings()


def test_one_in_memory_goes_on_too() -> None:
    """Without a path."""
    exchange = Exchange(listings())
    exchange.relist(with_sol(exchange.listings))
    exchange.deposit(1, "SOL", "1")
    placed = exchange.place(1, "SOL-USDT", "sell", price="1", quantity="1", client_order_id="a")
    assert placed.status == "open"
    assert exchange.inspect_account(1)["client_order_ids"][0]["market"] == "SOL-USDT"
