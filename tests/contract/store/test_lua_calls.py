"""Malformed and misdirected calls leave a book store as it was, byte for byte."""

import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .homes import FOUNDING, Home

HEAD = struct.Struct("<HHII")
NUMBER = struct.Struct("<Q")
EPOCH = NUMBER.pack(1)
PART = b":s:5:0"
SNAPSHOT = struct.pack("<QQI16s", 5, 3, 1, bytes(16))
BAD_VERSION, BAD_LENGTH, BAD_CODE, BAD_VALUE, UNFOUNDED, WRONG_MAP = 10, 11, 12, 13, 20, 21
STALE_EPOCH, GAP, REUSED, LOST = 22, 23, 33, 40

# By function: its code, what follows the store among the keys, and what follows the head, as the
# headers of the files in lua/ describe it. The store: 6 batches, 5 cleared, a snapshot of batch 4
# and one of batch 2, and one of batch 5 with one part (three letters) begun.
VALID: dict[str, tuple[int, list[bytes], list[bytes]]] = {
    "found": (20, [], [FOUNDING]),
    "acquire": (21, [], [b"sixteen letters!"]),
    "look": (22, [], []),
    "page": (23, [], [struct.pack("<QQI", 3, 6, 1000)]),
    "commit": (24, [], [struct.pack("<QQQ", 1, 7, 6), b"entry"]),
    "clear": (25, [], [struct.pack("<QQ", 1, 6)]),
    "part": (26, [PART], [struct.pack("<QQII", 1, 5, 1, 0), b"abc"]),
    "drop": (27, [PART], [struct.pack("<QQI", 1, 5, 1)]),
    "keep": (28, [PART, b":s:2:0"], [EPOCH + bytes(4) + SNAPSHOT]),
    "trim": (29, [], [EPOCH + struct.pack("<I", 1)]),
}
READING = ("look", "page")
REPEATS = {"found": 1, "acquire": 1, "commit": 1, "clear": 1, "drop": 1, "keep": 1}
"""What each answers when it is made once more, where that is not DONE."""
OWNED = ("commit", "clear", "part", "drop", "keep", "trim")


class Store:
    """A store with something in each field, seen past the client."""

    def __init__(self, home: Home) -> None:
        self.store: Any = home.new(0)
        epoch = self.store.acquire(0).epoch
        for batch in range(1, 7):
            self.store.commit(0, epoch, batch, batch - 1, b"entry")
        for batch in (2, 4):
            self.store.keep(0, epoch, batch, b"snapshot")
        self.key: bytes = self.store.map.key(0)
        self.client = home.server_of(self.store, 0).client()
        assert self.call("part", *self.arguments("part")) == [0]

    def head(self, code: int, version: int = 1, map_version: int = 1, partition: int = 0) -> bytes:
        return HEAD.pack(version, code, map_version, partition)

    def arguments(self, name: str) -> list[bytes]:
        code, _, parts = VALID[name]
        return [self.head(code), *parts]

    def keys(self, name: str) -> list[bytes]:
        return [self.key, *(self.key + ending for ending in VALID[name][1])]

    def call(self, name: str, *arguments: bytes, keys: list[bytes] | None = None) -> Any:
        keys = self.keys(name) if keys is None else keys
        return self.client.fcall(f"nextrade_store_{name}", len(keys), *keys, *arguments)

    def dump(self) -> tuple:
        parts = sorted(self.client.keys(self.key + b":*"))
        return self.client.hgetall(self.key), [(key, self.client.get(key)) for key in parts]


@pytest.fixture(scope="module")
def store(one_home: Home) -> Iterator[Store]:
    """Give a store that nothing in this file changes."""
    made = Store(one_home)
    yield made
    made.client.close()


@pytest.fixture
def refused(store: Store) -> Iterator[Callable[..., None]]:
    """Give a function that makes a call and sees that a code refuses it, and nothing else."""
    before = store.dump()

    def check(code: int, name: str, *arguments: bytes, **more: Any) -> None:
        assert store.call(name, *arguments, **more)[0] == code
        assert store.dump() == before

    yield check
    assert store.dump() == before


Refused = Callable[..., None]


@pytest.mark.parametrize("name", VALID)
def test_wrong_lengths(store: Store, refused: Refused, name: str) -> None:
    """A record that is cut off or too long is refused, wherever it stands; so is one too few."""
    whole = store.arguments(name)
    refused(BAD_LENGTH, name, *whole[:-1])
    refused(BAD_LENGTH, name, *whole, b"")
    refused(BAD_LENGTH, name)
    for place, argument in enumerate(whole):
        if argument in (FOUNDING, b"abc"):
            wrong_ones = [b""]
        elif argument == b"entry":  # of any length
            wrong_ones = []
        else:
            wrong_ones = [argument[:-1], argument + b"\0", b""]
        for wrong in wrong_ones:
            refused(BAD_LENGTH, name, *whole[:place], wrong, *whole[place + 1 :])


