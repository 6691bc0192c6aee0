"""Malformed and misdirected calls leave a bucket as it was, byte for byte."""

import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nextrade.domain.protocol.ports import Ask, Reserve
from nextrade.errors import LedgerUnavailable, WrongLibrary

from .calls import ANNA, BTC, named, postings, requests
from .homes import Home

HEAD = struct.Struct("<HHIII")
CLAIM = struct.Struct("<BIIqI")
BUCKETS = 3
VERSION = 3
ORDERED = (ANNA, BTC, 4)


def frame(number: int, *rows: tuple[int, int, int]) -> bytes:
    """A frame as a reservation carries it: number, how many requests, and the requests."""
    return struct.pack("<QI", number, len(rows)) + requests(*rows).tobytes()


def named_frame(number: int, *rows: tuple[int, int, int, int, int, bytes]) -> bytes:
    """A frame whose requests carry client order ids."""
    return struct.pack("<QI", number, len(rows) | 1 << 31) + named(*rows).tobytes()


NAMED = (ANNA, BTC, 1, 900, 2, b"mine")
SURPLUS = struct.pack("<I36sQQII", ANNA, b"lost", 70, 7, 0, 2)

# What each function takes after the head, as the headers of the files in lua/ describe it.
PARTITION = struct.pack("<I", 0)
EPOCH = struct.pack("<Q", 1)
MOST = struct.pack("<I", 3)  # client order ids
VALID: dict[str, tuple[int, list[bytes]]] = {
    "found": (1, [struct.pack("<Iq", VERSION, 2**62 // BUCKETS)]),
    "fence": (2, [PARTITION + struct.pack("<Q", 9)]),
    "reserve": (
        3,
        [
            PARTITION + EPOCH + bytes(8) + MOST,
            frame(7, ORDERED) + frame(8, (ANNA, BTC, 1), ORDERED) + named_frame(9, NAMED),
        ],
    ),
    "settle": (
        4,
        [
            PARTITION + EPOCH + struct.pack("<QQI", 1, 0, 3),
            b"\x07",
            postings((ANNA, BTC, 2, -2), (ANNA, BTC + 1, 0, 0)).tobytes(),
            struct.pack("<Q", 5),
            SURPLUS,
        ],
    ),
    "claim": (5, [CLAIM.pack(1, ANNA, BTC, 4, 0), b"new"]),
    "credit": (6, [CLAIM.pack(1, ANNA, BTC, 4, 0), b"new"]),
    "hold": (7, [CLAIM.pack(2, ANNA, BTC, 4, 0), b"new"]),
    "capture": (8, [CLAIM.pack(2, ANNA, BTC, 3, 0), b"held"]),
    "refund": (9, [CLAIM.pack(2, ANNA, BTC, 3, 0), b"held"]),
    "trim": (10, [struct.pack("<Q", 1)]),
    "forget": (11, [PARTITION + EPOCH, struct.pack("<I36sQ", ANNA, b"kept", 600)]),
}
CLAIMING = ("claim", "credit", "hold", "capture", "refund")
BAD_VERSION, BAD_LENGTH, BAD_CODE, BAD_VALUE, UNFOUNDED, WRONG_MAP = 10, 11, 12, 13, 20, 21
STALE, LATE, EARLY, MISSING, REUSED, UNPUBLISHED = 22, 24, 25, 26, 33, 37


class Bucket:
    """The bucket of an account that has some money and a hold, seen past the client."""

    def __init__(self, home: Home) -> None:
        self.ledger = home.new(BUCKETS)
        self.number = self.ledger.map.of_account(ANNA)
        self.key = self.ledger.map.key(self.number)
        self.ledger.credit("d", ANNA, BTC, 20)
        self.ledger.hold("held", ANNA, BTC, 3)
        self.ledger.reserve(0, 1, 5, requests((ANNA, BTC, 5)))
        kept = Ask(6, named((ANNA, BTC, 1, 600, 2, b"kept")).tobytes(), named=True)
        self.ledger.batches.turn(0, 1, [], [Reserve(self.number, 0, (kept,))])
        address = self.ledger.shards.placement.address_of(self.ledger.map, self.number)
        (server,) = [server for server in home.servers if server.address == address]
        self.client = server.client()

    def head(self, code: int, version: int = VERSION, map_version: int = 1) -> bytes:
        return HEAD.pack(version, code, map_version, self.number, BUCKETS)

    def call(self, name: str, *arguments: bytes, keys: int = 1, key: bytes = b"") -> Any:
        return self.client.fcall(f"nextrade_{name}", keys, key or self.key, *arguments)

    def dump(self) -> tuple[dict[bytes, bytes], int]:
        return self.client.hgetall(self.key), self.client.dbsize()


@pytest.fixture(scope="module", params=["redis", "cluster"])
def bucket(request: pytest.FixtureRequest) -> Iterator[Bucket]:
    """Give a bucket that nothing in this file changes."""
    made = Bucket(request.getfixturevalue(f"{request.param}_home"))
    yield made
    made.client.close()


@pytest.fixture
def refused(bucket: Bucket) -> Iterator[Callable[..., None]]:
    """Give a function that makes a call and sees that a code refuses it, and nothing else."""
    before = bucket.dump()

    def check(code: int, name: str, *arguments: bytes, **more: Any) -> None:
        assert bucket.call(name, *arguments, **more)[0] == code
        assert bucket.dump() == before

    yield check
    assert bucket.dump() == before


@pytest.mark.parametrize("name", VALID)
def test_wrong_lengths(bucket: Bucket, refused: Callable[..., None], name: str) -> None:
    """A record that is cut off or too long is refused, wherever it stands; so is one too few."""
    code, parts = VALID[name]
    whole = [bucket.head(code), *parts]
    if name != "settle":
        refused(BAD_LENGTH, name, *whole[:-1])
    refused(BAD_LENGTH, name, *whole, b"")
    refused(BAD_LENGTH, name)
    for place, part in enumerate(whole):
        if part in (b"new", b"held"):
            wrong_parts = [b"", b"x" * 201]
        else:
            wrong_parts = [part[:-1], part + b"\0"] + ([b""] if place < 2 else [])
        for wrong in wrong_parts:
            refused(BAD_LENGTH, name, *whole[:place], wrong, *whole[place + 1 :])


@pytest.mark.parametrize("name", VALID)
def test_wrong_versions(bucket: Bucket, refused: Callable[..., None], name: str) -> None:
    """A call of another version of records is refused."""
    code, parts = VALID[name]
    for version in (0, 1, 2, 4, 65_535):
        refused(BAD_VERSION, name, bucket.head(code, version), *parts)


@pytest.mark.parametrize("name", VALID)
def test_calls_meant_for_another_function(
    bucket: Bucket, refused: Callable[..., None], name: str
) -> None:
    """The head's code must be that of the function called."""
    code, parts = VALID[name]
    for other in {0, 65_535, *range(1, 13)} - {code}:
        refused(BAD_CODE, name, bucket.head(other), *parts)


@pytest.mark.parametrize("name", VALID)
def test_another_map(bucket: Bucket, refused: Callable[..., None], name: str) -> None:
    """A call by another map's version, bucket or number of buckets is refused."""
    code, parts = VALID[name]
    refused(WRONG_MAP, name, bucket.head(code, map_version=2), *parts)
    other = (bucket.number + 1) % BUCKETS
    refused(WRONG_MAP, name, HEAD.pack(VERSION, code, 1, other, BUCKETS), *parts)
    refused(WRONG_MAP, name, HEAD.pack(VERSION, code, 1, bucket.number, BUCKETS + 1), *parts)


@pytest.mark.parametrize("name", [name for name in VALID if name != "found"])
def test_unfounded_bucket(bucket: Bucket, refused: Callable[..., None], name: str) -> None:
    """A bucket that was never founded is not made by a call to it."""
    code, parts = VALID[name]
    refused(UNFOUNDED, name, bucket.head(code), *parts, key=bucket.key + b"-lost")


@pytest.mark.parametrize("name", CLAIMING)
def test_claims_that_mean_nothing(bucket: Bucket, refused: Callable[..., None], name: str) -> None:
    """An unknown purpose, an amount of nothing or less, and an unheard-of asset are refused."""
    code, (claim, reference) = VALID[name]
    head, purpose = bucket.head(code), claim[0]
    for unknown in (0, 4, 255):
        refused(BAD_CODE, name, head, CLAIM.pack(unknown, ANNA, BTC, 4, 0), reference)
    for amount in (0, -1, -(2**32), -(2**63)):
        refused(BAD_VALUE, name, head, CLAIM.pack(purpose, ANNA, BTC, amount, 0), reference)
    refused(BAD_VALUE, name, head, CLAIM.pack(purpose, ANNA, 65_536, 4, 0), reference)


def test_purposes_that_do_not_fit(bucket: Bucket, refused: Callable[..., None]) -> None:
    """A withdrawal cannot be credited, and a credit cannot be held, captured or refunded."""
    refused(BAD_CODE, "credit", bucket.head(6), CLAIM.pack(2, ANNA, BTC, 4, 0), b"new")
    for name, code in (("hold", 7), ("capture", 8), ("refund", 9)):
        refused(BAD_CODE, name, bucket.head(code), CLAIM.pack(1, ANNA, BTC, 4, 0), b"new")


def test_requests_that_mean_nothing(bucket: Bucket, refused: Callable[..., None]) -> None:
    """One bad request among good ones, or a number out of range, refuses the whole reservation."""
    record, good = PARTITION + EPOCH + bytes(8) + MOST, frame(7, ORDERED)
    for bad in ((ANNA, BTC, 0), (ANNA, BTC, -1), (ANNA, 65_536, 1)):
        refused(BAD_VALUE, "reserve", bucket.head(3), record, good + frame(8, ORDERED, bad))
    for epoch in (0, 2**53, 2**64 - 1):
        wrong = PARTITION + struct.pack("<QQ", epoch, 0) + MOST
        refused(BAD_VALUE, "reserve", bucket.head(3), wrong, good)
    wrong = PARTITION + struct.pack("<QQ", 1, 2**53) + MOST
    refused(BAD_VALUE, "reserve", bucket.head(3), wrong, good)
    wrong = struct.pack("<IQQ", 65_536, 1, 0) + MOST
    refused(BAD_VALUE, "reserve", bucket.head(3), wrong, good)


def test_frames_that_are_cut_off(bucket: Bucket, refused: Callable[..., None]) -> None:
    """A frame that says more or fewer requests than there are refuses the whole reservation."""
    record, good, last = PARTITION + EPOCH + bytes(8) + MOST, frame(7, ORDERED), requests(ORDERED)
    for size in range(1, 28):
        refused(BAD_LENGTH, "reserve", bucket.head(3), record, good + good[:size])
    for count in (0, 2, 2**32 - 1):
        wrong = struct.pack("<QI", 8, count) + last.tobytes()
        refused(BAD_LENGTH, "reserve", bucket.head(3), record, good + wrong)


def test_frame_among_others_that_asked_otherwise(
    bucket: Bucket, refused: Callable[..., None]
) -> None:
    """One frame that was used with other requests, before or in the same call, refuses all."""
    record, known = PARTITION + EPOCH + bytes(8) + MOST, (ANNA, BTC, 5)
    for rows in ((known, ORDERED), ((ANNA, BTC, 6),), ()):
        refused(REUSED, "reserve", bucket.head(3), record, frame(7, ORDERED) + frame(5, *rows))
    twice = frame(7, ORDERED) + frame(7, known)
    refused(REUSED, "reserve", bucket.head(3), record, frame(6, ORDERED) + twice)


TEXTS = (b" ", b"a b", b"a\0b", b"\0b", b"\x7f", b"caf\xe9", b"tab\t", b"x" * 35 + b"\n")


@pytest.mark.parametrize("text", TEXTS)
def test_client_order_ids_that_are_none(
    bucket: Bucket, refused: Callable[..., None], text: bytes
) -> None:
    """An id with a space, a gap or what is not printable refuses the whole reservation."""
    record, bad = PARTITION + EPOCH + bytes(8) + MOST, named_frame(8, NAMED, NAMED)
    bad = bad[:-36] + text.ljust(36, b"\0")
    refused(BAD_VALUE, "reserve", bucket.head(3), record, frame(7, ORDERED) + bad)
    head, parts = bucket.head(4), VALID["settle"][1]
    lost = SURPLUS + SURPLUS[:4] + text.ljust(36, b"\0") + SURPLUS[40:]
    refused(BAD_VALUE, "settle", head, *parts[:4], lost)


def test_requests_with_ids_that_mean_nothing(bucket: Bucket, refused: Callable[..., None]) -> None:
    """What is no request without an id is none with one, and no frame is both kinds."""
    record, good = PARTITION + EPOCH + bytes(8) + MOST, named_frame(7, NAMED)
    for bad in ((ANNA, BTC, 0), (ANNA, BTC, -1), (ANNA, 65_536, 1)):
        wrong = good + named_frame(8, NAMED, (*bad, 901, 2, b"other"))
        refused(BAD_VALUE, "reserve", bucket.head(3), record, wrong)
    for size in (*range(1, 13), 28, 75, 77, 139):
        wrong = good + named_frame(8, NAMED, NAMED)[:size]
        refused(BAD_LENGTH, "reserve", bucket.head(3), record, wrong)
    for wrong in (
        frame(6, (ANNA, BTC, 1)),
        named_frame(5, (ANNA, BTC, 5, 1, 2, b"")),
        named_frame(6, (ANNA, BTC, 1, 601, 2, b"kept")),
        named_frame(6, (ANNA, BTC, 1, 600, 3, b"kept")),
        named_frame(6, (ANNA, BTC, 1, 600, 2, b"other")),
        named_frame(7, (ANNA, BTC, 1, 600, 2, b"other")),
    ):
        refused(REUSED, "reserve", bucket.head(3), record, good + wrong)


def test_settlements_of_frames_that_are_lost(bucket: Bucket, refused: Callable[..., None]) -> None:
    """A strict one of a frame without an answer is refused, and so are flags that mean nothing."""
    head, good = bucket.head(4), postings((ANNA, BTC, 2, -2)).tobytes()
    for flags in (2, 3):
        record = PARTITION + struct.pack("<QQQI", 1, 1, 0, flags)
        frames = struct.pack("<4Q", 5, 7, 6, 8)
        assert bucket.call("settle", head, record, b"\x07", good, frames) == [MISSING, 2]
        refused(MISSING, "settle", head, record, b"\x07", good, frames)
    for flags in (4, 2**31):
        record = PARTITION + struct.pack("<QQQI", 1, 1, 0, flags)
        refused(BAD_VALUE, "settle", head, record, b"\x07", good, b"")
    record = PARTITION + struct.pack("<QQQI", 1, 1, 0, 0)
    of_another = SURPLUS[:56] + struct.pack("<II", 1, 2)
    refused(BAD_VALUE, "settle", head, record, b"\x07", good, b"", of_another)


def test_forgetting_what_is_not_there(bucket: Bucket, refused: Callable[..., None]) -> None:
    """An id is left that has another order or account; numbers that mean nothing are refused."""
    head, record = bucket.head(11), PARTITION + EPOCH
    for account, text, order in ((ANNA, b"kept", 601), (2, b"kept", 600), (ANNA, b"Kept", 600)):
        refused(1, "forget", head, record, struct.pack("<I36sQ", account, text, order))
    kept = VALID["forget"][1][1]
    for wrong in (struct.pack("<IQ", 0, 0), struct.pack("<IQ", 0, 2**53), b"\0\0\1\0" + EPOCH):
        refused(BAD_VALUE, "forget", head, wrong, kept)


def test_reservation_that_comes_early(bucket: Bucket, refused: Callable[..., None]) -> None:
    """One that comes before the settlement that stands ahead of it is refused."""
    record = PARTITION + EPOCH + struct.pack("<Q", 3) + MOST
    refused(EARLY, "reserve", bucket.head(3), record, frame(7, ORDERED))


def test_batches_that_mean_nothing(bucket: Bucket, refused: Callable[..., None]) -> None:
    """Impossible numbers, disorder, and a last posting that cannot be had refuse the batch."""
    head = bucket.head(4)
    good = postings((ANNA, BTC, 2, -2)).tobytes()
    for epoch, batch, previous in ((0, 1, 0), (2**53, 1, 0), (1, 0, 0), (1, 1, 1), (1, 2**53, 0)):
        record = PARTITION + struct.pack("<QQQI", epoch, batch, previous, 0)
        refused(BAD_VALUE, "settle", head, record, b"\x07", good, b"")
    record = PARTITION + struct.pack("<QQQI", 1, 1, 0, 0)
    refused(23, "settle", head, PARTITION + struct.pack("<QQQI", 1, 5, 4, 0), b"\x07", good, b"")
    refused(32, "settle", head, record, b"\x07", good + good, b"")
    refused(30, "settle", head, record, b"\x07", good + postings((9, 0, -1, 1)).tobytes(), b"")
    refused(30, "settle", head, record, b"\x07", good + postings((9, 0, 1, -1)).tobytes(), b"")
    refused(BAD_VALUE, "settle", head, record, b"\x07", postings((9, 65_536, 1, 1)).tobytes(), b"")
    most = 2**63 - 1
    refused(31, "settle", head, record, b"\x07", postings((ANNA, BTC, most, 0)).tobytes(), b"")
    refused(31, "settle", head, record, b"\x07", postings((ANNA, BTC, 0, most)).tobytes(), b"")


def test_reservation_that_comes_late(server_home: Home) -> None:
    """A copy of a reservation that arrives after its frame was settled holds nothing."""
    bucket = Bucket(server_home)
    record, asked = PARTITION + EPOCH + bytes(8) + MOST, frame(5, (ANNA, BTC, 5))
    assert bucket.call("reserve", bucket.head(3), record, asked)[0] == 1
    bucket.ledger.settle(0, 1, 1, postings(), [5])
    before = bucket.dump()

    assert bucket.call("reserve", bucket.head(3), record, asked) == [LATE, 1]
    assert bucket.dump() == before
    bucket.ledger.reserve(0, 1, 10, requests((ANNA, BTC, 5)))
    assert bucket.dump() != before
    bucket.client.close()


def test_two_keys(bucket: Bucket, refused: Callable[..., None]) -> None:
    """A call names one bucket and no other key."""
    code, parts = VALID["fence"]
    refused(BAD_LENGTH, "fence", bucket.key, bucket.head(code), *parts, keys=2)


def test_trimming_too_far(bucket: Bucket, refused: Callable[..., None]) -> None:
    """Records that the outbox does not have yet cannot be trimmed."""
    after = max(record.number for record in bucket.ledger.outbox(bucket.number)) + 1
    for number in (after + 1, 2**53, 2**64 - 1):
        refused(BAD_VALUE, "trim", bucket.head(10), struct.pack("<Q", number))


@pytest.mark.parametrize("name", VALID)
def test_the_calls_are_otherwise_good(server_home: Home, name: str) -> None:
    """What the tests above spoil is taken when it is whole, and again when it is repeated."""
    bucket = Bucket(server_home)
    code, parts = VALID[name]
    before = bucket.dump()
    first = bucket.call(name, bucket.head(code), *parts)[0]
    after = bucket.dump()
    again = bucket.call(name, bucket.head(code), *parts)[0]

    assert (first, again) == ((1, 1) if name == "found" else (0, 1))
    assert (before != after) == (name != "found")
    assert bucket.dump() == after
    bucket.client.close()


def test_full_outbox(server_home: Home) -> None:
    """Once a million changes wait to be published further ones are refused, until some are."""
    from nextrade.service.ledger.redis import looking

    bucket = Bucket(server_home)
    bucket.client.hset(bucket.key, "O", struct.pack("<QQ", 5, 1_000_005))
    before = bucket.dump()
    for name in ("credit", "hold", "capture", "refund"):
        code, parts = VALID[name]
        assert bucket.call(name, bucket.head(code), *parts) == [UNPUBLISHED, 1_000_000]
    assert bucket.dump() == before
    assert looking.outbox_sizes(bucket.ledger.shards)[bucket.number] == 1_000_000
    with pytest.raises(LedgerUnavailable, match="nobody has published: 1000000"):
        bucket.ledger.credit("more", ANNA, BTC, 1)
    bucket.ledger.trim_outbox(bucket.number, 6)

    assert bucket.ledger.credit("more", ANNA, BTC, 1)
    bucket.client.close()


def test_bucket_of_an_older_version(server_home: Home) -> None:
    """A bucket whose records are of another version is refused, by calls and by reads."""
    bucket = Bucket(server_home)
    founding = bucket.client.hget(bucket.key, "F")
    bucket.client.hset(bucket.key, "F", founding[:12] + struct.pack("<I", 1) + founding[16:])
    before = bucket.dump()
    for name, (code, parts) in VALID.items():
        expected = WRONG_MAP if name == "found" else BAD_VERSION
        assert bucket.call(name, bucket.head(code), *parts)[0] == expected
    with pytest.raises(WrongLibrary):
        bucket.ledger.balances([(ANNA, BTC)])
    with pytest.raises(WrongLibrary):
        bucket.ledger.open_partition(0, 2)

    assert bucket.dump() == before
    bucket.client.close()
