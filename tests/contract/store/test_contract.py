"""What every book store does, whatever keeps it."""

import pytest

from nextrade.domain.protocol.ports import BookStore
from nextrade.errors import Gap, StaleEpoch, StoreError

from .homes import FOUNDING, Home


def filled(store: BookStore, batches: int, *, partition: int = 0) -> int:
    """Commit batches whose entries are their numbers; return the epoch."""
    epoch = store.acquire(partition).epoch
    for batch in range(1, batches + 1):
        store.commit(partition, epoch, batch, batch - 1, b"%d" % batch)
    return epoch


def numbers(first: int, last: int) -> tuple[bytes, ...]:
    """The entries that ``filled`` makes."""
    return tuple(b"%d" % batch for batch in range(first, last + 1))


def test_a_founded_store_is_empty(store: BookStore) -> None:
    """The first to acquire gets epoch 1 and what the store was founded with, nothing else."""
    assert store.look(0) == (0, 0, 0, b"", 0, (), FOUNDING)
    assert store.acquire(0) == (1, 0, 0, b"", 0, (), FOUNDING)
    assert store.acquire(0).epoch == 2
    assert store.look(0).epoch == 2
    assert store.look(1).epoch == 0


def test_founding_once(store: BookStore) -> None:
    """Founding again in the same way changes nothing; in another way it is refused."""
    epoch = filled(store, 2)
    store.found(0, FOUNDING)
    for other in (FOUNDING + b" ", b"x"):
        with pytest.raises(StoreError):
            store.found(0, other)
    with pytest.raises(ValueError, match="with something"):
        store.found(0, b"")

    assert store.look(0) == (epoch, 2, 1, b"", 0, numbers(1, 2), FOUNDING)


def test_unfounded_stores_are_refused(store: BookStore) -> None:
    """No call but found begins a history."""
    for call in (
        lambda: store.acquire(2),
        lambda: store.look(2),
        lambda: store.commit(2, 1, 1, 0, b"x"),
        lambda: store.clear(2, 1, 0),
        lambda: store.keep(2, 1, 1, b"x"),
    ):
        with pytest.raises(StoreError):
            call()
    store.found(2, b"later")

    assert store.acquire(2) == (1, 0, 0, b"", 0, (), b"later")


def test_entries_come_back_in_order(any_home: Home, store: BookStore) -> None:
    """What was committed is what another worker reads, byte for byte, also past a page."""
    entries = [bytes([n % 256]) * (n % 700) for n in range(1, 1203)]
    epoch = store.acquire(0).epoch
    for batch, entry in enumerate(entries, 1):
        store.commit(0, epoch, batch, max(0, batch - 3), entry)
    filled(store, 2, partition=1)
    other = any_home.again()

    assert other.acquire(0) == (2, 1202, 1199, b"", 0, tuple(entries), FOUNDING)
    assert other.look(0).entries == tuple(entries)
    assert other.look(1).entries == numbers(1, 2)


def test_large_entries(any_home: Home, store: BookStore) -> None:
    """Entries of some MB go in and come out, each page as large as it must be."""
    epoch = store.acquire(0).epoch
    entries = tuple(bytes([batch]) * (3 << 20) for batch in (1, 2, 3))
    for batch, entry in enumerate(entries, 1):
        store.commit(0, epoch, batch, 0, entry)

    assert any_home.again().look(0).entries == entries


def test_commits_repeat(store: BookStore) -> None:
    """The last commit may be made again; with another entry it is refused."""
    epoch = filled(store, 3)
    store.commit(0, epoch, 3, 2, b"3")
    with pytest.raises(StoreError):
        store.commit(0, epoch, 3, 2, b"other")
    with pytest.raises(StoreError):
        store.commit(0, epoch, 3, 2, b"")

    assert store.look(0) == (epoch, 3, 2, b"", 0, numbers(1, 3), FOUNDING)


@pytest.mark.parametrize("batch", [1, 2, 5, 100, 2**53 - 1])
def test_gaps_are_refused(store: BookStore, batch: int) -> None:
    """Only the next batch is taken."""
    epoch = filled(store, 3)
    with pytest.raises(Gap):
        store.commit(0, epoch, batch, 0, b"%d" % batch)

    assert store.look(0).entries == numbers(1, 3)


def test_two_workers(any_home: Home, store: BookStore) -> None:
    """Whoever was taken over can write nothing more, and learns why."""
    old = filled(store, 3)
    other = any_home.again()
    new = other.acquire(0).epoch
    for call in (
        lambda: store.commit(0, old, 4, 3, b"zombie"),
        lambda: store.commit(0, old, 3, 2, b"3"),
        lambda: store.clear(0, old, 3),
        lambda: store.keep(0, old, 2, b"zombie"),
    ):
        with pytest.raises(StaleEpoch):
            call()
    assert other.look(0) == (new, 3, 2, b"", 0, numbers(1, 3), FOUNDING)
    other.commit(0, new, 4, 3, b"4")

    assert new == old + 1
    assert store.look(0).entries == numbers(1, 4)


