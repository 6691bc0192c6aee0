"""Make a market inside a recorded day: python market_maker.py [RECORDING].

The agent quotes one level on each side, leans against its inventory, and moves its quotes when the
market moves. It sees the market --batch records at a time (1: every event), and its orders arrive
--latency-us later. All money is whole numbers, ticks x lots. At the end its own books must agree
with what the events say, or the script fails.

A recording cannot answer back: nobody in it reacts to these quotes. What it earns here is an upper
guess of what it would have earned.
"""

import argparse
import math
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from make_recording import make_recording

import nextrade
from nextrade import (
    AGENT_IDS,
    AGENT_OWNER,
    COMMAND_DTYPE,
    CommandKind,
    EventKind,
    MessageAction,
    OrderBook,
    OrderType,
    PostOnly,
    SelfTrade,
    Side,
    TimeInForce,
)

SIDES = (Side.BUY, Side.SELL)


class Quote(NamedTuple):
    """The order that the maker wants to have, or last asked for, on one side."""

    order_id: int
    price_ticks: int


class Maker:
    """Quotes both sides around the middle; called by the replay after each batch."""

    def __init__(self, lots: int = 100, most_lots: int = 500) -> None:
        self.lots = lots
        """What each quote offers."""
        self.most_lots = most_lots
        """With so much inventory, long or short, the side that would add to it is not quoted, and
        half of it is sold (or bought back) at the market's price."""
        self.cash = 0
        """Ticks x lots: what was earned by selling, less what was paid."""
        self.inventory_lots = 0
        self.maker_lots = self.taker_lots = self.fills = 0
        self.highest_lots = self.lowest_lots = 0
        self.grid_ticks = 0
        """Prices are multiples of this: a stock moves by a cent, which is 100 ticks of LOBSTER."""
        self.middle_twice: int | None = None
        """Best bid plus best ask of the others: twice the middle, so that it stays whole."""
        self.market_lots = 0
        self._quotes: dict[int, Quote | None] = {Side.BUY: None, Side.SELL: None}
        self._open: dict[int, tuple[int, int, int]] = {}
        """Own orders that rest, as the events tell: side, price and lots left by id."""
        self._flat_id: int | None = None
        """The order that brings the inventory down, while it is under way."""
        self._ids = AGENT_IDS

    def __call__(self, view: nextrade.View) -> np.ndarray | None:
        """Bring the books up to date, then say what the quotes ought to be."""
        self._listen(view.events)
        self._learn_grid(view.step.messages)
        best = self._others(view.book)
        if best is None or not self.grid_ticks:
            return self._send([self._take_out(side) for side in SIDES])
        bid, ask = best
        self.middle_twice = bid + ask
        commands = []
        for side in SIDES:
            commands += self._move(side, self._wanted(side, bid, ask))
        commands.append(self._flatten())
        return self._send(commands)

    def _learn_grid(self, messages: np.ndarray) -> None:
        prices = messages["price_ticks"][messages["action"] == MessageAction.ADD]
        for price in prices.tolist():
            self.grid_ticks = math.gcd(self.grid_ticks, price)

    # --- what happened -------------------------------------------------------------------

    def _listen(self, events: np.ndarray) -> None:
        """Keep cash, inventory and open orders by what the exchange says, not by what was sent."""
        trades = events["kind"] == EventKind.TRADE
        self.market_lots += int(events["qty_lots"][trades].sum())
        mine = (events["owner"] == AGENT_OWNER) | (events["maker_owner"] == AGENT_OWNER)
        for event in events[mine]:
            if event["kind"] == EventKind.TRADE:
                self._filled(event)
            elif event["kind"] == EventKind.ACCEPTED:
                lots, price = int(event["qty_lots"]), int(event["price_ticks"])
                self._open[int(event["order_id"])] = (int(event["side"]), price, lots)
            elif event["kind"] in (EventKind.CANCELED, EventKind.REJECTED):
                # A refusal needs care: of a cancel it says that the order is gone already, of a
                # post-only order that it would have taken. Either way nothing rests.
                self._gone(int(event["order_id"]))

    def _filled(self, event: np.void) -> None:
        lots, price = int(event["qty_lots"]), int(event["price_ticks"])
        waited = event["maker_owner"] == AGENT_OWNER
        order_id = int(event["maker_id"] if waited else event["order_id"])
        left = int(event["maker_leaves_lots"] if waited else event["leaves_lots"])
        side, order_price, _ = self._open[order_id]
        sign = 1 if side == Side.BUY else -1
        self.fills += 1
        self.cash -= sign * price * lots
        self.inventory_lots += sign * lots
        self.highest_lots = max(self.highest_lots, self.inventory_lots)
        self.lowest_lots = min(self.lowest_lots, self.inventory_lots)
        if waited:
            self.maker_lots += lots
        else:
            self.taker_lots += lots
        if left:
            self._open[order_id] = (side, order_price, left)
        else:
            self._gone(order_id)

    def _gone(self, order_id: int) -> None:
        self._open.pop(order_id, None)
        if order_id == self._flat_id:
            self._flat_id = None
        for side, quote in self._quotes.items():
            if quote is not None and quote.order_id == order_id:
                self._quotes[side] = None

    # --- what to do ----------------------------------------------------------------------

    def _others(self, book: OrderBook) -> tuple[int, int] | None:
        """Best bid and ask without the maker's own lots: who follows himself goes nowhere."""
        found = []
        for side, levels in zip(SIDES, book.depth(4), strict=True):
            own = [(price, left) for at, price, left in self._open.values() if at == side]
            for level in levels:
                price = int(level["price_ticks"])
                if int(level["qty_lots"]) > sum(left for at, left in own if at == price):
                    found.append(price)
                    break
        return (found[0], found[1]) if len(found) == 2 and found[0] < found[1] else None

    def _wanted(self, side: int, bid: int, ask: int) -> int | None:
        """The price to quote: at the best price, and further away the more there is of it."""
        long = self.inventory_lots if side == Side.BUY else -self.inventory_lots
        if long >= self.most_lots:
            return None
        steps = max(0, long) // self.lots
        if side == Side.BUY:
            return max(bid - steps * self.grid_ticks, self.grid_ticks)
        return ask + steps * self.grid_ticks

    def _move(self, side: int, price: int | None) -> list[np.ndarray | None]:
        quote = self._quotes[side]
        if quote is not None and quote.price_ticks == price:
            return []
        out = self._take_out(side)
        if price is None:
            return [out]
        place = self._new_order(side, self.lots)
        place["price_ticks"] = price
        # If the market comes towards us while the order travels, it must not take.
        place["post_only"] = PostOnly.REJECT
        self._quotes[side] = Quote(int(place["order_id"][0]), price)
        return [out, place]

    def _take_out(self, side: int) -> np.ndarray | None:
        quote = self._quotes[side]
        if quote is None:
            return None
        self._quotes[side] = None
        command = np.zeros(1, dtype=COMMAND_DTYPE)
        command["kind"] = CommandKind.CANCEL
        command["order_id"] = quote.order_id
        return command

    def _flatten(self) -> np.ndarray | None:
        if abs(self.inventory_lots) < self.most_lots or self._flat_id is not None:
            return None
        side = Side.SELL if self.inventory_lots > 0 else Side.BUY
        command = self._new_order(side, abs(self.inventory_lots) // 2)
        command["order_type"] = OrderType.MARKET
        command["time_in_force"] = TimeInForce.IOC
        self._flat_id = int(command["order_id"][0])
        return command

    def _new_order(self, side: int, lots: int) -> np.ndarray:
        command = np.zeros(1, dtype=COMMAND_DTYPE)
        command["kind"] = CommandKind.PLACE
        command["order_id"] = self._ids
        command["side"] = side
        command["qty_lots"] = lots
        command["self_trade"] = SelfTrade.CANCEL_NEWEST
        self._ids += 1
        return command

    @staticmethod
    def _send(commands: list[np.ndarray | None]) -> np.ndarray | None:
        some = [command for command in commands if command is not None]
        return np.concatenate(some) if some else None


class Outcome(NamedTuple):
    """What came of a day: the maker, and its trades as the events tell of them."""

    maker: Maker
    trades: np.ndarray
    """Of nextrade.TRADE_DTYPE, own trades only."""
    records: int


def make_market(
    path: Path,
    *,
    market: str | None = None,
    mode: str = "match",
    batch: int = 10,
    latency_ns: int = 0,
    maker: Maker | None = None,
) -> Outcome:
    """Let a maker trade along in a recording."""
    maker = maker or Maker()
    replay = nextrade.Replay(
        path, mode=mode, market=market, agent=maker, agent_latency_ns=latency_ns, batch=batch
    )
    own = [np.zeros(0, dtype=nextrade.TRADE_DTYPE)]
    for step in replay:
        trades = nextrade.trades(step.events)
        mine = (trades["maker_owner"] == AGENT_OWNER) | (trades["taker_owner"] == AGENT_OWNER)
        if mine.any():
            own.append(trades[mine])
    return Outcome(maker, np.concatenate(own), replay.report().messages)


def check(outcome: Outcome) -> None:
    """Count cash and inventory anew from the trades alone; raises ValueError if they differ."""
    trades = outcome.trades
    waited = trades["maker_owner"] == AGENT_OWNER
    bought = (trades["taker_side"] == Side.BUY) != waited
    signs = np.where(bought, 1, -1)
    # Python's integers have no end: a sum of prices times lots may leave 64 bits.
    inventory = sum((signs * trades["qty_lots"]).tolist())
    amounts = (trades["price_ticks"] * trades["qty_lots"] * signs).tolist()
    found = (-sum(amounts), inventory, len(trades))
    maker = outcome.maker
    if found != (maker.cash, maker.inventory_lots, maker.fills):
        raise ValueError(f"the events say {found}, the maker {maker.cash, maker.inventory_lots}")


def half(twice: int) -> str:
    """A number that is kept twice as large, as exact text."""
    return f"{'-' if twice < 0 else ''}{abs(twice) // 2:,}{'.5' if twice % 2 else ''}"


def show(outcome: Outcome, title: str) -> None:
    """Print what was earned, how, and with how much at risk."""
    maker = outcome.maker
    own_lots = maker.maker_lots + maker.taker_lots
    worth_twice = maker.inventory_lots * (maker.middle_twice or 0)
    share = f"{maker.maker_lots / own_lots:.1%}" if own_lots else "none traded"
    of_market = f"{own_lots / maker.market_lots:.1%}" if maker.market_lots else "none traded"
    rows = [
        ("records", f"{outcome.records:,}"),
        ("fills", f"{maker.fills:,}"),
        ("lots traded", f"{own_lots:,}"),
        ("  as the one who waited", share),
        ("  of all lots in the market", of_market),
        ("inventory, lots", f"{maker.inventory_lots:,}"),
        ("  least and most", f"{maker.lowest_lots:,} to {maker.highest_lots:,}"),
        ("cash, ticks x lots", f"{maker.cash:,}"),
        ("inventory at the middle", half(worth_twice)),
        ("profit, ticks x lots", half(2 * maker.cash + worth_twice)),
    ]
    print(title)
    for name, value in rows:
        print(f"  {name:<28} {value:>22}")


def main() -> None:
    """Trade, check the books, print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", nargs="?", type=Path, help="default: a made-up one")
    parser.add_argument("--market", help="one of several in the file, by its name")
    parser.add_argument("--mode", choices=("match", "guided"), default="match")
    parser.add_argument("--batch", type=int, default=10, help="records between two looks, 1 to 100")
    parser.add_argument("--latency-us", type=int, default=100, help="until an order arrives")
    parser.add_argument("--lots", type=int, default=20, help="what a quote offers")
    parser.add_argument("--most", type=int, default=100, help="lots of inventory, long or short")
    chosen = parser.parse_args()
    if not 1 <= chosen.batch <= 100:
        parser.error("--batch is from 1 to 100")
    with tempfile.TemporaryDirectory() as folder:
        path = chosen.recording or make_recording(folder)
        outcome = make_market(
            path,
            market=chosen.market,
            mode=chosen.mode,
            batch=chosen.batch,
            latency_ns=chosen.latency_us * 1000,
            maker=Maker(chosen.lots, chosen.most),
        )
    check(outcome)
    show(outcome, f"A market maker in {path.name}")
    print("The maker's books agree with the events.")


if __name__ == "__main__":
    try:
        main()
    except nextrade.DataError as error:
        raise SystemExit(str(error)) from error
