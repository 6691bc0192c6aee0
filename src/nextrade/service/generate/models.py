"""The named models: what flows, in shares of 1,024, phase by phase.

They are caricatures of market situations, each heavy in one thing that is hard for a
book. None claims to be fitted to a recorded market.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...enums import TradingState


@dataclass(frozen=True, slots=True)
class Flow:
    """How orders come and go. Shares are out of 1,024 orders; lifetimes count later orders."""

    market: int = 12
    """Market orders by quantity; every fourth has a worst price."""
    market_by_amount: int = 4
    market_to_limit: int = 4
    stop: int = 16
    take_profit: int = 8
    iceberg: int = 24
    post_only: int = 80
    immediate: int = 16
    """Limit orders that are IOC."""
    fill_or_kill: int = 6
    till_date: int = 16
    """Limit orders that are GTD."""
    crossing: int = 50
    """Of the limit orders: those priced through the reference price."""
    canceled: int = 800
    reduced: int = 50
    """Reduced first, canceled later."""
    replaced: int = 120
    """Replaced first, canceled later."""
    lifetime: int = 30
    """Shortest time until the cancel, in orders; longer ones follow a power law."""
    lifetime_limit: int = 20_000
    distance: int = 2
    """Shortest distance from the reference price, in ticks; power law."""
    distance_limit: int = 400
    drift: int = 12
    """Orders that come with a move of the reference price by a tick."""
    lots: int = 10
    """Smallest quantity; power law up to 1,000 times that."""
    sweep_every: int = 0
    """Every so many orders one is a market order that takes many levels; 0: never."""
    sweep_lots: int = 20_000
    mass_cancel_every: int = 0
    """Every so many orders one owner withdraws everything; 0: never."""
    owners: int = 64
    self_trade_rules: int = 512
    """Orders that bring a self-trade rule."""
    auction: bool = False
    """Only orders that an auction takes: limit, market with a worst price, stops."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of a trading day: optionally a state to begin with and an uncross at its end."""

    flow: Flow
    share: int = 1024
    """Its part of all commands, out of 1,024."""
    begin: TradingState | None = None
    uncross_to: TradingState | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A named kind of order flow."""

    name: str
    summary: str
    phases: tuple[Phase, ...]


_CALM = Flow()
_HEAVY_CANCEL = Flow(
    market=4,
    crossing=20,
    canceled=930,
    reduced=20,
    replaced=60,
    lifetime=4,
    lifetime_limit=2_000,
    drift=20,
    mass_cancel_every=5_000,
)
_SWEEP = Flow(
    market=4,
    crossing=20,
    canceled=500,
    replaced=60,
    lifetime=150,
    lifetime_limit=50_000,
    distance=3,
    distance_limit=2_000,
    sweep_every=400,
    sweep_lots=1_500,
    drift=4,
)
_DEEP = Flow(
    market=2,
    crossing=10,
    canceled=850,
    immediate=4,
    lifetime=20_000,
    lifetime_limit=1_000_000,
    distance=20,
    distance_limit=20_000,
    iceberg=60,
    drift=1,
)
_COLLECT = Flow(
    crossing=420,
    canceled=150,
    reduced=30,
    replaced=40,
    lifetime=100,
    distance=1,
    distance_limit=300,
    drift=0,
    till_date=0,
    auction=True,
)
_OPENING = Phase(_COLLECT, 1024, TradingState.AUCTION, TradingState.OPEN)
_CLOSING = Phase(_COLLECT, 1024, TradingState.AUCTION, TradingState.HALTED)

MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model("calm", "continuous trading with every order type", (Phase(_CALM),)),
        Model(
            "heavy-cancel",
            "nine of ten orders leave untraded, most of them soon",
            (Phase(_HEAVY_CANCEL),),
        ),
        Model(
            "sweep",
            "large market orders take many levels, which fill up again",
            (Phase(_SWEEP),),
        ),
        Model("deep-book", "a book of many resting orders far from the price", (Phase(_DEEP),)),
        Model(
            "opening-auction",
            "orders are collected, uncrossed, and trading goes on",
            (replace(_OPENING, share=512), Phase(_CALM, 512)),
        ),
        Model(
            "day",
            "opening auction, calm, sweeps, calm, closing auction",
            (
                replace(_OPENING, share=80),
                Phase(_CALM, 424),
                Phase(_SWEEP, 200),
                Phase(_CALM, 240),
                replace(_CLOSING, share=80),
            ),
        ),
    )
}
"""Every model by its name."""
