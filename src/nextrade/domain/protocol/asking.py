"""What the frames of a batch ask of the ledger: requests by bucket and frame."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ..buckets import buckets_of_accounts
from ..partition import Reservations
from ..postings import REQUEST_DTYPE
from .naming import named_requests
from .ports import Ask, Reserve

__all__ = ["reserves_of"]

_Records = npt.NDArray[np.void]


def reserves_of(
    frames: _Records,
    commands: _Records,
    asked: Reservations,
    names: _Records | None,
    heads: Sequence[int],
) -> tuple[list[Reserve], npt.NDArray[np.int64]]:
    """What to ask of each bucket, and the rows of the commands that ask, in the same order.

    What a frame asks of a bucket is a function of the frame alone, so that whoever asks again asks
    the same: its requests there are those with client order ids if any of them has one.
    """
    rows = np.flatnonzero(asked.amount)
    if not len(rows):
        return [], rows
    requests = np.empty(len(rows), REQUEST_DTYPE)
    accounts = asked.account[rows]
    requests["account"], requests["asset"] = accounts, asked.asset[rows]
    requests["amount"] = asked.amount[rows]
    places = np.repeat(np.arange(len(frames)), frames["records"])[rows]
    keys = buckets_of_accounts(accounts, len(heads)) * len(frames) + places
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    text, size = requests[order].tobytes(), REQUEST_DTYPE.itemsize
    named = has_name = None
    if names is not None:
        named = named_requests(requests, rows, commands, names)[order]
        has_name = named["text"] != b""
    cuts = [0, *(np.flatnonzero(keys[1:] != keys[:-1]) + 1).tolist(), len(rows)]
    identities = frames["identity"].tolist()
    asks: dict[int, list[Ask]] = {}
    for start, end in pairwise(cuts):
        bucket, place = divmod(int(keys[start]), len(frames))
        if named is not None and has_name is not None and has_name[start:end].any():
            ask = Ask(identities[place], named[start:end].tobytes(), named=True)
        else:
            ask = Ask(identities[place], text[size * start : size * end])
        asks.setdefault(bucket, []).append(ask)
    reserves = [Reserve(bucket, heads[bucket], tuple(some)) for bucket, some in asks.items()]
    return reserves, rows[order]
