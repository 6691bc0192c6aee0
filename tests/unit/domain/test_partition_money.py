"""Fees, netting, several markets in a batch, amounts at the limits, and memory that runs out.

Worked out by hand; lots, ticks and fees are those of ``partition_tables`` unless a test says so.
"""

from collections.abc import Iterator

import numpy as np
import pytest

from nextrade import _book, _settle
from nextrade.domain.listings import Fees
from nextrade.domain.postings import POSTING_DTYPE
from nextrade.domain.units import INT64_MAX
from nextrade.errors import BookStopped, SnapshotError

from .partition_tables import Desk, check_table, commands, one_market, refusals, three_markets


def test_tier_is_fixed_at_arrival() -> None:
    """An order pays the fees of the tier that it came with, whatever its owner's tier is later."""
    # Tier 1: maker 0, taker 0.5 %. The maker came with tier 1: no fee of 600 USDT.
    # The taker came with tier 0 and is replaced "in" tier 1: still 2 % of 200 BTC.
    check_table(
        one_market(),
        """
        command                         | asks     | postings                   | holds
        1 sell #1 2 @ 100 tier=1        | 200 BTC  |                            | #1 200 BTC
        2 buy #2 2 @ 90                 | 540 USDT |                            | #1 200 BTC,
                                        |          |                            | #2 540 USDT
        2 replace #2 buy 2 @ 100 tier=1 | 600 USDT | 0 BTC 4 0; 1 BTC 0 -200;   |
                                        |          | 1 USDT 600 0; 2 BTC 196 0; |
                                        |          | 2 USDT 540 -1140           |
        """,
    )


def test_fees_are_rounded_down_at_every_trade() -> None:
    """Fees of 33.3333 % of each trade: three trades of a lot each pay 33 of 100, not 99.9999."""
    # Maker: 33.3333 % of 9 x 3 = 27 USDT is 8.99: 8 each, so 24 of three; he gets 19 each: 57.
    third = (Fees(maker=333_333, taker=333_333),)
    check_table(
        one_market(tiers=third),
        """
        command         | asks    | postings                   | holds
        1 sell #1 1 @ 9 | 100 BTC |                            | #1 100 BTC
        1 sell #2 1 @ 9 | 100 BTC |                            | #1 100 BTC, #2 100 BTC
        1 sell #3 1 @ 9 | 100 BTC |                            | #1 100 BTC, #2 100 BTC, #3 100 BTC
        2 buy #4 3 @ 9  | 81 USDT | 0 BTC 99 0; 0 USDT 24 0;   |
                        |         | 1 BTC 0 -300; 1 USDT 57 0; |
                        |         | 2 BTC 201 0; 2 USDT 0 -81  |
        """,
    )


def test_the_highest_fee_leaves_something() -> None:
    """A fee of 99.9999 % of 100 units is 99 of them."""
    check_table(
        one_market(tiers=(Fees(maker=0, taker=999_999),)),
        """
        command         | asks    | postings                             | holds
        1 sell #1 1 @ 9 | 100 BTC |                                      | #1 100 BTC
        2 buy #2 1 @ 9  | 27 USDT | 0 BTC 99 0; 1 BTC 0 -100;            |
                        |         | 1 USDT 27 0; 2 BTC 1 0; 2 USDT 0 -27 |
        """,
    )


def test_markets_that_share_assets_in_one_batch() -> None:
    """What an account holds and receives of an asset in several markets is one posting."""
    # Market 0 BTC-USDT, 1 ETH-USDT, 2 ETH-BTC; the same id is another order in another market.
    # BTC-USDT: 1 sells a lot at 100 to 2: 300 USDT, fees 3 USDT and 2 BTC.
    # ETH-USDT: 2 sells a lot at 50 to 1, who bid it: 150 USDT, taker fee 3; maker fee 1 ETH.
    # ETH-BTC: 1 sells a lot at 20 to 2: 60 BTC, no fee below 100 for a maker (0.6); 2 ETH for 2.
    check_table(
        three_markets(),
        """
        command                   | asks     | postings                    | holds
        1 sell #1 1 @ 100         | 100 BTC  |                             | #1 100 BTC
        1 buy #1 1 @ 50 market=1  | 150 USDT |                             | #1 100 BTC, #1 150 USDT
        1 sell #1 1 @ 20 market=2 | 100 ETH  |                             | #1 100 BTC,
                                  |          |                             | #1 150 USDT, #1 100 ETH
        2 buy #2 1 @ 100          | 300 USDT | 0 BTC 2 0; 0 USDT 3 0;      | #1 150 USDT, #1 100 ETH
                                  |          | 1 BTC 0 -100; 1 USDT 297 0; |
                                  |          | 2 BTC 98 0; 2 USDT 0 -300   |
        2 buy #2 1 @ 20 market=2  | 60 BTC   | 0 ETH 2 0; 1 BTC 60 0;      | #1 150 USDT
                                  |          | 1 ETH 0 -100; 2 BTC 0 -60;  |
                                  |          | 2 ETH 98 0                  |
        2 sell #2 1 @ 50 market=1 | 100 ETH  | 0 USDT 3 0; 0 ETH 1 0;      |
                                  |          | 1 USDT 0 -150; 1 ETH 99 0;  |
                                  |          | 2 USDT 147 0; 2 ETH 0 -100  |
        """,
    )


