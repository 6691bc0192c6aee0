"""What happens to balances outside batches, told to the world: messages of the ledger's stream.

Deposits, withdrawals and transfers are changes of one bucket each, and each bucket numbers its
own, from 0 on. A message carries some of them that follow on each other. A change is named by
(bucket, sequence): who reads the stream drops what comes twice and sees what is missing.

Version 1, all numbers little-endian:

    4 bytes  magic b"NXTC"
    u16      version
    u16      flags, zero
    u32      bucket
    u64      sequence of the first change
    i64      time at which this copy was sent, nanoseconds since 1970
    u32      changes
    u32      CRC-32 of all other bytes
    changes  each after its length, u16:
             u16 ChangeKind, u8 ChangePurpose, u32 account, u32 asset, i64 amount in smallest
             units, u32 other account (of a transfer: where it goes; else 0), the reference

A change stands here as its bucket keeps it in its outbox.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple, Self

from ...errors import BadFrame

__all__ = [
    "Change",
    "ChangeKind",
    "ChangeMessage",
    "ChangePurpose",
    "read_change_message",
    "write_change_message",
]

MAGIC = b"NXTC"
VERSION = 1
MOST_CHANGES = 500
"""Changes of one message: less than 120,000 bytes."""
_HEAD = struct.Struct("<4sHHIQqI")
_CRC = struct.Struct("<I")
_HEAD_BYTES = _HEAD.size + _CRC.size
_LENGTH = struct.Struct("<H")
_CHANGE = struct.Struct("<HBIIqI")
_LONGEST = _CHANGE.size + 200


class ChangeKind(IntEnum):
    """What was done."""

    CREDIT = 6
    HOLD = 7
    CAPTURE = 8
    REFUND = 9


class ChangePurpose(IntEnum):
    """What its reference stands for."""

    DEPOSIT = 1
    WITHDRAWAL = 2
    TRANSFER = 3


class Change(NamedTuple):
    """One change of one balance."""

    kind: ChangeKind
    purpose: ChangePurpose
    account: int
    """Whom the claim is of; of a transfer the account that pays, also where the other gets it."""
    asset: int
    amount: int
    other_account: int
    reference: str

    @classmethod
    def read(cls, record: bytes) -> Self:
        """Read a record of an outbox; raises BadFrame for anything else."""
        if not _CHANGE.size < len(record) <= _LONGEST:
            raise BadFrame(f"a change of {len(record)} bytes")
        kind, purpose, account, asset, amount, other = _CHANGE.unpack_from(record)
        try:
            reference = record[_CHANGE.size :].decode()
            return cls(
                ChangeKind(kind), ChangePurpose(purpose), account, asset, amount, other, reference
            )
        except ValueError as error:
            raise BadFrame(f"a change that means nothing: {error}") from error

    @property
    def changed_account(self) -> int:
        """Whose balance it changed."""
        moved_in = (self.kind, self.purpose) == (ChangeKind.CREDIT, ChangePurpose.TRANSFER)
        return self.other_account if moved_in else self.account

    def sums(self) -> tuple[int, int, int, int]:
        """What it adds to its bucket's sums: available, held, outside, transfers."""
        amount = self.amount
        crossing = {
            ChangeKind.CREDIT: amount,
            ChangeKind.HOLD: 0,
            ChangeKind.CAPTURE: -amount,
            ChangeKind.REFUND: 0,
        }[self.kind]
        of_transfer = self.purpose == ChangePurpose.TRANSFER
        available, held = {
            ChangeKind.CREDIT: (amount, 0),
            ChangeKind.HOLD: (-amount, amount),
            ChangeKind.CAPTURE: (0, -amount),
            ChangeKind.REFUND: (amount, -amount),
        }[self.kind]
        return available, held, 0 if of_transfer else crossing, crossing if of_transfer else 0


class ChangeMessage(NamedTuple):
    """One message of the stream, decoded."""

    bucket: int
    first: int
    sent_ns: int
    """When this copy was sent: not the time of the changes, and another copy has another."""
    changes: tuple[Change, ...]

    @property
    def after(self) -> int:
        """The sequence of the change after those of this message."""
        return self.first + len(self.changes)


def write_change_message(bucket: int, first: int, sent_ns: int, records: Sequence[bytes]) -> bytes:
    """The message of some records of a bucket's outbox, which follow on each other from `first`.

    Raises BadFrame for a record that nobody could read.
    """
    for record in records:
        Change.read(record)
    head = _HEAD.pack(MAGIC, VERSION, 0, bucket, first, sent_ns, len(records))
    body = b"".join(_LENGTH.pack(len(record)) + record for record in records)
    return head + _CRC.pack(zlib.crc32(body, zlib.crc32(head))) + body


def read_change_message(message: bytes) -> ChangeMessage:
    """Read a message of the stream; raises BadFrame for anything else."""
    if len(message) < _HEAD_BYTES or message[:4] != MAGIC:
        raise BadFrame(f"{len(message)} bytes that do not begin as a message of changes does")
    _, version, flags, bucket, first, sent_ns, count = _HEAD.unpack_from(message)
    if version != VERSION or flags:
        raise BadFrame(f"changes of version {version}; this build reads version {VERSION}")
    crc = zlib.crc32(message[_HEAD_BYTES:], zlib.crc32(message[: _HEAD.size]))
    if _CRC.unpack_from(message, _HEAD.size)[0] != crc:
        raise BadFrame("a message of changes whose checksum does not fit its bytes")
    changes, at = [], _HEAD_BYTES
    for _ in range(count):
        if len(message) - at < _LENGTH.size:
            raise BadFrame("a message of changes that ends in the middle")
        (length,) = _LENGTH.unpack_from(message, at)
        at += _LENGTH.size + length
        if at > len(message):
            raise BadFrame("a message of changes that ends in the middle")
        changes.append(Change.read(message[at - length : at]))
    if at != len(message) or not changes:
        raise BadFrame("a message of changes whose length does not fit its count")
    return ChangeMessage(bucket, first, sent_ns, tuple(changes))
