"""What every ledger does, whichever home it has."""

import numpy as np
import pytest

from nextrade.domain.postings import BALANCE_DTYPE, POSTING_DTYPE, REQUEST_DTYPE
from nextrade.errors import (
    AmountOverflow,
    BadPostings,
    Gap,
    HoldFinished,
    InsufficientFunds,
    ReferenceReused,
    StaleEpoch,
    UnknownReference,
)
from nextrade.service.ledger import Ledger

from .homes import Home

BTC, USDT = 0, 2
ANNA, BERT, CARL = 1, 2, 7
BIG = 2**53 + 1  # the first whole number that a double does not have


def requests(*rows: tuple[int, int, int]) -> np.ndarray:
    """Requests of account, asset and amount."""
    return np.array(list(rows), REQUEST_DTYPE)


def postings(*rows: tuple[int, int, int, int]) -> np.ndarray:
    """Postings of account, asset, change of available and of held."""
    return np.array(list(rows), POSTING_DTYPE)


def has(ledger: Ledger, account: int, asset: int) -> tuple[int, int]:
    """What an account has of an asset: available and held."""
    (record,) = ledger.balances([(account, asset)])
    return int(record["available"]), int(record["held"])


def sums(ledger: Ledger) -> dict[int, tuple[int, ...]]:
    """The totals by asset: available, held, outside, in flight."""
    return {int(row["asset"]): tuple(row.item()[1:]) for row in ledger.totals()}


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


# --- reservations --------------------------------------------------------------------------------


def test_reserve_in_order(ledger: Ledger) -> None:
    """Each request is judged against what those before it have left, and zero is granted."""
    ledger.credit("d1", ANNA, BTC, 10)
    ledger.credit("d2", CARL, USDT, BIG)
    asked = requests(
        (ANNA, BTC, 6),
        (CARL, USDT, BIG + 1),
        (ANNA, BTC, 5),
        (BERT, BTC, 0),
        (ANNA, BTC, 4),
        (CARL, USDT, BIG),
        (ANNA, BTC, 1),
    )

    assert ledger.reserve(3, 1, 77, asked).tolist() == [True, False, False, True, True, True, False]
    assert has(ledger, ANNA, BTC) == (0, 10)
    assert has(ledger, CARL, USDT) == (0, BIG)
    assert sums(ledger) == {BTC: (0, 10, 10, 0), USDT: (0, BIG, BIG, 0)}


def test_answer_is_kept(any_home: Home) -> None:
    """Asking again for a frame moves nothing and answers the same, to another worker too."""
    ledger = any_home.new()
    ledger.credit("d1", ANNA, BTC, 10)
    asked = requests((ANNA, BTC, 8), (ANNA, BTC, 3))
    answers = [ledger.reserve(0, 1, 5, asked).tolist()]
    ledger.credit("d2", ANNA, BTC, 100)
    answers += [other.reserve(0, 1, 5, asked).tolist() for other in (ledger, any_home.again())]

    assert answers == [[True, False]] * 3
    assert has(ledger, ANNA, BTC) == (102, 8)
    with pytest.raises(ReferenceReused):
        ledger.reserve(0, 1, 5, requests((ANNA, BTC, 8)))


def test_answer_is_forgotten_when_its_batch_settles(ledger: Ledger) -> None:
    """Once settle has named a frame its answer is gone; those of other partitions stay."""
    ledger.credit("d1", ANNA, BTC, 10)
    asked = requests((ANNA, BTC, 3))
    for partition in (0, 1):
        ledger.reserve(partition, 1, 5, asked)
    ledger.settle(0, 1, 1, postings((ANNA, BTC, 3, -3)), [5])
    assert has(ledger, ANNA, BTC) == (7, 3)
    ledger.reserve(1, 1, 5, asked)
    assert has(ledger, ANNA, BTC) == (7, 3)
    ledger.reserve(0, 1, 5, asked)

    assert has(ledger, ANNA, BTC) == (4, 6)


