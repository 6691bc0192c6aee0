"""Seeded streams of commands that are adversarial and yet meet each other.

Prices are few, so orders cross; ids are few, so some are taken and some unknown; owners are
few, so orders meet their own. Each stream draws its own weights, so that some streams are
all about stops, others about auctions, and some never see either. The same seed gives the
same stream on every machine: only ``random.Random`` methods with a stable history are used.
"""

import random
from collections.abc import Iterator

from tests.oracle.codes import (
    I64_MAX,
    LIMIT_PRICE_TYPES,
    TRIGGER_TYPES,
    CommandKind,
    OrderType,
    PostOnly,
    SelfTrade,
    TimeInForce,
    TradingState,
)
from tests.oracle.records import Command

STAYING = (TimeInForce.GTC, TimeInForce.GTD)


class Stream:
    """A source of commands with a temperament of its own, drawn from its seed."""

    def __init__(self, seed: int, deep: bool = False) -> None:
        self.random = random.Random(seed)
        pick = self.random.choice
        self.ids = pick([10, 40, 200, 200])
        self.id_stride = pick([1, 1, 2**12, 2**40 + 2**20])
        self.remembered = 16
        self.recent_ids: list[int] = []
        self.state = TradingState.OPEN
        self.id_base = pick([0, 0, 1, 1000, 2**64 - self.ids * self.id_stride])
        self.owners = pick([1, 2, 3, 5])
        self.width = pick([1, 3, 6, 12, 40])
        self.center = pick([100, 100, 100, 1000, 1, 3, 2**31, I64_MAX - 2])
        self.max_lots = min(pick([1, 5, 20, 20, 100]), max(2, I64_MAX // (self.center + 50)))
        self.amount_step = max(1, min(self.center, I64_MAX // 1000))
        self.odd = pick([0.0, 0.01, 0.1])
        self.huge = pick([0.0, 0.0, 0.02, 0.3])
        # Huge quantities behind a display of one lot would be endless slices.
        self.displays = [2**60, 2**61, 2**62] if self.huge else pick([[1], [1, 2, 3], [3, 10]])
        self.late = pick([0.0, 0.1, 0.5])
        self.plain = pick([0.2, 0.6, 0.9])
        self.time = pick([0, 0, 10**9, -50])
        self.deep = deep
        if deep:
            self.ids, self.id_base, self.remembered = 20_000, 0, 500
            self.center, self.width = 10**6, pick([100, 2_000, 10**5])
            self.max_lots, self.huge, self.displays = 20, 0.0, [1, 3, 10]
        weights = self.weights
        self.kind_weights = weights(
            {
                CommandKind.PLACE: 60,
                CommandKind.CANCEL: 5,
                CommandKind.REDUCE: 5,
                CommandKind.REPLACE: 14,
                CommandKind.MASS_CANCEL: 1,
                CommandKind.EXPIRE: 2,
                CommandKind.SET_STATE: pick([0, 0, 1]),
                CommandKind.UNCROSS: pick([0, 0, 1, 3]),
            },
            always=CommandKind.PLACE,
        )
        if deep:
            self.kind_weights = list(range(1, 9)), [80, 8, 3, 8, 0.02, 0.02, 0.1, 0.1]
        limits = 200 if deep else 40
        self.type_weights = weights(dict.fromkeys(range(7), 10) | {OrderType.LIMIT: limits})
        self.tif_weights = weights(dict.fromkeys(range(4), 10) | {TimeInForce.GTC: 30})
        self.self_trade_weights = weights(dict.fromkeys(range(5), 10))
        self.state_weights = weights({0: 20, 1: 20, 2: 2, 3: 2})

    def weights(self, base: dict[int, int], always: int = 0) -> tuple[list[int], list[float]]:
        """Bend weights at random, some to nothing, so that streams differ in what they stress."""
        bent = {code: weight * self.random.choice([0, 0.3, 1, 3]) for code, weight in base.items()}
        bent[always] = bent[always] or base[always]
        return list(bent), list(bent.values())

    def draw(self, weights: tuple[list[int], list[float]]) -> int:
        return self.random.choices(weights[0], weights[1])[0]

    def commands(self, count: int) -> Iterator[Command]:
        # However the weights fell, a stream starts with something in the book.
        for _ in range(min(count, 4)):
            yield self.place(CommandKind.PLACE, OrderType.LIMIT)
        for _ in range(count - 4):
            yield self.command()

    def command(self) -> Command:
        command = self.meant_command()
        if command.kind in (CommandKind.SET_STATE, CommandKind.UNCROSS):
            self.state = command.state
        return self.spoil(command) if self.chance(self.odd) else command

    def meant_command(self) -> Command:
        kind = self.draw(self.kind_weights)
        if self.state in (TradingState.CANCEL_ONLY, TradingState.HALTED) and self.chance(0.15):
            return self.base(CommandKind.SET_STATE)._replace(state=self.random.randrange(2))
        if self.state == TradingState.AUCTION and self.chance(0.03):
            kind = CommandKind.UNCROSS
        elif kind == CommandKind.UNCROSS and self.state != TradingState.AUCTION:
            kind = CommandKind.SET_STATE
            return self.base(kind)._replace(state=TradingState.AUCTION)
        if kind == CommandKind.PLACE:
            return self.place(kind, self.draw(self.type_weights))
        elif kind == CommandKind.REPLACE:
            return self.base(kind)._replace(
                price_ticks=0 if self.chance(0.1) else self.price(),
                qty_lots=self.lots(),
                trigger_ticks=self.price() if self.chance(0.3) else 0,
                owner=self.owner() if self.chance(0.3) else 0,
            )
        elif kind == CommandKind.REDUCE:
            return self.base(kind)._replace(qty_lots=self.lots())
        elif kind == CommandKind.UNCROSS:
            return self.base(kind)._replace(
                price_ticks=self.price() if self.chance(0.5) else 0,
                state=self.draw(self.state_weights),
            )
        elif kind == CommandKind.SET_STATE:
            return self.base(kind)._replace(state=self.draw(self.state_weights))
        elif kind == CommandKind.MASS_CANCEL:
            return self.base(kind)._replace(owner=self.owner())
        elif kind == CommandKind.CANCEL:
            return self.base(kind)._replace(owner=self.owner() if self.chance(0.3) else 0)
        return self.base(kind)

    def place(self, kind: int, order_type: int) -> Command:
        chance = self.chance
        plain = chance(self.plain)
        command = self.base(kind)._replace(
            order_type=order_type,
            side=self.random.randrange(2),
            owner=self.owner(),
            qty_lots=self.lots(),
            self_trade=SelfTrade.ALLOW if plain else self.draw(self.self_trade_weights),
            time_in_force=TimeInForce.GTC if plain else self.draw(self.tif_weights),
        )
        changes: dict[str, int] = {}
        if order_type in LIMIT_PRICE_TYPES or chance(0.5):
            changes["price_ticks"] = self.price()
            if self.deep and chance(0.9):
                away = self.random.randint(1, self.width)
                changes["price_ticks"] = self.center + (away if command.side else -away)
        if order_type in TRIGGER_TYPES:
            changes["trigger_ticks"] = self.price()
        if command.time_in_force == TimeInForce.GTD and order_type == OrderType.MARKET:
            changes["time_in_force"] = TimeInForce.IOC
        elif command.time_in_force == TimeInForce.GTD:
            changes["expire_ns"] = command.timestamp_ns + self.random.randrange(1, 60)
        stays = command.time_in_force in STAYING
        if order_type in LIMIT_PRICE_TYPES and stays and chance(0.3):
            changes["display_lots"] = self.random.choice(self.displays)
        if order_type == OrderType.LIMIT and stays and chance(0.15):
            changes["post_only"] = self.random.choice([PostOnly.REJECT, PostOnly.SLIDE])
        may_be_by_amount = command.time_in_force != TimeInForce.FOK
        if order_type == OrderType.MARKET and may_be_by_amount and chance(0.5):
            changes["qty_lots"] = 0
            changes["quote_amount"] = self.amount()
        return command._replace(**changes)

    def base(self, kind: int) -> Command:
        timestamp = self.time
        if self.chance(self.late):
            timestamp -= self.random.randrange(20)
        elif self.chance(0.6):
            self.time += self.random.randrange(1, 8)
            timestamp = self.time
        order_id = self.id_base + self.id_stride * self.random.randrange(self.ids)
        if kind == CommandKind.PLACE:
            self.recent_ids = [*self.recent_ids[1 - self.remembered :], order_id]
        elif kind in (CommandKind.CANCEL, CommandKind.REDUCE, CommandKind.REPLACE):
            if self.recent_ids and self.chance(0.9):
                order_id = self.random.choice(self.recent_ids)
        else:
            order_id = self.random.choice([0, 0, 0, order_id])
        return Command(timestamp_ns=timestamp, order_id=order_id, kind=kind)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def owner(self) -> int:
        return self.random.randrange(self.owners + 1)

    def price(self) -> int:
        if self.chance(self.huge):
            return self.random.choice([1, 2, I64_MAX - 1, I64_MAX, 2**62])
        price = self.center + self.random.randint(-self.width, self.width)
        return max(1, min(I64_MAX, price))

    def lots(self) -> int:
        if self.chance(self.huge):
            return self.random.choice([1, 2**62, 2**62 - 1, I64_MAX, I64_MAX // 2 - 1])
        return self.random.randint(1, self.max_lots)

    def amount(self) -> int:
        if self.chance(self.huge):
            return self.random.choice([1, I64_MAX, 2**62])
        largest = min(I64_MAX, self.amount_step * self.max_lots * 2)
        return self.random.randint(1, max(2, largest))

    def spoil(self, command: Command) -> Command:
        """Make one field wrong, or at least strange."""
        field, values = self.random.choice(
            [
                ("kind", [0, 9, 255]),
                ("order_type", [7, 255, 3, 4, 1]),
                ("side", [2, 3, 255]),
                ("time_in_force", [4, 255, 2, 3]),
                ("post_only", [3, 255, 1, 2]),
                ("self_trade", [5, 255]),
                ("state", [4, 255]),
                ("qty_lots", [0, -1, -(2**63), I64_MAX if self.huge else 1]),
                ("price_ticks", [0, -1, -(2**63), I64_MAX]),
                ("trigger_ticks", [0, -1, 5, -(2**63), I64_MAX]),
                ("display_lots", [-1, self.displays[0], -(2**63), I64_MAX]),
                ("quote_amount", [-1, 1, -(2**63), I64_MAX]),
                ("expire_ns", [-1, 1, -(2**63), I64_MAX]),
                ("timestamp_ns", [-1, -(2**63)]),
                ("owner", [2**32 - 1, 0]),
                ("order_id", [2**64 - 1, 0]),
                ("market", [7]),
                ("reserved", [1]),
            ]
        )
        return command._replace(**{field: self.random.choice(values)})


def stream(seed: int, count: int, deep: bool = False) -> list[Command]:
    """The first ``count`` commands of the stream of this seed. A deep one fills a large book."""
    return list(Stream(seed, deep).commands(count))
