"""What the exchange knows of a market before anybody trades."""

from typing import NamedTuple

from tests.oracle.codes import I64_MAX


class Fees(NamedTuple):
    """Millionths of what a side receives."""

    maker: int
    taker: int


class Listing(NamedTuple):
    """One market: its two assets by number, what a lot and a tick are worth, and its limits."""

    base: int
    quote: int
    base_units_per_lot: int = 1
    quote_units_per_tick_lot: int = 1
    partition: int = 0
    min_qty: int = 1
    max_qty: int = I64_MAX
    min_notional: int = 0
    max_notional: int = I64_MAX
    tiers: tuple[Fees, ...] = (Fees(0, 0),)
