"""The same flows through other order books that pip installs, driven from Python.

    python -m bench.packages                       those that are installed
    pip install orderly-chaos liquibook cython-orderbook

Only limit, market and cancel orders are needed: a replace is a cancel and a new order. The
other packages take one Python call for each command; NexTrade is shown both ways. Each of
them is called without listeners, which is the fastest they offer; NexTrade reports events.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import sys
from collections.abc import Callable, Iterable
from functools import partial
from time import thread_time
from typing import Any

from rich.table import Table

from nextrade import OrderBook

from . import machine, measure, replay
from .workloads import NoCompiler, Op, Workload, generated, ladder_seconds

__all__ = ["PACKAGES", "Row", "compared", "missing", "rows_of", "table_of"]

Row = tuple[int, int, int, int, int]
"""op, order id, side (0: buy), price, quantity, as plain integers."""

WORKLOADS = ("realistic", "deep_match", "burst_insert")
BATCHES = "nextrade, batches of 4,096"
SIZE = 200_000
ROUNDS = 3
LIMIT, MARKET, CANCEL, REPLACE = int(Op.LIMIT), int(Op.MARKET), int(Op.CANCEL), int(Op.REPLACE)


def rows_of(workload: Workload) -> list[Row]:
    """The records as tuples, with each replace told as a cancel and a new order."""
    fields = ("order_id", "price_ticks", "qty_lots", "op", "side")
    ids, prices, lots, ops, sides = (workload.records[field].tolist() for field in fields)
    rows: list[Row] = []
    for op, order_id, side, price, qty in zip(ops, ids, sides, prices, lots, strict=True):
        if op == REPLACE:
            rows.append((CANCEL, order_id, side, price, qty))
            rows.append((LIMIT, order_id, side, price, qty))
        else:
            rows.append((op, order_id, side, price, qty))
    return rows


def timed(work: Callable[[], None]) -> float:
    """Processor seconds of one call with the garbage collector quiet."""
    gc.collect()
    gc.disable()
    try:
        started = thread_time()
        work()
        return thread_time() - started
    finally:
        gc.enable()


def nextrade_calls(_module: Any, rows: Iterable[Row]) -> float:
    """NexTrade, one method call for each command."""
    book = OrderBook()
    limit, market, cancel = book.limit, book.market, book.cancel

    def work() -> None:
        for op, order_id, side, price, qty in rows:
            if op == LIMIT:
                limit(order_id, side, price, qty)
            elif op == CANCEL:
                cancel(order_id)
            else:
                market(order_id, side, qty)

    return timed(work)


def orderly_chaos(module: Any, rows: Iterable[Row]) -> float:
    """``orderly_chaos.LimitOrderBook``: ctypes over C++."""
    book = module.LimitOrderBook()
    limit, market, cancel = book.limit, book.market, book.cancel
    sides = (module.Side.BUY, module.Side.SELL)

    def work() -> None:
        for op, order_id, side, price, qty in rows:
            if op == LIMIT:
                limit(sides[side], order_id, qty, price)
            elif op == CANCEL:
                cancel(order_id)
            else:
                market(sides[side], order_id, qty)

    return timed(work)


def liquibook(module: Any, rows: Iterable[Row]) -> float:
    """``liquibook.DepthOrderBook``: SWIG over C++. A price of 0 is a market order."""
    book = module.DepthOrderBook()
    add, cancel, order_type = book.add, book.cancel, module.SimpleOrder
    orders: dict[int, Any] = {}

    def work() -> None:
        for op, order_id, side, price, qty in rows:
            if op == CANCEL:
                cancel(orders.pop(order_id))
            else:
                order = orders[order_id] = order_type(side == 0, price, qty)
                add(order)

    return timed(work)


def cython_orderbook(module: Any, rows: Iterable[Row]) -> float:
    """``cython_orderbook.OrderBook``: Cython; it chooses order ids itself."""
    book, order_type = module.OrderBook(), module.Order
    sides = (module.OrderSide.BID, module.OrderSide.ASK)
    ids: dict[int, str] = {}

    def work() -> None:
        for op, order_id, side, price, qty in rows:
            if op == CANCEL:
                book.cancel_order(ids.pop(order_id))
            elif op == LIMIT:
                order = order_type(sides[side], qty, price)
                ids[order_id] = order.order_id
                book.add_limit_order(order)
            else:
                book.add_market_order(order_type(sides[side], qty))

    return timed(work)


PACKAGES: dict[str, tuple[str, Callable[[Any, Iterable[Row]], float]]] = {
    "nextrade, one call a command": ("nextrade", nextrade_calls),
    "orderly-chaos": ("orderly_chaos", orderly_chaos),
    "liquibook": ("liquibook", liquibook),
    "cython-orderbook": ("cython_orderbook", cython_orderbook),
}
"""What to install, what to import, and how to drive it."""


def installed() -> dict[str, tuple[Any, Callable[[Any, Iterable[Row]], float]]]:
    """The packages that can be imported here."""
    found = {}
    for package, (module, drive) in PACKAGES.items():
        try:
            found[package] = (importlib.import_module(module), drive)
        except ImportError:  # optional: `missing` says how to get it
            continue
    return found


def missing() -> str:
    """What is left out and how to get it, or nothing."""
    absent = PACKAGES.keys() - installed().keys()
    names = " ".join(sorted(absent))
    return f"Left out because not installed: pip install {names}" if absent else ""


def compared(size: int, rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    """Multiples of the ladder's best time, and ns per record, by package and workload."""
    found = installed()
    figures: dict[str, dict[str, dict[str, float]]] = {name: {} for name in (BATCHES, *found)}
    for name in WORKLOADS:
        workload = generated(name, size)
        rows = rows_of(workload)
        contestants: dict[str, Callable[[], float]] = {
            "ladder": partial(ladder_seconds, workload),
            BATCHES: partial(replay.seconds, workload.commands, 4096),
        }
        for package, (module, drive) in found.items():
            contestants[package] = partial(drive, module, rows)
        timings = measure.interleaved(contestants, rounds)
        for package, by_workload in figures.items():
            best = timings[package].best
            by_workload[name] = {
                "ratio_best": best / timings["ladder"].best,
                "ns": best / len(workload) * 1e9,
            }
    return figures


def table_of(figures: dict[str, dict[str, dict[str, float]]], size: int) -> Table:
    """One row per package, one column per workload."""
    table = Table("", title=f"Driven from Python: × ladder (ns/command), {size:,} records")
    for name in WORKLOADS:
        table.add_column(name, justify="right")
    for package, by_workload in figures.items():
        cells = [by_workload[name] for name in WORKLOADS]
        table.add_row(
            package, *(f"{cell['ratio_best']:,.1f} ({cell['ns']:,.0f})" for cell in cells)
        )
    return table


def main() -> int:
    """Print multiples of the ladder's time, best run against best run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=SIZE, help="records of each workload")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--core", type=int)
    chosen = parser.parse_args()
    console = machine.wide_console()
    measure.pin(chosen.core)
    with console.status("other order books"):
        figures = compared(chosen.size, chosen.rounds)
    console.print(table_of(figures, chosen.size))
    console.print(missing(), highlight=False)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NoCompiler as problem:
        sys.exit(str(problem))
