"""What one call of a method costs: median, 99.9th percentile, calls a second.

    python -m bench.latency

The book holds about 20,000 orders, as after the realistic flow. Each call is timed on its
own; what reading the clock costs is measured the same way and taken off. Throughput comes
from a second pass over a fresh copy of the book without a clock in between.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

import numpy as np
from rich.table import Table

from nextrade import OrderBook, Side, TimeInForce

from . import machine, measure
from .replay import batches
from .workloads import NoCompiler, generated

__all__ = ["CASES", "Latency", "busy_book", "latency_of"]

Call = tuple[Callable[..., Any], tuple[Any, ...]]
FIRST_ID = 1 << 40
"""Ids of the measured orders; the flow's own ids are far below."""


@dataclass(frozen=True)
class Latency:
    """One method's figures, in nanoseconds a call."""

    median_ns: float
    p999_ns: float
    mean_ns: float

    @property
    def calls_per_second(self) -> float:
        """Calls one after another, loop included."""
        return 1e9 / self.mean_ns


def busy_book() -> OrderBook:
    """A book as the realistic flow leaves it after 200,000 commands."""
    book = OrderBook()
    for part in batches(generated("realistic", 200_000).commands, 4096):
        book.process(part)
    return book


def limit_resting(book: OrderBook, calls: int) -> Iterable[Call]:
    """Limit orders that rest, 1 to 50 ticks behind the best bid."""
    best = book.best_bid or 0
    for index in range(calls):
        yield book.limit, (FIRST_ID + index, Side.BUY, best - 1 - index % 50, 10)


def limit_trading(book: OrderBook, calls: int) -> Iterable[Call]:
    """Limit orders that fill one resting order completely."""
    price = (book.best_ask or 0) - 1
    for index in range(calls):
        book.limit(FIRST_ID + index, Side.SELL, price, 10)
    for index in range(calls):
        yield book.limit, (FIRST_ID + calls + index, Side.BUY, price, 10)


def market(book: OrderBook, calls: int) -> Iterable[Call]:
    """Market orders that fill one resting order completely."""
    price = (book.best_ask or 0) - 1
    for index in range(calls):
        book.limit(FIRST_ID + index, Side.SELL, price, 10)
    for index in range(calls):
        yield book.market, (FIRST_ID + calls + index, Side.BUY, 10)


def cancel(book: OrderBook, calls: int) -> Iterable[Call]:
    """Cancels of orders all over the book, in no order."""
    for call, arguments in list(limit_resting(book, calls)):
        call(*arguments)
    for index in np.random.default_rng(1).permutation(calls).tolist():
        yield book.cancel, (FIRST_ID + index,)


def reduce(book: OrderBook, calls: int) -> Iterable[Call]:
    """Reductions by one lot."""
    for call, arguments in list(limit_resting(book, calls)):
        call(*arguments)
    for index in range(calls):
        yield book.reduce, (FIRST_ID + index, 1)


def stop(book: OrderBook, calls: int) -> Iterable[Call]:
    """Stop orders far above the market, which stay dormant."""
    trigger = (book.best_ask or 0) + 5000
    for index in range(calls):
        yield book.stop, (FIRST_ID + index, Side.BUY, trigger + index % 100, 10)


def top(book: OrderBook, calls: int) -> Iterable[Call]:
    """Best price and quantity of both sides."""
    return ((book.top, ()) for _ in range(calls))


def depth_10(book: OrderBook, calls: int) -> Iterable[Call]:
    """Ten levels of both sides."""
    return ((book.depth, (10,)) for _ in range(calls))


def refused(book: OrderBook, calls: int) -> Iterable[Call]:
    """Batches of one command that is refused: a cancel of an unknown order."""
    commands = generated("realistic", 200_000).commands[:1].copy()
    commands["kind"], commands["order_id"] = 2, FIRST_ID * 2
    return ((book.process, (commands,)) for _ in range(calls))


def fill_or_kill_killed(book: OrderBook, calls: int) -> Iterable[Call]:
    """FOK orders for more than 50 levels hold: the book looks and leaves all as it is."""
    _, asks = book.depth(50)
    lots, price = int(asks["qty_lots"].sum()) + 1, int(asks["price_ticks"][-1])

    def kill(order_id: int) -> None:
        book.limit(order_id, Side.BUY, price, lots, time_in_force=TimeInForce.FOK)

    return ((kill, (FIRST_ID + index,)) for index in range(calls))


CASES: dict[str, Callable[[OrderBook, int], Iterable[Call]]] = {
    "limit, rests": limit_resting,
    "limit, trades once": limit_trading,
    "market, trades once": market,
    "cancel": cancel,
    "reduce": reduce,
    "stop, dormant": stop,
    "FOK over 50 levels, killed": fill_or_kill_killed,
    "process, one refused command": refused,
    "top": top,
    "depth(10)": depth_10,
}
"""What is called, by the name under which it is shown."""


def clock_cost_ns() -> float:
    """What two reads of the clock cost with nothing in between."""
    return float(np.median([-(perf_counter_ns() - perf_counter_ns()) for _ in range(10_000)]))


def latency_of(case: Callable[[OrderBook, int], Iterable[Call]], calls: int) -> Latency:
    """Call ``case`` ``calls`` times on each of two busy books."""
    spent = np.zeros(calls, dtype=np.int64)
    prepared = list(case(busy_book(), calls))
    gc.collect()
    gc.disable()
    try:
        for index, (method, arguments) in enumerate(prepared):
            started = perf_counter_ns()
            method(*arguments)
            spent[index] = perf_counter_ns() - started
        prepared = list(case(busy_book(), calls))
        started = perf_counter_ns()
        for method, arguments in prepared:
            method(*arguments)
        mean = (perf_counter_ns() - started) / calls
    finally:
        gc.enable()
    median, p999 = np.percentile(spent, [50, 99.9]) - clock_cost_ns()
    return Latency(float(median), float(p999), mean)


def main() -> int:
    """Print one row per method."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--core", type=int)
    chosen = parser.parse_args()
    measure.pin(chosen.core)
    console = machine.wide_console()
    table = Table("call", title=f"One call, {chosen.calls:,} of each, about 20,000 resting orders")
    for heading in ("median ns", "p99.9 ns", "calls/s, one after another"):
        table.add_column(heading, justify="right")
    for name, case in CASES.items():
        with console.status(name):
            latency = latency_of(case, chosen.calls)
        table.add_row(
            name,
            f"{latency.median_ns:,.0f}",
            f"{latency.p999_ns:,.0f}",
            f"{latency.calls_per_second:,.0f}",
        )
    console.print(table)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NoCompiler as problem:
        sys.exit(str(problem))