@pytest.mark.parametrize("frame", [0, 1, 2**53 + 1, 2**64 - 1])
def test_frame_ids_are_exact(ledger: Ledger, frame: int) -> None:
    """Frames are told apart over the whole range of 64 bits."""
    ledger.credit("d1", ANNA, BTC, 10)
    ledger.reserve(0, 1, frame, requests((ANNA, BTC, 3)))
    ledger.reserve(0, 1, frame ^ 1, requests((ANNA, BTC, 4)))
    ledger.reserve(0, 1, frame, requests((ANNA, BTC, 3)))

    assert has(ledger, ANNA, BTC) == (3, 7)


def test_malformed_requests(ledger: Ledger) -> None:
    """A negative amount, an unheard-of asset and another layout are refused."""
    ledger.credit("d1", ANNA, BTC, 10)
    with pytest.raises(ValueError, match="no amount is negative"):
        ledger.reserve(0, 1, 1, requests((ANNA, BTC, 5), (ANNA, BTC, -1)))
    with pytest.raises(ValueError, match="an asset lies below"):
        ledger.reserve(0, 1, 2, requests((ANNA, 65_536, 5)))
    with pytest.raises(TypeError):
        ledger.reserve(0, 1, 3, np.zeros(1, POSTING_DTYPE))

    assert has(ledger, ANNA, BTC) == (10, 0)


# --- batches -------------------------------------------------------------------------------------


def trade(ledger: Ledger) -> np.ndarray:
    """Postings of a trade: Anna buys 3 BTC of Bert for BIG USDT, both paid from what is held."""
    ledger.credit("a", ANNA, USDT, BIG + 4)
    ledger.credit("b", BERT, BTC, 9)
    ledger.reserve(0, 1, 1, requests((ANNA, USDT, BIG + 2), (BERT, BTC, 3)))
    return postings(
        (0, BTC, 1, 0),
        (ANNA, BTC, 2, 0),
        (ANNA, USDT, 2, -BIG - 2),
        (BERT, BTC, 0, -3),
        (BERT, USDT, BIG, 0),
    )


def after_trade(ledger: Ledger) -> bool:
    """Whether the balances are what the trade makes of them, applied once."""
    wanted = [(0, BTC), (ANNA, BTC), (ANNA, USDT), (BERT, BTC), (BERT, USDT)]
    return [has(ledger, *pair) for pair in wanted] == [(1, 0), (2, 0), (4, 0), (6, 0), (BIG, 0)]


def test_settle_once(any_home: Home) -> None:
    """A batch is applied once, however often and by whichever worker it is sent."""
    ledger = any_home.new()
    legs = trade(ledger)
    for _ in range(3):
        ledger.settle(0, 1, 1, legs, [1])
    assert after_trade(ledger)
    any_home.again().settle(0, 1, 1, legs, [1])

    assert after_trade(ledger)
    assert sums(ledger) == {BTC: (9, 0, 9, 0), USDT: (BIG + 4, 0, BIG + 4, 0)}


def test_gap_is_refused(any_home: Home) -> None:
    """A batch whose predecessor is missing is refused, also where nothing is touched."""
    ledger = any_home.new()
    legs = trade(ledger)
    for batch in (2, 3, 2**53 - 1):
        with pytest.raises(Gap):
            ledger.settle(0, 1, batch, legs)
    ledger.settle(0, 1, 1, legs[:0])
    with pytest.raises(Gap):
        any_home.again().settle(0, 1, 3, legs)
    any_home.again().settle(0, 1, 2, legs, [1])

    assert after_trade(ledger)


def test_last_batch_is_known_to_the_next_worker(any_home: Home) -> None:
    """Taking a partition over tells its last settled batch; partitions count by themselves."""
    ledger = any_home.new()
    assert ledger.open_partition(0, 1) == 0
    legs = trade(ledger)
    ledger.settle(0, 1, 1, legs, [1])
    for batch in range(2, 7):
        ledger.settle(0, 1, batch, legs[:0])
    ledger.settle(9, 1, 1, legs[:0])

    assert any_home.again().open_partition(0, 2) == 6
    assert any_home.again().open_partition(9, 1) == 1
    assert any_home.again().open_partition(4, 1) == 0


