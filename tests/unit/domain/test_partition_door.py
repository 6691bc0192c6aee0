"""What each command must get held before it may run, and what is refused at the door."""

import numpy as np
import pytest

from nextrade import COMMAND_DTYPE, CommandKind, EventKind, Reason, Side
from nextrade.domain.listings import Listings
from nextrade.domain.partition import Partition
from nextrade.domain.refusals import Refusal
from nextrade.domain.units import INT64_MAX

from .partition_tables import (
    BTC,
    ETH,
    USDT,
    Desk,
    check_table,
    command,
    commands,
    listed,
    one_market,
    refusals,
)

LIMITED = {"min_qty_lots": 2, "max_qty_lots": 10, "min_notional": 300, "max_notional": 900}


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        # A lot is 100 BTC, one tick on one lot 3 USDT.
        ("1 sell #1 7 @ 50", "700 BTC"),
        ("1 sell #1 7 market", "700 BTC"),
        ("1 sell #1 7 market_to_limit", "700 BTC"),
        ("1 sell #1 7 stop_market trigger=4", "700 BTC"),
        ("1 sell #1 7 @ 50 show=2", "700 BTC"),
        ("1 buy #1 7 @ 50", "1050 USDT"),
        ("1 buy #1 7 @ 50 show=2", "1050 USDT"),
        ("1 buy #1 7 @ 50 market", "1050 USDT"),
        ("1 buy #1 7 @ 50 market_to_limit", "1050 USDT"),
        ("1 buy #1 7 @ 50 stop_limit trigger=49", "1050 USDT"),
        ("1 buy #1 7 @ 50 take_profit_market trigger=49", "1050 USDT"),
        ("1 buy #1 0 market amount=11", "33 USDT"),
        ("1 buy #1 0 @ 5 market amount=11", "33 USDT"),
        ("1 sell #1 0 @ 5 market amount=11", "200 BTC"),
        ("1 sell #1 0 @ 12 market amount=11", ""),
        ("1 replace #1 buy 7 @ 50", "1050 USDT"),
        ("1 replace #1 sell 7 @ 50", "700 BTC"),
        ("1 replace #1 sell 7", "700 BTC"),
        ("1 replace #1 buy 7 @ 50 trigger=3", "1050 USDT"),
        ("1 cancel #1", ""),
        ("1 reduce #1 5", ""),
        ("1 mass_cancel", ""),
        ("0 mass_cancel", ""),
        ("0 cancel #1", ""),
        ("0 expire time=5", ""),
        ("0 set_state then=halted", ""),
        ("0 uncross then=open", ""),
        # The door
        ("1 sell #1 7 @ 50 market=1", "UNKNOWN_MARKET"),
        ("0 expire market=4294967295", "UNKNOWN_MARKET"),
        ("0 sell #1 7 @ 50", "UNKNOWN_ACCOUNT"),
        ("0 replace #1 sell 7 @ 50", "UNKNOWN_ACCOUNT"),
        ("1 sell #0 7 @ 50", "BAD_ORDER_ID"),
        (f"1 sell #{2**62} 7 @ 50", "BAD_ORDER_ID"),
        (f"1 sell #{2**62 - 1} 7 @ 50", "700 BTC"),
        (f"1 cancel #{2**62}", ""),
        ("1 sell #1 0 @ 50", "BELOW_MIN_QTY"),
        ("1 sell #1 -5 @ 50", "BELOW_MIN_QTY"),
        ("1 buy #1 7 market", "NO_WORST_PRICE"),
        ("1 buy #1 7 market_to_limit", "NO_WORST_PRICE"),
        ("1 buy #1 7 stop_market trigger=5", "NO_WORST_PRICE"),
        ("1 buy #1 7 take_profit_market trigger=5", "NO_WORST_PRICE"),
        ("1 sell #1 0 market amount=11", "NO_WORST_PRICE"),
        ("1 replace #1 buy 7", "NO_WORST_PRICE"),
        ("1 expire", "OPERATOR_ONLY"),
        ("1 set_state then=open", "OPERATOR_ONLY"),
        ("1 uncross then=open", "OPERATOR_ONLY"),
        # Left to the book, with nothing or something held
        ("1 buy #1 7", ""),
        ("1 buy #1 7 @ -5", ""),
        ("1 sell #1 7 @ -5", "700 BTC"),
    ],
)
def test_what_a_command_asks(text: str, asks: str) -> None:
    """Each kind of command asks for its worst case, or is refused for the first rule it breaks."""
    assert Desk(one_market()).asks(commands(text)) == asks


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("1 buy #1 1 @ 100", "BELOW_MIN_QTY"),
        ("1 buy #1 11 @ 10", "ABOVE_MAX_QTY"),
        ("1 buy #1 3 @ 99", "BELOW_MIN_NOTIONAL"),
        ("1 buy #1 3 @ 100", "900 USDT"),
        ("1 buy #1 9 @ 100", "2700 USDT"),
        ("1 buy #1 10 @ 91", "ABOVE_MAX_NOTIONAL"),
        ("1 sell #1 3 @ 99", "BELOW_MIN_NOTIONAL"),
        ("1 sell #1 3 market", "300 BTC"),
        ("1 buy #1 0 market amount=299", "BELOW_MIN_NOTIONAL"),
        ("1 buy #1 0 market amount=300", "900 USDT"),
        ("1 buy #1 0 market amount=901", "ABOVE_MAX_NOTIONAL"),
        ("1 buy #1 0 market amount=-5", "BELOW_MIN_NOTIONAL"),
        ("1 replace #1 sell 1 @ 400", "BELOW_MIN_QTY"),
        ("1 replace #1 sell 11 @ 40", "ABOVE_MAX_QTY"),
        ("1 replace #1 sell 2 @ 100", "BELOW_MIN_NOTIONAL"),
        ("1 replace #1 sell 9 @ 101", "ABOVE_MAX_NOTIONAL"),
        ("1 reduce #1 1", ""),
    ],
)
def test_limits_of_a_market(text: str, asks: str) -> None:
    """Quantity and notional of new and changed orders keep to the market's limits."""
    assert Desk(one_market(**LIMITED)).asks(commands(text)) == asks


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        # 2**63 - 1 = 9223372036854775807; a third of it and a hundredth of it, rounded down.
        ("1 buy #1 1 @ 3074457345618258602", "9223372036854775806 USDT"),
        ("1 buy #1 1 @ 3074457345618258603", "AMOUNT_OVERFLOW"),
        ("1 buy #1 2 @ 4611686018427387903", "AMOUNT_OVERFLOW"),
        ("1 buy #1 2 @ 4611686018427387904", "ABOVE_MAX_NOTIONAL"),
        (f"1 buy #1 {INT64_MAX} @ {INT64_MAX}", "ABOVE_MAX_NOTIONAL"),
        (f"1 sell #1 {INT64_MAX} @ {INT64_MAX}", "ABOVE_MAX_NOTIONAL"),
        ("1 sell #1 92233720368547758 @ 1", "9223372036854775800 BTC"),
        ("1 sell #1 92233720368547759 @ 1", "AMOUNT_OVERFLOW"),
        ("1 sell #1 1 @ 9223372036854775807", "100 BTC"),
        ("1 buy #1 0 market amount=3074457345618258602", "9223372036854775806 USDT"),
        ("1 buy #1 0 market amount=3074457345618258603", "AMOUNT_OVERFLOW"),
        ("1 sell #1 0 @ 1 market amount=92233720368547759", "AMOUNT_OVERFLOW"),
        ("1 sell #1 0 @ 2 market amount=92233720368547759", "4611686018427387900 BTC"),
        ("1 replace #1 buy 1 @ 3074457345618258603", "AMOUNT_OVERFLOW"),
    ],
)
def test_what_does_not_fit_is_refused(text: str, asks: str) -> None:
    """A product beyond 64 bits is refused at the door, to the unit."""
    assert Desk(one_market()).asks(commands(text)) == asks


