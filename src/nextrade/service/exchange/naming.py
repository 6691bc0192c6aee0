"""Client order ids on their way through a batch: changes find their orders, new orders their ids.

The rules are those of a bucket of the distributed ledger (``lua/ledger_reserve.lua``): orders that
need money are asked for in turn; of each it is first said whether its id is in use, then whether
there is room for one more, then whether it has the money. An id is kept only with the money.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ...domain.refusals import Refusal
from ...enums import CommandKind, Reason
from ...errors import DataError
from ..ledger.protocol import Ledger
from .kept_ids import KeptIds, Key

__all__ = ["Named", "reserve_named", "resolve", "time_of"]

Records = npt.NDArray[np.void]

_FURTHER_FRAMES: Final = 1 << 62
"""Where the frames of a batch that asks more than once go on: above every number of a batch."""


class Named(NamedTuple):
    """What the ledger said to a batch with client order ids."""

    granted: npt.NDArray[np.int64]
    """As ``Partition.process`` takes it."""
    frames: list[int]
    taken: dict[Key, tuple[int, int]]
    """Ids that were taken: each for the order of a market."""


def time_of(commands: Records, names: Records, clock_ns: int) -> int:
    """The time by which the ids of a batch are judged."""
    return max(clock_ns, int(commands["timestamp_ns"][names["row"]].max()))


def resolve(
    commands: Records, names: Records, kept: KeptIds, clock_ns: int
) -> tuple[Records, Records | None]:
    """Give changes by client order id the id of their order; returns commands and names.

    The names that are left are those of new orders, and of changes whose order nobody knows.
    Raises DataError for a change that names its order twice.
    """
    rows = names["row"]
    placing = commands["kind"][rows] == CommandKind.PLACE
    if placing.all():
        return commands, names
    both = rows[~placing][commands["order_id"][rows[~placing]] != 0]
    if len(both):
        raise DataError(
            f"command {both[0]} has an order id and a client order id; name its order by one of"
            " them"
        )
    commands = commands.copy()
    now_ns = time_of(commands, names, clock_ns)
    texts = names["text"].tolist()
    keys = list(zip(commands["owner"][rows].tolist(), texts, strict=True))
    order_ids = commands["order_id"][rows].tolist()
    # An order of the same call may be meant, unless its id is another order's.
    placed = {keys[at]: order_ids[at] for at in np.flatnonzero(placing)}
    left = placing.copy()
    for at in np.flatnonzero(~placing):
        found = kept.find(keys[at], now_ns)
        order_id = placed.get(keys[at], 0) if found is None else found.order_id
        commands["order_id"][rows[at]] = order_id
        left[at] = not order_id
    return commands, names[left] if left.any() else None


def reserve_named(
    ledger: Ledger,
    kept: KeptIds,
    of_batch: tuple[int, int, int],
    commands: Records,
    requests: Records,
    refused: npt.NDArray[np.bool_],
    names: Records,
    clock_ns: int,
) -> Named:
    """Reserve for a batch (partition, epoch, number), some of whose commands bring names.

    ``requests`` are what each command asks for, 0 if nothing; ``refused``, whether it is refused
    at the door.
    """
    partition, epoch, batch = of_batch
    rows = names["row"]
    codes = np.zeros(len(commands), np.int64)
    lost = rows[(commands["kind"][rows] != CommandKind.PLACE) & ~refused[rows]]
    codes[lost], requests["amount"][lost] = -Reason.UNKNOWN_ORDER, 0
    # What needs no money is refused by its book, or at the door: it keeps no id.
    asking = names[requests["amount"][rows] != 0]
    now_ns = time_of(commands, names, clock_ns)
    room = kept.room(len(asking), now_ns)
    granted = np.empty(len(commands), np.bool_)
    frames: list[int] = []
    taken: dict[Key, int] = {}
    asked: dict[Key, int] = {}
    start = 0

    def ask(end: int) -> None:
        """Ask for what comes before this row, and learn which ids that keeps."""
        nonlocal start
        frame = _FURTHER_FRAMES + len(frames) if frames else batch
        granted[start:end] = ledger.reserve(partition, epoch, frame, requests[start:end])
        frames.append(frame)
        had = granted[list(asked.values())].tolist()
        taken.update(pair for pair, got in zip(asked.items(), had, strict=True) if got)
        asked.clear()
        start = end

    owners = commands["owner"][asking["row"]].tolist()
    for (row, text), owner in zip(asking.tolist(), owners, strict=True):
        key = owner, text
        # What becomes of this one depends on whether those before it have the money.
        if asked and (key in asked or len(taken) + len(asked) >= room):
            ask(row)
        if key in taken or kept.find(key, now_ns) is not None:
            codes[row] = -Refusal.DUPLICATE_CLIENT_ORDER_ID
        elif len(taken) >= room:
            codes[row] = -Refusal.TOO_MANY_CLIENT_ORDER_IDS
        else:
            asked[key] = row
            continue
        requests["amount"][row] = 0
    ask(len(commands))
    rows = np.array(list(taken.values()), np.intp)
    orders = zip(
        commands["market"][rows].tolist(), commands["order_id"][rows].tolist(), strict=True
    )
    amounts = np.where(granted, requests["amount"], -1)
    return Named(
        np.where(codes != 0, codes, amounts),
        frames,
        dict(zip(taken, orders, strict=True)),
    )