def test_epochs_never_given_are_refused(store: BookStore) -> None:
    """A worker with an epoch from a time that the store has lost is told so, and stops."""
    epoch = filled(store, 2)
    for call in (
        lambda: store.commit(0, epoch + 1, 3, 2, b"3"),
        lambda: store.clear(0, epoch + 1, 2),
        lambda: store.keep(0, epoch + 1, 1, b"x"),
    ):
        with pytest.raises(StoreError):
            call()

    assert store.look(0) == (epoch, 2, 1, b"", 0, numbers(1, 2), FOUNDING)


def test_cleared_never_goes_back(store: BookStore) -> None:
    """The highest batch that was ever cleared stays, and none that was not committed is taken."""
    epoch = filled(store, 4)
    store.clear(0, epoch, 4)
    store.clear(0, epoch, 2)
    store.clear(0, epoch, 0)
    assert store.look(0).cleared == 4
    with pytest.raises(Gap):
        store.clear(0, epoch, 5)
    store.commit(0, epoch, 5, 1, b"5")

    assert store.look(0).cleared == 4


def test_snapshots_replace_entries(any_home: Home, store: BookStore) -> None:
    """The newest snapshot and the entries since are read; the one before can be asked for."""
    epoch = filled(store, 9)
    first, second, third = (bytes([n]) * (1000 * n + n) for n in (3, 2, 5))
    store.keep(0, epoch, 2, first)
    assert store.look(0) == (epoch, 9, 8, first, 2, numbers(3, 9), FOUNDING)
    assert store.look(0, earlier=True) == (epoch, 9, 8, b"", 0, numbers(1, 9), FOUNDING)
    store.keep(0, epoch, 5, second)
    assert store.look(0, earlier=True) == (epoch, 9, 8, first, 2, numbers(3, 9), FOUNDING)
    store.keep(0, epoch, 8, third)
    other = any_home.again()

    assert other.look(0) == (epoch, 9, 8, third, 8, numbers(9, 9), FOUNDING)
    assert other.look(0, earlier=True) == (epoch, 9, 8, second, 5, numbers(6, 9), FOUNDING)
    assert other.acquire(0) == (epoch + 1, 9, 8, third, 8, numbers(9, 9), FOUNDING)


def test_snapshots_repeat(store: BookStore) -> None:
    """The same snapshot once more is no error, an older one is left alone, another is refused."""
    epoch = filled(store, 9)
    store.keep(0, epoch, 4, b"four" * 1000)
    store.keep(0, epoch, 6, b"six" * 1000)
    store.keep(0, epoch, 6, b"six" * 1000)
    store.keep(0, epoch, 5, b"five")
    store.keep(0, epoch, 4, b"another")
    with pytest.raises(StoreError):
        store.keep(0, epoch, 6, b"another")

    assert store.look(0).snapshot == b"six" * 1000
    assert store.look(0, earlier=True).snapshot == b"four" * 1000


def test_only_what_is_cleared_is_kept(store: BookStore) -> None:
    """A snapshot of a batch that is not cleared would let its entry be lost."""
    epoch = filled(store, 3)
    for batch in (3, 4):
        with pytest.raises(Gap):
            store.keep(0, epoch, batch, b"x")
    store.clear(0, epoch, 3)
    store.keep(0, epoch, 3, b"x")

    assert store.look(0) == (epoch, 3, 3, b"x", 3, (), FOUNDING)


def test_commits_after_a_snapshot_of_the_last_batch(store: BookStore) -> None:
    """A store whose entries are all in a snapshot goes on where it stopped."""
    epoch = filled(store, 3)
    store.clear(0, epoch, 3)
    for batch, snapshot in ((2, b"x"), (3, b"y")):
        store.keep(0, epoch, batch, snapshot)
    store.commit(0, epoch, 3, 2, b"3")
    with pytest.raises(Gap):
        store.commit(0, epoch, 5, 3, b"5")
    store.commit(0, epoch, 4, 3, b"4")

    assert store.acquire(0) == (2, 4, 3, b"y", 3, (b"4",), FOUNDING)


@pytest.mark.parametrize(
    ("epoch", "batch", "cleared"),
    [(0, 1, 0), (1, 0, 0), (1, 1, 1), (1, 1, -1), (-1, 1, 0)],
)
def test_numbers_that_mean_nothing(store: BookStore, epoch: int, batch: int, cleared: int) -> None:
    """Epochs and batches are counted from 1; a batch cannot be cleared before it is there."""
    store.acquire(0)
    with pytest.raises(ValueError, match=r"counted|before batch"):
        store.commit(0, epoch, batch, cleared, b"x")
    with pytest.raises(ValueError, match="something in it"):
        store.keep(0, 1, 1, b"")

    assert store.look(0).batch == 0
