"""Ticks and lots as the prices and quantities of a market, exact and no longer than need be."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction


class Amounts:
    """Writes prices and quantities with as many decimals as those that are shown need."""

    def __init__(
        self,
        prices_ticks: Iterable[int],
        sizes_lots: Iterable[int],
        price_decimals: int,
        qty_decimals: int,
    ) -> None:
        self._price_decimals, self._qty_decimals = price_decimals, qty_decimals
        self._price_shown = _decimals_needed(prices_ticks, price_decimals, least=2)
        self._qty_shown = _decimals_needed(sizes_lots, qty_decimals, least=0)

    def price(self, ticks: int) -> str:
        """A price without a separator of thousands, so that it can be copied."""
        return _decimal(Fraction(ticks), self._price_decimals, self._price_shown)

    def mid(self, ticks: Fraction) -> str:
        """A price that may lie half-way between two ticks, or a distance of two prices."""
        shown = self._price_shown
        while (ticks * 10**shown / 10**self._price_decimals).denominator != 1:
            shown += 1
        return _decimal(ticks, self._price_decimals, shown)

    def quantity(self, lots: int) -> str:
        """A quantity."""
        return _decimal(Fraction(lots), self._qty_decimals, self._qty_shown, separator=",")


def _decimals_needed(amounts: Iterable[int], decimals: int, *, least: int) -> int:
    """With how many decimals all amounts are exact, and no fewer than ``least`` if there are."""
    needed = min(least, decimals)
    for amount in amounts:
        while needed < decimals and amount % 10 ** (decimals - needed):
            needed += 1
    return needed


def _decimal(value: Fraction, decimals: int, shown: int, separator: str = "") -> str:
    digits = int(value * 10**shown / 10**decimals)
    sign, digits = ("-" if digits < 0 else ""), abs(digits)
    whole, fraction = divmod(digits, 10**shown)
    return f"{sign}{whole:{separator}}" + (f".{fraction:0{shown}d}" if shown else "")
