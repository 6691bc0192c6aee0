from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, final, overload

import numpy as np
import numpy.typing as npt

from .enums import EventKind, PostOnly, SelfTrade, Side, TimeInForce, TradingState

__all__ = ["Indicative", "OrderBook", "Outcome", "Top", "Trade"]

_Records = npt.NDArray[np.void]

class Trade(NamedTuple):
    """One execution as the single-call methods report it."""

    price_ticks: int
    qty_lots: int
    taker_id: int
    maker_id: int
    taker_leaves_lots: int
    maker_leaves_lots: int
    taker_side: Side
    trade_index: int

class Top(NamedTuple):
    """Best price and visible quantity of each side; None where a side is empty."""

    bid_ticks: int | None
    bid_lots: int
    ask_ticks: int | None
    ask_lots: int

class Indicative(NamedTuple):
    """What an uncross would do now; ``price_ticks`` is None if nothing would trade."""

    price_ticks: int | None
    volume_lots: int
    imbalance_lots: int

@final
class Outcome:
    """What one call did: a short, immutable report."""

    @property
    def events(self) -> _Records: ...
    @property
    def trades(self) -> list[Trade]: ...
    @property
    def filled_lots(self) -> int: ...
    @property
    def leaves_lots(self) -> int: ...
    @property
    def kinds(self) -> list[EventKind]: ...
    def __len__(self) -> int: ...

@final
class OrderBook:
    def __init__(self, *, capacity: int = 0) -> None: ...
    def limit(
        self,
        order_id: int,
        side: Side | int,
        price_ticks: int,
        qty_lots: int,
        *,
        owner: int = 0,
        time_in_force: TimeInForce | int = ...,
        post_only: PostOnly | int = ...,
        self_trade: SelfTrade | int = ...,
        display_lots: int = 0,
        expire_ns: int = 0,
        timestamp_ns: int | None = None,
    ) -> Outcome: ...
    def market(
        self,
        order_id: int,
        side: Side | int,
        qty_lots: int = 0,
        *,
        quote_amount: int = 0,
        worst_price_ticks: int = 0,
        owner: int = 0,
        time_in_force: TimeInForce | int = ...,
        self_trade: SelfTrade | int = ...,
        timestamp_ns: int | None = None,
    ) -> Outcome: ...
    def market_to_limit(
        self,
        order_id: int,
        side: Side | int,
        qty_lots: int,
        *,
        worst_price_ticks: int = 0,
        owner: int = 0,
        time_in_force: TimeInForce | int = ...,
        self_trade: SelfTrade | int = ...,
        expire_ns: int = 0,
        timestamp_ns: int | None = None,
    ) -> Outcome: ...
    def stop(
        self,
        order_id: int,
        side: Side | int,
        trigger_ticks: int,
        qty_lots: int,
        *,
        limit_ticks: int | None = None,
        worst_price_ticks: int = 0,
        owner: int = 0,
        time_in_force: TimeInForce | int = ...,
        self_trade: SelfTrade | int = ...,
        display_lots: int = 0,
        expire_ns: int = 0,
        timestamp_ns: int | None = None,
    ) -> Outcome: ...
    def take_profit(
        self,
        order_id: int,
        side: Side | int,
        trigger_ticks: int,
        qty_lots: int,
        *,
        limit_ticks: int | None = None,
        worst_price_ticks: int = 0,
        owner: int = 0,
        time_in_force: TimeInForce | int = ...,
        self_trade: SelfTrade | int = ...,
        display_lots: int = 0,
        expire_ns: int = 0,
        timestamp_ns: int | None = None,
    ) -> Outcome: ...
    def cancel(
        self, order_id: int, *, owner: int = 0, timestamp_ns: int | None = None
    ) -> Outcome: ...
    def reduce(
        self, order_id: int, qty_lots: int, *, owner: int = 0, timestamp_ns: int | None = None
    ) -> Outcome: ...
    def replace(
        self,
        order_id: int,
        *,
        price_ticks: int | None = None,
        qty_lots: int | None = None,
        trigger_ticks: int | None = None,
        owner: int = 0,
        timestamp_ns: int | None = None,
    ) -> Outcome: ...
    def mass_cancel(self, owner: int, *, timestamp_ns: int | None = None) -> Outcome: ...
    def expire(self, now_ns: int) -> Outcome: ...
    def set_state(
        self, state: TradingState | int, *, timestamp_ns: int | None = None
    ) -> Outcome: ...
    def uncross(
        self,
        reference_ticks: int = 0,
        *,
        then: TradingState | int = ...,
        timestamp_ns: int | None = None,
    ) -> Outcome: ...
    def indicative(self, reference_ticks: int = 0) -> Indicative: ...
    @overload
    def process(self, commands: _Records, *, levels: Literal[False] = False) -> _Records: ...
    @overload
    def process(
        self, commands: _Records, *, levels: Literal[True]
    ) -> tuple[_Records, _Records]: ...
    def observe(
        self, commands: _Records, after: npt.ArrayLike, levels: int = 1
    ) -> tuple[_Records, _Records]: ...
    def top(self) -> Top: ...
    def depth(self, levels: int = 10) -> tuple[_Records, _Records]: ...
    def orders(self) -> _Records: ...
    def order(self, order_id: int) -> np.void: ...
    def __reduce__(self) -> tuple[Any, ...]: ...
    def __iter__(self) -> Iterator[np.void]: ...
    def __len__(self) -> int: ...
    def __contains__(self, order_id: object, /) -> bool: ...
    @property
    def best_bid(self) -> int | None: ...
    @property
    def best_ask(self) -> int | None: ...
    @property
    def next_expiry_ns(self) -> int | None: ...
    @property
    def last_price(self) -> int | None: ...
    @property
    def trade_count(self) -> int: ...
    @property
    def clock_ns(self) -> int: ...
    @property
    def state(self) -> TradingState: ...
    @property
    def memory_bytes(self) -> int: ...
    def clear(self) -> None: ...
    def state_hash(self) -> int: ...
    def check_invariants(self) -> None: ...
    def snapshot(self) -> bytes: ...
    def restore(self, snapshot: bytes) -> None: ...
    @classmethod
    def from_snapshot(cls, snapshot: bytes) -> OrderBook: ...
