"""Snapshots and entries that are damaged or gone, and snapshots that nobody finished."""

from collections.abc import Callable
from typing import Any

import pytest

from nextrade.errors import StoreError, StoreUnavailable, WrongMap

from .homes import FOUNDING, PART_BYTES, Home
from .test_contract import filled, numbers

OLD, NEW = b"old" * PART_BYTES, b"new" * PART_BYTES


def spoiled(client: Any, key: bytes) -> None:
    """Change one letter of a part."""
    client.setrange(key, 500, b"?")


def cut(client: Any, key: bytes) -> None:
    """Take the last letter of a part away."""
    client.set(key, client.get(key)[:-1])


def emptied(client: Any, key: bytes) -> None:
    """Take a part away."""
    client.delete(key)


DAMAGES = [spoiled, cut, emptied]
Damage = Callable[[Any, bytes], None]


class Place:
    """A store with snapshots of batches 2 and 4 out of 6, seen past its client."""

    def __init__(self, home: Home, snapshots: int = 2) -> None:
        self.home = home
        self.store: Any = home.new(0)
        self.epoch = filled(self.store, 6)
        self.store.keep(0, self.epoch, 2, OLD)
        if snapshots == 2:
            self.store.keep(0, self.epoch, 4, NEW)
        self.client = home.server_of(self.store, 0).client()

    def damage(self, how: Damage, batch: int, part: int = 1) -> None:
        how(self.client, b"nextrade:{p0}:s:%d:%d" % (batch, part))

    def parts(self) -> set[bytes]:
        return {key.split(b":s:")[1] for key in self.client.keys("nextrade:{p0}:s:*")}

    def entries(self) -> list[int]:
        names = [name for name in self.client.hkeys("nextrade:{p0}") if name[:1] == b"b"]
        return sorted(int.from_bytes(name[1:], "little") for name in names if len(name) == 9)


def parts_of(*batches: int) -> set[bytes]:
    """The names of the three parts that a snapshot here has."""
    return {b"%d:%d" % (batch, part) for batch in batches for part in range(3)}


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("part", [0, 2])
def test_newest_snapshot_damaged(one_home: Home, how: Damage, part: int) -> None:
    """The snapshot before it and the entries since give the same state; that it was is told."""
    place = Place(one_home)
    place.damage(how, 4, part)
    other = one_home.again()

    assert other.look(0) == (1, 6, 5, OLD, 2, numbers(3, 6), FOUNDING)
    assert other.damaged == {}
    assert other.acquire(0) == (2, 6, 5, OLD, 2, numbers(3, 6), FOUNDING)
    assert other.damaged == {0: 4}


def test_damaged_snapshot_goes_first(one_home: Home) -> None:
    """The next snapshot takes the place of the damaged one; the whole one stays behind it."""
    place = Place(one_home)
    place.damage(spoiled, 4)
    other = one_home.again()
    epoch = other.acquire(0).epoch
    other.keep(0, epoch, 4, NEW)  # the same once more mends nothing and breaks nothing
    assert other.damaged == {0: 4}
    other.commit(0, epoch, 7, 6, b"7")
    other.keep(0, epoch, 6, NEW)

    assert other.damaged == {}
    assert place.parts() == parts_of(2, 6)
    assert other.look(0) == (2, 7, 6, NEW, 6, numbers(7, 7), FOUNDING)
    assert other.look(0, earlier=True) == (2, 7, 6, OLD, 2, numbers(3, 7), FOUNDING)


def test_only_snapshot_damaged(one_home: Home) -> None:
    """While there was one snapshot only, all entries are there to begin from nothing."""
    place = Place(one_home, snapshots=1)
    place.damage(spoiled, 2)

    assert one_home.again().acquire(0) == (2, 6, 5, b"", 0, numbers(1, 6), FOUNDING)


