"""A bucket's answers to the frames of a partition, taken apart (``lua/include/answers.lua``)."""

import struct
from collections.abc import Iterator

__all__ = ["NAMED_BIT", "NAMED_BYTES", "REQUEST_BYTES", "answers_in"]

REQUEST_BYTES = 16
NAMED_BYTES = 64
"""A request that carries a client order id."""
NAMED_BIT = 1 << 31
"""In the number of requests of a frame: they carry client order ids."""

_HEAD = struct.Struct("<QI")


def answers_in(text: bytes) -> Iterator[tuple[int, bytes, bytes, bool]]:
    """Frame, requests, what was granted, and whether the requests carry client order ids.

    Raises struct.error if the text is cut.
    """
    at = 0
    while at < len(text):
        frame, count = _HEAD.unpack_from(text, at)
        named, count = count >= NAMED_BIT, count % NAMED_BIT
        at += _HEAD.size
        middle = at + (NAMED_BYTES if named else REQUEST_BYTES) * count
        granted = text[middle : middle + count]
        if len(granted) != count:
            raise struct.error("an answer is cut")
        yield frame, text[at:middle], granted, named
        at = middle + count
