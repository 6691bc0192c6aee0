"""Markets: what is traded against what, and in which steps."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import gcd

import numpy as np
import numpy.typing as npt

from ..errors import UnitError
from .assets import Asset
from .units import INT64_MAX, MAX_DECIMALS, DecimalText, Step

_NAME = re.compile(r"[A-Za-z0-9._/-]{1,33}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Market:
    """A base asset priced in a quote asset, in steps of ``tick_size`` and ``lot_size``.

    Prices are quote per base in whole ticks, quantities base in whole lots, amounts of
    quote currency in ticks x lots: one tick on one lot.

    >>> market = Market("BTC-USDT", Asset("BTC", 8), Asset("USDT", 6), "0.01", "0.0001")
    >>> market.price_ticks("101.25"), market.qty_lots("0.5")
    (10125, 5000)
    >>> market.amount_text(10125 * 5000)
    '50.625000'

    Raises UnitError if a step is not a plain number above zero, a lot is not a whole
    number of base units of the base asset, or one tick x one lot is not a whole number of
    base units of the quote asset (then no trade could be settled exactly).
    """

    name: str
    base: Asset
    quote: Asset
    tick_size: str
    lot_size: str
    base_units_per_lot: int = field(init=False, compare=False, repr=False)
    quote_units_per_tick_lot: int = field(init=False, compare=False, repr=False)
    """What one lot costs at a price of one tick, in base units of the quote asset."""
    _tick: Step = field(init=False, compare=False, repr=False)
    _lot: Step = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise UnitError(
                f"market name {self.name!r}: use 1 to 33 letters, digits, '.', '_', '/' or '-'"
            )
        if self.base.name == self.quote.name:
            raise UnitError(f"{self.name}: base and quote are both {self.base.name}")
        tick = Step(self.tick_size, f"{self.name} tick_size")
        lot = Step(self.lot_size, f"{self.name} lot_size")
        object.__setattr__(self, "_tick", tick)
        object.__setattr__(self, "_lot", lot)
        object.__setattr__(self, "base_units_per_lot", self._whole_base_units(lot))
        object.__setattr__(self, "quote_units_per_tick_lot", self._whole_quote_units(tick, lot))

    # Prices

    def price_ticks(self, price: DecimalText) -> int:
        """Ticks of a price; UnitError if it is no multiple of the tick size or beyond int64."""
        return self._tick.count(price, f"{self.name} price")

    def price_text(self, price_ticks: int) -> str:
        """Decimal text of a price in ticks."""
        return self._tick.text_of(price_ticks, f"{self.name} price_ticks")

    def prices_ticks(
        self, prices: Iterable[DecimalText] | npt.NDArray[np.str_]
    ) -> npt.NDArray[np.int64]:
        """Ticks of many prices, in the shape given; the UnitError names the position."""
        return self._tick.counts(prices, f"{self.name} price")

    def prices_text(self, price_ticks: npt.NDArray[np.int64]) -> npt.NDArray[np.str_]:
        """Decimal text of many prices in ticks, one-dimensional."""
        return self._tick.texts_of(price_ticks, f"{self.name} price_ticks")

    # Quantities

    def qty_lots(self, quantity: DecimalText) -> int:
        """Lots of a quantity; UnitError if it is no multiple of the lot size or beyond int64."""
        return self._lot.count(quantity, f"{self.name} quantity")

    def qty_text(self, qty_lots: int) -> str:
        """Decimal text of a quantity in lots."""
        return self._lot.text_of(qty_lots, f"{self.name} qty_lots")

    def qtys_lots(
        self, quantities: Iterable[DecimalText] | npt.NDArray[np.str_]
    ) -> npt.NDArray[np.int64]:
        """Lots of many quantities, in the shape given; the UnitError names the position."""
        return self._lot.counts(quantities, f"{self.name} quantity")

    def qtys_text(self, qty_lots: npt.NDArray[np.int64]) -> npt.NDArray[np.str_]:
        """Decimal text of many quantities in lots, one-dimensional."""
        return self._lot.texts_of(qty_lots, f"{self.name} qty_lots")

    def base_units(self, qty_lots: int) -> int:
        """Base units of the base asset in a quantity; UnitError if they do not fit in int64."""
        return self._times(qty_lots, self.base_units_per_lot, "qty_lots", self.base)

    def lots_of_base_units(self, base_units: int) -> int:
        """Lots in an amount of the base asset; UnitError if it is no whole number of lots."""
        return self._divide(base_units, self.base_units_per_lot, "lots", self.base)

    # Amounts of quote currency

    def quote_amount(self, amount: DecimalText) -> int:
        """Ticks x lots in an amount of quote currency, as ``OrderBook.market`` takes it.

        Raises UnitError if it is no whole number of ticks x lots or beyond int64.
        """
        return self.amount_of_quote_units(self.quote.base_units(amount))

    def amount_text(self, quote_amount: int) -> str:
        """Decimal text, in the quote asset, of an amount in ticks x lots."""
        return self.quote.text(self.quote_units(quote_amount))

    def quote_units(self, quote_amount: int) -> int:
        """Base units of the quote asset in an amount in ticks x lots."""
        return self._times(quote_amount, self.quote_units_per_tick_lot, "quote_amount", self.quote)

    def amount_of_quote_units(self, base_units: int) -> int:
        """Ticks x lots in base units of the quote asset; UnitError if there is a remainder."""
        return self._divide(base_units, self.quote_units_per_tick_lot, "ticks x lots", self.quote)

    def _times(self, count: int, factor: int, what: str, asset: Asset) -> int:
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
            raise UnitError(f"{self.name} {what}: {count!r} is not a whole number from 0 on")
        product = int(count) * factor
        if product > INT64_MAX:
            raise UnitError(
                f"{self.name} {what}: {count} is {product} base units of {asset.name};"
                f" at most {INT64_MAX} fit"
            )
        return product

    def _divide(self, base_units: int, divisor: int, what: str, asset: Asset) -> int:
        if (
            isinstance(base_units, bool)
            or not isinstance(base_units, int | np.integer)
            or not 0 <= base_units <= INT64_MAX
        ):
            raise UnitError(
                f"{self.name}: {base_units!r} is not a number of base units of {asset.name}"
            )
        count, rest = divmod(int(base_units), divisor)
        if rest:
            raise UnitError(
                f"{self.name}: {asset.text(base_units)} {asset.name} is no whole number of {what};"
                f" give a multiple of {asset.text(divisor)}"
            )
        return count

    def _whole_base_units(self, lot: Step) -> int:
        units, rest = divmod(lot.units * 10**self.base.scale, 10**lot.decimals)
        if rest:
            raise UnitError(
                f"{self.name} lot_size: {self.lot_size} is finer than {self.base.name} with"
                f" {self.base.scale} decimals; use a multiple of {self.base.step.text}"
            )
        return int(units)

    def _whole_quote_units(self, tick: Step, lot: Step) -> int:
        product = tick.units * lot.units
        decimals = tick.decimals + lot.decimals
        units, rest = divmod(product * 10**self.quote.scale, 10**decimals)
        if rest:
            scales = range(decimals + 1)
            needed = next(s for s in scales if product * 10**s % 10**decimals == 0)
            factor = 10 ** (decimals - self.quote.scale)
            factor //= gcd(factor, product)
            remedy = f"make tick_size or lot_size {factor} times as large"
            if needed <= MAX_DECIMALS:
                remedy = f"give {self.quote.name} a scale of {needed}, or {remedy}"
            raise UnitError(
                f"{self.name}: one tick ({self.tick_size}) x one lot ({self.lot_size}) is no whole"
                f" number of base units of {self.quote.name} (scale {self.quote.scale}); {remedy}"
            )
        return int(units)
