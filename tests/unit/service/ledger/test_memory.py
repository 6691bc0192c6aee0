"""What only the ledger in this process has: snapshots, a digest, all balances at once."""

import numpy as np
import pytest

from nextrade.domain.postings import POSTING_DTYPE, REQUEST_DTYPE
from nextrade.errors import Gap, InsufficientFunds, ReferenceReused, SnapshotError, StaleEpoch
from nextrade.service.ledger import MemoryLedger

ANNA, BERT = 1, 2


def busy() -> MemoryLedger:
    """Return a ledger with something of everything in it."""
    ledger = MemoryLedger()
    ledger.credit("d1", ANNA, 0, 100)
    ledger.credit("d2", BERT, 3, 2**60 + 1)
    ledger.hold("w1", ANNA, 0, 5)
    ledger.hold("w2", ANNA, 0, 6)
    ledger.capture("w2")
    ledger.transfer("t1", ANNA, BERT, 0, 7)
    ledger.open_partition(4, 9)
    ledger.reserve(4, 9, 2**64 - 1, np.array([(ANNA, 0, 50), (ANNA, 0, 60)], REQUEST_DTYPE))
    ledger.settle(4, 9, 1, np.array([(ANNA, 0, 0, -1), (BERT, 0, 1, 0)], POSTING_DTYPE))
    return ledger


def test_a_restored_ledger_goes_on_as_the_original() -> None:
    """A restored ledger has every balance, reference, answer, epoch and batch."""
    original = busy()
    ledger = MemoryLedger.restore(original.snapshot())

    assert ledger.state_hash() == original.state_hash()
    assert ledger.all_balances().tolist() == [
        (ANNA, 0, 32, 54),
        (BERT, 0, 8, 0),
        (BERT, 3, 2**60 + 1, 0),
    ]
    assert ledger.totals().tolist() == original.totals().tolist()
    assert not ledger.credit("d1", ANNA, 0, 100)
    with pytest.raises(ReferenceReused):
        ledger.hold("t1", ANNA, 0, 7)
    assert ledger.refund("w1")
    with pytest.raises(StaleEpoch):
        ledger.open_partition(4, 8)
    with pytest.raises(Gap):
        ledger.settle(4, 9, 3, np.zeros(0, POSTING_DTYPE))
    asked = np.array([(ANNA, 0, 50), (ANNA, 0, 60)], REQUEST_DTYPE)
    assert ledger.reserve(4, 9, 2**64 - 1, asked).tolist() == [True, False]
    assert ledger.balances([(ANNA, 0)]).tolist() == [(ANNA, 0, 37, 49)]


def test_digest_does_not_depend_on_the_order_of_calls() -> None:
    """Ledgers that know the same have the same digest; any difference changes it."""
    first, second = MemoryLedger(), MemoryLedger()
    first.credit("a", 1, 0, 5)
    first.credit("b", 2, 1, 6)
    second.credit("b", 2, 1, 6)
    assert first.state_hash() != second.state_hash()
    second.credit("a", 1, 0, 5)

    assert first.state_hash() == second.state_hash()
    second.open_partition(0, 1)
    assert first.state_hash() != second.state_hash()


def test_damaged_snapshots_are_refused() -> None:
    """Any changed byte, a cut, and another version are refused."""
    snapshot = MemoryLedger().snapshot()
    MemoryLedger.restore(snapshot)
    for place in range(len(snapshot)):
        damaged = snapshot[:place] + bytes([snapshot[place] ^ 1]) + snapshot[place + 1 :]
        with pytest.raises(SnapshotError):
            MemoryLedger.restore(damaged)
    for cut in (0, 1, 20, len(snapshot) - 1):
        with pytest.raises(SnapshotError):
            MemoryLedger.restore(snapshot[:cut])


def test_refused_batch_changes_nothing() -> None:
    """A posting that cannot be had, wherever it stands, refuses all of them."""
    ledger = busy()
    before = ledger.state_hash()
    legs = np.zeros(2000, POSTING_DTYPE)
    legs["account"], legs["available"] = np.arange(10, 2010), 1
    for place in (0, 999, 1999):
        wrong = legs.copy()
        wrong["available"][place] = -1999
        with pytest.raises(InsufficientFunds, match=f"record {place}, account {place + 10}"):
            ledger.settle(4, 9, 2, wrong)

    assert ledger.state_hash() == before


def test_many_accounts_keep_their_own() -> None:
    """As the table of balances grows, every account keeps what it has."""
    ledger = MemoryLedger()
    keys = np.random.default_rng(3).permutation(20_000)
    for key in keys.tolist():
        ledger.credit(str(key), key * 2**17 % 2**32, key % 5, key + 1)

    wanted = [(key * 2**17 % 2**32, key % 5) for key in range(20_000)]
    assert ledger.balances(wanted)["available"].tolist() == list(range(1, 20_001))
    assert len(ledger) == 20_000
