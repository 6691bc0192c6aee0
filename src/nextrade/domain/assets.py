"""Assets: what can be owned, and the smallest amount of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import UnitError
from .units import MAX_DECIMALS, DecimalText, Step

_NAME = re.compile(r"[A-Za-z0-9._-]{1,16}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asset:
    """Something that can be owned, counted in base units of ``10**-scale``.

    >>> BTC = Asset("BTC", 8)
    >>> BTC.base_units("0.5")
    50000000
    >>> BTC.text(50_000_000)
    '0.50000000'

    Raises UnitError if the name is not 1 to 16 letters, digits, dots, dashes or
    underscores, or the scale not between 0 and 18.
    """

    name: str
    scale: int

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise UnitError(
                f"asset name {self.name!r}: use 1 to 16 letters, digits, '.', '_' or '-'"
            )
        if isinstance(self.scale, bool) or not isinstance(self.scale, int):
            raise UnitError(f"scale of {self.name}: {self.scale!r} is not a whole number")
        if not 0 <= self.scale <= MAX_DECIMALS:
            raise UnitError(f"scale of {self.name}: {self.scale} is not between 0 and 18 decimals")

    @property
    def step(self) -> Step:
        """One base unit as a decimal step."""
        return Step(f"0.{'0' * (self.scale - 1)}1" if self.scale else "1")

    def base_units(self, amount: DecimalText) -> int:
        """Base units in ``amount``; UnitError if it is not exact or does not fit in int64."""
        return self.step.count(amount, f"{self.name} amount")

    def text(self, base_units: int) -> str:
        """Decimal text of a number of base units; UnitError if it is negative or beyond int64."""
        return self.step.text_of(base_units, f"{self.name} base units")
