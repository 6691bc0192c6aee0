"""What a whole cycle costs: reserve, match, settle with netted postings.

    python -m bench.partition

Orders of the ladder's flows get owners drawn from many accounts, and go through a ``Partition``
with fees: ``reservations``, then ``process`` with everything granted. The parts of a cycle are
found by leaving parts out:

    reservations   ``Partition.reservations``
    book           ``OrderBook.process`` with the same batches
    netting        what the same flow takes less if all of it belongs to one account
    postings       what is left: layout, holds, money of each event, events merged
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import thread_time_ns

import numpy as np
import numpy.typing as npt
from rich.table import Table

from nextrade import Asset, CommandKind, Market, OrderBook, OrderType, Side
from nextrade.domain.listings import Fees, Listing, Listings
from nextrade.domain.partition import Partition

from . import machine, measure
from .replay import batches
from .workloads import NoCompiler, generated

__all__ = ["SIZES", "Cost", "cost_of", "exchange_flow", "listings", "two_markets"]

Records = npt.NDArray[np.void]

FLOWS = ("realistic", "deep_match", "two markets")
SIZES = (1, 10, 100, 1000, 4096, 65536)
SEED = 20_260_401
ACCOUNTS = 10_000
WORST_TICKS = 1 << 20
SMALL = 100_000
"""So many commands are enough for batches of less than a hundred."""


@dataclass(frozen=True)
class Cost:
    """Nanoseconds a command."""

    reservations: float
    book: float
    postings: float
    netting: float
    events: float
    rows: float
    """Events and postings a command."""

    @property
    def cycle(self) -> float:
        """Reservations and everything that process does."""
        return self.reservations + self.book + self.postings + self.netting


def listings(markets: int = 1) -> Listings:
    """Markets of a coin each against one currency, with fees of a tenth and a fifth percent."""
    usdt = Asset("USDT", 6)
    coins = tuple(Asset(f"COIN{number}", 8) for number in range(markets))
    tiers = (Fees(maker=1000, taker=2000),)
    listed = (Market(f"{coin.name}-USDT", coin, usdt, "0.01", "0.0001") for coin in coins)
    return Listings((usdt, *coins), tuple(Listing(market, tiers=tiers) for market in listed))


def exchange_flow(name: str, commands: int, accounts: int = ACCOUNTS) -> Records:
    """A flow of the ladder as accounts would send it: with owners, sides and worst prices."""
    flow = generated(name, commands).commands.copy()
    flow["order_id"] += 1
    places = flow["kind"] == CommandKind.PLACE
    owners = np.random.default_rng(SEED).integers(1, accounts + 1, len(flow)).astype(np.uint32)
    last_id = int(flow["order_id"].max())
    for field, values in (("owner", owners), ("side", flow["side"])):
        of_order = np.zeros(last_id + 1, flow.dtype[field])
        of_order[flow["order_id"][places]] = values[places]
        flow[field] = of_order[flow["order_id"]]
    market_buys = places & (flow["order_type"] == OrderType.MARKET) & (flow["side"] == Side.BUY)
    flow["price_ticks"][market_buys & (flow["price_ticks"] == 0)] = WORST_TICKS
    return flow


def two_markets(commands: int, accounts: int = ACCOUNTS) -> Records:
    """Two realistic flows that take turns, one in each market."""
    half = exchange_flow("realistic", commands // 2, accounts)
    both = np.repeat(half, 2)
    both["market"][1::2] = 1
    return both


def timed(run: Callable[[Records], object], cut: list[Records]) -> float:
    """Processor nanoseconds a command."""
    gc.collect()
    gc.disable()
    try:
        started = thread_time_ns()
        for batch in cut:
            run(batch)
        return (thread_time_ns() - started) / sum(map(len, cut))
    finally:
        gc.enable()


def process_cost(cut: list[Records], markets: int) -> tuple[float, float, float]:
    """Nanoseconds that ``process`` takes, events and postings, all a command."""
    partition = Partition(listings(markets), 0)
    tiers = [np.zeros(len(batch), np.uint8) for batch in cut]
    granted = [partition.reservations(batch).amount for batch in cut]
    given = iter(zip(tiers, granted, strict=True))
    made = np.zeros(2, np.int64)

    def run(batch: Records) -> None:
        outcome = partition.process(batch, *next(given))
        made[:] += len(outcome.events), len(outcome.postings)
        while partition.pending:
            outcome = partition.proceed()
            made[:] += len(outcome.events), len(outcome.postings)

    spent = timed(run, cut)
    events, rows = made / sum(map(len, cut))
    return spent, float(events), float(rows)


def book_cost(flow: Records, size: int, markets: int) -> float:
    """Nanoseconds a command of the books alone, each with its own commands in batches."""
    spent = 0.0
    for market in range(markets):
        own = np.ascontiguousarray(flow[flow["market"] == market])
        share = len(own) / len(flow)
        book = OrderBook()
        spent += timed(book.process, batches(own, max(1, size // markets))) * share
    return spent


def cost_of(flow: Records, size: int, rounds: int) -> Cost:
    """The best of some rounds, part by part."""
    markets = int(flow["market"].max()) + 1
    alone = flow.copy()
    alone["owner"] = 1
    door = Partition(listings(markets), 0)
    cut, cut_alone = batches(flow, size), batches(alone, size)
    parts = []
    events = rows = 0.0
    for _ in range(rounds):
        reservations = timed(door.reservations, cut)
        book = book_cost(flow, size, markets)
        process, events, rows = process_cost(cut, markets)
        process_alone, _, _ = process_cost(cut_alone, markets)
        parts.append((reservations, book, process, process_alone))
    reservations, book, process, process_alone = np.min(parts, axis=0)
    netting = max(process - process_alone, 0.0)
    return Cost(reservations, book, process - book - netting, netting, events, rows)


def main() -> int:
    """Print a table for each flow."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--core", type=int)
    chosen = parser.parse_args()
    measure.pin(chosen.core)
    console = machine.wide_console()
    for name in FLOWS:
        table = Table("batch", title=f"{name}, {ACCOUNTS:,} accounts, ns a command")
        for heading in (
            *("reservations", "book", "postings", "netting", "cycle", "commands/s"),
            *("events a command", "postings a command"),
        ):
            table.add_column(heading, justify="right")
        for size in SIZES:
            count = min(chosen.commands, SMALL) if size < 100 else chosen.commands
            with console.status(f"{name}, batches of {size}"):
                flow = two_markets(count) if name == "two markets" else exchange_flow(name, count)
                cost = cost_of(flow, size, chosen.rounds)
            table.add_row(
                f"{size:,}",
                *(
                    f"{nanoseconds:,.0f}"
                    for nanoseconds in (
                        cost.reservations,
                        cost.book,
                        cost.postings,
                        cost.netting,
                        cost.cycle,
                    )
                ),
                f"{1e9 / cost.cycle:,.0f}",
                f"{cost.events:.2f}",
                f"{cost.rows:.2f}",
            )
        console.print(table)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NoCompiler as problem:
        sys.exit(str(problem))
