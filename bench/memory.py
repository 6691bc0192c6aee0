"""Memory of a book that holds a million resting orders.

    python -m bench.memory

``memory_bytes`` is what the book says it has allocated. The resident figure is what the
operating system says, in a process of its own: the growth while the orders came in, events
dropped at once. It contains the allocator's own losses, so it is the larger one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from rich.table import Table

from nextrade import OrderBook

from .machine import resident_bytes, wide_console
from .replay import batches
from .workloads import NoCompiler, generated, native

__all__ = ["FLOWS", "footprint"]

ROOT = Path(__file__).resolve().parent.parent

FLOWS = ("sequential ids", "capacity told", "random 64-bit ids", "owners", "one level an order")
"""A million plain orders over 2,000 levels, and what is different about them."""


def fill(flow: str, orders: int) -> dict[str, float]:
    """Insert ``orders`` in this process; returns bytes per order both ways."""
    commands = generated("burst_insert", orders).commands.copy()
    if flow == "random 64-bit ids":
        ids = np.random.default_rng(1).integers(0, 1 << 63, size=2 * orders, dtype=np.uint64)
        commands["order_id"] = np.random.default_rng(2).permutation(np.unique(ids))[:orders]
    elif flow == "owners":
        commands["owner"] = 1 + np.arange(orders) % 10_000
    elif flow == "one level an order":
        commands["side"], commands["price_ticks"] = 0, 1 + np.arange(orders)
    warm = OrderBook()  # so that the first batch's own memory does not count
    warm.process(commands[:4096])
    del warm
    native.return_freed_memory()
    before = resident_bytes()
    book = OrderBook(capacity=orders if flow == "capacity told" else 0)
    for part in batches(commands, 4096):
        book.process(part)
    grown = resident_bytes() - before
    return {"book": book.memory_bytes / len(book), "resident": grown / len(book)}


def footprint(flow: str, orders: int) -> dict[str, float]:
    """The same in a fresh process, so that no other test's memory is counted."""
    generated("burst_insert", orders)  # the child shall find it in the cache
    command = [sys.executable, "-m", "bench.memory", "--child", flow, "--orders", str(orders)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> int:
    """Print bytes per resting order for each flow."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--child", choices=FLOWS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        print(json.dumps(fill(chosen.child, chosen.orders)))
        return 0
    table = Table("orders", title=f"Bytes per resting order, {chosen.orders:,} of them")
    table.add_column("memory_bytes", justify="right")
    table.add_column("resident", justify="right")
    for flow in FLOWS:
        found = footprint(flow, chosen.orders)
        table.add_row(flow, f"{found['book']:.1f}", f"{found['resident']:.1f}")
    wide_console().print(table)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NoCompiler as problem:
        sys.exit(str(problem))
