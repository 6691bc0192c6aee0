"""What an exchange writes into its journal: its founding, its orders, and changes of money.

The exchange is a state machine, so the journal holds what went in, in order; replayed on the
state before, it gives the state after, byte for byte. Orders are arrays as they were given,
the rest is small and in JSON. Kinds and their versions are part of the file format.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...domain.protocol.frames import NAME_DTYPE
from ...dtypes import COMMAND_DTYPE
from ...errors import JournalDamaged

FOUNDED: Final = 1
"""The first record: version and listings. JSON."""

BATCH: Final = 2
"""Commands of one partition with the fee tiers of their accounts: _HEAD, commands, tiers."""

MONEY: Final = 3
"""One call of the ledger: [name, arguments...]. JSON."""

TIER: Final = 4
"""The fee tier of an account from now on: [account, tier]. JSON."""

NAMED_BATCH: Final = 5
"""A batch with client order ids: as BATCH, and behind it NAME_DTYPE records. These are of new
orders, and of changes whose order nobody knew: such a change has no order id."""

LISTINGS: Final = 6
"""The listings from now on, as domain/listings_text.py packs them."""

_HEAD = struct.Struct("<II")


def batch_record(
    partition: int, commands: npt.NDArray[np.void], tiers: npt.NDArray[np.uint8]
) -> bytes:
    """The bytes of a BATCH record."""
    return _HEAD.pack(partition, len(commands)) + commands.tobytes() + tiers.tobytes()


def read_batch(payload: bytes) -> tuple[int, npt.NDArray[np.void], npt.NDArray[np.uint8]]:
    """Partition, commands and tiers of a BATCH record; JournalDamaged if it is none."""
    if len(payload) < _HEAD.size:
        raise JournalDamaged("a batch of orders without a head")
    partition, count = _HEAD.unpack_from(payload)
    tiers_at = _HEAD.size + count * COMMAND_DTYPE.itemsize
    if len(payload) != tiers_at + count:
        raise JournalDamaged(f"a batch of {count} orders in {len(payload)} bytes")
    commands = np.frombuffer(payload, COMMAND_DTYPE, count, _HEAD.size).copy()
    return partition, commands, np.frombuffer(payload, np.uint8, count, tiers_at).copy()


def named_batch_record(
    partition: int,
    commands: npt.NDArray[np.void],
    tiers: npt.NDArray[np.uint8],
    names: npt.NDArray[np.void],
) -> bytes:
    """The bytes of a NAMED_BATCH record."""
    return batch_record(partition, commands, tiers) + names.tobytes()


def read_named_batch(
    payload: bytes,
) -> tuple[int, npt.NDArray[np.void], npt.NDArray[np.uint8], npt.NDArray[np.void]]:
    """Partition, commands, tiers and names of a NAMED_BATCH record; else JournalDamaged."""
    if len(payload) < _HEAD.size:
        raise JournalDamaged("a batch of orders without a head")
    _, count = _HEAD.unpack_from(payload)
    names_at = _HEAD.size + count * (COMMAND_DTYPE.itemsize + 1)
    if len(payload) <= names_at or (len(payload) - names_at) % NAME_DTYPE.itemsize:
        raise JournalDamaged(f"a batch of {count} orders with names in {len(payload)} bytes")
    partition, commands, tiers = read_batch(payload[:names_at])
    names = np.frombuffer(payload, NAME_DTYPE, offset=names_at).copy()
    rows = names["row"].astype(np.int64)
    if rows[-1] >= count or (np.diff(rows) <= 0).any():
        raise JournalDamaged(f"a batch of {count} orders with names of others")
    return partition, commands, tiers, names


def plain(value: Any) -> bytes:
    """JSON without blanks, keys in order: equal values are equal bytes."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def read_plain(payload: bytes) -> Any:
    """The value of a JSON record; JournalDamaged if it is none."""
    try:
        return json.loads(payload)
    except ValueError as error:
        raise JournalDamaged(f"a record that should be JSON is not: {error}") from error
