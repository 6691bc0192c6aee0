"""Every fault of deposits, withdrawals and transfers that outboxes and the ledger's stream show.

Buckets are on real servers; their stream is a list in this process, filled as a relay does.
"""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from nextrade.domain.protocol.changes import read_change_message, write_change_message

ACCOUNT, OTHER, DOLLAR = 7, 8, 2
NAMES = ("GOLD", "TIN", "DOLLAR")


class Told:
    """An exchange whose changes are all in a stream, and what may be done to them."""

    def __init__(self, exchange: Any) -> None:
        from nextrade.service.ledger.redis.outboxes import Outboxes

        self.exchange, self.ledger = exchange, exchange.ledger
        self.outboxes = Outboxes(self.ledger.shards)
        self.bucket: int = self.ledger.map.of_account(ACCOUNT)
        self.key = self.ledger.map.key(self.bucket)
        self.stream: list[tuple[int, bytes]] = []
        self.more: list[tuple[int, bytes]] = []
        """What is published after the stream was opened."""
        self.relay()

    def relay(self, *, trim: bool = True) -> None:
        """Publish what waits, a message for each bucket."""
        for one in self.outboxes.read(range(self.ledger.map.buckets), 500):
            self.publish(write_change_message(one.bucket, one.first, 1, one.records))
            if trim:
                self.outboxes.trim([(one.bucket, one.after)])

    def publish(self, text: bytes) -> None:
        """One more message."""
        self.stream.append((len(self.stream), text))

    def of_bucket(self) -> list[int]:
        """Where the messages of our bucket are."""
        return [
            place
            for place, (_, text) in enumerate(self.stream)
            if read_change_message(text).bucket == self.bucket
        ]

    @property
    def next(self) -> int:
        """The number that the bucket's next change gets."""
        with self.server() as client:
            return int(struct.unpack("<QQ", client.hget(self.key, b"O"))[1])

    def server(self) -> Any:
        """A connection to the bucket's server."""
        return self.exchange.at(self.bucket)

    def saved(self) -> bytes:
        """A copy of the bucket."""
        with self.server() as client:
            return bytes(client.dump(self.key))

    def restore(self, copy: bytes) -> None:
        """Back to this copy."""
        with self.server() as client:
            client.restore(self.key, 0, copy, replace=True)

    @contextmanager
    def open(self) -> Iterator[Any]:
        """The stream, which goes on with ``more``."""
        from nextrade.service.proof.changes import LedgerStream

        last = self.stream[-1][0] if self.stream else -1
        yield LedgerStream([*self.stream, *self.more], last)

    def prove(self) -> Any:
        """Prove it."""
        from nextrade.service.ledger.redis.bucket_state import bucket_states
        from nextrade.service.proof.changes import prove_changes

        shards = self.ledger.shards
        return prove_changes(shards, bucket_states(shards), self.open, NAMES.__getitem__)


@pytest.fixture
def told(found: Callable) -> Told:
    """Deposits of all accounts, all of them published."""
    return Told(found())


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


# --- a server that came back with older data -----------------------------------------------------


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
    told.stream = [(10, late), *((11 + at, text) for at, (_, text) in enumerate(told.stream[-2:]))]

    assert told.prove().faults == []


def test_no_more_than_forty_faults(told: Told) -> None:
    """A stream of nonsense does not fill the terminal."""
    for _ in range(60):
        told.publish(b"nonsense")

    assert len(told.prove().faults) == 40