@pytest.mark.parametrize("name", VALID)
def test_wrong_numbers_of_keys(store: Store, refused: Refused, name: str) -> None:
    """A call names the store and the parts that its record speaks of, no more and no fewer."""
    keys, whole = store.keys(name), store.arguments(name)
    refused(BAD_LENGTH, name, *whole, keys=[*keys, store.key + b":s:2:1"])
    refused(BAD_LENGTH, name, *whole, keys=keys[:-1])


@pytest.mark.parametrize("name", VALID)
def test_wrong_versions(store: Store, refused: Refused, name: str) -> None:
    """A call of another version of records is refused."""
    code, _, parts = VALID[name]
    for version in (0, 2, 65_535):
        refused(BAD_VERSION, name, store.head(code, version), *parts)


@pytest.mark.parametrize("name", VALID)
def test_calls_meant_for_another_function(store: Store, refused: Refused, name: str) -> None:
    """The head's code must be that of the function called."""
    code, _, parts = VALID[name]
    for other in {0, 1, 65_535, *range(19, 31)} - {code}:
        refused(BAD_CODE, name, store.head(other), *parts)


@pytest.mark.parametrize("name", VALID)
def test_another_map(store: Store, refused: Refused, name: str) -> None:
    """A call by another map's version or for another partition is refused."""
    code, _, parts = VALID[name]
    refused(WRONG_MAP, name, store.head(code, map_version=2), *parts)
    refused(WRONG_MAP, name, store.head(code, partition=1), *parts)


@pytest.mark.parametrize("name", [name for name in VALID if name != "found"])
def test_unfounded_store(store: Store, refused: Refused, name: str) -> None:
    """A store that was never founded is not made by a call to it."""
    lost = store.key + b"-lost"
    keys = [lost, *(lost + ending for ending in VALID[name][1])]
    refused(UNFOUNDED, name, *store.arguments(name), keys=keys)
    assert not store.client.exists(lost)


@pytest.mark.parametrize("name", OWNED)
def test_epochs(store: Store, refused: Refused, name: str) -> None:
    """Only the highest epoch writes; none at all, and those too large for Lua, mean nothing."""
    head, record, *rest = store.arguments(name)
    for epoch, code in ((0, BAD_VALUE), (2**53, BAD_VALUE), (2**64 - 1, BAD_VALUE), (2, LOST)):
        refused(code, name, head, NUMBER.pack(epoch) + record[8:], *rest)
    own = NUMBER.pack(2)
    state = store.client.hget(store.key, "S")
    store.client.hset(store.key, "S", own + state[8:])
    try:
        assert store.call(name, head, record, *rest) == [STALE_EPOCH, 2]
    finally:
        store.client.hset(store.key, "S", state)


def test_another_founding(store: Store, refused: Refused) -> None:
    """A store is founded once."""
    refused(REUSED, "found", store.head(20), FOUNDING + b" ")


def test_batches_that_mean_nothing(store: Store, refused: Refused) -> None:
    """Impossible numbers, gaps and other entries are refused."""
    head = store.head(24)
    for batch, cleared, code in (
        (0, 0, BAD_VALUE),
        (7, 7, BAD_VALUE),
        (7, 2**53, BAD_VALUE),
        (2**53, 0, BAD_VALUE),
        (8, 6, GAP),
        (5, 4, GAP),
        (6, 5, REUSED),
    ):
        refused(code, "commit", head, struct.pack("<QQQ", 1, batch, cleared), b"other")
    for cleared, code in ((7, GAP), (2**53, BAD_VALUE)):
        refused(code, "clear", store.head(25), struct.pack("<QQ", 1, cleared))


def test_pages_that_mean_nothing(store: Store, refused: Refused) -> None:
    """Batches are counted from 1."""
    for first, last in ((0, 3), (2**53, 3), (1, 2**53)):
        refused(BAD_VALUE, "page", store.head(23), struct.pack("<QQI", first, last, 10))


