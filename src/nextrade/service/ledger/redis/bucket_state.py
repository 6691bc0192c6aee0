"""What a bucket keeps beside balances, at one moment: sums, watermarks, transfers, outbox.

One command reads all of it, so the parts belong together. Buckets are read one after the other,
though: sums over several of them hold only if nothing changed meanwhile, which reading twice
tells (``same_moment``).
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from ....errors import UnknownBucket, WrongLibrary, WrongMap
from .codes import VERSION
from .link import packed
from .shards import Shards

__all__ = ["BucketState", "bucket_states", "check_founding", "names_in", "same_moment", "wrapped"]


@dataclass(frozen=True)
class BucketState:
    """One bucket. ``fault`` says why it cannot be read; then nothing else counts."""

    bucket: int
    fault: str = ""
    outside_batches: tuple[tuple[int, tuple[int, int, int, int]], ...] = ()
    """By asset, what changes outside batches came to: available, held, outside, transfers."""
    batches: tuple[tuple[tuple[int, int], tuple[int, int]], ...] = ()
    """By partition and asset, what batches came to: available and held, modulo 2**64."""
    watermarks: tuple[tuple[int, bytes], ...] = ()
    """By partition: epoch u64, last batch settled here u64, a bit for each bucket it touched."""
    answers: tuple[tuple[int, bytes], ...] = ()
    """By partition: answers to frames that no batch has ended (lua/include/answers.lua)."""
    transfers: tuple[bytes, ...] = ()
    """References of transfers from here that are not finished."""
    outbox: tuple[int, int] = (0, 0)
    """Number of the oldest record, and of the next one to come."""
    ids: int = 0
    """How many client order ids it says that it keeps."""

    def sums(self) -> dict[int, tuple[int, int, int, int, int]]:
        """By asset: available, held, outside, transfers, and the sum of all batches' postings."""
        found = {asset: [*amounts, 0] for asset, amounts in self.outside_batches}
        for (_, asset), (available, held) in self.batches:
            own = found.setdefault(asset, [0] * 5)
            own[0], own[1], own[4] = own[0] + available, own[1] + held, own[4] + available + held
        return {
            asset: (
                wrapped(own[0]),
                wrapped(own[1]),
                own[2],
                own[3],
                wrapped(own[4]),
            )
            for asset, own in sorted(found.items())
        }


def wrapped(number: int) -> int:
    """Return a number as 64 bits have it: buckets count so (lua/include/totals.lua)."""
    return (number + 2**63) % 2**64 - 2**63


def bucket_states(
    shards: Shards, buckets: Iterable[int] | None = None, partitions: int = 0
) -> list[BucketState]:
    """Read some buckets, or all. One that is gone or damaged is told as such, not raised.

    ``partitions``: how many at least are asked for; one that has moved nothing yet is not known
    to a bucket by its marks, and may have settled batches all the same.
    """
    chosen = range(shards.map.buckets) if buckets is None else list(buckets)
    marks: dict[int, bytes | None] = {}
    found: dict[int, BucketState] = {}
    todo = list(chosen)
    # Marks only grow: what appeared since they were read is asked for in another round.
    while todo:
        unmarked = [bucket for bucket in todo if bucket not in marks]
        replies = shards.exchange([(bucket, _read(shards, bucket, [b"N"])) for bucket in unmarked])
        marks |= {bucket: reply[1] for bucket, reply in zip(unmarked, replies, strict=True)}
        asked = [_asked(marks[bucket], partitions) for bucket in todo]
        replies = shards.exchange(
            [
                (bucket, _read(shards, bucket, [b"N", *(name for names in all_ for name in names)]))
                for bucket, all_ in zip(todo, asked, strict=True)
            ]
        )
        grown = []
        for bucket, reply, fields in zip(todo, replies, asked, strict=True):
            if reply[1] != marks[bucket]:
                marks[bucket] = reply[1]
                grown.append(bucket)
            else:
                found[bucket] = _state(shards, bucket, reply[0], reply[2:], fields)
        todo = grown
    return [found[bucket] for bucket in chosen]