def test_unknown_codes_are_left_to_the_book() -> None:
    """A side that does not exist asks for nothing and the book says so; a REPLACE must name one."""
    batch = commands("1 sell #1 1 @ 5", "1 replace #1 sell 1 @ 5", "1 sell #2 1 @ 5", "0 cancel #1")
    batch["side"] = 2
    batch["order_type"][2] = 9
    batch["side"][2] = Side.BUY
    batch["kind"][3] = 77

    desk = Desk(one_market())
    asked = desk.partition.reservations(batch)
    outcome = desk.run(batch)

    assert asked.amount.tolist() == [0, 0, 15, 0]
    assert refusals(outcome) == [
        "UNKNOWN_SIDE",
        "WRONG_SIDE",
        "UNKNOWN_ORDER_TYPE",
        "UNKNOWN_COMMAND",
    ]
    assert outcome.events["side"].tolist() == [Side.NONE, Side.NONE, Side.BUY, Side.NONE]
    assert desk.holds() == ""


def test_refused_command_gives_one_event_and_changes_nothing() -> None:
    """The event repeats the command; nothing is posted, and the clock of the book stands still."""
    desk = Desk(one_market())
    before = desk.partition.state_hash()

    outcome = desk.run(
        commands("0 sell #7 4 @ 50 time=9", "1 expire time=9", "1 cancel #1 market=5")
    )

    assert outcome.events.tolist() == [
        (9, 7, 50, 4, 0, 0, 0, 0, 0, 0, 0, EventKind.REJECTED, Refusal.UNKNOWN_ACCOUNT, 1, 0),
        (9, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, EventKind.REJECTED, Refusal.OPERATOR_ONLY, 2, 0),
        (0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 2, EventKind.REJECTED, Refusal.UNKNOWN_MARKET, 2, 0),
    ]
    assert outcome.markets.tolist() == [0, 0, 5]
    assert len(outcome.postings) == 0
    assert desk.partition.state_hash() == before


