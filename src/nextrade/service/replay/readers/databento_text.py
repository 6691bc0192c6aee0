"""The columns of Databento's CSV files: any number, in any order, in two ways of writing.

Prices are whole numbers of 1e-9, or decimals if the file was written with pretty prices;
times are whole nanoseconds, or text such as ``2025-07-17T08:05:03.360842448Z``. The first
lines tell which. An empty field is an undefined price.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ....errors import DataError
from .databento import ACTIONS, SIDES, UNDEFINED_PRICE
from .delimited import Column, Moment, Scaled, Text, Whole, Word
from .unpacked import Block, first_bytes

if TYPE_CHECKING:
    import pyarrow

PRICE_DECIMALS = 9
_HEAD_BYTES = 1 << 16
_BYTE = np.dtype(np.uint8)


@dataclass(frozen=True, slots=True)
class DecimalPrice(Scaled):
    """A price such as ``5.510000000``."""

    decimals: int = PRICE_DECIMALS

    def values(self, found: pyarrow.Array) -> npt.NDArray[np.int64]:
        """In units of 1e-9; undefined where the field was empty."""
        return _undefined_if_empty(Scaled.values(self, found), found)


@dataclass(frozen=True, slots=True)
class RawPrice(Whole):
    """A price such as ``5510000000``."""

    def values(self, found: pyarrow.Array) -> npt.NDArray[np.int64]:
        """As it is; undefined where the field was empty."""
        return _undefined_if_empty(Whole.values(self, found), found)


def _undefined_if_empty(
    values: npt.NDArray[np.int64], found: pyarrow.Array
) -> npt.NDArray[np.int64]:
    if not found.null_count:
        return values
    return np.where(found.is_null().to_numpy(zero_copy_only=False), UNDEFINED_PRICE, values)


@dataclass(frozen=True, slots=True)
class Header:
    """The names in a file's first line, and what the first fields below them look like."""

    names: list[str]
    samples: dict[str, str]
    """The first field of each column that is not empty, as far as the head of the file goes."""

    def columns(self, wanted: Iterable[str], names: list[str], path: Path) -> list[Column]:
        """How to read the ``wanted`` columns; symbols are collected in ``names``."""
        chosen = set(wanted)
        return [
            self._column(name, names, path) if name in chosen else Column(name)
            for name in self.names
        ]

    def _column(self, name: str, names: list[str], path: Path) -> Column:
        sample = self.samples.get(name, "")
        if name == "price" or "_px_" in name:
            decimal = "." in sample or not sample
            return (DecimalPrice if decimal else RawPrice)(name, optional=True)
        if name.startswith("ts_"):
            return Moment(name, as_text="-" in sample[1:])
        if name == "action":
            return Word(name, codes=ACTIONS)
        if name == "side":
            return Word(name, codes=SIDES, optional=True)
        if name == "symbol":
            return Text(name, known=names)
        if name == "flags":
            return Whole(name, _BYTE, optional=True)
        if name == "order_id":
            return Whole(name, np.dtype(np.uint64), optional=True)
        if name == "instrument_id":
            return Whole(name, np.dtype(np.uint32))
        if name == "sequence" or name == "size" or "_sz_" in name or "_ct_" in name:
            return Whole(name, optional=True)
        raise DataError(f"{path}: the column {name} is not known")


def names_of(line: bytes) -> list[str]:
    """The names in a header line, each once: those of no or the same name get one of their own."""
    names: list[str] = []
    text = line.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r").decode("utf-8", "replace")
    for number, name in enumerate(text.split(","), start=1):
        names.append(name if name and name not in names else f"(column {number})")
    return names


def read_header(path: Path, needed: Iterable[str]) -> Header:
    """The header of a file; DataError if a needed column is not there."""
    lines = first_bytes(path, _HEAD_BYTES).split(b"\n")
    names = names_of(lines[0])
    missing = [name for name in needed if name not in names]
    if missing:
        raise DataError(
            f"{path}, line 1: the columns {', '.join(missing)} are missing; the first line must"
            " name the columns, as in Databento's CSV files"
        )
    samples: dict[str, str] = {}
    for line in lines[1:]:
        fields = line.rstrip(b"\r").split(b",")
        if len(fields) == len(names):
            for name, field in zip(names, fields, strict=True):
                if field:
                    samples.setdefault(name, field[:80].decode("ascii", "replace"))
    return Header(names, samples)


def below_header(block: Block) -> Block:
    """The block without the first line of the file."""
    if block.first_line != 1:
        return block
    cut = int(np.argmax(block.data == ord("\n"))) + 1
    return block._replace(data=block.data[cut:], first_line=2)
