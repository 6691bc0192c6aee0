"""Where a batch begins in a stream, with batches told again, damage and retention."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nextrade import EVENT_DTYPE, LEVEL_DTYPE
from nextrade.domain.protocol.messages import FRAME_ENTRY_DTYPE, read_message, write_messages
from nextrade.service.gateway.place import Seen, place_of

NONE = np.zeros(0, np.uint32)


def told(batch: int) -> bytes:
    """The message of a batch in which nothing happened."""
    no_frames, no_events = np.zeros(0, FRAME_ENTRY_DTYPE), np.zeros(0, EVENT_DTYPE)
    none = no_frames, no_events, NONE, np.zeros(0, LEVEL_DTYPE), NONE
    (message,) = write_messages(0, batch, 5, *none)
    return message


class Stream:
    """Messages from an offset on; counts how often it was looked at."""

    def __init__(self, batches: list[int], first: int, damaged: frozenset[int]) -> None:
        self.messages = {
            first + row: b"garbage" if row in damaged else told(batch)
            for row, batch in enumerate(batches)
        }
        self.looks = 0

    def look(self, at: int | str) -> Seen | None:
        self.looks += 1
        if at == "last":
            return next((Seen(*one) for one in reversed(self.messages.items())), None)
        low = 0 if at == "first" else int(at)
        return next((Seen(*one) for one in self.messages.items() if one[0] >= low), None)


@given(
    st.lists(st.integers(0, 5), max_size=30),
    st.integers(1, 200),
    st.integers(0, 10**9),
    st.integers(0, 4000),
    st.frozensets(st.integers(0, 4000), max_size=40),
)
def test_no_batch_is_passed_over(
    repeats: list[int], spread: int, first: int, wanted: int, damaged: frozenset[int]
) -> None:
    """From the place on, the wanted batch and all later ones come; and the place is near."""
    batches, batch = [], 1
    for back in repeats:
        batches += range(batch, batch + spread)
        batch = max(batch + spread - back, 1)
    stream = Stream(batches, first, damaged)
    place = place_of(wanted, stream.look)

    assert stream.looks < 20
    start = first if place == "first" else int(place)
    rest = [(at, one) for at, one in stream.messages.items() if at >= start and one != b"garbage"]
    seen = {read_message(one).batch for _, one in rest}
    kept = {one for row, one in enumerate(batches) if row not in damaged}
    assert {one for one in kept if one >= wanted} <= seen
    if not damaged and wanted in kept:
        begins = next(at for at, one in rest if read_message(one).batch == wanted)
        assert begins - start <= 1024
