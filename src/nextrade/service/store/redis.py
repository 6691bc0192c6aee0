"""The book store of partitions on Redis: a hash of entries for each, and snapshots beside it.

Everything that changes a store is a function in lua/store_*.lua and may be repeated. A call
whose answer was lost is sent again for ``patience_s``; then it raises StoreUnavailable, may have
taken effect, and may be made again by the caller.
"""

import secrets
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ...domain.protocol.ports import Acquired
from ...errors import (
    LedgerError,
    LedgerUnavailable,
    StaleEpoch,
    StoreError,
    StoreUnavailable,
    WrongLibrary,
    WrongMap,
)
from ..ledger.redis.codes import Answer, Call
from ..ledger.redis.library import library
from ..ledger.redis.link import packed
from ..ledger.redis.shards import PATIENCE_S, ClusterShards, NamedShards, Shards
from .records import ERRORS, PARTITIONS, Header, KeptSnapshot, StoreMap

__all__ = ["RedisBookStore"]

PART_BYTES = 2 * 1024 * 1024
"""Bytes of one part of a snapshot: what a server handles in a few milliseconds."""
PAGE_BYTES = 4 * 1024 * 1024
"""After so many bytes a page of entries ends; its last entry may pass them."""
MOST_BYTES = 256 * 1024 * 1024
"""Bytes of an entry; a server takes no more than twice that in one word."""
TRIM = 200
"""Entries removed by one call."""
LOOKS = 20
"""How often to begin again when a worker removes what is being read."""
_READS = (Call.STORE_LOOK, Call.STORE_PAGE)
"""Calls that change nothing: no replica is waited for behind them."""
HIGHEST = 2**53 - 1
"""Epochs and batches are numbers that Lua knows exactly."""


