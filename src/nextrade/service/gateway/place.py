"""Where in a stream a batch begins, found by looking at a few messages of it.

Batches ascend in a stream, but for those that a worker told again after a crash. A batch is never
told before the one before it; so wherever a message of an earlier batch has one of a later batch
behind it, the wanted batch begins there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from ...domain.protocol.messages import read_message
from ...errors import BadFrame

__all__ = ["Seen", "place_of"]

_NEAR = 256
"""Messages that are cheaper to read than to look between."""


_TOLD_AGAIN = 1024
"""Messages that a worker may tell again when it takes over: those of a batch or two."""


class Seen(NamedTuple):
    """A message of the stream, looked at."""

    offset: int
    body: bytes


Look = Callable[[int | Literal["first", "last"]], Seen | None]
"""Gives the first message at an offset or behind it, or one near the end; None if none came."""


def place_of(batch: int, look: Look) -> int | Literal["first"]:
    """An offset near before the beginning of a batch; where the stream begins if it has it no more.

    What cannot be read is passed over; the stream may lose its oldest messages meanwhile.
    """
    first = look("first")
    if first is None or not _is_before(first, batch):
        return "first"
    last = look("last")
    if last is None:
        return "first"
    if _is_before(last, batch):
        # The last that there is may be an earlier batch that is just being told again.
        return max(first.offset, last.offset - _TOLD_AGAIN)
    low, high = first.offset, last.offset
    while high - low > _NEAR:
        middle = (low + high) // 2
        seen = look(middle)
        if seen is not None and seen.offset < high and _is_before(seen, batch):
            low = seen.offset
        else:
            high = middle
    return low


def _is_before(seen: Seen, batch: int) -> bool:
    try:
        return read_message(seen.body).batch < batch
    except BadFrame:
        return False
