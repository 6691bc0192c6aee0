"""Client order ids that an exchange in one process keeps: whose, for which order, since when.

The exchange keeps them itself, whatever the home of its ledger. An id is free again only when its
order is not open any more, and the books are known to nobody but this process; over a ledger on
Redis they end with it, and so do the ids. So one piece of code answers for both homes.

An id is taken while its order is open, and for 24 hours of the exchange's own time. What is over is
found when somebody asks, and forgotten some time later. Snapshots hold what is not forgotten yet,
too: what an exchange does next is to follow from its journal alone, even if a caller gives an order
the id of one before, and what was over seems open again.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import ClassVar, Final, NamedTuple

import numpy as np

from ...domain.protocol.limits import Limits
from ...domain.protocol.ports import MOST_IDS
from ...errors import SnapshotError

__all__ = ["LIFETIME_NS", "Kept", "KeptIds", "Key"]

LIFETIME_NS: Final = Limits().named_ms * 1_000_000

_KEPT_DTYPE = np.dtype(
    [("account", "<u4"), ("market", "<u4"), ("order", "<u8"), ("kept_ns", "<i8"), ("text", "S36")]
)
_HEAD = struct.Struct("<QQ")
_FEWEST_LOOKED_AT = 1024

Key = tuple[int, bytes]
"""An account and its client order id."""


class Kept(NamedTuple):
    """What a client order id stands for."""

    market: int
    order_id: int
    kept_ns: int
    """The time of the exchange behind the batch in which it was taken."""


class KeptIds:
    """The ids of all accounts. ``is_open`` says of a market and an order whether it is open."""

    most: ClassVar[int] = MOST_IDS
    """An order is refused whose id would be one more than this."""

    def __init__(self, is_open: Callable[[int, int], bool]) -> None:
        self._is_open = is_open
        # In the order in which they were taken, and those whose order was open after 24 hours.
        self._young: dict[Key, Kept] = {}
        self._old: dict[Key, Kept] = {}
        self._old_wanted = _FEWEST_LOOKED_AT

    def find(self, key: Key, now_ns: int) -> Kept | None:
        """What an id stands for; None if it is free."""
        kept = self._young.get(key) or self._old.get(key)
        return kept if kept is not None and self._is_taken(kept, now_ns) else None

    def room(self, wanted: int, now_ns: int) -> int:
        """How many more may be taken; at least ``wanted`` is said without counting, if there is."""
        room = self.most - len(self)
        if room >= wanted:
            return room
        room += sum(not self._is_taken(kept, now_ns) for kept in self._old.values())
        for kept in self._young.values():
            if now_ns - kept.kept_ns < LIFETIME_NS:
                break
            room += not self._is_taken(kept, now_ns)
        return room

    def keep(self, taken: dict[Key, tuple[int, int]], now_ns: int) -> None:
        """Keep ids, each for the order of a market, and forget what is over.

        ``now_ns`` never falls.
        """
        for key, order in taken.items():
            self._young.pop(key, None)
            self._old.pop(key, None)
            self._young[key] = Kept(*order, now_ns)
        self._forget(now_ns)

    def _forget(self, now_ns: int) -> None:
        over: list[Key] = []
        for key, kept in self._young.items():
            if now_ns - kept.kept_ns < LIFETIME_NS:
                break
            over.append(key)
        for key in over:
            kept = self._young.pop(key)
            if self._is_taken(kept, now_ns):
                self._old[key] = kept
        # All are looked at once they are twice as many as stayed: little for each that comes.
        if len(self._old) > self._old_wanted:
            self._old = {
                key: kept for key, kept in self._old.items() if self._is_taken(kept, now_ns)
            }
            self._old_wanted = max(2 * len(self._old), _FEWEST_LOOKED_AT)

    def of_account(self, account: int, now_ns: int) -> dict[bytes, Kept]:
        """The ids of an account that are taken, oldest first."""
        return {key[1]: kept for key, kept in self.taken(now_ns) if key[0] == account}

    def __len__(self) -> int:
        """How many there are that are not forgotten."""
        return len(self._young) + len(self._old)

    def taken(self, now_ns: int) -> Iterator[tuple[Key, Kept]]:
        """Every id that is taken, oldest first."""
        for key, kept in (*self._old.items(), *self._young.items()):
            if self._is_taken(kept, now_ns):
                yield key, kept

    def snapshot(self) -> bytes:
        """All that ``restore`` needs: 16 bytes, and 60 for each id."""
        rows = [
            (account, kept.market, kept.order_id, kept.kept_ns, text)
            for (account, text), kept in (*self._old.items(), *self._young.items())
        ]
        head = _HEAD.pack(len(self._old), self._old_wanted)
        return head + np.array(rows, _KEPT_DTYPE).tobytes()

    def restore(self, snapshot: bytes) -> None:
        """Begin with what ``snapshot`` gave; SnapshotError if that is not what these are."""
        if len(snapshot) < _HEAD.size or (len(snapshot) - _HEAD.size) % _KEPT_DTYPE.itemsize:
            raise SnapshotError("client order ids in a snapshot are cut short")
        old, self._old_wanted = _HEAD.unpack_from(snapshot)
        pairs = [
            ((account, text), Kept(market, order_id, kept_ns))
            for account, market, order_id, kept_ns, text in np.frombuffer(
                snapshot, _KEPT_DTYPE, offset=_HEAD.size
            ).tolist()
        ]
        self._old, self._young = dict(pairs[:old]), dict(pairs[old:])

    def _is_taken(self, kept: Kept, now_ns: int) -> bool:
        return now_ns - kept.kept_ns < LIFETIME_NS or self._is_open(kept.market, kept.order_id)
