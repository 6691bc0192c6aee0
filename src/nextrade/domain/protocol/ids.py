"""Numbers that gateways give out: ordered by time, unique without asking anybody.

An id is milliseconds since 2020 (41 bits, until 2089), the number of the gateway (10 bits)
and a counter (11 bits): 62 bits in all, so that it is also a valid order id. Frames that a schedule
makes have the gateway number SCHEDULER and, in place of the counter, what is due: whoever sends the
same one a second time gives it the same id.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = [
    "EPOCH_MS",
    "GATEWAYS",
    "SCHEDULER",
    "Ids",
    "first_id",
    "gateway_of",
    "milliseconds_of",
    "scheduled_id",
]

GATEWAYS = 1023
"""Gateways are numbered 0 to 1,022."""

SCHEDULER = 1023
"""The gateway number of commands that no customer sends."""

EPOCH_MS = 1_577_836_800_000
"""Milliseconds from 1970 to 2020, where the time of ids begins."""

_COUNTER_BITS = 11
_GATEWAY_BITS = 10
_TIME_SHIFT = _COUNTER_BITS + _GATEWAY_BITS
_COUNTS = 1 << _COUNTER_BITS


def milliseconds_of(identity: int) -> int:
    """When an id was given out, in milliseconds since 1970."""
    return (identity >> _TIME_SHIFT) + EPOCH_MS


def first_id(at_ms: int) -> int:
    """The lowest id of a moment, in milliseconds since 1970: ids given out before are lower."""
    return max(at_ms - EPOCH_MS, 0) << _TIME_SHIFT


def gateway_of(identity: int) -> int:
    """The number of the gateway that gave an id out; SCHEDULER of scheduled ones."""
    return identity >> _COUNTER_BITS & SCHEDULER


def scheduled_id(due_ms: int, place: int, kind: int) -> int:
    """The frame id of a scheduled command: when it is due, which market, which kind.

    ``place`` (0 to 127) is the market's place in its partition, ``kind`` (0 to 15) the
    CommandKind. Raises ValueError for others.
    """
    if not 0 <= place < 128 or not 0 <= kind < 16 or not 0 <= due_ms - EPOCH_MS < 1 << 41:
        raise ValueError(f"nothing is scheduled for market {place}, kind {kind}, at {due_ms} ms")
    return (due_ms - EPOCH_MS) << _TIME_SHIFT | SCHEDULER << _COUNTER_BITS | place << 4 | kind


class Ids:
    """Gives out ids, each higher than the one before.

    ``clock_ms`` tells milliseconds since 1970; if it steps back or more ids are wanted than a
    millisecond has, the ids run ahead of it. Two gateways must not have the same ``gateway``.
    """

    def __init__(self, gateway: int, clock_ms: Callable[[], int]) -> None:
        if not 0 <= gateway < GATEWAYS:
            raise ValueError(f"a gateway has a number from 0 to {GATEWAYS - 1:,}, not {gateway}")
        self._gateway = gateway
        self._clock_ms = clock_ms
        self._next = 0

    def take(self, count: int = 1) -> range | list[int]:
        """The next so many ids, ascending."""
        if count <= 0:
            return range(0)
        start = max(self._next, (self._clock_ms() - EPOCH_MS) << _COUNTER_BITS)
        self._next = start + count
        if start >> _COUNTER_BITS == (start + count - 1) >> _COUNTER_BITS:
            first = self._of(start)
            return range(first, first + count)
        return [self._of(ordinal) for ordinal in range(start, start + count)]

    def one(self) -> int:
        """The next id."""
        return self.take()[0]

    def _of(self, ordinal: int) -> int:
        """An ordinal is milliseconds and counter without the gateway between them."""
        milliseconds, counter = divmod(ordinal, _COUNTS)
        return milliseconds << _TIME_SHIFT | self._gateway << _COUNTER_BITS | counter
