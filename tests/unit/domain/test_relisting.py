"""What may change in the listings, and what a partition makes of it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nextrade import COMMAND_DTYPE, CommandKind, Side, TradingState
from nextrade.domain.assets import Asset
from nextrade.domain.listings import Fees, Listing, Listings
from nextrade.domain.listings_text import MOST_LISTINGS_BYTES, pack_listings, unpack_listings
from nextrade.domain.markets import Market
from nextrade.domain.partition import Partition
from nextrade.domain.refusals import Refusal
from nextrade.domain.relisting import check_change, rescaled_price
from nextrade.errors import BatchPending, ListingsRefused, SnapshotError, UnitError

GOLD, DOLLAR, TIN = Asset("GOLD", 3), Asset("DOLLAR", 2), Asset("TIN", 0)


def gold(tick: str = "1", lot: str = "1", **changes: Any) -> Listing:
    """The first market, with what a test is about."""
    return Listing(Market("GOLD-DOLLAR", GOLD, DOLLAR, tick, lot), **changes)


OTHER = Listing(Market("GOLD-OTHER", GOLD, DOLLAR, "1", "1"), partition=1)
FOUNDED = Listings((GOLD, DOLLAR), (gold(), OTHER))


def listed(*markets: Listing, assets: Any = (GOLD, DOLLAR), version: int = 2) -> Listings:
    """Listings that are to follow."""
    return Listings(assets, markets or (gold(), OTHER), version)


def new_market(**changes: Any) -> Listing:
    """A market that comes to the end."""
    market = Market("TIN-DOLLAR", TIN, DOLLAR, "1", "1")
    return Listing(market, **{"units_version": 2, **changes})


ALLOWED = {
    "nothing": listed(),
    "fees": listed(gold(tiers=(Fees(1, 2),)), OTHER),
    "a tier more": listed(gold(tiers=(Fees(1, 2), Fees(3, 4))), OTHER),
    "limits": listed(gold(min_qty_lots=3, max_notional=9, collar_bps=5), OTHER),
    "tick": listed(gold("0.5", units_version=2), OTHER),
    "lot": listed(gold(lot="0.1", units_version=2), OTHER),
    "another text for the same tick": listed(gold("1.0"), OTHER),
    "an asset": listed(assets=(GOLD, DOLLAR, TIN)),
    "a market": listed(gold(), OTHER, new_market(), assets=(GOLD, DOLLAR, TIN)),
}
FORBIDDEN = {
    "the same version": (listed(version=1), "version 1 .* does not follow version 1"),
    "a version ahead": (listed(version=3), "version 3 .* does not follow version 1"),
    "an asset less": (listed(OTHER, assets=(GOLD, DOLLAR)), "none can be left out"),
    "another order of assets": (listed(assets=(DOLLAR, GOLD)), "keeps its place"),
    "another order of markets": (listed(OTHER, gold()), "listed in its place"),
    "another partition": (listed(gold(partition=1), OTHER), "cannot move"),
    "a tick without its version": (listed(gold("0.5"), OTHER), "units are of version 2"),
    "a version without its tick": (listed(gold(units_version=2), OTHER), "units are of version 1"),
    "no such partition": (
        listed(gold(), OTHER, new_market(partition=7), assets=(GOLD, DOLLAR, TIN)),
        "there is no partition 7; there are 0, 1",
    ),
    "a market of an old version": (
        listed(gold(), OTHER, new_market(units_version=1), assets=(GOLD, DOLLAR, TIN)),
        "of the new version",
    ),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_may_change(name: str) -> None:
    """A partition goes on under such listings, as does one out of its snapshot."""
    partition = Partition(FOUNDED, 0)
    partition.relist(ALLOWED[name])

    assert partition.listings == ALLOWED[name]
    again = Partition.restore(ALLOWED[name], 0, partition.snapshot())
    assert again.snapshot() == partition.snapshot()
    assert again.state_hash() == partition.state_hash()


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_never_changes(name: str) -> None:
    """The reason says what is wrong; nothing has changed."""
    listings, reason = FORBIDDEN[name]
    partition = Partition(FOUNDED, 0)
    with pytest.raises(ListingsRefused, match=reason):
        partition.relist(listings)

    assert partition.listings is FOUNDED


def test_fee_tiers_never_become_fewer() -> None:
    """An open order may have the last one."""
    two = Listings((GOLD, DOLLAR), (gold(tiers=(Fees(), Fees())), OTHER))
    with pytest.raises(ListingsRefused, match="has 2 fee tiers"):
        check_change(two, listed(gold(), OTHER))


def test_bounds_of_an_exchange() -> None:
    """As many assets as the ledger has numbers for, as many markets as ids have bits for."""
    many = tuple(Asset(f"A{number}", 0) for number in range(65_534))
    with pytest.raises(ListingsRefused, match="65536 assets; at most 65535"):
        check_change(FOUNDED, listed(assets=(GOLD, DOLLAR, *many)))
    market = Market("GOLD-DOLLAR", GOLD, DOLLAR, "1", "1")
    more = (Listing(replace(market, name=f"M{number}"), units_version=2) for number in range(128))
    with pytest.raises(ListingsRefused, match="partition 0 has 128 markets"):
        check_change(FOUNDED, listed(gold(), OTHER, *more))


def buy(order_id: int, price: int, side: Side = Side.BUY, owner: int = 1) -> np.ndarray:
    """One order of one lot."""
    command = np.zeros(1, COMMAND_DTYPE)
    command["kind"], command["side"], command["owner"] = CommandKind.PLACE, side, owner
    command["order_id"], command["price_ticks"], command["qty_lots"] = order_id, price, 1
    return command


def run(partition: Partition, commands: np.ndarray) -> Any:
    """Run commands that get all that they ask for."""
    asked = partition.reservations(commands)
    return partition.process(commands, np.zeros(len(commands), np.uint8), asked.amount)


def test_open_orders_keep_tick_and_lot() -> None:
    """They are counted in them; fees may change all the same, and hold for the next trade."""
    partition = Partition(FOUNDED, 0)
    run(partition, buy(1, 100))
    with pytest.raises(
        ListingsRefused, match=r"GOLD-DOLLAR has open orders, .* those of account 1$"
    ):
        partition.relist(ALLOWED["tick"])
    partition.relist(listed(gold(tiers=(Fees(100_000, 200_000),)), OTHER))
    outcome = run(partition, buy(2, 100, Side.SELL, owner=2))

    fees = {int(p["asset"]): int(p["available"]) for p in outcome.postings if not p["account"]}
    # The maker gets 1 GOLD of 1,000 units, the taker 100 dollars of 100.
    assert fees == {0: 100, 1: 2_000}
    partition.check_invariants()


def test_a_book_begins_anew_in_new_units() -> None:
    """Phase and clock stay; the last price stays if it is a whole number of the new ticks."""
    partition = Partition(FOUNDED, 0)
    run(partition, buy(1, 100))
    run(partition, buy(2, 100, Side.SELL, owner=2))
    phase = np.zeros(1, COMMAND_DTYPE)
    phase["kind"], phase["state"] = CommandKind.SET_STATE, TradingState.CANCEL_ONLY
    run(partition, phase)
    partition.relist(ALLOWED["tick"])

    book = partition.book(0)
    assert (book.state, book.last_price, book.trade_count) == (TradingState.CANCEL_ONLY, 200, 1)
    partition.relist(listed(gold("3", units_version=3), OTHER, version=3))
    book = partition.book(0)
    assert (book.state, book.last_price, book.trade_count) == (TradingState.CANCEL_ONLY, None, 0)


def test_prices_are_rescaled_exactly_or_not_at_all() -> None:
    """Between two ticks, and beyond 64 bits, there is none."""
    assert rescaled_price(7, gold("0.5"), gold("0.25", "2")) == 14
    assert rescaled_price(7, gold("0.5"), gold("1")) == 0
    assert rescaled_price(2**62, gold("1"), gold("0.1")) == 0


def test_nothing_changes_while_slices_wait() -> None:
    """What a batch did goes out under the listings by which it was done."""
    partition = Partition(FOUNDED, 0, event_limit=1)
    run(partition, np.concatenate([buy(1, 100), buy(2, 100)]))
    with pytest.raises(BatchPending):
        partition.relist(ALLOWED["fees"])


def test_a_snapshot_of_later_listings_is_refused() -> None:
    """Whoever has earlier ones would read the holds in other units."""
    partition = Partition(FOUNDED, 0)
    partition.relist(ALLOWED["fees"])
    with pytest.raises(SnapshotError, match="version 2 of the listings, and version 1 is given"):
        Partition.restore(FOUNDED, 0, partition.snapshot())


def test_a_grant_may_be_a_refusal() -> None:
    """Then the command is refused for that reason, whatever else is wrong with it."""
    partition = Partition(FOUNDED, 0)
    commands = np.concatenate([buy(1, 100), buy(2, -5), buy(3, 100)])
    granted = partition.reservations(commands).amount
    granted[:2] = -Refusal.STALE_LISTINGS
    outcome = partition.process(commands, np.zeros(3, np.uint8), granted)

    assert outcome.events["reason"].tolist() == [141, 141, 0]
    assert not len(outcome.postings)
    for wrong in (-2, -31, -256):
        with pytest.raises(ValueError, match=rf"granted\[0\] is {wrong}"):
            partition.process(buy(9, 100), np.zeros(1, np.uint8), np.array([wrong]))


def test_listings_have_one_form_as_bytes() -> None:
    """Read back as they were; anything else is refused, whatever it is."""
    for listings in (FOUNDED, *ALLOWED.values()):
        assert unpack_listings(pack_listings(listings)) == listings
    text = pack_listings(FOUNDED)
    deep = text[:4] + b"[" * 100_000
    numbers = text.replace(b'"partition":0', b'"partition":0.0')
    for wrong in (b"", text[:4], text[:-1], text + b" ", b"\0" * 4 + text[4:], deep, numbers):
        with pytest.raises(ListingsRefused):
            unpack_listings(wrong)
    with pytest.raises(ListingsRefused, match="are no listings"):
        unpack_listings(bytes(MOST_LISTINGS_BYTES + 1))


def test_units_are_never_of_a_version_to_come() -> None:
    """Listings say since when each market counts as it does."""
    with pytest.raises(UnitError, match="units are of version 3, and the listings of version 2"):
        listed(gold(units_version=3), OTHER)
