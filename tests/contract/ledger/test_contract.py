"""What every ledger does with money that comes, goes and moves, whichever home it has."""

import numpy as np
import pytest

from nextrade.domain.postings import BALANCE_DTYPE
from nextrade.errors import (
    AmountOverflow,
    HoldFinished,
    InsufficientFunds,
    ReferenceReused,
    UnknownReference,
)
from nextrade.service.ledger import Ledger

from .calls import ANNA, BERT, BIG, BTC, CARL, USDT, has, requests, sums
from .homes import Home


def test_new_ledger_has_nothing(ledger: Ledger) -> None:
    """Balances nobody touched are zero, and there is no total."""
    assert has(ledger, ANNA, BTC) == (0, 0)
    assert len(ledger.totals()) == 0
    assert len(ledger.balances(ANNA)) == 0
    assert len(ledger.balances([])) == 0


def test_credit_once_per_reference(ledger: Ledger) -> None:
    """A reference is credited once, however often it is sent."""
    assert [ledger.credit("d1", ANNA, BTC, 5), ledger.credit("d1", ANNA, BTC, 5)] == [True, False]
    assert ledger.credit("d2", ANNA, BTC, 6)

    assert has(ledger, ANNA, BTC) == (11, 0)
    assert sums(ledger) == {BTC: (11, 0, 11, 0)}


@pytest.mark.parametrize(
    "other", [(BERT, BTC, 5), (ANNA, USDT, 5), (ANNA, BTC, 6), (CARL, USDT, 1)]
)
def test_credit_of_a_used_reference(ledger: Ledger, other: tuple[int, int, int]) -> None:
    """A reference that was credited cannot credit anything else, whoever's it is."""
    ledger.credit("d1", ANNA, BTC, 5)

    with pytest.raises(ReferenceReused):
        ledger.credit("d1", *other)
    assert sums(ledger) == {BTC: (5, 0, 5, 0)}


def test_references_share_one_name_space(ledger: Ledger) -> None:
    """What named a credit can name neither a hold nor a transfer."""
    ledger.credit("x", ANNA, BTC, 5)

    with pytest.raises(ReferenceReused):
        ledger.hold("x", ANNA, BTC, 5)
    with pytest.raises(ReferenceReused):
        ledger.transfer("x", ANNA, BERT, BTC, 5)
    assert has(ledger, ANNA, BTC) == (5, 0)


@pytest.mark.parametrize("reference", ["a", "ab", "abc", "abcdef", "abcdefgh", "ö" * 100, " :{}"])
def test_references_of_any_length(ledger: Ledger, reference: str) -> None:
    """A reference of 1 to 200 bytes is only ever itself, for no balance is mistaken for it."""
    assert ledger.credit(reference, ANNA, BTC, 5)
    assert not ledger.credit(reference, ANNA, BTC, 5)
    assert ledger.credit(reference[:-1] + "#", ANNA, BTC, 6)

    assert has(ledger, ANNA, BTC) == (11, 0)


def test_credit_beyond_what_fits(ledger: Ledger) -> None:
    """No more than 2**62 of an asset comes in, and what is refused changes nothing."""
    with pytest.raises(AmountOverflow):
        ledger.credit("d1", ANNA, BTC, 2**62 + 1)
    with pytest.raises(AmountOverflow):
        ledger.credit("d1", ANNA, BTC, 2**62 + 1)
    with pytest.raises(AmountOverflow):
        ledger.credit("d2", ANNA, BTC, 2**63 - 1)

    assert has(ledger, ANNA, BTC) == (0, 0)


def test_refused_credit_keeps_its_reference(ledger: Ledger) -> None:
    """A reference belongs to the details of its first call, even when that was refused."""
    with pytest.raises(AmountOverflow):
        ledger.credit("d1", ANNA, BTC, 2**63 - 1)
    with pytest.raises(ReferenceReused):
        ledger.credit("d1", ANNA, BTC, 1)