def same_moment(first: Sequence[BucketState], second: Sequence[BucketState]) -> bool:
    """Whether two reads, one after the other, saw the same: then all of it held at one moment.

    Every change of a balance moves a watermark, the outbox, or an answer to a frame.
    """
    return list(first) == list(second)


def names_in(text: bytes) -> tuple[bytes, ...]:
    """References that stand each after its length (field t)."""
    names, at = [], 0
    while at < len(text):
        names.append(text[at + 1 : at + 1 + text[at]])
        at += 1 + text[at]
    return tuple(names)


_TWO = struct.Struct("<qq")
_FOUR = struct.Struct("<qqqq")
_Fields = tuple[list[bytes], ...]


def _read(shards: Shards, bucket: int, fields: Sequence[bytes]) -> bytes:
    return packed(b"HMGET", shards.map.key(bucket), b"F", *fields)


def _asked(marks: bytes | None, at_least: int) -> _Fields:
    """The fields that a bucket with these marks (field N) can have."""
    assets, partitions = struct.unpack("<II", marks) if marks and len(marks) == 8 else (0, 0)
    partitions = max(partitions, at_least)
    numbers = [struct.pack("<I", partition) for partition in range(partitions)]
    return (
        [b"O", b"t", b"i"],
        [b"T" + struct.pack("<I", asset) for asset in range(assets)],
        [b"P" + struct.pack("<II", *pair) for pair in product(range(partitions), range(assets))],
        [b"W" + number for number in numbers],
        [b"A" + number for number in numbers],
    )


def check_founding(shards: Shards, bucket: int, founding: bytes | None) -> None:
    """Raise UnknownBucket, WrongLibrary or WrongMap unless it was founded with our map."""
    expected = shards.map.founding(bucket)
    if founding is not None and len(founding) == 24 and founding.startswith(expected):
        return
    if founding is None:
        raise UnknownBucket(f"bucket {bucket} was never founded, or its data is gone")
    if len(founding) != 24 or founding[12] != VERSION:
        raise WrongLibrary(f"bucket {bucket} has records of another version than this client's")
    raise WrongMap(f"bucket {bucket} belongs to another map than this client's")


def _state(
    shards: Shards, bucket: int, founding: bytes | None, values: list[bytes | None], fields: _Fields
) -> BucketState:
    try:
        check_founding(shards, bucket, founding)
    except (UnknownBucket, WrongLibrary, WrongMap) as error:
        return BucketState(bucket, str(error))
    parts: list[dict[bytes, bytes]] = []
    for names in fields:
        own, values = values[: len(names)], values[len(names) :]
        parts.append({name: value for name, value in zip(names, own, strict=True) if value})
    fixed, totals, batches, watermarks, answers = parts
    try:
        return BucketState(
            bucket,
            "",
            tuple((_numbers(name)[0], _FOUR.unpack(value)) for name, value in totals.items()),
            tuple(
                ((_numbers(name)[0], _numbers(name)[1]), _TWO.unpack(value))
                for name, value in batches.items()
            ),
            tuple((_numbers(name)[0], value) for name, value in watermarks.items()),
            tuple((_numbers(name)[0], value) for name, value in answers.items()),
            names_in(fixed.get(b"t", b"")),
            struct.unpack("<QQ", fixed[b"O"]) if b"O" in fixed else (0, 0),
            struct.unpack("<Q", fixed[b"i"])[0] if b"i" in fixed else 0,
        )
    except (struct.error, IndexError) as error:
        return BucketState(bucket, f"bucket {bucket} keeps a sum of the wrong length: {error}")


def _numbers(name: bytes) -> tuple[int, ...]:
    """The numbers in a field's name, after its letter."""
    return struct.unpack(f"<{(len(name) - 1) // 4}I", name[1:])
