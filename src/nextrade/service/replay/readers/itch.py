"""NASDAQ TotalView-ITCH 5.0, as NASDAQ's specification of that name describes it.

A file is one day of all stocks: binary messages, each behind a length of two bytes, from an
empty book on. A length of 0 stands for that of the type, but for two zero bytes at the very
end, which close the file. Files without lengths are not read: nothing in them would show
where a message begins once one is damaged.

| type | becomes |
| --- | --- |
| A, F (new order) | ADD |
| E, C (execution) | FILL; of a C that is not to be printed with AUCTION, since a cross reports it |
| X (reduction), D (deletion) | REDUCE, CANCEL; CANCEL also for an X that leaves nothing |
| U (replacement) | CANCEL of the old order and ADD of the new one, one event |
| P (execution of a hidden order) | HIDDEN |
| Q (cross) | NOTE, with price and quantity |
| S, V, W (about no stock) | nothing: a message has a market |
| all others | NOTE |

What E, X, D and U leave out is known from the orders open. A message that names no such
order becomes what it says, with price 0 and no side, so that a book refuses it.

``place`` is the byte of the unpacked file at which the type letter stands; the length is in
the two bytes before it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...._wire import FAULTS, ITCH_LENGTHS, ItchDecoder
from ....errors import DataError
from ..messages import MESSAGE_DTYPE, Aggressors, Part
from .source import BadRecords, Format
from .unpacked import BLOCK_BYTES, unpacked

PART_MESSAGES = 1 << 13
"""Messages that are given on at a time: few enough to stay in the cache."""

_RECOGNISED = 3
_DAY_NS = 86_400 * 10**9


class Itch:
    """A TotalView-ITCH 5.0 file as a recording of every stock in it."""

    format_name = "itch"
    aggressors = Aggressors.INFERRED
    starts_empty = True
    queued_by_id = False
    shows_auctions = False
    price_decimals = 4
    qty_decimals = 0

    def __init__(self, path: Path, bad: BadRecords) -> None:
        self.path = path
        self.length = path.stat().st_size
        self.markets: list[str] = []
        self._bad = bad
        self._decoder = ItchDecoder()

    def parts(self) -> Iterator[Part]:
        """Read from the start, as ``Recording.parts``."""
        self._bad.reset()
        # Whoever wrote the file cannot know the seed, nor choose ids that collide.
        decoder = self._decoder = ItchDecoder(int.from_bytes(os.urandom(8), "little"))
        self.markets = decoder.markets
        pending = 0
        data = b""
        offset = 0  # of ``data`` in the unpacked file
        with unpacked(self.path) as stream:
            last = False
            while not last:
                read = stream.read(BLOCK_BYTES)
                last = len(read) < BLOCK_BYTES
                data += read
                position = 0
                full = True
                while full:
                    out = np.empty(PART_MESSAGES, MESSAGE_DTYPE)
                    filled = 0
                    while True:
                        if pending:
                            position, pending = decoder.resume(data, position, pending, last)
                        if pending:
                            break
                        position, filled, pending, _ = decoder.decode(
                            data, position, out, filled, offset + position
                        )
                        if not pending:
                            break
                        self._bad.meet(self._fault(data, position, offset, pending))
                    full = len(out) - filled < 2
                    if filled:
                        _ = decoder.markets
                        yield Part(out[:filled], stream.position)
                offset += position
                data = data[position:]
        if data and data != b"\0\0":
            self._bad.meet(
                DataError(
                    f"{self.path}, byte {offset}: the file ends inside a message;"
                    " fetch the file again"
                )
            )

    def _fault(self, data: bytes, position: int, offset: int, fault: int) -> DataError:
        said = FAULTS[fault]
        announced = int.from_bytes(data[position : position + 2], "big")
        kind = data[position + 2 : position + 3].decode("ascii", "backslashreplace")
        length = ITCH_LENGTHS.get(kind)
        if length is not None and announced not in (0, length):
            said = f"the length says {announced} bytes, the type has {length}"
        return DataError(
            f"{self.path}, byte {offset + position + 2}: message of type {kind!r}: {said}"
        )

    def remarks(self) -> list[str]:
        """What a user should know about the last reading, a sentence each."""
        return self._bad.remarks() + effects(self._decoder)


def effects(decoder: ItchDecoder) -> list[str]:
    """What a decoder met that a book will answer with refusals."""
    said = []
    if decoder.unknown:
        said.append(f"{decoder.unknown:,} messages name an order that is not open")
    if decoder.excess:
        said.append(f"{decoder.excess:,} messages take more from an order than was left of it")
    if decoder.repeated:
        said.append(f"{decoder.repeated:,} orders came while one with the same id was open")
    return said


def _recognises(head: bytes) -> bool:
    """Whether the first three messages can be some, or all of a file with fewer."""
    position = 0
    for found in range(_RECOGNISED):
        rest = head[position:]
        if found and rest in (b"", b"\0\0"):
            return True
        length = ITCH_LENGTHS.get(rest[2:3].decode("latin-1"))
        if length is None or int.from_bytes(rest[:2], "big") not in (0, length):
            return False
        if len(rest) < 2 + length or int.from_bytes(rest[7:13], "big") >= _DAY_NS:
            return False
        position += 2 + length
    return True


FORMAT = Format("itch", "NASDAQ TotalView-ITCH 5.0, binary", _recognises, Itch)