def test_batch_over_markets_posts_net() -> None:
    """The same orders in one batch give one posting for each account and asset."""
    desk = Desk(three_markets())

    outcome = desk.run(
        commands(
            "1 sell #1 1 @ 100",
            "1 buy #2 1 @ 50 market=1",
            "2 buy #3 1 @ 100",
            "2 sell #4 1 @ 50 market=1",
        )
    )

    # Account 1: 100 BTC and 150 USDT held are gone; 300 - 3 USDT and 100 - 1 ETH came.
    # Account 2: 300 USDT and 100 ETH held are gone; 100 - 2 BTC and 150 - 3 USDT came.
    assert desk.postings(outcome) == [
        "0 BTC +2 +0",
        "0 USDT +6 +0",
        "0 ETH +1 +0",
        "1 BTC +0 -100",
        "1 USDT +297 -150",
        "1 ETH +99 +0",
        "2 BTC +98 +0",
        "2 USDT +147 -300",
        "2 ETH +0 -100",
    ]
    assert outcome.postings.dtype == POSTING_DTYPE
    assert outcome.events["command"].tolist() == [0, 1, 2, 2, 3, 3]
    assert outcome.markets.tolist() == [0, 1, 0, 0, 1, 1]


def test_one_order_through_thousands_of_makers() -> None:
    """A sweep of 5,000 makers is one posting and a fee for each, and one for the taker."""
    desk = Desk(one_market())
    makers = commands(*("1 sell #1 1 @ 100" for _ in range(5000)))
    makers["owner"] = np.arange(5000, 0, -1)
    makers["order_id"] = np.arange(1, 5001)
    desk.run(makers)

    outcome = desk.run(commands("6000 buy #9000 5000 @ 100"))

    # 300 USDT a lot, maker fee 3; the taker pays 2 BTC of each lot.
    assert outcome.postings[:2].tolist() == [(0, 0, 10_000, 0), (0, 1, 15_000, 0)]
    of_makers = outcome.postings[2:-2]
    assert of_makers["account"].tolist() == [k for k in range(1, 5001) for _ in range(2)]
    assert of_makers["asset"].tolist() == [0, 1] * 5000
    assert of_makers["held"].tolist() == [-100, 0] * 5000
    assert of_makers["available"].tolist() == [0, 297] * 5000
    assert outcome.postings[-2:].tolist() == [(6000, 0, 490_000, 0), (6000, 1, 0, -1_500_000)]
    assert desk.holds() == ""


def test_many_accounts_are_in_order() -> None:
    """Postings ascend by account and asset whatever order the batch touched them in."""
    desk = Desk(one_market())
    drawn = np.random.default_rng(5).integers(1, 2**32, 4000, dtype=np.uint32)
    accounts = np.random.default_rng(6).permutation(np.unique(drawn))[:3000]
    batch = commands(*("1 sell #1 1 @ 100" for _ in range(3000)))
    batch["owner"] = accounts
    batch["order_id"] = np.arange(1, 3001)
    desk.run(batch)
    batch["kind"] = 2

    outcome = desk.run(batch)

    assert outcome.postings["account"].tolist() == sorted(accounts.tolist())
    assert set(outcome.postings["available"].tolist()) == {100}


