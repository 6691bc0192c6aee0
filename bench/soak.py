"""A long run that watches memory: what the book holds is bounded, so its memory must be.

    python -m bench.soak                        100 million commands
    python -m bench.soak --commands 2000000     a first impression

All kinds of orders go through ``process`` in batches: icebergs, stops, GTD orders that expire,
replaces, self-trade prevention, call auctions. In between, views, snapshots and refused calls
make and drop Python objects. Fails if resident memory after the warm-up ever exceeds what it
was at its end by more than the bound, or if the book contradicts itself.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from nextrade import EventKind, OrderBook
from nextrade.errors import UnknownOrder

from .machine import resident_bytes, wide_console
from .mixed import MixedFlow

__all__ = ["Leak", "Soak"]

MIB = 1 << 20


class Leak(AssertionError):
    """Resident memory grew beyond the bound after the warm-up."""


@dataclass
class Soak:
    """One run; ``samples`` are (commands so far, resident bytes, bytes the book reports)."""

    commands: int
    batch: int = 16_384
    warm_up: float = 0.1
    bound_bytes: int = 8 * MIB
    seed: int = 1
    book: OrderBook = field(default_factory=OrderBook)
    samples: list[tuple[int, int, int]] = field(default_factory=list)
    events: Counter[int] = field(default_factory=Counter)
    done: int = 0
    limit_bytes: int = 0

    def step(self, flow: MixedFlow) -> None:
        """One batch and, every 32 batches, a look at everything else that allocates."""
        commands = flow.batch()
        events = self.book.process(commands)
        self.events.update(dict(enumerate(np.bincount(events["kind"]).tolist())))
        self.done += len(commands)
        if flow.number % 32 == 0:
            self.look_around()
        if self.done >= self.warm_up * self.commands:
            self.watch()

    def look_around(self) -> None:
        """Views, a snapshot and its restoration, calls that succeed and calls that are refused."""
        book = self.book
        copy = OrderBook.from_snapshot(book.snapshot())
        if copy.state_hash() != book.state_hash():
            raise AssertionError("the restored book is another one")
        book.depth(50)
        book.top()
        book.orders()
        sum(1 for _ in copy)
        book.check_invariants()
        for order_id in range(1 << 62, (1 << 62) + 20):
            copy.limit(order_id, 0, 1, 1)
            copy.cancel(order_id)
            try:
                copy.cancel(order_id)
            except UnknownOrder:  # its exception object must not stay behind
                continue

    def watch(self) -> None:
        """Compare resident memory with the bound that the end of the warm-up has set."""
        resident = resident_bytes()
        if not self.limit_bytes:
            self.limit_bytes = resident + self.bound_bytes
        if resident > self.limit_bytes:
            raise Leak(
                f"after {self.done:,} commands {resident / MIB:.1f} MiB are resident, more than "
                f"{self.limit_bytes / MIB:.1f} MiB (end of the warm-up plus the bound)"
            )

    def run(self, console: Console, *, lines: int = 20) -> None:
        """Run to the end with a progress bar, and about ``lines`` lines of figures above it."""
        flow = MixedFlow(self.batch, self.seed)
        every = max(self.commands // lines, 1)
        due = every
        columns = (
            BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} commands"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as progress:
            bar = progress.add_task("", total=self.commands)
            while self.done < self.commands:
                self.step(flow)
                progress.update(bar, completed=self.done)
                if self.done >= due:
                    due += every
                    self.sample(progress.console)

    def sample(self, console: Console) -> None:
        """Store and print where memory stands."""
        resident, book = resident_bytes(), self.book
        self.samples.append((self.done, resident, book.memory_bytes))
        console.print(
            f"{self.done:>13,} commands  {resident / MIB:7.1f} MiB resident  "
            f"{book.memory_bytes / MIB:6.2f} MiB in the book  {len(book):>7,} open orders  "
            f"{book.trade_count:>12,} trades",
            highlight=False,
        )


def main() -> int:
    """Run a soak as the command line says; status 1 if memory grew."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--commands", type=int, default=100_000_000)
    parser.add_argument("--batch", type=int, default=16_384, help="commands a call")
    parser.add_argument("--bound", type=float, default=8.0, help="MiB allowed after the warm-up")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    console = wide_console()
    soak = Soak(
        chosen.commands, chosen.batch, bound_bytes=int(chosen.bound * MIB), seed=chosen.seed
    )
    try:
        soak.run(console)
    except Leak as leak:
        console.print(f"Memory grows: {leak}", style="red", highlight=False)
        return 1
    counted = ", ".join(
        f"{EventKind(kind).name.lower()} {count:,}"
        for kind, count in sorted(soak.events.items())
        if count
    )
    console.print(f"Events: {counted}.", highlight=False)
    console.print(f"Resident memory stayed within {chosen.bound:g} MiB of the warm-up's end.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
