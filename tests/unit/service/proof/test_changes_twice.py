"""A bucket that came back with older data, as the ledger's stream shows it."""

import struct

import pytest

from nextrade.domain.protocol.changes import write_change_message

from .told import ACCOUNT, DOLLAR, OTHER, Told


def test_a_number_that_stands_for_two_changes(told: Told) -> None:
    """Both are named with their kinds, and where the second one is; sums tell how much it is."""
    first, copy = told.next, told.saved()
    told.ledger.hold("out", ACCOUNT, DOLLAR, 30)
    told.relay()
    told.restore(copy)
    told.ledger.credit("in", ACCOUNT, DOLLAR, 5)
    told.relay()
    offset = told.stream[-1][0]
    twice, *sums = told.prove().faults

    assert twice == (
        f"bucket {told.bucket}: change {first} is a hold of a withdrawal at first and a credit of a"
        f" deposit at offset {offset}: its server has lost time"
    )
    assert [fault.split(" DOLLAR ")[1].split(",")[0] for fault in sums] == [
        "available",
        "held",
        "outside",
    ]


@pytest.mark.parametrize(
    ("account", "amount", "name"), [(ACCOUNT, 6, "a"), (ACCOUNT, 5, "b"), (OTHER, 5, "a")]
)
def test_two_changes_of_one_kind(told: Told, account: int, amount: int, name: str) -> None:
    """Another amount, reference or account is another change; the very same one is a repeat."""
    first = told.next
    records = [
        struct.pack("<HBIIqI", 6, 1, *change, 0) + reference
        for *change, reference in (
            (ACCOUNT, DOLLAR, 5, b"a"),
            (account, DOLLAR, amount, name.encode()),
        )
    ]
    told.ledger.credit("a", ACCOUNT, DOLLAR, 5)
    told.relay()
    for record in records:
        told.publish(write_change_message(told.bucket, first, 1, [record]))

    assert told.prove().faults == [
        f"bucket {told.bucket}: change {first} is a credit of a deposit at first and another credit"
        f" of a deposit at offset {told.stream[-1][0]}: its server has lost time"
    ]


def test_a_number_whose_second_change_waits(told: Told) -> None:
    """It is seen before a relay has published it."""
    told.ledger.credit("one", ACCOUNT, DOLLAR, 5)
    first, copy = told.next, told.saved()
    told.ledger.hold("out", ACCOUNT, DOLLAR, 30)
    told.relay()
    offset = told.stream[-1][0]
    told.restore(copy)
    told.ledger.credit("in", ACCOUNT, DOLLAR, 5)

    assert told.prove().faults == [
        f"bucket {told.bucket}: change {first} is a hold of a withdrawal at offset {offset} and a"
        " credit of a deposit in its outbox: its server has lost time"
    ]


def test_changes_that_the_bucket_has_not_made(told: Told) -> None:
    """The stream tells more than there is: seen before any number is given a second time."""
    told.ledger.credit("one", ACCOUNT, DOLLAR, 5)
    copy = told.saved()
    told.ledger.credit("two", ACCOUNT, DOLLAR, 5)
    told.ledger.credit("three", ACCOUNT, DOLLAR, 5)
    told.relay()
    after = told.next
    told.restore(copy)

    assert told.prove().faults == [
        f"bucket {told.bucket}: the ledger's stream tells {after} changes, and the bucket has made"
        f" {after - 2}: its server has lost time"
    ]


def test_many_numbers_that_stand_for_two_changes(told: Told) -> None:
    """Five are named, the others counted."""
    first, copy = told.next, told.saved()
    for amount in (5, 6):
        told.restore(copy)
        for number in range(12):
            told.ledger.credit(f"in-{number}-{amount}", ACCOUNT, DOLLAR, amount)
        told.relay()
    faults = told.prove().faults

    assert [f"change {first + at} is" in fault for at, fault in enumerate(faults[:5])] == [True] * 5
    assert faults[5] == (
        f"bucket {told.bucket}: 7 more of its changes are told twice with another content"
    )
    assert "DOLLAR available" in faults[6]