def test_whole_range_in_one_bucket(any_home: Home) -> None:
    """With one bucket, 2**62 comes in to the unit, and one more unit does not."""
    ledger = any_home.new(buckets=1)
    assert ledger.credit("d1", ANNA, BTC, 2**62 - 1)
    assert ledger.credit("d2", BERT, BTC, 1)
    with pytest.raises(AmountOverflow):
        ledger.credit("d3", BERT, BTC, 1)
    assert ledger.transfer("t1", BERT, ANNA, BTC, 1)

    assert has(ledger, ANNA, BTC) == (2**62, 0)
    granted = ledger.reserve(0, 1, 1, requests((ANNA, BTC, 2**62 + 1), (ANNA, BTC, 2**62)))
    assert granted.tolist() == [False, True]
    assert has(ledger, ANNA, BTC) == (0, 2**62)


@pytest.mark.parametrize(
    "bad",
    [(-1, BTC, 5), (2**32, BTC, 5), (ANNA, -1, 5), (ANNA, 65_536, 5)]
    + [(ANNA, BTC, amount) for amount in (0, -5, 2**63)],
)
def test_numbers_out_of_range(ledger: Ledger, bad: tuple[int, int, int]) -> None:
    """Accounts, assets and amounts outside their ranges are refused by ValueError."""
    with pytest.raises(ValueError, match="is a number from"):
        ledger.credit("d1", *bad)
    with pytest.raises(ValueError, match="is a number from"):
        ledger.hold("h1", *bad)


@pytest.mark.parametrize("reference", ["", "x" * 201, "ö" * 101])
def test_bad_references(ledger: Ledger, reference: str) -> None:
    """A reference has 1 to 200 bytes."""
    with pytest.raises(ValueError, match="a reference is a text"):
        ledger.credit(reference, ANNA, BTC, 5)


# --- holds ---------------------------------------------------------------------------------------


def test_hold_and_capture(ledger: Ledger) -> None:
    """A captured hold has left for good; repeating either call changes nothing."""
    ledger.credit("d1", ANNA, BTC, BIG)
    assert [ledger.hold("w1", ANNA, BTC, BIG - 1), ledger.hold("w1", ANNA, BTC, BIG - 1)] == [
        True,
        False,
    ]
    assert has(ledger, ANNA, BTC) == (1, BIG - 1)
    assert [ledger.capture("w1"), ledger.capture("w1")] == [True, False]
    assert not ledger.hold("w1", ANNA, BTC, BIG - 1)

    assert has(ledger, ANNA, BTC) == (1, 0)
    assert sums(ledger) == {BTC: (1, 0, 1, 0)}
    with pytest.raises(HoldFinished):
        ledger.refund("w1")


def test_hold_and_refund(ledger: Ledger) -> None:
    """A refunded hold is available again; repeating either call changes nothing."""
    ledger.credit("d1", ANNA, BTC, BIG)
    ledger.hold("w1", ANNA, BTC, BIG)
    assert [ledger.refund("w1"), ledger.refund("w1")] == [True, False]
    assert not ledger.hold("w1", ANNA, BTC, BIG)

    assert has(ledger, ANNA, BTC) == (BIG, 0)
    assert sums(ledger) == {BTC: (BIG, 0, BIG, 0)}
    with pytest.raises(HoldFinished):
        ledger.capture("w1")


def test_hold_without_the_money(ledger: Ledger) -> None:
    """A hold that cannot be had changes nothing, and can be had later under its reference."""
    ledger.credit("d1", ANNA, BTC, BIG - 1)
    with pytest.raises(InsufficientFunds):
        ledger.hold("w1", ANNA, BTC, BIG)
    with pytest.raises(UnknownReference):
        ledger.capture("w1")
    assert has(ledger, ANNA, BTC) == (BIG - 1, 0)
    ledger.credit("d2", ANNA, BTC, 1)

    assert ledger.hold("w1", ANNA, BTC, BIG)
    with pytest.raises(ReferenceReused):
        ledger.hold("w1", ANNA, BTC, 1)
    assert has(ledger, ANNA, BTC) == (0, BIG)


