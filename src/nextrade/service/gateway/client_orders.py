"""Client order ids at the gateway: checked, told by whom they are kept, given to frames."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock

import numpy as np
import numpy.typing as npt

from ...domain.protocol.frames import NAME_DTYPE
from ...enums import CommandKind
from ...errors import DataError

__all__ = ["ClientOrderIds", "ClientOrders", "Lookup", "checked_text", "names_of", "names_within"]

Records = npt.NDArray[np.void]
ClientOrderIds = Sequence[str | bytes | None] | npt.NDArray[np.bytes_]
Lookup = Callable[[Sequence[int], Sequence[bytes]], Records]
"""Of accounts and their client order ids: what each stands for (KEPT_ID_DTYPE), order 0 if the
ledger keeps none."""

_LONGEST = 36
_LEGAL = bytes(range(0x21, 0x7F))
_CHANGES = (CommandKind.CANCEL, CommandKind.REDUCE, CommandKind.REPLACE)
_REMEMBERED = 65_536


def checked_text(text: str | bytes) -> bytes:
    """A client order id as frames carry it; DataError for one that cannot be."""
    plain = text.encode("utf-8", "replace") if isinstance(text, str) else bytes(text)
    if not 0 < len(plain) <= _LONGEST or plain.translate(None, _LEGAL):
        raise DataError(
            f"{text!r:.60} is no client order id: it has 1 to {_LONGEST} printable ASCII"
            " characters, no space among them"
        )
    return plain


def names_of(commands: Records, client_order_ids: ClientOrderIds | None) -> Records | None:
    """The client order ids of commands as NAME_DTYPE; None if no command has one.

    Raises DataError for one that cannot be, or for a command that can have none.
    """
    if client_order_ids is None:
        return None
    if len(client_order_ids) != len(commands):
        raise DataError(
            f"{len(client_order_ids)} client order ids for {len(commands)} commands; give as many,"
            " None where a command has none"
        )
    names = [(row, checked_text(text)) for row, text in enumerate(_plain(client_order_ids)) if text]
    if not names:
        return None
    found = np.array(names, NAME_DTYPE)
    kinds = commands["kind"][found["row"]]
    wrong = np.flatnonzero(~np.isin(kinds, (CommandKind.PLACE, *_CHANGES)))
    if len(wrong):
        raise DataError(f"command {found['row'][wrong[0]]} is about no order: it has no client id")
    return found


def _plain(client_order_ids: ClientOrderIds) -> Sequence[str | bytes | None]:
    if isinstance(client_order_ids, np.ndarray):
        plain: list[str | bytes | None] = client_order_ids.tolist()
        return plain
    return client_order_ids


def names_within(names: Records, rows: npt.NDArray[np.intp]) -> Records | None:
    """The names of these rows (ascending), counted from the first of them; None if none has one."""
    places = np.searchsorted(rows, names["row"])
    inside = places < len(rows)
    inside[inside] = rows[places[inside]] == names["row"][inside]
    if not inside.any():
        return None
    own = names[inside]
    own["row"] = places[inside]
    return own


class ClientOrders:
    """Which orders client order ids stand for: those of the ledger, and those just sent.

    An order that was sent a moment ago may not have come to the ledger. So the newest of those
    that this gateway sent are known here, for whom the ledger does not know yet.
    """

    def __init__(self, lookup: Lookup | None) -> None:
        self._lookup = lookup
        self._sent: OrderedDict[tuple[int, bytes], int] = OrderedDict()
        self._lock = Lock()

    def resolve(
        self, commands: Records, names: Records
    ) -> tuple[Records | None, npt.NDArray[np.intp]]:
        """Give changes by client order id the id of their order.

        Returns the names of new orders, and the rows of changes whose order nobody knows. Raises
        DataError for a change that names its order twice.
        """
        rows = names["row"]
        placing = commands["kind"][rows] == CommandKind.PLACE
        placed, changes = names[placing], names[~placing]
        owners = commands["owner"]
        with self._lock:
            for row, text in placed.tolist():
                self._sent[int(owners[row]), text] = int(commands["order_id"][row])
            while len(self._sent) > _REMEMBERED:
                self._sent.popitem(last=False)
        unknown = self._find(commands, changes) if len(changes) else []
        return placed if len(placed) else None, np.array(unknown, np.intp)

    def _find(self, commands: Records, changes: Records) -> list[int]:
        rows = changes["row"]
        both = np.flatnonzero(commands["order_id"][rows])
        if len(both):
            raise DataError(
                f"command {rows[both[0]]} has an order id and a client order id; name its order by"
                " one of them"
            )
        accounts: list[int] = commands["owner"][rows].tolist()
        texts: list[bytes] = changes["text"].tolist()
        found = [0] * len(rows)
        if self._lookup is not None:
            found = self._lookup(accounts, texts)["order"].tolist()
        with self._lock:
            sent = [self._sent.get(key, 0) for key in zip(accounts, texts, strict=True)]
        unknown = []
        for row, kept, own in zip(rows.tolist(), found, sent, strict=True):
            if order := kept or own:
                commands["order_id"][row] = order
            else:
                unknown.append(row)
        return unknown
