"""Taking a partition over: the state from the book store, the rest of the work from the ledger.

What a batch did is known from its entry, how far the ledger has followed from the watermark of each
bucket. Each batch names, at each bucket, the batch before it there; so the batches that touch a
bucket form a chain, and a watermark must be one of its links. What comes after the link is missing
and is applied. A watermark that is no link, or lies beyond the store, means that a server has lost
time: nothing can make that good without a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...errors import PartitionStopped
from .ports import Acquired, Mark, Settle
from .replica import Done, Replica

__all__ = ["History", "missing_settles", "replayed"]


class History(NamedTuple):
    """What was done since the stored snapshot."""

    heads: tuple[int, ...]
    """By bucket: the last batch that had touched it when the snapshot was made."""
    settles: tuple[Settle, ...]
    """What each batch since did to each bucket that it touched, in order."""
    uncleared: tuple[Done, ...]
    """The batches whose events are not known to be confirmed."""


def replayed(replica: Replica, acquired: Acquired) -> History:
    """Bring a restored replica up to the last batch; raises StoreError."""
    heads = tuple(replica.heads)
    settles: list[Settle] = []
    uncleared = []
    for entry in acquired.entries:
        done = replica.replay(entry)
        settles += done.settles
        if done.batch > acquired.cleared:
            uncleared.append(done)
    if replica.batch != acquired.batch:
        raise PartitionStopped(
            f"partition {replica.number}: the book store names batch {acquired.batch} as the last,"
            f" and its entries end with {replica.batch}; restore the store's data from a backup"
        )
    return History(heads, tuple(settles), tuple(uncleared))


def missing_settles(
    number: int, acquired: Acquired, history: History, marks: Sequence[Mark]
) -> list[list[Settle]]:
    """What the ledger has not done yet, batch by batch; raises PartitionStopped.

    ``acquired`` and ``history`` are the book store's word, ``marks`` the ledger's.
    """
    missing: dict[int, list[Settle]] = {}
    chains: dict[int, list[Settle]] = {}
    for settle in history.settles:
        chains.setdefault(settle.bucket, []).append(settle)
    for bucket, mark in enumerate(marks):
        chain = chains.get(bucket, [])
        links = [history.heads[bucket], *(settle.batch for settle in chain)]
        if mark.watermark not in links:
            raise PartitionStopped(_contradiction(number, bucket, mark, links, acquired))
        for settle in chain[links.index(mark.watermark) :]:
            missing.setdefault(settle.batch, []).append(settle)
    return [missing[batch] for batch in sorted(missing)]


def _contradiction(
    number: int, bucket: int, mark: Mark, links: list[int], acquired: Acquired
) -> str:
    if mark.watermark > acquired.batch:
        return (
            f"partition {number}: bucket {bucket} has settled batch {mark.watermark}, and the book"
            f" store ends with batch {acquired.batch}: the store's server has lost time. Restore"
            " its data, or that of all servers from one moment"
        )
    if mark.watermark < links[0]:
        return (
            f"partition {number}: bucket {bucket} stands at batch {mark.watermark}, and the book"
            f" store has no entries before batch {acquired.snapshot_batch + 1}, which need"
            f" {links[0]}: the shard has lost time. Restore its data from a later moment"
        )
    return (
        f"partition {number}: bucket {bucket} stands at batch {mark.watermark}, which never touched"
        f" it: ledger and book store are not of one exchange, or data of a server was changed"
    )