def test_insufficient_funds() -> None:
    """A command whose reservation could not be had is refused for that, and not run."""
    outcomes = check_table(
        one_market(),
        """
        command                 | asks     | postings       | holds
        1 sell #1 1 @ 100       | 100 BTC  |                | #1 100 BTC
        2 buy #2 1 @ 100        | 300 USDT |                | #1 100 BTC
        2 cancel #1             |          |                | #1 100 BTC
        2 buy #3 1 @ 100 tier=9 | 300 USDT |                | #1 100 BTC
        1 cancel #1             |          | 1 BTC 100 -100 |
        """,
        broke=frozenset({2}),
    )

    assert [name for outcome in outcomes for name in refusals(outcome)] == [
        "INSUFFICIENT_FUNDS",
        "NOT_OWNER",
        "INSUFFICIENT_FUNDS",
    ]


def test_unknown_tier_is_refused_and_released() -> None:
    """An order of a tier that the market does not have comes back whole."""
    outcomes = check_table(
        one_market(),
        """
        command                         | asks     | postings        | holds
        1 buy #1 1 @ 100 tier=2         | 300 USDT | 1 USDT 300 -300 |
        1 buy #2 1 @ 100 tier=1         | 300 USDT |                 | #2 300 USDT
        1 replace #2 buy 2 @ 100 tier=9 | 600 USDT | 1 USDT 300 -300 | #2 600 USDT
        1 cancel #2 tier=9              |          | 1 USDT 600 -600 |
        """,
    )

    assert refusals(outcomes[0]) == ["BAD_TIER"]
    assert not any(refusals(outcome) for outcome in outcomes[1:])


def test_market_of_another_partition_is_unknown() -> None:
    """A partition serves its own markets only, under their numbers in the listings."""
    listings = Listings(
        (BTC, USDT, ETH), (listed(BTC, USDT, partition=1), listed(ETH, USDT, partition=0))
    )
    batch = commands("1 sell #1 1 @ 5 market=1", "1 sell #1 1 @ 5 market=0")

    asked = Partition(listings, 0).reservations(batch)

    assert asked.refusal.tolist() == [0, Refusal.UNKNOWN_MARKET]
    assert asked.asset.tolist() == [2, 0]
    assert Partition(listings, 1).markets == (0,)
    with pytest.raises(ValueError, match="no market is listed in partition 2"):
        Partition(listings, 2)
    with pytest.raises(KeyError, match="market 0 is not in partition 0"):
        Partition(listings, 0).book(0)


def test_wrong_arguments_run_nothing() -> None:
    """Grants that were not asked for, and arrays of other kinds or lengths, change nothing."""
    partition = Partition(one_market(), 0)
    batch = commands("1 sell #1 1 @ 5", "1 cancel #1")
    before = partition.state_hash()
    tiers, granted = np.zeros(2, np.uint8), np.array([100, 0])

    with pytest.raises(ValueError, match=r"granted\[0\] is 99; it must be 100"):
        partition.process(batch, tiers, np.array([99, 0]))
    with pytest.raises(ValueError, match=r"granted\[1\] is 5; it must be 0"):
        partition.process(batch, tiers, np.array([100, 5]))
    with pytest.raises(ValueError, match="length of the batch"):
        partition.process(batch, tiers[:1], granted)
    with pytest.raises(TypeError, match="granted must be an array of int64"):
        partition.process(batch, tiers, granted.astype(np.float64))
    with pytest.raises(TypeError, match="commands must be an array"):
        partition.reservations(np.zeros(3))
    with pytest.raises(ValueError, match="one dimension"):
        partition.reservations(np.zeros((2, 2), COMMAND_DTYPE))
    assert partition.state_hash() == before
    assert len(partition.process(batch, tiers, granted).events) == 2


def test_empty_batch() -> None:
    """No commands: no events, no postings."""
    outcome = Desk(one_market()).run(np.zeros(0, COMMAND_DTYPE))

    assert [len(part) for part in outcome] == [0, 0, 0, 0, 0]


def test_strided_and_unaligned_arrays() -> None:
    """Commands may come from a slice, or from bytes at any address."""
    made = np.zeros(4, COMMAND_DTYPE)
    made[1], made[3] = command("1 sell #1 1 @ 5")[0], command("1 sell #2 1 @ 5")[0]
    raw = b"x" + made[1::2].tobytes()
    unaligned = np.frombuffer(raw, COMMAND_DTYPE, offset=1)

    for batch in (made[1::2], unaligned):
        desk = Desk(one_market())
        desk.run(batch)
        assert desk.holds() == "#1 100 BTC, #2 100 BTC"


def test_refusals_stand_beside_the_reasons_of_the_book() -> None:
    """No refusal has the number of a reason, and they ascend without a gap."""
    assert max(Reason) < 128 == min(Refusal)
    assert [int(refusal) for refusal in Refusal] == list(range(128, 128 + len(Refusal)))
    assert max(CommandKind) == CommandKind.UNCROSS
