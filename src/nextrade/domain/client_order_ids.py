"""Client order ids as callers give them: checked, and told by the commands that they belong to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..enums import CommandKind
from ..errors import DataError
from .protocol.frames import NAME_DTYPE

__all__ = ["ClientOrderIds", "checked_text", "names_of", "names_within"]

Records = npt.NDArray[np.void]
ClientOrderIds = Sequence[str | bytes | None] | npt.NDArray[np.bytes_]

_LONGEST = 36
_LEGAL = bytes(range(0x21, 0x7F))
_CHANGES = (CommandKind.CANCEL, CommandKind.REDUCE, CommandKind.REPLACE)


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
