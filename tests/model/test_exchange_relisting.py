"""Seeded streams with other listings in between, through the oracle's exchange and the real one."""

from collections import Counter
from typing import Any

import pytest

from tests.model import exchange_differential
from tests.model.exchange_comparing import difference
from tests.model.exchange_differential import run
from tests.model.exchange_faces import Plain
from tests.model.exchange_sliced import Sliced
from tests.model.exchange_streams import Relist, exchange_stream


@pytest.mark.parametrize("seed", range(0, 60, 20))
def test_both_exchanges_say_the_same_under_new_listings(seed: int) -> None:
    """Events, balances, holds, totals and books agree, whatever changes between batches."""
    arguments = ["--seed", str(seed), "--streams", "10", "--commands", "200", "--relisting"]
    assert exchange_differential.main(arguments) == 0


def test_slices_agree_too() -> None:
    """So they do if outcomes are cut, and written down between two slices."""
    for seed in range(6):
        setting, steps = exchange_stream(seed, 120, relisting=True)

        def sliced(listings: Any, seed: int = seed) -> Sliced:
            return Sliced(listings, seed)

        assert run(setting, steps, sliced) == ""


@pytest.mark.full
def test_both_exchanges_say_the_same_for_long() -> None:
    """Many long streams do."""
    arguments = ["--seed", "500", "--streams", "600", "--commands", "1000", "--relisting"]
    assert exchange_differential.main(arguments) == 0


def test_streams_meet_every_change() -> None:
    """Fees, limits and units change, markets come; units are refused where orders are open."""
    met: Counter[str] = Counter()
    for seed in range(40):
        setting, steps = exchange_stream(seed, 120, relisting=True)
        plain = Plain(setting.listings)
        for step in steps:
            if not isinstance(step, Relist):
                difference(plain, plain, step)
                continue
            before = plain.exchange.listings
            prices = [book.book.last_price for book in plain.exchange.books]
            accepted = plain.relist(step)
            units = step.changes[0][0] == "base_units_per_lot" and step.market < len(before)
            now = plain.exchange.listings
            if not accepted:
                met["units refused" if units else "refused"] += 1
            elif len(now) > len(before):
                met["market"] += 1
            elif not units:
                met[step.changes[0][0]] += 1
            elif before != now and prices[step.market]:
                kept = plain.exchange.books[step.market].book.last_price
                met["price rescaled" if kept else "price forgotten"] += 1

    assert {"market", "tiers", "min_qty", "max_notional", "units refused"} <= set(met)
    assert {"price rescaled", "price forgotten"} <= set(met)
