"""Exact passage between decimal text and whole numbers of a smallest step."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from ..errors import UnitError
from .digits import MAX_FAST_DIGITS, as_fields, read_decimals

INT64_MAX = 2**63 - 1
"""The largest number of ticks, lots or base units."""

MAX_DECIMALS = 18
"""The finest step is 10**-18: more digits would leave no room before the point in int64."""

_MAX_TEXT = 60
_PLAIN_NUMBER = re.compile(r"([0-9]+)(?:\.([0-9]+))?", re.ASCII)

DecimalText = str | Decimal
"""What a person may give as a price, quantity or amount: text, or a ``decimal.Decimal``."""


def read_decimal(value: DecimalText, what: str) -> tuple[int, int]:
    """Return ``(digits, decimals)`` with ``value == digits / 10**decimals``, exactly.

    Raises UnitError, naming ``what``, for floats, ints (which could be meant as ticks or
    as units), negative numbers, NaN, infinity, exponents in text, blanks and empty text.
    """
    if isinstance(value, float | np.floating):
        raise UnitError(
            f"{what}: {value!r} is a float, which is not exact; write it as text: '{value}'"
        )
    if isinstance(value, Decimal):
        return _read_decimal_object(value, what)
    if not isinstance(value, str):
        raise UnitError(
            f"{what}: {value!r} is {type(value).__name__}; write it as text, for example '101.25'"
        )
    if not value:
        raise UnitError(f"{what} is empty; write a number, for example '101.25'")
    if len(value) > _MAX_TEXT:
        raise UnitError(f"{what} has {len(value)} characters; at most {_MAX_TEXT} are read")
    plain = _PLAIN_NUMBER.fullmatch(value)
    if plain is None:
        remedy = "digits with at most one point between them, for example '101.25'"
        if value.startswith("-"):
            remedy = "it must not be negative"
        elif re.fullmatch(r"[0-9.]+[eE][+-]?[0-9]+", value):
            remedy = "write it out without an exponent"
        raise UnitError(f"{what}: {value!r} is not a plain number; {remedy}")
    whole, fraction = plain[1], plain[2] or ""
    return int(whole + fraction), len(fraction)


def _read_decimal_object(value: Decimal, what: str) -> tuple[int, int]:
    sign, digit_tuple, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise UnitError(f"{what}: {value} is not a number; give a finite decimal")
    if sign:
        raise UnitError(f"{what}: {value} is negative; it must not be")
    # Bounded before any power is formed: Decimal('1E+999999999') is a short text.
    if not -_MAX_TEXT <= exponent <= _MAX_TEXT or len(digit_tuple) > _MAX_TEXT:
        raise UnitError(f"{what}: {value:.10E} is too long; at most {_MAX_TEXT} digits are read")
    digits = int("".join(map(str, digit_tuple)) or "0")
    if exponent > 0:
        return digits * 10**exponent, 0
    return digits, -exponent


@dataclass(frozen=True, slots=True)
class Step:
    """A smallest step, written as decimal text, in whole multiples of which something is counted.

    >>> Step("0.05").count("101.25", "price")
    2025
    >>> Step("0.05").text_of(2025)
    '101.25'

    Raises UnitError if the text is not a plain number above zero with at most 18 decimals.
    """

    text: str
    what: str = field(default="step", compare=False, repr=False)
    units: int = field(init=False, repr=False)
    """The step is ``units / 10**decimals``."""
    decimals: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        units, decimals = read_decimal(self.text, self.what)
        if not units:
            raise UnitError(f"{self.what}: {self.text!r} is zero; it must be above zero")
        if decimals > MAX_DECIMALS:
            raise UnitError(
                f"{self.what}: {self.text!r} has {decimals} decimals; at most {MAX_DECIMALS}"
            )
        object.__setattr__(self, "text", str(self.text))
        object.__setattr__(self, "units", units)
        object.__setattr__(self, "decimals", decimals)

    def count(self, value: DecimalText, what: str) -> int:
        """How many steps ``value`` is; UnitError if it is no whole multiple or beyond int64."""
        digits, decimals = read_decimal(value, what)
        divisor: int = self.units * 10**decimals
        steps, rest = divmod(digits * 10**self.decimals, divisor)
        if rest:
            below = self._write(min(steps, INT64_MAX))
            above = self._write(min(steps + 1, INT64_MAX))
            raise UnitError(
                f"{what}: {value} is not a multiple of {self.text}; nearest are {below} and {above}"
            )
        if steps > INT64_MAX:
            raise UnitError(
                f"{what}: {value} is {steps} steps of {self.text}; at most {INT64_MAX} fit"
            )
        return int(steps)

    def text_of(self, count: int, what: str = "count") -> str:
        """The decimal text of ``count`` steps, with as many decimals as the step has."""
        if isinstance(count, bool) or not isinstance(count, int | np.integer):
            raise UnitError(f"{what}: {count!r} is not a whole number of steps of {self.text}")
        if not 0 <= count <= INT64_MAX:
            raise UnitError(f"{what}: {count} is outside 0 to {INT64_MAX}")
        return self._write(int(count))

    def counts(
        self, values: Iterable[DecimalText] | npt.NDArray[np.str_], what: str
    ) -> npt.NDArray[np.int64]:
        """``count`` of each value, as int64; arrays of text (dtype ``U``) are read at array speed.

        The message of the UnitError says which position is wrong.
        """
        if isinstance(values, np.ndarray) and values.dtype.kind == "U":
            texts = values.reshape(-1)
            counts, known = self._fast_counts(texts)
            for position in np.flatnonzero(~known).tolist():
                counts[position] = self.count(str(texts[position]), f"{what}[{position}]")
            return counts.reshape(values.shape)
        return np.fromiter(
            (self.count(value, f"{what}[{at}]") for at, value in enumerate(values)), dtype=np.int64
        )

    def texts_of(
        self, counts: npt.NDArray[np.int64] | Iterable[int], what: str = "count"
    ) -> npt.NDArray[np.str_]:
        """``text_of`` each count, as a one-dimensional array of text."""
        as_list = counts.reshape(-1).tolist() if isinstance(counts, np.ndarray) else list(counts)
        if not isinstance(counts, np.ndarray) or counts.dtype.kind not in "iu":
            texts = [self.text_of(count, f"{what}[{at}]") for at, count in enumerate(as_list)]
        else:  # whole numbers for certain: only the bounds are left to check
            if as_list and (min(as_list) < 0 or max(as_list) > INT64_MAX):
                wrong = next(at for at, count in enumerate(as_list) if not 0 <= count <= INT64_MAX)
                self.text_of(as_list[wrong], f"{what}[{wrong}]")
            texts = [self._write(count) for count in as_list]
        return np.array(texts, dtype=np.str_)

    def _write(self, count: int) -> str:
        amount = count * self.units
        if not self.decimals:
            return str(amount)
        digits = str(amount).zfill(self.decimals + 1)
        return f"{digits[: -self.decimals]}.{digits[-self.decimals :]}"

    def _fast_counts(
        self, texts: npt.NDArray[np.str_]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Counts where everything fits in 18 digits and divides; the mask says where."""
        read = read_decimals(*as_fields(texts))
        finest = max(int(read.decimals.max(initial=0)), self.decimals)
        divisor = self.units * 10 ** (finest - self.decimals)
        if divisor > INT64_MAX:
            return read.digits, np.zeros(len(texts), dtype=np.bool_)
        shift = finest - read.decimals
        shift = np.minimum(shift, MAX_FAST_DIGITS)
        room = np.power(np.int64(10), MAX_FAST_DIGITS - shift)
        known = read.known & (read.digits < room)
        scaled = np.where(known, read.digits, 0) * np.power(np.int64(10), shift)
        counts, rest = np.divmod(scaled, divisor)
        return counts, known & (rest == 0)
