"""Walks through all fields of a bucket, page by page, and tells them apart.

A page is some hundred fields, so the server is never busy with it for long. A field that is
there throughout is met at least once; one that changes meanwhile is met as it was or as it is.
The kinds of fields are told apart as ``lua/include/calls.lua`` says.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ....domain.postings import BALANCE_DTYPE, NAMED_REQUEST_DTYPE, REQUEST_DTYPE
from ....domain.protocol.ports import Granted
from .answer_texts import answers_in
from .bucket_state import check_founding
from .codes import HoldState
from .kept_ids import LETTER, NAME_BYTES
from .link import packed
from .shards import Shards

__all__ = ["PAGE", "BucketWalk", "Progress", "Waiting", "all_balances", "pages", "unseen", "walk"]

PAGE = 1000
"""Fields asked for at a time; a server may give some more."""

Progress = Callable[[int, int], None]
"""Told how many buckets of how many are done."""


def unseen(done: int, buckets: int) -> None:
    """Be told, where nobody watches."""


CLAIM = struct.Struct("<BIIqI")
"""Purpose, account, asset, amount, other account: lua/include/claims.lua."""

_BALANCE = struct.Struct("<qq")
_MARK = struct.Struct("<QQ")
_ID_BYTES = 24
_HELD = int(HoldState.HELD)


def pages(shards: Shards, bucket: int) -> Iterator[list[bytes]]:
    """Every page of a bucket: fields and values that alternate."""
    cursor = b"0"
    while True:
        command = packed(b"HSCAN", shards.map.key(bucket), cursor, b"COUNT", PAGE)
        ((cursor, page),) = shards.exchange([(bucket, command)])
        yield page
        if cursor == b"0":
            return


@dataclass(frozen=True)
class Waiting:
    """One answer: what a frame of a partition holds until its batch has settled."""

    partition: int
    frame: int
    held: tuple[tuple[int, int, int], ...]
    """Account, asset and amount of each request that was granted."""


@dataclass
class BucketWalk:
    """All that a bucket keeps, by kind."""

    balances: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    holds: dict[bytes, bytes] = field(default_factory=dict)
    """Holds by reference: their state u8 and claim."""
    epochs: dict[int, int] = field(default_factory=dict)
    watermarks: dict[int, int] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)
    """Answers to frames that no batch has ended."""
    ids: int = 0
    """How many client order ids."""
    fields: int = 0
    faults: list[str] = field(default_factory=list)

    def open_holds(self) -> Iterator[tuple[str, int, int, int]]:
        """Reference, account, asset and amount of each hold that has not ended."""
        for name, entry in self.holds.items():
            if entry[0] == _HELD:
                _, account, asset, amount, _ = CLAIM.unpack_from(entry, 1)
                yield name.decode("utf-8", "replace"), account, asset, amount


def walk(shards: Shards, bucket: int) -> BucketWalk:
    """Walk through one bucket."""
    found = BucketWalk()
    names: set[bytes] = set()
    for page in pages(shards, bucket):
        for name, value in zip(page[::2], page[1::2], strict=True):
            names.add(name)
            try:
                _sort_in(found, name, value)
            except struct.error:
                found.faults.append(
                    f"bucket {bucket}: {_told(name)} has a value of {len(value)} bytes,"
                    " which is none of its kind"
                )
    found.fields = len(names)
    return found


def _sort_in(found: BucketWalk, name: bytes, value: bytes) -> None:
    if len(name) == 8:
        account, asset = struct.unpack("<II", name)
        found.balances[account, asset] = _BALANCE.unpack(value)
    elif name.startswith(b"on-hold:"):
        if len(value) != 1 + CLAIM.size:
            raise struct.error
        found.holds[name[8:]] = value
    elif len(name) == NAME_BYTES and name[:1] == LETTER:
        if len(value) != _ID_BYTES:
            raise struct.error
        found.ids += 1
    elif len(name) == 5 and name[:1] == b"W":
        partition = int.from_bytes(name[1:], "little")
        found.epochs[partition], found.watermarks[partition] = _MARK.unpack_from(value)
    elif len(name) == 5 and name[:1] == b"A":
        found.waiting += waiting_in(int.from_bytes(name[1:], "little"), value)


def waiting_in(partition: int, text: bytes) -> Iterator[Waiting]:
    """Take a partition's answers apart (lua/include/answers.lua); struct.error if they are cut."""
    for frame, requests, granted, named in answers_in(text):
        asked = np.frombuffer(requests, NAMED_REQUEST_DTYPE if named else REQUEST_DTYPE)
        held = asked[np.frombuffer(granted, np.uint8) == Granted.HELD]
        amounts = held[["account", "asset", "amount"]].tolist()
        yield Waiting(partition, frame, tuple(amounts))


def _told(name: bytes) -> str:
    """A field in words."""
    if len(name) == 8:
        account, asset = struct.unpack("<II", name)
        return f"the balance of account {account}, asset {asset}"
    return f"field {name!r}"


def _foundings(shards: Shards, buckets: Sequence[int]) -> list[bytes | None]:
    return shards.exchange(
        [(bucket, packed(b"HGET", shards.map.key(bucket), b"F")) for bucket in buckets]
    )


def all_balances(
    shards: Shards, progress: Progress = unseen, buckets: Iterable[int] | None = None
) -> npt.NDArray[np.void]:
    """Balances (BALANCE_DTYPE) of every account that has anything, ascending.

    Each is as it was when its page was read; an exchange that runs changes them meanwhile.
    """
    chosen = list(range(shards.map.buckets) if buckets is None else buckets)
    for bucket, state in zip(chosen, _foundings(shards, chosen), strict=True):
        check_founding(shards, bucket, state)
    parts = []
    for done, bucket in enumerate(chosen):
        progress(done, len(chosen))
        found: dict[bytes, bytes] = {}
        for page in pages(shards, bucket):
            pairs = zip(page[::2], page[1::2], strict=True)
            found |= {name: value for name, value in pairs if len(name) == 8 and len(value) == 16}
        # A record is the field and its value, one after the other.
        text = b"".join(name + value for name, value in found.items())
        parts.append(np.frombuffer(text, BALANCE_DTYPE))
    progress(len(chosen), len(chosen))
    records = np.concatenate(parts) if parts else np.zeros(0, BALANCE_DTYPE)
    records = records[(records["available"] | records["held"]) != 0]
    return records[np.lexsort((records["asset"], records["account"]))]
