"""Random commands through a gateway, and what was confirmed of them."""

import threading
import time
from collections import Counter
from contextlib import ExitStack

import numpy as np

from nextrade import COMMAND_DTYPE, CommandKind, OrderType, TimeInForce
from nextrade.errors import BusLost, StoreUnavailable
from nextrade.service.gateway.opening import Bus

from .harness import ACCOUNTS, Exchange, Fault

_TYPES = (OrderType.LIMIT,) * 12 + tuple(OrderType)
_TIMES = (TimeInForce.GTC,) * 8 + tuple(TimeInForce)
_TRIGGERED = tuple(one for one in OrderType if one >= OrderType.STOP_MARKET)
_CHANGES = ((CommandKind.CANCEL,) * 4 + (CommandKind.REPLACE,) * 3 + (CommandKind.REDUCE,) * 2) + (
    CommandKind.MASS_CANCEL,
)


class Load:
    """Random commands through a gateway on a thread of its own, until told to stop."""

    def __init__(self, exchange: Exchange, rate: float = 150.0) -> None:
        self._exchange = exchange
        self._rate = rate
        self._dice = np.random.default_rng(exchange.dice.randrange(1 << 30))
        self._stop = threading.Event()
        self._recent: list[tuple[int, int, int]] = []
        self.orders: set[int] = set()
        """Ids of the new orders that were sent."""
        self.names: dict[int, tuple[int, str]] = {}
        """Of orders with a client order id: their account, and that."""
        self.records: Counter[int] = Counter()
        """Of each frame how many commands it carried."""
        self.confirmed: set[int] = set()
        self.unconfirmed: set[int] = set()
        """Frames that may have run or not."""
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
        if both := self.unconfirmed & self.confirmed:
            raise Fault(f"frames {both} are confirmed and are not")

    def _run(self) -> None:
        tickets = []
        try:
            with ExitStack() as stack:
                bus = self._bus()
                gateway = stack.enter_context(bus.gateway())
                while not self._stop.is_set():
                    commands = self._some()
                    names = self._names(commands)
                    try:
                        submission = gateway.submit(commands, wait_s=60, client_order_ids=names)
                    except BusLost:
                        time.sleep(0.2)
                        continue
                    tickets += submission.tickets
                    is_new = commands["kind"] == CommandKind.PLACE
                    new = submission.order_ids[is_new].tolist()
                    owners, markets = commands["owner"][is_new], commands["market"][is_new]
                    self.orders.update(new)
                    if names is not None:
                        given = zip(submission.order_ids, commands["owner"], names, strict=True)
                        self.names |= {int(o): (int(a), name) for o, a, name in given if name}
                    self._recent += zip(new, owners.tolist(), markets.tolist(), strict=True)
                    del self._recent[:-300]
                    self._stop.wait(self._dice.exponential(10 / self._rate))
        except BaseException as error:  # noqa: BLE001 - told to whoever waits for the load
            self._error = error
        for ticket in tickets:
            failed = ticket.confirmed.exception(60)
            self.records[ticket.frame] += len(ticket.rows)
            (self.confirmed if failed is None else self.unconfirmed).add(ticket.frame)
        self.unconfirmed.discard(0)  # never sent

    def _bus(self) -> Bus:
        """Where commands go; a shard that is asked for the listings may be down just now."""
        while True:
            try:
                return Bus(self._exchange.settings)
            except StoreUnavailable:
                time.sleep(0.2)

    def _names(self, commands: np.ndarray) -> list[str | None] | None:
        """Client order ids for some new orders, now and then one that another may have."""
        if self._dice.random() < 0.5:
            return None
        draw = self._dice.integers
        return [
            f"order-{draw(0, 50 if draw(0, 8) == 0 else 1 << 40)}" if new else None
            for new in (commands["kind"] == CommandKind.PLACE).tolist()
        ]

    def _some(self) -> np.ndarray:
        """Commands of all kinds; prices near each other, so that they trade."""
        draw, count = self._dice.integers, int(self._dice.integers(1, 20))
        commands = np.zeros(count, COMMAND_DTYPE)
        commands["kind"] = CommandKind.PLACE
        commands["owner"] = draw(1, ACCOUNTS + 1, count)
        commands["market"] = draw(0, 3, count)
        commands["side"] = draw(0, 2, count)
        commands["qty_lots"] = draw(500, 3000, count)
        # ETH-BTC counts its price in another step.
        middle = np.where(commands["market"] == 2, 5_000, 300_000)
        commands["price_ticks"] = middle + draw(-20, 21, count)
        commands["order_type"] = self._dice.choice(_TYPES, count)
        commands["time_in_force"] = self._dice.choice(_TIMES, count)
        triggered = np.isin(commands["order_type"], _TRIGGERED)
        commands["trigger_ticks"][triggered] = (middle + draw(-20, 21, count))[triggered]
        plain = (commands["order_type"] == OrderType.LIMIT) & (commands["time_in_force"] == 0)
        commands["post_only"][plain] = draw(0, 8, int(plain.sum())) == 0
        slices = plain & (commands["post_only"] == 0) & (draw(0, 6, count) == 0)
        commands["display_lots"][slices] = commands["qty_lots"][slices] // 3
        due = commands["time_in_force"] == TimeInForce.GTD
        commands["expire_ns"][due] = time.time_ns() + draw(1, 5_000_000_000, int(due.sum()))
        # Some change an order that was sent before, which may be open or not.
        for row in np.flatnonzero(draw(0, 4, count) == 0) if self._recent else ():
            order, owner, market = self._recent[draw(0, len(self._recent))]
            price, lots = int(commands["price_ticks"][row]), int(commands["qty_lots"][row])
            if market != commands["market"][row]:
                price = 5_000 if market == 2 else 300_000
            commands[row] = np.zeros((), COMMAND_DTYPE)
            commands["order_id"][row], commands["owner"][row] = order, owner
            commands["market"][row] = market
            kind = self._dice.choice(_CHANGES)
            commands["kind"][row] = kind
            if kind == CommandKind.REPLACE:
                commands["price_ticks"][row], commands["qty_lots"][row] = price, lots
            if kind == CommandKind.REDUCE:
                commands["qty_lots"][row] = lots // 4
        return commands
