"""A book store in plain Python lists: what the real one must do, and shares no code with."""

from dataclasses import dataclass, field, replace

from nextrade.domain.protocol.ports import Acquired
from nextrade.errors import Gap, StaleEpoch, StoreError


@dataclass
class Store:
    """One partition."""

    founding: bytes
    epoch: int = 0
    cleared: int = 0
    entries: dict[int, bytes] = field(default_factory=dict)
    last: int = 0
    snapshots: list[tuple[int, bytes]] = field(default_factory=list)


class MemoryBookStore:
    """A BookStore without a server."""

    def __init__(self) -> None:
        self.stores: dict[int, Store] = {}

    def found(self, partition: int, founding: bytes) -> None:
        if not founding:
            raise ValueError("a store is founded with something")
        if self.stores.setdefault(partition, Store(founding)).founding != founding:
            raise StoreError

    def _opened(self, partition: int) -> Store:
        if partition not in self.stores:
            raise StoreError
        return self.stores[partition]

    def _owned(self, partition: int, epoch: int) -> Store:
        store = self._opened(partition)
        if epoch < store.epoch:
            raise StaleEpoch
        if epoch > store.epoch:
            raise StoreError
        return store

    def acquire(self, partition: int) -> Acquired:
        self._opened(partition).epoch += 1
        return self.look(partition)

    def look(self, partition: int, *, earlier: bool = False) -> Acquired:
        store = self._opened(partition)
        batch, snapshot = (*store.snapshots[earlier:], (0, b""))[0]
        entries = tuple(store.entries[number] for number in range(batch + 1, store.last + 1))
        return Acquired(
            store.epoch, store.last, store.cleared, snapshot, batch, entries, store.founding
        )

    def commit(self, partition: int, epoch: int, batch: int, cleared: int, entry: bytes) -> None:
        if epoch < 1 or batch < 1 or not 0 <= cleared < batch:
            raise ValueError("epochs and batches are counted from 1, cleared lies before batch n")
        store = self._owned(partition, epoch)
        if batch == store.last:
            # A snapshot of the last batch may have made its entry superfluous.
            if store.entries.get(batch) != entry:
                raise StoreError
            return
        if batch != store.last + 1:
            raise Gap
        store.last = batch
        store.entries[batch] = entry
        store.cleared = max(store.cleared, cleared)

    def clear(self, partition: int, epoch: int, cleared: int) -> None:
        if epoch < 1 or cleared < 0:
            raise ValueError("epochs and batches are counted from 1")
        store = self._owned(partition, epoch)
        if cleared > store.last:
            raise Gap
        store.cleared = max(store.cleared, cleared)

    def keep(self, partition: int, epoch: int, batch: int, snapshot: bytes) -> None:
        if epoch < 1 or batch < 1 or not snapshot:
            raise ValueError("batches are counted from 1, and a snapshot has something in it")
        store = self._owned(partition, epoch)
        newest = store.snapshots[0][0] if store.snapshots else 0
        if batch < newest:
            return
        if batch == newest:
            if store.snapshots[0][1] != snapshot:
                raise StoreError
            return
        if batch > store.cleared:
            raise Gap
        store.snapshots = [(batch, snapshot), *store.snapshots[:1]]
        needed = store.snapshots[1][0] if len(store.snapshots) > 1 else 0
        for number in [number for number in store.entries if number <= needed]:
            del store.entries[number]

    def copy(self) -> "MemoryBookStore":
        """Return a store that goes its own way from here."""
        other = MemoryBookStore()
        other.stores = {
            number: replace(store, entries=dict(store.entries), snapshots=list(store.snapshots))
            for number, store in self.stores.items()
        }
        return other
