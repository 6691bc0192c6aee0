"""What every ledger does with reservations and batches, whichever home it has."""

import numpy as np
import pytest

from nextrade.domain.postings import POSTING_DTYPE
from nextrade.errors import (
    BadPostings,
    Gap,
    InsufficientFunds,
    ReferenceReused,
    StaleEpoch,
)
from nextrade.service.ledger import Ledger

from .calls import ANNA, BERT, BIG, BTC, CARL, USDT, has, postings, requests, sums
from .homes import Home

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


EDGES = [1, 5, 2**32 - 1, 2**32, 2**32 + 1, 2**33 - 1, 2**53 - 1, 2**53, 2**53 + 1, 2**54 - 1]


def test_amounts_are_exact_at_every_edge(any_home: Home) -> None:
    """Sums and differences around the limits of 32-bit halves and of doubles are exact."""
    ledger = any_home.new(buckets=1)
    pairs = [(a, b) for a in EDGES for b in EDGES]
    count = len(pairs)
    payers, payees = range(1, count + 1), range(count + 1, 2 * count + 1)
    for payer, payee, (a, b) in zip(payers, payees, pairs, strict=True):
        ledger.credit(f"first {payer}", payer, BTC, a)
        ledger.credit(f"second {payer}", payer, BTC, b)
        ledger.credit(f"payee {payee}", payee, BTC, a)
        assert has(ledger, payer, BTC) == (a + b, 0)
        ledger.hold(f"hold {payer}", payer, BTC, b)
        assert has(ledger, payer, BTC) == (a, b)
        ledger.refund(f"hold {payer}")
        assert has(ledger, payer, BTC) == (a + b, 0)

    asked = requests(*((payer, BTC, b) for payer, (_, b) in zip(payers, pairs, strict=True)))
    beyond = requests(*((payer, BTC, a + 1) for payer, (a, _) in zip(payers, pairs, strict=True)))
    assert ledger.reserve(0, 1, 1, asked).all()
    assert not ledger.reserve(0, 1, 2, beyond).any()
    for payer, (a, b) in zip(payers, pairs, strict=True):
        assert has(ledger, payer, BTC) == (a, b)
    from_held = [(payer, BTC, 0, -b) for payer, (_, b) in zip(payers, pairs, strict=True)]
    to_payees = [(payee, BTC, b, 0) for payee, (_, b) in zip(payees, pairs, strict=True)]
    ledger.settle(0, 1, 1, postings(*from_held, *to_payees), [1, 2])
    for payer, payee, (a, b) in zip(payers, payees, pairs, strict=True):
        assert (has(ledger, payer, BTC), has(ledger, payee, BTC)) == ((a, 0), (a + b, 0))
    to_held = [(payer, BTC, -a, a) for payer, (a, _) in zip(payers, pairs, strict=True)]
    from_payees = [(payee, BTC, -a, a) for payee, (a, _) in zip(payees, pairs, strict=True)]
    ledger.settle(0, 1, 2, postings(*to_held, *from_payees))

    for payer, payee, (a, b) in zip(payers, payees, pairs, strict=True):
        assert (has(ledger, payer, BTC), has(ledger, payee, BTC)) == ((0, a), (b, a))
    total = sum(2 * a + b for a, b in pairs)
    held = sum(2 * a for a, _ in pairs)
    assert sums(ledger) == {BTC: (total - held, held, total, 0)}
