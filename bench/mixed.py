"""An endless flow of every kind of command that keeps the book within bounds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nextrade import (
    COMMAND_DTYPE,
    CommandKind,
    OrderType,
    PostOnly,
    Side,
    TimeInForce,
    TradingState,
)

__all__ = ["MixedFlow"]

Commands = npt.NDArray[np.void]
Flags = npt.NDArray[np.bool_]

KINDS = (
    (CommandKind.PLACE, 0.80),
    (CommandKind.REPLACE, 0.13),
    (CommandKind.REDUCE, 0.07),
)
TYPES = (
    (OrderType.LIMIT, 0.80),
    (OrderType.MARKET, 0.06),
    (OrderType.MARKET_TO_LIMIT, 0.02),
    (OrderType.STOP_MARKET, 0.03),
    (OrderType.STOP_LIMIT, 0.03),
    (OrderType.TAKE_PROFIT_MARKET, 0.03),
    (OrderType.TAKE_PROFIT_LIMIT, 0.03),
)
TIMES = (
    (TimeInForce.GTC, 0.75),
    (TimeInForce.IOC, 0.08),
    (TimeInForce.FOK, 0.05),
    (TimeInForce.GTD, 0.12),
)
OWNERS = 50
LIFE = 2
"""An order is canceled this many batches after it came, if it is still there."""


class MixedFlow:
    """Batches of ``size`` commands; half of them clean up what earlier ones left.

    Prices wander around a middle, so that books cross, sweep and trigger. Every 16th batch is
    a call auction, every 64th lets one owner leave. Refusals are part of the flow: orders to
    be canceled or replaced have often traded already.
    """

    def __init__(self, size: int, seed: int = 1) -> None:
        self.size = size
        self.random = np.random.default_rng(seed)
        self.number = 0
        self.now_ns = 1
        self.next_id = 1
        self.middle = 1_000_000
        self.generations: list[npt.NDArray[np.uint64]] = []

    def batch(self) -> Commands:
        """The next batch, always of different orders, never more than ``size`` commands."""
        self.number += 1
        self.middle = max(self.middle + int(self.random.integers(-40, 41)), 10_000)
        framed = self.number % 16 == 0
        orders = self._changes((self.size - 4) // 2)
        cancels = self._cancels()
        middle = np.concatenate([orders, cancels])
        order = self.random.permutation(len(middle))
        # An order placed in this batch must not meet its own cancel: those are older ones.
        middle = middle[order]
        ending = [self._control(CommandKind.EXPIRE)]
        if self.number % 64 == 0:
            owner = int(self.random.integers(1, OWNERS + 1))
            ending.append(self._control(CommandKind.MASS_CANCEL, owner=owner))
        opening = []
        if framed:
            opening.append(self._control(CommandKind.SET_STATE, state=TradingState.AUCTION))
            ending.append(self._control(CommandKind.UNCROSS, state=TradingState.OPEN))
        whole = np.concatenate([*opening, middle, *ending])
        whole["timestamp_ns"] = self.now_ns + np.arange(len(whole))
        expiring = whole["time_in_force"] == TimeInForce.GTD
        life = self.random.integers(1, 3 * self.size, len(whole))
        whole["expire_ns"] = np.where(expiring, whole["timestamp_ns"] + life, 0)
        self.now_ns += len(whole)
        return whole

    def _choose(self, table: tuple[tuple[int, float], ...], count: int) -> npt.NDArray[np.uint8]:
        values = np.array([value for value, _ in table], dtype=np.uint8)
        bounds = np.cumsum([share for _, share in table])[:-1]
        return values[np.searchsorted(bounds, self.random.random(count), side="right")]

    def _control(self, kind: CommandKind, *, owner: int = 0, state: int = 0) -> Commands:
        made = np.zeros(1, dtype=COMMAND_DTYPE)
        made["kind"], made["owner"], made["state"] = kind, owner, state
        return made

    def _cancels(self) -> Commands:
        if len(self.generations) <= LIFE:
            return np.zeros(0, dtype=COMMAND_DTYPE)
        made = np.zeros(len(self.generations[0]), dtype=COMMAND_DTYPE)
        made["order_id"] = self.generations.pop(0)
        made["kind"] = CommandKind.CANCEL
        return made

    def _changes(self, count: int) -> Commands:
        random = self.random
        made = np.zeros(count, dtype=COMMAND_DTYPE)
        made["kind"] = self._choose(KINDS, count)
        placed = made["kind"] == CommandKind.PLACE
        fresh = np.arange(self.next_id, self.next_id + count, dtype=np.uint64)
        self.next_id += count
        known = np.concatenate([*self.generations, fresh[:1]])
        made["order_id"] = np.where(placed, fresh, random.choice(known, count))
        self.generations.append(fresh[placed])
        side = random.integers(0, 2, count)
        away = random.geometric(0.05, count) - 4
        price = self.middle + np.where(side == Side.BUY, -away, away)
        made["qty_lots"] = random.geometric(0.02, count)
        made["price_ticks"] = np.where(made["kind"] == CommandKind.REDUCE, 0, price)
        self._describe(made, placed, side)
        return made

    def _describe(self, made: Commands, placed: Flags, side: npt.NDArray[np.int64]) -> None:
        """Give the placed orders their types and conditions, in combinations that may stand."""
        random, count = self.random, len(made)
        kind = np.where(placed, self._choose(TYPES, count), OrderType.LIMIT)
        times = np.where(placed, self._choose(TIMES, count), TimeInForce.GTC)
        times[(kind == OrderType.MARKET) & (times == TimeInForce.GTD)] = TimeInForce.IOC
        dormant = kind >= OrderType.STOP_MARKET
        market = np.isin(
            kind, (OrderType.MARKET, OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET)
        )
        stays = np.isin(times, (TimeInForce.GTC, TimeInForce.GTD))
        made["order_type"], made["time_in_force"] = kind, times
        made["side"] = np.where(placed, side, 0)
        made["owner"] = np.where(placed, random.integers(0, OWNERS + 1, count), 0)
        made["self_trade"] = np.where(placed, random.integers(0, 5, count), 0)
        beyond = np.where(dormant, self.middle + random.integers(-200, 201, count), 0)
        made["trigger_ticks"] = beyond
        made["price_ticks"] = np.where(placed & market, 0, made["price_ticks"])
        shows = placed & stays & (kind == OrderType.LIMIT) & (random.random(count) < 0.15)
        made["display_lots"] = np.where(shows, 1 + made["qty_lots"] // 8, 0)
        polite = placed & stays & (kind == OrderType.LIMIT) & (random.random(count) < 0.05)
        made["post_only"] = np.where(polite, random.integers(1, PostOnly.SLIDE + 1, count), 0)
        spends = placed & (kind == OrderType.MARKET) & (times != TimeInForce.FOK)
        spends &= random.random(count) < 0.3
        made["quote_amount"] = np.where(spends, made["qty_lots"] * self.middle, 0)
        made["qty_lots"] = np.where(spends, 0, made["qty_lots"])