def test_ends_of_unknown_holds(ledger: Ledger) -> None:
    """Only a withdrawal's hold can be captured or refunded, not a credit nor a transfer."""
    ledger.credit("d1", ANNA, BTC, 5)
    ledger.transfer("t1", ANNA, BERT, BTC, 5)

    for reference in ("w1", "d1", "t1"):
        with pytest.raises(UnknownReference):
            ledger.capture(reference)
        with pytest.raises(UnknownReference):
            ledger.refund(reference)


# --- transfers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("to", range(2, 12))
def test_transfer(ledger: Ledger, to: int) -> None:
    """A transfer moves its amount once, within a bucket or from one to another."""
    ledger.credit("d1", ANNA, BTC, BIG)
    assert [ledger.transfer("t1", ANNA, to, BTC, BIG - 2) for _ in range(3)] == [True, False, False]

    assert (has(ledger, ANNA, BTC), has(ledger, to, BTC)) == ((2, 0), (BIG - 2, 0))
    assert sums(ledger) == {BTC: (BIG, 0, BIG, 0)}


def test_transfer_without_the_money(ledger: Ledger) -> None:
    """A transfer that cannot be had changes nothing, and can be had later."""
    ledger.credit("d1", ANNA, BTC, 5)
    with pytest.raises(InsufficientFunds):
        ledger.transfer("t1", ANNA, BERT, BTC, 6)
    with pytest.raises(ReferenceReused):
        ledger.transfer("t1", ANNA, CARL, BTC, 6)
    assert (has(ledger, ANNA, BTC), has(ledger, BERT, BTC)) == ((5, 0), (0, 0))
    ledger.credit("d2", ANNA, BTC, 5)

    assert ledger.transfer("t1", ANNA, BERT, BTC, 6)
    assert (has(ledger, ANNA, BTC), has(ledger, BERT, BTC)) == ((4, 0), (6, 0))


def test_transfer_to_oneself(ledger: Ledger) -> None:
    """A transfer needs two accounts."""
    with pytest.raises(ValueError, match="two accounts"):
        ledger.transfer("t1", ANNA, ANNA, BTC, 1)


# --- looking -------------------------------------------------------------------------------------


def test_balances_in_the_order_wanted(ledger: Ledger) -> None:
    """Balances come in the order of the pairs, as pairs or as records, repeated or unknown."""
    ledger.credit("d1", ANNA, BTC, 5)
    ledger.credit("d2", CARL, USDT, BIG)
    pairs = [(CARL, USDT), (99, 3), (ANNA, BTC), (CARL, USDT), (ANNA, USDT)]
    expected = [(*pair, amount, 0) for pair, amount in zip(pairs, [BIG, 0, 5, BIG, 0], strict=True)]
    records = np.array(expected, BALANCE_DTYPE)

    assert ledger.balances(pairs).tolist() == expected
    assert ledger.balances(records).tolist() == expected
    assert ledger.balances(records[["account", "asset"]]).tolist() == expected


def test_balances_of_one_account(ledger: Ledger) -> None:
    """One account's balances ascend by asset and leave out what is zero."""
    ledger.credit("d1", ANNA, USDT, 5)
    ledger.credit("d2", ANNA, BTC, 6)
    ledger.credit("d3", ANNA, 1, 7)
    ledger.hold("w1", ANNA, 1, 7)
    ledger.hold("w2", ANNA, BTC, 6)
    ledger.capture("w2")
    ledger.credit("d4", BERT, BTC, 8)

    assert ledger.balances(ANNA).tolist() == [(ANNA, 1, 0, 7), (ANNA, USDT, 5, 0)]
    assert ledger.balances(BERT).tolist() == [(BERT, BTC, 8, 0)]
