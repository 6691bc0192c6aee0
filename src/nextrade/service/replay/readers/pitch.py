"""Cboe (BATS) PITCH, as the US Equities TCP PITCH Specification describes it.

Lines of fixed width, from an empty book on, without a heading: milliseconds since midnight
(eight digits), the letter of the type, fields. Recordings have an ``S`` before each line.
Ids have twelve digits of base 36; a price has six digits and four decimals, without a point.

| type | fields | becomes |
| --- | --- | --- |
| A, d (new order) | id, side, shares 6, symbol 6 (d: 8), price 10, display (d: + 4) | ADD |
| E (execution) | id, shares 6, execution id 12 | FILL at the order's price |
| X (reduction) | id, shares 6 | REDUCE; CANCEL if nothing is left |
| P, r (hidden execution) | id, side, shares 6, symbol 6 (r: 8), price 10, id 12 | HIDDEN |
| s (no orders of a symbol are left) | symbol 8 | CLEAR |
| H, I, J, R (halts, auctions, retail interest) | symbol 8, others | NOTE |
| B (broken trade) | execution id 12 | nothing: it has no market |

E and X name no symbol. Of an order that is not open it is not known, so such a line is left
out and counted. Times step back here and there: the order of the file is kept.

``place`` is the number of the line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...._wire import FAULTS, PitchDecoder
from ....errors import DataError
from ..messages import MESSAGE_DTYPE, Aggressors, Part
from .delimited import shown
from .source import BadRecords, Format
from .unpacked import BLOCK_BYTES, MAX_LINE_BYTES, unpacked

PART_MESSAGES = 1 << 13
"""Messages that are given on at a time: few enough to stay in the cache."""

_RECOGNISED = 3
_LINE = re.compile(
    rb"S?\d{8}(?:"
    rb"A[0-9A-Z]{12}[BS]\d{6}.{6}\d{10}.|d[0-9A-Z]{12}[BS]\d{6}.{8}\d{10}.{5}"
    rb"|E[0-9A-Z]{12}\d{6}[0-9A-Z]{12}|X[0-9A-Z]{12}\d{6}|B[0-9A-Z]{12}"
    rb"|P[0-9A-Z]{12}[BS]\d{6}.{6}\d{10}[0-9A-Z]{12}|r[0-9A-Z]{12}[BS]\d{6}.{8}\d{10}[0-9A-Z]{12}"
    rb"|s.{8}|H.{12}|I.{59}|J.{29}|R.{9})\r?"
)


class Pitch:
    """A PITCH file as a recording of every symbol in it."""

    format_name = "pitch"
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
        self._decoder = PitchDecoder()

    def parts(self) -> Iterator[Part]:
        """Read from the start, as ``Recording.parts``."""
        self._bad.reset()
        # Whoever wrote the file cannot know the seed, nor choose ids that collide.
        decoder = self._decoder = PitchDecoder(int.from_bytes(os.urandom(8), "little"))
        self.markets = decoder.markets
        line = 1
        data = b""
        last = inside = False
        with unpacked(self.path) as stream:
            while not last:
                read = stream.read(BLOCK_BYTES)
                last = len(read) < BLOCK_BYTES
                data += read
                if last and data and not data.endswith(b"\n"):
                    data += b"\n"
                position = 0
                if inside:  # a line that is too long, and reported already
                    position = data.find(b"\n") + 1 or len(data)
                    inside = not data.endswith(b"\n", 0, position)
                    line += not inside
                full = True
                while full:
                    out = np.empty(PART_MESSAGES, MESSAGE_DTYPE)
                    filled = 0
                    while True:
                        position, filled, fault, line = decoder.decode(
                            data, position, out, filled, line
                        )
                        if not fault:
                            break
                        position = self._pass_over(data, position, line, fault)
                        line += 1
                    full = filled == len(out)
                    if filled:
                        _ = decoder.markets
                        yield Part(out[:filled], stream.position)
                data = data[position:]
                if len(data) > MAX_LINE_BYTES:
                    said = f"more than {MAX_LINE_BYTES} bytes; is this a text file?"
                    self._bad.meet(DataError(f"{self.path}, line {line}: {said}"))
                    data, inside = b"", True

    def _pass_over(self, data: bytes, position: int, line: int, fault: int) -> int:
        """Report a line that cannot be read; answers with the beginning of the next one."""
        end = data.index(b"\n", position)
        said = shown(data[position : min(end, position + 80)].decode("latin-1"))
        self._bad.meet(DataError(f"{self.path}, line {line}: {FAULTS[fault]}: {said}"))
        return end + 1

    def remarks(self) -> list[str]:
        """What a user should know about the last reading, a sentence each."""
        decoder = self._decoder
        said = self._bad.remarks()
        if decoder.unknown:
            said.append(
                f"{decoder.unknown:,} lines name an order that is not open; they were left out,"
                " for they do not say of which symbol it was"
            )
        if decoder.excess:
            said.append(f"{decoder.excess:,} lines take more from an order than was left of it")
        if decoder.repeated:
            said.append(f"{decoder.repeated:,} orders came while one with the same id was open")
        if broken := decoder.counts.get("B"):
            said.append(f"{broken:,} broken trades were left out, for they name no symbol")
        return said


def _recognises(head: bytes) -> bool:
    """Whether the first three lines can be some, or all of a file with fewer."""
    lines = head.split(b"\n")
    if len(lines) <= _RECOGNISED and not lines[-1]:
        lines.pop()
    first = lines[:_RECOGNISED]
    return bool(first) and all(_LINE.fullmatch(line) is not None for line in first)


FORMAT = Format("pitch", "Cboe (BATS) PITCH, text of fixed width", _recognises, Pitch)
