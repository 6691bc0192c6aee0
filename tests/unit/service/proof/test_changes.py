"""Every fault of deposits, withdrawals and transfers that outboxes and the ledger's stream show."""

import struct
from collections.abc import Callable
from typing import Any

import pytest

from nextrade.domain.protocol.changes import read_change_message, write_change_message

from .told import ACCOUNT, DOLLAR, NAMES, OTHER, Told


def test_what_is_sound(told: Told) -> None:
    """Changes of every kind, some of them waiting; a message that comes twice is no fault."""
    told.ledger.hold("out", ACCOUNT, DOLLAR, 30)
    told.ledger.hold("back", ACCOUNT, DOLLAR, 20)
    told.relay(trim=False)
    told.ledger.capture("out")
    told.ledger.refund("back")
    told.relay()
    told.ledger.transfer("across", ACCOUNT, OTHER, DOLLAR, 5)
    told.ledger.credit("more", ACCOUNT, DOLLAR, 5)
    proof = told.prove()

    assert (proof.faults, proof.remarks) == ([], [])
    assert proof.added_up == told.ledger.map.buckets
    assert (proof.published, proof.repeats) == (24 * 3 + 4, 0)
    assert proof.waiting == 4
    told.publish(told.stream[told.of_bucket()[0]][1])
    again = told.prove()
    assert (again.faults, again.repeats) == ([], 1)


def test_nothing_was_published(found: Callable) -> None:
    """Then the stream is not even opened: there may be none."""
    exchange = found()
    told = Told.__new__(Told)
    told.ledger = exchange.ledger
    proof = told.prove()

    assert (proof.faults, proof.waiting, proof.added_up) == (
        [],
        24 * 3,
        exchange.ledger.map.buckets,
    )


def test_records_that_nobody_has(told: Told) -> None:
    """The end of what was trimmed is not in the stream."""
    first = told.next
    told.ledger.credit("one", ACCOUNT, DOLLAR, 5)
    told.ledger.credit("two", ACCOUNT, DOLLAR, 5)
    told.relay()
    told.stream.pop()

    assert told.prove().faults == [
        f"bucket {told.bucket}: changes {first} to {first + 1} are neither in its outbox nor in the"
        " ledger's stream"
    ]


def test_a_gap_in_the_stream(told: Told) -> None:
    """What comes behind it is not added up: one fault, not many."""
    first = told.next
    for name in "abc":
        told.ledger.credit(name, ACCOUNT, DOLLAR, 5)
        told.relay()
    told.stream.pop(-2)

    assert told.prove().faults == [
        f"bucket {told.bucket}: the stream lacks changes {first + 1} to {first + 1}, at offset"
        f" {len(told.stream)}"
    ]


def test_a_damaged_message(told: Told) -> None:
    """Its place is named, and what it told is missing."""
    (place,) = told.of_bucket()
    offset, text = told.stream[place]
    told.stream[place] = offset, text[:-1] + bytes([text[-1] ^ 1])
    damaged, missing = told.prove().faults

    assert damaged == (
        f"ledger's stream at offset {offset}: a message of changes whose checksum does not fit its"
        " bytes"
    )
    assert missing == (
        f"bucket {told.bucket}: changes 0 to {told.next - 1} are neither in its outbox nor in the"
        " ledger's stream"
    )


@pytest.mark.parametrize("place", [0, 1])
def test_a_record_that_is_gone_from_an_outbox(told: Told, place: int) -> None:
    """At its beginning or within it: what no relay has trimmed must be there."""
    number = told.next + place
    for name in "ab":
        told.ledger.credit(name, ACCOUNT, DOLLAR, 5)
    with told.server() as client:
        client.hdel(told.key, b"o" + struct.pack("<Q", number))

    assert told.prove().faults == [f"bucket {told.bucket} lacks record {number} of its outbox"]


def test_a_record_of_an_outbox_that_means_nothing(told: Told) -> None:
    """No relay could publish it."""
    number = told.next
    told.ledger.credit("a", ACCOUNT, DOLLAR, 5)
    with told.server() as client:
        client.hset(told.key, b"o" + struct.pack("<Q", number), b"nothing")

    assert told.prove().faults == [
        f"bucket {told.bucket}, record {number} of its outbox: a change of 7 bytes"
    ]


@pytest.mark.parametrize(
    ("place", "name"), list(enumerate(("available", "held", "outside", "transfers")))
)
def test_a_sum_that_was_changed(told: Told, place: int, name: str) -> None:
    """Each of the four sums of each asset must be what the changes come to."""
    field = b"T" + struct.pack("<I", DOLLAR)
    with told.server() as client:
        sums = list(struct.unpack("<qqqq", client.hget(told.key, field)))
        sums[place] += 9
        client.hset(told.key, field, struct.pack("<qqqq", *sums))

    assert told.prove().faults == [
        f"bucket {told.bucket}: its changes outside batches come to {sums[place] - 9:,} DOLLAR"
        f" {name}, and the bucket has {sums[place]:,}"
    ]


