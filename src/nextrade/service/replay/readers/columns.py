"""One column of a block to integers, with an error that names file, line, column and remedy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ....domain.digits import read_decimals, read_whole
from ....errors import DataError
from .text_blocks import Table

_MINUS = 45


class Place(NamedTuple):
    """Where a table came from, for messages."""

    path: Path
    first_line: int

    def error(self, row: int, column: str, said: str) -> DataError:
        """The error for one field."""
        return DataError(f"{self.path}, line {self.first_line + row}, column {column}: {said}")


def whole_numbers(
    table: Table, column: int, name: str, dtype: np.dtype[np.integer], place: Place
) -> npt.NDArray[np.integer]:
    """A column of whole numbers within ``dtype``; an empty field is 0."""
    limits = np.iinfo(dtype)
    starts, ends = table.starts[:, column], table.ends[:, column]
    filled = ends > starts
    negative = filled & (table.data[starts] == _MINUS)
    values, known = read_whole(table.data, starts + negative, ends)
    known |= ~filled
    values = np.where(negative, -values, values)
    known &= (values >= max(int(limits.min), -(10**18))) & (values <= min(limits.max, 10**18))
    result = values.astype(dtype)
    for row in np.flatnonzero(~known).tolist():
        result[row] = _one_whole_number(table, row, column, name, limits, place)
    return result


def _one_whole_number(
    table: Table, row: int, column: int, name: str, limits: np.iinfo[np.integer], place: Place
) -> int:
    """The slow reading of a field that is longer than the fast one takes, or wrong."""
    raw = table.data[table.starts[row, column] : table.ends[row, column]].tobytes()
    if raw.removeprefix(b"-").isdigit() and len(raw) <= 64:
        value = int(raw)
        if limits.min <= value <= limits.max:
            return value
        raise place.error(
            row, name, f"{value} does not fit; it must be from {limits.min} to {limits.max}"
        )
    shown = table.text(row, column)
    raise place.error(row, name, f"{shown} is not a whole number; write digits only")


def scaled_decimals(
    table: Table, column: int, name: str, decimals: int, place: Place
) -> npt.NDArray[np.int64]:
    """A column of decimal numbers as whole numbers of ``10**-decimals``.

    Exact, but for further decimals, which round to nearest: published times carry digits
    such as ``35821.088778456004`` that a float has left behind.
    """
    starts, ends = table.starts[:, column], table.ends[:, column]
    read = read_decimals(table.data, starts, ends)
    up = np.clip(decimals - read.decimals, 0, 18)
    down = np.clip(read.decimals - decimals, 0, 18)
    # 18 digits in all leave room: a value below 10**(18 - up) times 10**up fits.
    known = read.known & (read.digits < _power_of_ten(18 - up))
    divisor = _power_of_ten(down)
    values = (np.where(known, read.digits, 0) * _power_of_ten(up) + divisor // 2) // divisor
    for row in np.flatnonzero(~known).tolist():
        values[row] = _one_decimal(table, row, column, name, decimals, place)
    return values


def _power_of_ten(exponent: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.power(np.int64(10), exponent)


def _one_decimal(
    table: Table, row: int, column: int, name: str, decimals: int, place: Place
) -> int:
    """The slow reading of a number that is longer than the fast one takes, or wrong."""
    raw = table.data[table.starts[row, column] : table.ends[row, column]].tobytes()
    whole, _, fraction = raw.partition(b".")
    if whole.isdigit() and (fraction.isdigit() or raw == whole) and len(raw) <= 64:
        unit: int = 10 ** len(fraction)
        value: int = (int(whole + fraction) * 10**decimals + unit // 2) // unit
        if value < 2**63:
            return value
    shown = table.text(row, column)
    raise place.error(
        row, name, f"{shown} is not a plain number whose whole part has at most 9 digits"
    )


def names_or_numbers(
    table: Table, column: int, name: str, codes: Mapping[str, int], place: Place
) -> npt.NDArray[np.uint8]:
    """A column of enum members, by name or by number; an empty field is 0.

    Numbers that belong to no member pass: the book refuses such a command with its reason.
    """
    data, starts, ends = table.data, table.starts[:, column], table.ends[:, column]
    result = np.zeros(len(starts), dtype=np.uint8)
    width = ends - starts
    filled = np.flatnonzero(width > 0)
    lettered = data[starts[filled]] > ord("9")
    matched = np.zeros(len(starts), dtype=np.bool_)
    for member, code in codes.items():
        found = filled[lettered & (width[filled] == len(member))]
        for offset, letter in enumerate(member.encode()):
            found = found[data[starts[found] + offset] == letter]
        result[found] = code
        matched[found] = True
    wrong_names = np.flatnonzero(~matched[filled] & lettered)
    if len(wrong_names):
        row = int(filled[wrong_names[0]])
        known = ", ".join(codes)
        raise place.error(row, name, f"{table.text(row, column)} is not one of {known}")
    numbered = filled[~lettered]
    if len(numbered):
        part = Table(data, table.starts[numbered], table.ends[numbered])
        values, known_rows = read_whole(data, part.starts[:, column], part.ends[:, column])
        wrong = ~known_rows | (values > 255)
        if wrong.any():
            row = int(numbered[np.flatnonzero(wrong)[0]])
            known = ", ".join(codes)
            raise place.error(
                row,
                name,
                f"{table.text(row, column)} is not a code from 0 to 255 or one of {known}",
            )
        result[numbered] = values
    return result