def test_stale_epoch(any_home: Home) -> None:
    """Once another worker has taken the partition over, the one before can do nothing to it."""
    ledger = any_home.new()
    legs = trade(ledger)
    ledger.settle(0, 1, 1, legs, [1])
    other = any_home.again()
    other.open_partition(0, 2)
    with pytest.raises(StaleEpoch):
        ledger.settle(0, 1, 1, legs)
    with pytest.raises(StaleEpoch):
        ledger.settle(0, 1, 2, legs[:0])
    with pytest.raises(StaleEpoch):
        ledger.reserve(0, 1, 2, requests((ANNA, USDT, 1)))
    with pytest.raises(StaleEpoch):
        ledger.open_partition(0, 1)
    assert after_trade(ledger)
    ledger.reserve(1, 1, 2, requests((ANNA, USDT, 1)))  # another partition is not concerned
    other.settle(0, 2, 2, legs[:0])

    assert has(ledger, ANNA, USDT) == (3, 1)


def test_postings_out_of_order(ledger: Ledger) -> None:
    """Postings must ascend by account and asset, each pair once."""
    legs = trade(ledger)
    for wrong in (legs[::-1], legs[[0, 2, 1, 3, 4]], legs[[0, 0, 1, 2, 3, 4]]):
        with pytest.raises(BadPostings):
            ledger.settle(0, 1, 1, wrong.copy())
    ledger.settle(0, 1, 1, legs)

    assert after_trade(ledger)


def test_postings_that_make_money(ledger: Ledger) -> None:
    """Postings of an asset add up to zero, or nothing is applied."""
    legs = trade(ledger)
    for place, field in ((0, "available"), (3, "held"), (4, "available")):
        wrong = legs.copy()
        wrong[place][field] += 1
        with pytest.raises(BadPostings):
            ledger.settle(0, 1, 1, wrong)
    ledger.settle(0, 1, 1, legs)

    assert after_trade(ledger)


@pytest.mark.parametrize(("available", "held"), [(0, -4), (-7, 3)])
def test_postings_beyond_the_balance(ledger: Ledger, available: int, held: int) -> None:
    """Postings that would leave an amount negative, available or held, are refused."""
    trade(ledger)
    legs = postings((BERT, BTC, available, held), (CARL, BTC, -available - held, 0))
    with pytest.raises(InsufficientFunds):
        ledger.settle(0, 1, 1, legs)

    assert has(ledger, BERT, BTC) == (6, 3)


def test_malformed_batches(ledger: Ledger) -> None:
    """Numbers that no partition, epoch or batch has are refused, as is another layout."""
    none = postings()
    for bad in ((-1, 1, 1), (65_536, 1, 1), (0, 0, 1), (0, 2**53, 1), (0, 1, 0), (0, 1, 2**53)):
        with pytest.raises(ValueError, match="is a number from"):
            ledger.settle(*bad, none)
    with pytest.raises(TypeError):
        ledger.settle(0, 1, 1, requests())
    with pytest.raises(ValueError, match="an asset lies below"):
        ledger.settle(0, 1, 1, postings((ANNA, 65_536, 0, 0)))


def test_thousands_of_postings(ledger: Ledger) -> None:
    """A batch larger than one command of Redis takes is applied whole."""
    count = 20_000
    for account in (1, 2):
        ledger.credit(f"d{account}", account, BTC, count)
    ledger.reserve(0, 1, 1, requests((1, BTC, count), (2, BTC, count)))
    legs = np.zeros(count, POSTING_DTYPE)
    legs["account"] = np.arange(1, count + 1)
    legs["available"][2:] = 2
    legs["held"][:2] = -(count - 2)
    ledger.settle(0, 1, 1, legs, [1])

    assert has(ledger, 1, BTC) == (0, 2)
    everything = ledger.balances([(account, BTC) for account in range(1, count + 1)])
    assert everything["available"].sum() + everything["held"].sum() == 2 * count
    assert (everything["available"][2:] == 2).all()


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
