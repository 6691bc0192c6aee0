"""A durable exchange on disk: its journal, its snapshots, and how it comes back from them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ...domain.listings import Listings
from ...domain.listings_text import (
    listings_of_plain,
    listings_to_plain,
    pack_listings,
    unpack_listings,
)
from ...errors import JournalDamaged, JournalError, NexTradeError, SnapshotError
from ...platform.journal import Journal
from ...platform.snapshots import Snapshots
from ..ledger.memory import MemoryLedger
from .core import MONEY_CALLS, Core, State
from .records import (
    BATCH,
    FOUNDED,
    LISTINGS,
    MONEY,
    NAMED_BATCH,
    TIER,
    plain,
    read_batch,
    read_named_batch,
    read_plain,
)

VERSION: Final = 1
"""Of a founding."""

SNAPSHOT_VERSION: Final = 3
"""Of what a snapshot holds, told by its head: in version 1, whose head tells none, there are no
client order ids; up to version 2 there are no listings but those of the founding."""

_PART = struct.Struct("<Q")


class Store:
    """The folder of one exchange; open for one process at a time unless ``read_only``."""

    def __init__(self, path: Path, *, fsync: bool, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        if read_only and not path.is_dir():
            raise JournalError(f"{path}: there is no exchange in this folder")
        self.journal = Journal(path / "journal", fsync=fsync, read_only=read_only)
        try:
            self.snapshots = Snapshots(path / "snapshots", read_only=read_only)
        except BaseException:
            self.journal.close()
            raise

    def close(self) -> None:
        """Let go of the folder."""
        self.journal.close()

    @property
    def remarks(self) -> list[str]:
        """What opening found and mended."""
        return [*self.journal.remarks, *self.snapshots.remarks]

    @property
    def is_new(self) -> bool:
        """Whether nothing was founded here yet."""
        return self.snapshots.newest() is None and self.journal.last < 1

    def _founded(self) -> Listings:
        """What the first record of the journal says."""
        if self.journal.first != 1:
            raise JournalDamaged(
                f"{self.path}: the journal begins with record {self.journal.first}, and no"
                " snapshot that is whole covers what came before; restore the folder from a backup"
            )
        first = next(self.journal.read(1))
        if first.kind != FOUNDED:
            raise JournalDamaged(f"{self.path}: the journal does not begin with a founding")
        return listings_of_plain(read_plain(first.payload)["listings"])

    def found(self, listings: Listings) -> None:
        """Begin: the first record says what is traded here."""
        self.journal.append(
            FOUNDED, plain({"version": VERSION, "listings": listings_to_plain(listings)})
        )
        self.journal.commit()

    def recover(self, *, from_start: bool = False) -> Core:
        """The state after the last committed record.

        ``from_start`` leaves snapshots out and replays the whole journal, if it is all there.
        """
        newest = None if from_start else self.snapshots.newest()
        if newest is None:
            core, position = Core(self._founded(), MemoryLedger()), 0
        else:
            core, position = _restored(newest.payload), newest.position
            if position > self.journal.last:
                raise JournalDamaged(
                    f"{self.path}: the snapshot holds record {position}, the journal ends with"
                    f" {self.journal.last}: records are missing; restore the folder from a backup"
                )
        if self.journal.first > position + 1:
            raise JournalDamaged(
                f"{self.path}: the journal begins with record {self.journal.first}, and the"
                f" state before it is known only up to record {position}; restore the folder from a"
                " backup"
            )
        for number, kind, payload in self.journal.read(position + 1):
            try:
                apply(core, kind, payload)
            except NexTradeError as error:
                if isinstance(error, JournalDamaged):
                    raise JournalDamaged(f"{self.path}, record {number}: {error}") from error
                if kind != MONEY:
                    raise
                # The ledger refused it when it was recorded, and refuses it again.
        return core

    def write_snapshot(self, core: Core) -> None:
        """Keep the state, begin a new segment, and drop what two snapshots cover."""
        assert isinstance(core.ledger, MemoryLedger)
        self.journal.rotate()
        self.snapshots.write(self.journal.last, _packed(core, core.ledger))
        oldest = self.snapshots.positions[0]
        self.journal.drop_before(oldest + 1)


def apply(core: Core, kind: int, payload: bytes) -> None:
    """Do again what a record says; raises what the call raised the first time."""
    if kind in (BATCH, NAMED_BATCH):
        batch = (*read_batch(payload), None) if kind == BATCH else read_named_batch(payload)
        if batch[0] not in core.partitions:
            raise JournalDamaged(f"orders for partition {batch[0]}, which the listings do not have")
        core.run(*batch)
    elif kind == MONEY:
        name, *arguments = read_plain(payload)
        if name not in MONEY_CALLS:
            raise JournalDamaged(f"a ledger has no call {name!r}")
        core.money(name, *arguments)
    elif kind == TIER:
        account, tier = read_plain(payload)
        core.tiers[account] = tier
    elif kind == LISTINGS:
        core.relist(unpack_listings(payload))
    elif kind != FOUNDED:
        raise JournalDamaged(f"a record of unknown kind {kind}; it may be of a newer version")


def _packed(core: Core, ledger: MemoryLedger) -> Iterator[bytes]:
    founded = plain({"version": VERSION, "listings": listings_to_plain(core.founded)})
    state = core.state()
    head = plain(
        {
            "version": SNAPSHOT_VERSION,
            "batches": state.batches,
            "tiers": sorted(state.tiers.items()),
            "highest_order_id": state.highest_order_id,
            "clock_ns": state.clock_ns,
        }
    )
    # Those of the founding are known, unless there are others.
    now = b"" if core.listings == core.founded else pack_listings(core.listings)
    for part in (founded, head, ledger.snapshot(), state.kept_ids, now, *state.partitions):
        yield _PART.pack(len(part))
        yield part


def _parts(payload: bytes) -> list[bytes]:
    parts = []
    at = 0
    while at < len(payload):
        (length,) = _PART.unpack_from(payload, at)
        at += _PART.size
        parts.append(payload[at : at + length])
        at += length
    if at != len(payload) or len(parts) < 3:
        raise SnapshotError("the snapshot of an exchange ends in the middle of a part")
    return parts


def _restored(payload: bytes) -> Core:
    founding, head, ledger, *partitions = _parts(payload)
    known = read_plain(head)
    version = known.get("version", 1)
    if version > SNAPSHOT_VERSION:
        raise SnapshotError(
            f"the snapshot of an exchange is of version {version}; this NexTrade reads up to"
            f" {SNAPSHOT_VERSION}"
        )
    kept_ids = partitions.pop(0) if version > 1 else b""
    now = partitions.pop(0) if version > 2 else b""
    founded = listings_of_plain(read_plain(founding)["listings"])
    core = Core(unpack_listings(now) if now else founded, MemoryLedger.restore(ledger))
    core.founded = founded
    core.restore(
        State(
            partitions,
            known["batches"],
            dict(known["tiers"]),
            known["highest_order_id"],
            known["clock_ns"],
            kept_ids,
        )
    )
    return core