class RedisBookStore:
    """A BookStore on Redis servers; see ``BookStore`` for what each call does.

    ``shards``: the servers of the ledger (see RedisLedger), which is founded before the stores
    and brings the functions. Raises WrongMap or WrongLibrary if they hold none that this
    version can use.
    """

    def __init__(
        self,
        shards: Mapping[str, str] | NamedShards | ClusterShards,
        patience_s: float = PATIENCE_S,
        part_bytes: int = PART_BYTES,
    ) -> None:
        placement = (
            shards if isinstance(shards, NamedShards | ClusterShards) else NamedShards(shards)
        )
        with translated():
            stored = Shards(placement, patience_s=patience_s).map
            self.shards = Shards(placement, StoreMap.of(stored), patience_s)
            self.shards.check_library()
        self.map = StoreMap.of(stored)
        self.damaged: dict[int, int] = {}
        """By partition: the batch of its newest snapshot, where acquire found it damaged."""
        self._part_bytes = part_bytes

    def close(self) -> None:
        """Close all connections."""
        self.shards.close()

    # --- once ----------------------------------------------------------------------------------

    def found(self, partition: int, founding: bytes) -> None:
        """Begin the history of a partition; the same once more is no error."""
        if not founding:
            raise ValueError("a store is founded with something")
        try:
            self._call(partition, Call.STORE_FOUND, (), founding)
        except StoreError as error:
            if isinstance(error, StoreUnavailable):
                raise
            raise StoreError(
                f"the book store of partition {partition} was founded with other listings or limits"
            ) from error

    def founding(self, partition: int) -> bytes:
        """What the store of a partition was founded with; empty if it was not, or is gone."""
        found = self._exchange(partition, packed(b"HGET", self.map.key(partition), b"J"))
        return bytes(found or b"")

    # --- taking over ---------------------------------------------------------------------------

    def acquire(self, partition: int) -> Acquired:
        """Raise the epoch of the partition by one and return what is stored.

        Goes on from the snapshot before if the newest one is damaged (see ``damaged``). Raises
        StoreError if nothing whole is left to begin from.
        """
        # With the same token the function raises nothing: the call may be sent again.
        reply = self._call(partition, Call.STORE_ACQUIRE, (), secrets.token_bytes(16))
        header = Header.read(*reply)
        self.damaged.pop(partition, None)
        # Whoever had the store before can change nothing now, so that what is read belongs
        # together; unless it is taken over once more.
        acquired = self._read(partition, header, False)
        if acquired is None:
            now = self._look(partition)
            if now.epoch != header.epoch:
                raise StaleEpoch(f"partition {partition} was taken over with epoch {now.epoch}")
            raise StoreError(self._nothing_whole(partition, header))
        if header.snapshots and acquired.snapshot_batch != header.snapshots[0].batch:
            self.damaged[partition] = header.snapshots[0].batch
        return acquired

    def look(self, partition: int, *, earlier: bool = False) -> Acquired:
        """Return what is stored and change nothing; the epoch is the highest ever given."""
        for _ in range(LOOKS):
            header = self._look(partition)
            acquired = self._read(partition, header, earlier)
            if acquired is not None:
                return acquired
            now = self._look(partition)
            if (now.snapshots, now.first) == (header.snapshots, header.first):
                raise StoreError(self._nothing_whole(partition, header))
        raise StoreUnavailable(
            f"the book store of partition {partition} changes faster than it can be read"
        )

    def _look(self, partition: int) -> Header:
        return Header.read(*self._call(partition, Call.STORE_LOOK))

    def _read(self, partition: int, header: Header, earlier: bool) -> Acquired | None:
        """Read the best that is whole; None if nothing is."""
        for start in header.starts(earlier):
            snapshot = self._snapshot(partition, start) if start else b""
            if snapshot is None:
                continue
            batch = start.batch if start else 0
            entries = self._entries(partition, batch + 1, header.batch)
            if entries is not None:
                return Acquired(
                    header.epoch,
                    header.batch,
                    header.cleared,
                    snapshot,
                    batch,
                    entries,
                    header.founding,
                )
        return None

    def _snapshot(self, partition: int, kept: KeptSnapshot) -> bytes | None:
        """Return the bytes of a snapshot, None if they are not what was kept."""
        parts = []
        for key in self.map.part_keys(partition, kept.batch, kept.parts):
            part = self._exchange(partition, packed(b"GET", key))
            if part is None:
                return None
            parts.append(part)
        snapshot = b"".join(parts)
        return snapshot if kept.is_of(snapshot) else None

    def _entries(self, partition: int, first: int, last: int) -> tuple[bytes, ...] | None:
        """Return the entries of these batches, None if one is missing."""
        entries: list[bytes] = []
        while (batch := first + len(entries)) <= last:
            record = struct.pack("<QQI", batch, last, PAGE_BYTES)
            page = self._call(partition, Call.STORE_PAGE, (), record)
            if not page:
                return None
            entries += page
        return tuple(entries)

    def _nothing_whole(self, partition: int, header: Header) -> str:
        kept = ", ".join(str(one.batch) for one in header.snapshots) or "none"
        return (
            f"the book store of partition {partition} is damaged: it keeps snapshots of batches"
            f" {kept} and entries from {header.first} to {header.batch}, and cannot rebuild the"
            " last state from them; restore the data of its server"
        )

    # --- batches -------------------------------------------------------------------------------

    def commit(self, partition: int, epoch: int, batch: int, cleared: int, entry: bytes) -> None:
        """Store the entry of the next batch; the same once more is no error."""
        _check(epoch, batch)
        if not 0 <= cleared < batch:
            raise ValueError(f"what is cleared lies before batch {batch}: {cleared}")
        if len(entry) > MOST_BYTES:
            raise ValueError(f"an entry has at most {MOST_BYTES:,} bytes, this one {len(entry):,}")
        record = struct.pack("<QQQ", epoch, batch, cleared)
        self._call(partition, Call.STORE_COMMIT, (), record, entry)

    def clear(self, partition: int, epoch: int, cleared: int) -> None:
        """Note up to which batch everything is settled and confirmed; never goes back."""
        _check(epoch, cleared + 1)
        self._call(partition, Call.STORE_CLEAR, (), struct.pack("<QQ", epoch, cleared))

    # --- snapshots -----------------------------------------------------------------------------

    def keep(self, partition: int, epoch: int, batch: int, snapshot: bytes) -> None:
        """Keep the state after a batch that is cleared; drop entries that are not needed now."""
        _check(epoch, batch)
        if not snapshot:
            raise ValueError("a snapshot has something in it")
        made = KeptSnapshot.of(batch, snapshot, self._part_bytes)
        header = self._look(partition)
        newest = header.snapshots[0] if header.snapshots else None
        if newest and newest.batch == batch and newest.is_of(snapshot):
            made = newest
        if newest is None or batch > newest.batch:
            self._write_parts(partition, epoch, header, made, snapshot)
        # A batch before the newest snapshot's is one of a call that was answered long ago.
        if newest is None or batch >= newest.batch:
            self._make_current(partition, epoch, header, made)
        left = 1
        while left:
            (left,) = self._call(partition, Call.STORE_TRIM, (), struct.pack("<QI", epoch, TRIM))

    def _write_parts(
        self, partition: int, epoch: int, header: Header, made: KeptSnapshot, snapshot: bytes
    ) -> None:
        begun = header.writing
        if begun is not None and begun != (made.batch, made.parts):
            record = struct.pack("<QQI", epoch, *begun)
            keys = self.map.part_keys(partition, *begun)
            self._call(partition, Call.STORE_DROP, keys, record)
        for number, key in enumerate(self.map.part_keys(partition, made.batch, made.parts)):
            record = struct.pack("<QQII", epoch, made.batch, made.parts, number)
            part = snapshot[number * self._part_bytes : (number + 1) * self._part_bytes]
            self._call(partition, Call.STORE_PART, [key], record, part)

    def _make_current(self, partition: int, epoch: int, header: Header, made: KeptSnapshot) -> None:
        """Make what was written the newest snapshot; a damaged one goes instead of the older."""
        newest_damaged = (
            bool(header.snapshots) and self.damaged.get(partition) == header.snapshots[0].batch
        )
        goes = header.snapshots[0:1] if newest_damaged else header.snapshots[1:2]
        keys = self.map.part_keys(partition, made.batch, made.parts)
        for one in goes:
            keys += self.map.part_keys(partition, one.batch, one.parts)
        record = struct.pack("<QI", epoch, newest_damaged) + made.packed()
        self._call(partition, Call.STORE_KEEP, keys, record)
        if made.batch != self.damaged.get(partition):
            self.damaged.pop(partition, None)

    # --- calls ---------------------------------------------------------------------------------

    def _call(self, partition: int, call: Call, keys: Any = (), *parts: bytes) -> list[Any]:
        """Call a function at a partition's store; return what follows its answer.

        Raises what a refusal means.
        """
        if not 0 <= partition < PARTITIONS:
            raise ValueError(f"a partition is a number from 0 to {PARTITIONS - 1}: {partition}")
        words = [self.map.key(partition), *keys, self.map.head(call, partition), *parts]
        function = f"nextrade_{call.name.lower()}"
        verb = b"FCALL_RO" if call in _READS else b"FCALL"
        reply = self._exchange(partition, packed(verb, function, 1 + len(keys), *words))
        try:
            answer = Answer(reply[0])
        except (ValueError, TypeError, IndexError) as error:
            raise StoreError(
                f"partition {partition} gave an answer that {library().digest} does not give"
            ) from error
        if answer in ERRORS:
            error_class, text = ERRORS[answer]
            detail = " ".join(str(part) for part in reply[1:] if isinstance(part, int))
            store = f"the book store of partition {partition}"
            raise error_class(f"{store} {text} {detail}".rstrip())
        rest: list[Any] = reply[1:]
        return rest

    def _exchange(self, partition: int, command: bytes) -> Any:
        with translated():
            (reply,) = self.shards.exchange([(partition, command)])
        return reply


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the ledger's connections raise into what a store raises."""
    try:
        yield
    except LedgerUnavailable as error:
        raise StoreUnavailable(str(error)) from error
    except (WrongMap, WrongLibrary):
        raise
    except LedgerError as error:
        raise StoreError(str(error)) from error


def _check(epoch: int, batch: int) -> None:
    if not (0 < epoch <= HIGHEST and 0 < batch <= HIGHEST):
        raise ValueError(f"epochs and batches are counted from 1: epoch {epoch}, batch {batch}")
