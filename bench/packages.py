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
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.table import Table

from nextrade import OrderBook

from . import machine, measure, replay
from .workloads import NoCompiler, Op, Workload, generated, ladder_seconds

__all__ = ["PACKAGES", "Row", "rows_of"]

Row = tuple[int, int, int, int, int]
"""op, order id, side (0: buy), price, quantity, as plain integers."""

WORKLOADS = ("realistic", "deep_match", "burst_insert")
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
    """Seconds of one call with the garbage collector quiet."""
    gc.collect()
    gc.disable()
    try:
        started = perf_counter()
        work()
        return perf_counter() - started
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


def installed(console: Console) -> dict[str, tuple[Any, Callable[[Any, Iterable[Row]], float]]]:
    """The packages that can be imported; says which are left out and how to get them."""
    found = {}
    for package, (module, drive) in PACKAGES.items():
        try:
            found[package] = (importlib.import_module(module), drive)
        except ImportError as problem:
            console.print(f"left out: {package} ({problem}; pip install {package})")
    return found


def main() -> int:
    """Print multiples of the ladder's time, best run against best run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=200_000, help="records of each workload")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--core", type=int)
    chosen = parser.parse_args()
    console = machine.wide_console()
    measure.pin(chosen.core)
    found = installed(console)
    table = Table("", title=f"Multiples of the ladder's time, {chosen.size:,} records")
    figures: dict[str, list[str]] = {name: [] for name in ("nextrade, batches of 4,096", *found)}
    for name in WORKLOADS:
        table.add_column(name, justify="right")
        workload = generated(name, chosen.size)
        rows = rows_of(workload)
        contestants: dict[str, Callable[[], float]] = {
            "ladder": partial(ladder_seconds, workload),
            "nextrade, batches of 4,096": partial(replay.seconds, workload.commands, 4096),
        }
        for package, (module, drive) in found.items():
            contestants[package] = partial(drive, module, rows)
        with console.status(name):
            timings = measure.interleaved(contestants, chosen.rounds)
        for package in figures:
            multiple = timings[package].best / timings["ladder"].best
            per_command_ns = timings[package].best / len(workload) * 1e9
            figures[package].append(f"{multiple:,.1f} ({per_command_ns:,.0f} ns)")
    for package, cells in figures.items():
        table.add_row(package, *cells)
    console.print(table)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NoCompiler as problem:
        sys.exit(str(problem))
