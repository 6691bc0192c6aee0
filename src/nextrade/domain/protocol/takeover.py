"""Taking a partition over: the state from the book store, the rest of the work from the ledger.

What a batch did is known from its entry, how far the ledger has followed from the watermark of each
bucket. Each batch names, at each bucket, the batch before it there; so the batches that touch a
bucket form a chain, and a watermark must be one of its links. What comes after the link is missing
and is applied.

A bucket that came back with older data stands at an earlier link. It may also have forgotten what
frames of these batches had reserved, and then is given it together with what the batch did: the
answers are known from the entries. A watermark that is no link, or lies beyond the store, means
that a server has lost time, or too much of it: nothing can make that good without a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain as chained
from typing import NamedTuple

import numpy as np

from ...errors import PartitionStopped
from ..postings import KEPT_ID_DTYPE, NAMED_REQUEST_DTYPE, POSTING_DTYPE, REQUEST_DTYPE
from .ports import Acquired, Granted, Mark, Reserve, Settle
from .replica import Done, Replica

__all__ = ["History", "cannot_follow", "is_behind", "missing_settles", "replayed"]


class _Asked(NamedTuple):
    """What the frames of a batch had asked of the ledger, and got."""

    reserves: Sequence[Reserve]
    granted: bytes


class History(NamedTuple):
    """What was done since the stored snapshot."""

    heads: tuple[int, ...]
    """By bucket: the last batch that had touched it when the snapshot was made."""
    settles: tuple[Settle, ...]
    """What each batch since did to each bucket that it touched, in order."""
    asked: dict[int, _Asked]
    """By batch: what its frames had asked. Other frames are those of a verdict, which gives back
    all that they had."""
    uncleared: tuple[Done, ...]
    """The batches whose events are not known to be confirmed."""


def replayed(replica: Replica, acquired: Acquired) -> History:
    """Bring a restored replica up to the last batch; raises StoreError."""
    heads = tuple(replica.heads)
    settles: list[Settle] = []
    asked = {}
    uncleared = []
    for entry in acquired.entries:
        done = replica.replay(entry)
        settles += done.settles
        if done.reserves:
            asked[done.batch] = _Asked(done.reserves, done.granted)
        if done.batch > acquired.cleared:
            uncleared.append(done)
    if replica.batch != acquired.batch:
        raise PartitionStopped(
            f"partition {replica.number}: the book store names batch {acquired.batch} as the last,"
            f" and its entries end with {replica.batch}; restore the store's data from a backup"
        )
    return History(heads, tuple(settles), asked, tuple(uncleared))


def is_behind(history: History, marks: Sequence[Mark]) -> bool:
    """Whether a bucket lacks batches of before the snapshot, which an earlier one may know."""
    return any(mark.watermark < head for head, mark in zip(history.heads, marks, strict=True))


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
        waiting = set(mark.waiting)
        for settle in chain[links.index(mark.watermark) :]:
            forgotten = set(settle.frames) - waiting
            waiting.difference_update(settle.frames)
            if forgotten:
                settle = _with_holds(number, settle, forgotten, history.asked.get(settle.batch))
            missing.setdefault(settle.batch, []).append(settle)
    return [missing[batch] for batch in sorted(missing)]


def cannot_follow(number: int, batch: int, error: Exception) -> PartitionStopped:
    """What to raise when the ledger has too little for what is missing.

    No settlement can fail for that, but at a bucket which has lost other money too.
    """
    return PartitionStopped(
        f"partition {number}: a shard has lost time, and what came to its accounts since from"
        f" elsewhere is missing for batch {batch}: {error}. Let the other partitions catch up"
        " first; if that is not enough, restore its data from a later moment"
    )


def _with_holds(number: int, settle: Settle, forgotten: set[int], asked: _Asked | None) -> Settle:
    """The same for a bucket that has forgotten what these of its frames reserved."""
    frames = tuple(frame for frame in settle.frames if frame not in forgotten)
    if asked is None:
        # A verdict gives back what its one frame holds, and here it holds nothing any more.
        return settle._replace(postings=b"", frames=frames)
    postings = np.frombuffer(settle.postings, POSTING_DTYPE).tolist()
    sums: dict[tuple[int, int], list[int]] = {}
    holds, ids = _granted(number, settle.bucket, forgotten, asked)
    for account, asset, available, held in chained(postings, holds):
        balance = sums.setdefault((account, asset), [0, 0])
        balance[0] += available
        balance[1] += held
    rows = [(*key, *balance) for key, balance in sorted(sums.items())]
    return settle._replace(
        postings=np.array(rows, POSTING_DTYPE).tobytes(),
        frames=frames,
        ids=np.array(ids, KEPT_ID_DTYPE).tobytes(),
    )


_Row = tuple[int, int, int, int]


def _granted(
    number: int, bucket: int, frames: set[int], asked: _Asked
) -> tuple[list[_Row], list[tuple[int | bytes, ...]]]:
    """What a bucket had granted to these frames: holds as postings, and client order ids."""
    holds: list[_Row] = []
    ids: list[tuple[int | bytes, ...]] = []
    granted = iter(asked.granted)
    for reserve in asked.reserves:
        for frame, text, named in reserve.frames:
            dtype = NAMED_REQUEST_DTYPE if named else REQUEST_DTYPE
            for account, asset, amount, *more in np.frombuffer(text, dtype).tolist():
                held = next(granted) == Granted.HELD
                if not held or reserve.bucket != bucket or frame not in frames:
                    continue
                holds.append((account, asset, -amount, amount))
                if named and more[2]:
                    order, market, name = more
                    ids.append((account, name, order, frame, number, market))
    return holds, ids


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
            f" {links[0]}: the shard has lost too much time. Restore its data from a later moment"
        )
    return (
        f"partition {number}: bucket {bucket} stands at batch {mark.watermark}, which never touched"
        f" it: ledger and book store are not of one exchange, or data of a server was changed"
    )