@pytest.mark.parametrize("how", DAMAGES)
def test_both_snapshots_damaged(one_home: Home, how: Damage) -> None:
    """If nothing whole is left, the store says so and gives nothing."""
    place = Place(one_home)
    place.damage(how, 4)
    place.damage(how, 2)
    for call in (place.store.look, one_home.again().acquire):
        with pytest.raises(StoreError, match="batches 4, 2 and entries from 3 to 6"):
            call(0)


@pytest.mark.parametrize("batch", [3, 5, 6])
def test_missing_entry(one_home: Home, batch: int) -> None:
    """An entry that is needed and gone is never passed over."""
    place = Place(one_home)
    place.client.hdel("nextrade:{p0}", b"b" + batch.to_bytes(8, "little"))
    if batch == 3:
        assert place.store.look(0).snapshot == NEW
        with pytest.raises(StoreError, match="is damaged"):
            place.store.look(0, earlier=True)
    else:
        with pytest.raises(StoreError, match="is damaged"):
            place.store.acquire(0)


@pytest.mark.parametrize("field", [b"S", b"K"])
def test_damaged_state(one_home: Home, field: bytes) -> None:
    """A state of the wrong length is not read as anything, and not written over."""
    place = Place(one_home)
    value = place.client.hget("nextrade:{p0}", field)
    place.client.hset("nextrade:{p0}", field, value[:-1])
    for call in (
        lambda: place.store.look(0),
        lambda: place.store.acquire(0),
        lambda: place.store.keep(0, 1, 5, NEW),
    ):
        with pytest.raises(StoreError):
            call()


def test_nothing_stays_behind(one_home: Home) -> None:
    """Of any number of snapshots two are there, and the entries since the older one."""
    place = Place(one_home)
    for batch in range(7, 700):
        place.store.commit(0, 1, batch, batch - 1, b"%d" % batch)
    for batch in (300, 600, 690):  # more entries to remove than one call removes
        place.store.keep(0, 1, batch, NEW)

    assert place.parts() == parts_of(600, 690)
    assert place.entries() == list(range(601, 700))


@pytest.mark.parametrize("written", [1, 3])
def test_snapshot_that_nobody_finished(
    one_home: Home, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """Parts whose worker died are no snapshot, and go when the next one is written."""
    place = Place(one_home)
    call, made = place.store._call, []

    def die_later(partition: int, what: Any, *more: Any) -> Any:
        if len(made) == written + 1:  # after a look
            raise StoreUnavailable("died")
        made.append(what)
        return call(partition, what, *more)

    monkeypatch.setattr(place.store, "_call", die_later)
    with pytest.raises(StoreUnavailable):
        place.store.keep(0, 1, 5, NEW)
    assert place.parts() == parts_of(2, 4) | set(sorted(parts_of(5))[:written])
    other = one_home.again()
    epoch = other.acquire(0).epoch
    assert other.look(0).snapshot_batch == 4
    other.clear(0, epoch, 6)
    other.keep(0, epoch, 6, OLD)

    assert place.parts() == parts_of(4, 6)
    assert other.look(0).snapshot == OLD


def test_looking_while_snapshots_go(one_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader past whom two snapshots are kept begins again, and gets what belongs together."""
    place = Place(one_home)
    reader = one_home.again()
    exchange = reader._exchange
    keeps = [5, 6]

    def overtaken(partition: int, command: bytes) -> Any:
        if b":s:4:1" in command and keeps:
            place.store.clear(0, 1, 6)
            while keeps:
                place.store.keep(0, 1, keeps.pop(0), OLD)
        return exchange(partition, command)

    monkeypatch.setattr(reader, "_exchange", overtaken)

    assert reader.look(0) == (1, 6, 6, OLD, 6, (), FOUNDING)
    assert not keeps


def test_another_map(one_home: Home) -> None:
    """A store that was founded under another version of the map is refused."""
    place = Place(one_home)
    founding = place.client.hget("nextrade:{p0}", "F")
    place.client.hset("nextrade:{p0}", "F", b"\2" + founding[1:])
    with pytest.raises(WrongMap):
        place.store.acquire(0)