def test_pages_end(store: Store) -> None:
    """A page ends where an entry is missing, after the last batch, and with its bytes."""
    for first, last, most, entries in ((3, 6, 99, 4), (2, 6, 99, 0), (6, 9, 99, 1), (5, 4, 99, 0)):
        record = struct.pack("<QQI", first, last, most)
        assert store.call("page", store.head(23), record) == [0, *[b"entry"] * entries]
    for most, entries in ((0, 0), (1, 1), (5, 1), (6, 2)):
        record = struct.pack("<QQI", 3, 6, most)
        assert store.call("page", store.head(23), record) == [0, *[b"entry"] * entries]


def test_parts_that_mean_nothing(store: Store, refused: Refused) -> None:
    """A part belongs to the snapshot that is being written, and has its key."""
    head = store.head(26)
    for batch, parts, number, code in (
        (0, 1, 0, BAD_VALUE),
        (5, 1, 1, BAD_VALUE),
        (5, 0, 0, BAD_VALUE),
        (5, 3001, 0, BAD_VALUE),
        (2**53, 1, 0, BAD_VALUE),
        (6, 1, 0, GAP),
        (5, 2, 0, REUSED),
        (4, 1, 0, REUSED),
    ):
        record = struct.pack("<QQII", 1, batch, parts, number)
        keys = [store.key, store.key + b":s:%d:%d" % (batch, number)]
        refused(code, "part", head, record, b"x", keys=keys)
    for key in (store.key, store.key + b":s:5:1", store.key + b":s:4:0", b"{p0}:s:5:0"):
        refused(BAD_VALUE, "part", *store.arguments("part"), keys=[store.key, key])


def test_drops_that_mean_nothing(store: Store, refused: Refused) -> None:
    """Only the snapshot that is being written can be dropped, and only its keys are."""
    head = store.head(27)
    for batch, parts, keys, code in (
        (5, 0, [], BAD_VALUE),
        (5, 3001, [], BAD_VALUE),
        (2**53, 1, [PART], BAD_VALUE),
        (5, 1, [b":s:4:0"], BAD_VALUE),
        (4, 1, [b":s:4:0"], 1),
    ):
        record = struct.pack("<QQI", 1, batch, parts)
        names = [store.key, *(store.key + ending for ending in keys)]
        refused(code, "drop", head, record, keys=names)


def test_snapshots_that_mean_nothing(store: Store, refused: Refused) -> None:
    """A snapshot becomes current when all of it is there and what goes is what is named."""

    def keep(code: int, instead: int, batch: int, size: int, parts: int, *keys: bytes) -> None:
        record = struct.pack("<QIQQI16s", 1, instead, batch, size, parts, bytes(16))
        names = [store.key, *(store.key + ending for ending in keys)]
        refused(code, "keep", store.head(28), record, keys=names)

    old = b":s:2:0"
    keep(BAD_VALUE, 2, 5, 3, 1, PART, old)
    keep(BAD_VALUE, 0, 0, 3, 1, PART, old)
    keep(BAD_VALUE, 0, 5, 3, 0, old)
    keep(BAD_VALUE, 0, 5, 3, 3001, PART, old)
    keep(BAD_VALUE, 0, 5, 2**53, 1, PART, old)
    keep(BAD_VALUE, 0, 5, 3, 1, b":s:4:0", old)
    keep(GAP, 0, 5, 4, 1, PART, old)
    keep(GAP, 0, 6, 3, 1, b":s:6:0", old)
    keep(REUSED, 0, 5, 3, 1, PART, b":s:4:0")
    keep(REUSED, 1, 5, 3, 1, PART, old)
    keep(REUSED, 0, 4, 3, 1, b":s:4:0", old)
    keep(REUSED, 0, 3, 3, 1, b":s:3:0", old)


def test_trims_that_mean_nothing(store: Store, refused: Refused) -> None:
    """Entries go in portions; those that a snapshot needs do not go at all."""
    for most in (0, 1001, 2**32 - 1):
        refused(BAD_VALUE, "trim", store.head(29), EPOCH + struct.pack("<I", most))
    refused(0, "trim", *store.arguments("trim"))


@pytest.mark.parametrize("name", VALID)
def test_the_calls_are_otherwise_good(one_home: Home, name: str) -> None:
    """What the tests above spoil is taken when it is whole, and again when it is repeated."""
    store = Store(one_home)
    before = store.dump()
    first = store.call(name, *store.arguments(name))[0]
    after = store.dump()
    again = store.call(name, *store.arguments(name))[0]
    changes = name not in (*READING, "found", "part", "trim")

    assert first == (1 if name == "found" else 0)
    assert again == REPEATS.get(name, 0)
    assert (before != after) == changes
    assert store.dump() == after
    store.client.close()
