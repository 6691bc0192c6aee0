"""Messages of changes outside batches: read as written, refused when damaged; the sums of each."""

import struct

import pytest

from nextrade.domain.protocol.changes import (
    Change,
    ChangeKind,
    ChangePurpose,
    read_change_message,
    write_change_message,
)
from nextrade.errors import BadFrame


def record(kind: int = 6, purpose: int = 1, amount: int = 5, reference: str = "wire-é") -> bytes:
    """A record as a bucket keeps it."""
    return struct.pack("<HBIIqI", kind, purpose, 7, 2, amount, 9) + reference.encode()


def test_a_message_is_read_as_it_was_written() -> None:
    """Bucket, numbers and changes; every byte counts."""
    message = write_change_message(3, 40, 123, [record(), record(7, 2, 2**62)])
    found = read_change_message(message)

    assert (found.bucket, found.first, found.after, found.sent_ns) == (3, 40, 42, 123)
    assert found.changes[0] == Change(
        ChangeKind.CREDIT, ChangePurpose.DEPOSIT, 7, 2, 5, 9, "wire-é"
    )
    assert found.changes[1].amount == 2**62
    for place in range(len(message)):
        spoilt = bytearray(message)
        spoilt[place] ^= 1
        with pytest.raises(BadFrame):
            read_change_message(bytes(spoilt))
        with pytest.raises(BadFrame):
            read_change_message(message[:place])


@pytest.mark.parametrize(
    "bad", [b"", bytes(23), record(kind=1), record(purpose=4), record()[:-1], record() + bytes(201)]
)
def test_nothing_unreadable_is_written(bad: bytes) -> None:
    """What no reader could read does not get into the stream."""
    with pytest.raises(BadFrame):
        write_change_message(0, 0, 0, [bad])


@pytest.mark.parametrize(
    ("kind", "purpose", "sums", "account"),
    [
        (6, 1, (5, 0, 5, 0), 7),
        (7, 2, (-5, 5, 0, 0), 7),
        (8, 2, (0, -5, -5, 0), 7),
        (9, 2, (5, -5, 0, 0), 7),
        (7, 3, (-5, 5, 0, 0), 7),
        (6, 3, (5, 0, 0, 5), 9),
        (8, 3, (0, -5, 0, -5), 7),
    ],
)
def test_what_a_change_adds(kind: int, purpose: int, sums: tuple[int, ...], account: int) -> None:
    """Available, held, outside, transfers; and whose balance it is."""
    change = Change.read(record(kind, purpose))

    assert change.sums() == sums
    assert change.changed_account == account