def test_amounts_at_the_limit_of_64_bits() -> None:
    """Holds and trades near 2**63 are exact, and so are their fees."""
    # 3074457345618258602 x 3 = 2**63 - 2 USDT for one lot; 1 % of it, rounded down, is the fee.
    price = 3_074_457_345_618_258_602
    cost, fee = price * 3, 92_233_720_368_547_758
    assert (cost, fee) == (INT64_MAX - 1, cost // 100)
    check_table(
        one_market(),
        f"""
        command               | asks        | postings                           | holds
        1 sell #1 1 @ {price} | 100 BTC     |                                    | #1 100 BTC
        2 buy #2 1 @ {price}  | {cost} USDT | 0 BTC 2 0; 0 USDT {fee} 0;         |
                              |             | 1 BTC 0 -100; 1 USDT {cost - fee} 0; |
                              |             | 2 BTC 98 0; 2 USDT 0 -{cost}       |
        """,
    )


def test_more_held_than_fits_is_refused() -> None:
    """The command with which more would be held of an asset than fits in 64 bits is refused."""
    price = 3_074_457_345_618_258_602
    desk = Desk(one_market())
    desk.run(commands(f"1 buy #1 1 @ {price - 5}"))

    outcome = desk.run(commands(f"2 buy #2 1 @ {price}", "3 buy #3 1 @ 5", "4 buy #4 1 @ 1"))

    # 2**63 - 1 - 3 x (price - 5) = 1 + 15: no room for price x 3, for 15, and then not for 3.
    assert refusals(outcome) == ["AMOUNT_OVERFLOW", "AMOUNT_OVERFLOW"]
    assert outcome.events["command"].tolist() == [0, 1, 2]
    assert desk.postings(outcome) == [f"2 USDT +{price * 3} -{price * 3}", "4 USDT +3 -3"]
    assert desk.partition.held_totals().tolist() == [0, (price - 5) * 3 + 15]


def test_duplicate_order_id_gives_its_reservation_back() -> None:
    """A second order of an open order's id is refused and leaves the first one's hold alone."""
    outcomes = check_table(
        one_market(),
        """
        command           | asks     | postings        | holds
        1 sell #1 1 @ 100 | 100 BTC  |                 | #1 100 BTC
        2 buy #1 1 @ 90   | 270 USDT | 2 USDT 270 -270 | #1 100 BTC
        1 sell #1 2 @ 100 | 200 BTC  | 1 BTC 200 -200  | #1 100 BTC
        1 cancel #1       |          | 1 BTC 100 -100  |
        1 sell #1 3 @ 100 | 300 BTC  |                 | #1 300 BTC
        """,
    )

    assert [refusals(outcome) for outcome in outcomes] == [
        [],
        ["DUPLICATE_ORDER_ID"],
        ["DUPLICATE_ORDER_ID"],
        [],
        [],
    ]


# ---- memory that runs out ----


@pytest.fixture
def spare_memory() -> Iterator[None]:
    """Let allocations succeed again when the test is over."""
    yield
    _book._fail_allocations_after(-1)
    _settle._fail_allocations_after(-1)


@pytest.mark.usefixtures("spare_memory")
def test_book_without_memory_refuses_and_the_hold_comes_back() -> None:
    """OUT_OF_MEMORY is a refusal after a reservation like any other, and the batch goes on."""
    desk = Desk(one_market())
    batch = commands(*("1 sell #1 1 @ 100" for _ in range(5000)))
    batch["order_id"] = np.arange(1, 5001)
    batch["price_ticks"] = np.arange(1000, 6000)
    # One for the buffer of events; none for the orders.
    _book._fail_allocations_after(1)
    outcome = desk.run(batch)
    _book._fail_allocations_after(-1)

    refused = refusals(outcome)
    assert set(refused) == {"OUT_OF_MEMORY"}
    assert 0 < len(refused) < 5000
    assert desk.postings(outcome) == [f"1 BTC +{100 * len(refused)} -{100 * len(refused)}"]
    desk.run(commands("1 mass_cancel"))
    assert desk.holds() == ""


@pytest.mark.usefixtures("spare_memory")
def test_settling_without_memory_runs_nothing_or_stops() -> None:
    """Wherever an allocation fails a batch is not run at all, or the partition stops."""
    batch = commands(*("1 sell #1 1 @ 100" for _ in range(600)))
    batch["order_id"] = np.arange(1, 601)
    batch["owner"] = np.arange(1, 601)
    buys = commands("900 buy #900 600 @ 100")
    seen = set()
    for allowed in range(40):
        desk = Desk(one_market())
        before = desk.partition.state_hash()
        try:
            for part in (batch, buys):
                _settle._fail_allocations_after(allowed)
                asked = desk.partition.reservations(part)
                try:
                    desk.partition.process(part, np.zeros(len(part), np.uint8), asked.amount)
                finally:
                    _settle._fail_allocations_after(-1)
                before = desk.partition.state_hash()
        except MemoryError as error:
            if "nothing was run" in str(error):
                seen.add("nothing")
                assert desk.partition.state_hash() == before
                desk.partition.check_invariants()
                desk.partition.process(part, np.zeros(len(part), np.uint8), asked.amount)
            else:
                seen.add("stopped")
                with pytest.raises(BookStopped):
                    desk.partition.process(part, np.zeros(len(part), np.uint8), asked.amount)
                with pytest.raises(BookStopped):
                    desk.partition.snapshot()
        else:
            seen.add("done")

    assert seen == {"nothing", "stopped", "done"}


def test_errors_of_a_partition_are_those_of_a_book() -> None:
    """Whoever handles a stopped book or a bad snapshot handles those of a partition too."""
    assert issubclass(BookStopped, RuntimeError)
    assert issubclass(SnapshotError, ValueError)
