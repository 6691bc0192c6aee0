"""Client order ids at the gateway: which orders they stand for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock

import numpy as np
import numpy.typing as npt

from ...enums import CommandKind
from ...errors import DataError

__all__ = ["ClientOrders", "Lookup"]

Records = npt.NDArray[np.void]
Lookup = Callable[[Sequence[int], Sequence[bytes]], Records]
"""Of accounts and their client order ids: what each stands for (KEPT_ID_DTYPE), order 0 if the
ledger keeps none."""

_REMEMBERED = 65_536


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