def test_changes_of_an_asset_that_the_bucket_does_not_know(told: Told) -> None:
    """Published by hand in place of the bucket's own: all its sums are missing in the bucket."""
    (place,) = told.of_bucket()
    offset, text = told.stream[place]
    message = read_change_message(text)
    records = [
        _record(change, asset=1 if change.asset == DOLLAR else None) for change in message.changes
    ]
    told.stream[place] = offset, write_change_message(told.bucket, 0, 1, records)
    faults = told.prove().faults

    assert len(faults) == 4  # available and outside, of TIN and of DOLLAR
    assert all(fault.startswith(f"bucket {told.bucket}: its changes outside") for fault in faults)


def _record(change: Any, asset: int | None = None) -> bytes:
    layout = struct.Struct("<HBIIqI")
    own = change.asset if asset is None else asset
    head = layout.pack(
        change.kind, change.purpose, change.account, own, change.amount, change.other_account
    )
    return head + change.reference.encode()


# --- how far it is read --------------------------------------------------------------------------


def test_what_comes_meanwhile_is_not_waited_for(told: Told) -> None:
    """A stream that never ends is read up to where it ended when it was opened, and no further."""
    told.publish(told.stream[0][1])
    told.more = [(len(told.stream), b"not read any more")]

    assert told.prove().faults == []


def test_what_was_trimmed_after_the_bucket_was_read(told: Told) -> None:
    """It is in the stream behind what was needed, and is no part of what the bucket had."""
    from nextrade.service.ledger.redis.bucket_state import bucket_states
    from nextrade.service.proof.changes import prove_changes

    told.ledger.credit("one", ACCOUNT, DOLLAR, 5)
    states = bucket_states(told.ledger.shards)
    told.ledger.credit("two", ACCOUNT, DOLLAR, 5)
    told.relay()
    proof = prove_changes(told.ledger.shards, states, told.open, NAMES.__getitem__)

    assert (proof.faults, proof.remarks) == ([], [])
    assert proof.added_up == told.ledger.map.buckets


def test_what_was_trimmed_while_an_outbox_was_read(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read of it before is in the stream too, and counted once."""
    from nextrade.service.proof import changes

    for name in "abc":
        told.ledger.credit(name, ACCOUNT, DOLLAR, 5)
    read_fields, reads = changes.read_fields, []

    def read(*arguments: Any) -> Any:
        fields = read_fields(*arguments)
        if not reads:
            told.relay()
            told.ledger.credit("d", ACCOUNT, DOLLAR, 6)
            told.relay()
        reads.append(arguments)
        return fields

    monkeypatch.setattr(changes, "read_fields", read)
    monkeypatch.setattr(changes, "_STEP", 1)
    proof = told.prove()

    assert (proof.faults, proof.waiting) == ([], 0)
    assert len(reads) == 4  # three of the outbox, and its end: the stream tells more than was read
    assert proof.added_up == told.ledger.map.buckets


def test_a_stream_without_its_beginning(told: Told) -> None:
    """What is left of it is held together; what cannot be compared is said."""
    told.ledger.credit("one", ACCOUNT, DOLLAR, 5)
    told.relay()
    (_, place) = told.of_bucket()
    first = read_change_message(told.stream[place][1]).first
    del told.stream[:place]
    proof = told.prove()

    assert proof.faults == []
    assert (
        f"bucket {told.bucket}: the ledger's stream begins with change {first}, so sums were not"
        " compared with it"
    ) in proof.remarks
    lost = [one for one in proof.remarks if "has no change of it any more" in one]
    assert len(lost) == told.ledger.map.buckets - 1 == len(proof.remarks) - 1


def test_a_late_copy_before_the_beginning(told: Told) -> None:
    """The oldest message that is left repeats what stands long before the next one."""
    late = told.stream[told.of_bucket()[0]][1]
    told.stream.clear()
    for name in "abc":
        told.ledger.credit(name, ACCOUNT, DOLLAR, 5)
        told.relay()
    left = [late, *(text for _, text in told.stream[-2:]), told.stream[-1][1]]
    told.stream = list(enumerate(left, 10))
    proof = told.prove()

    assert (proof.faults, proof.repeats) == ([], 1)


def test_a_gap_in_what_is_left_of_a_stream(told: Told) -> None:
    """Only its oldest message may be a late copy: behind the second one nothing may be missing."""
    first = told.next
    told.stream.clear()
    for name in "abcd":
        told.ledger.credit(name, ACCOUNT, DOLLAR, 5)
        told.relay()
    left = [told.stream[place][1] for place in (0, 1, 3)]
    told.stream = list(enumerate(left, 10))

    assert told.prove().faults == [
        f"bucket {told.bucket}: the stream lacks changes {first + 2} to {first + 2}, at offset 12"
    ]


def test_no_more_than_forty_faults(told: Told) -> None:
    """A stream of nonsense does not fill the terminal."""
    for _ in range(60):
        told.publish(b"nonsense")

    assert len(told.prove().faults) == 40
