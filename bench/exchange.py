"""The exchange in one process, whole cycles a second: place, match, settle.

    python -m bench.exchange [--commands N] [--rounds N]
    python -m bench.exchange --recovery 10000000    # time to open again after so many commands

Two thousand accounts trade in one market: half of the commands are orders that rest, half
orders that take them, all with a hold before and postings after. In memory, with a journal
that asks the disk for each batch (fsync), and with one that does not; by batch size. At the
end every unit must be where it must be, or there are no figures.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import numpy.typing as npt

from nextrade import COMMAND_DTYPE, CommandKind, Exchange

from .machine import describe

ACCOUNTS = 2000
SIZES = (1, 10, 100, 1000, 4096, 65_536)


def flow(count: int, first_id: int = 1) -> npt.NDArray[np.void]:
    """Pairs of an order that rests and one of another account that takes it, at 64 prices."""
    random = np.random.default_rng(7)
    commands = np.zeros(count, dtype=COMMAND_DTYPE)
    commands["kind"] = CommandKind.PLACE
    commands["order_id"] = np.arange(first_id, first_id + count)
    commands["timestamp_ns"] = np.arange(1, count + 1)
    commands["owner"] = 1 + random.integers(0, ACCOUNTS, count)
    commands["side"] = np.where(
        np.arange(count) % 4 < 2, np.arange(count) % 2, 1 - np.arange(count) % 2
    )
    commands["price_ticks"] = (
        10_000 + np.repeat(random.integers(0, 64, (count + 1) // 2), 2)[:count]
    )
    commands["qty_lots"] = 10_000
    return commands


def fund(exchange: Exchange) -> None:
    """Enough of both assets for everybody."""
    for account in range(1, ACCOUNTS + 1):
        exchange.deposit(account, "USDT", "100000000", f"u{account}")
        exchange.deposit(account, "BTC", "100000", f"b{account}")


def cycles(exchange: Exchange, commands: npt.NDArray[np.void], size: int) -> float:
    """Commands a second in batches of this size."""
    started = perf_counter()
    for start in range(0, len(commands), size):
        exchange.submit(commands[start : start + size])
    taken = perf_counter() - started
    proof = exchange.verify(full=False)
    assert proof.holds, proof.faults
    return len(commands) / taken


def measure(size: int, count: int, rounds: int, *, path: bool, fsync: bool) -> float:
    """Median of some rounds, each on an exchange of its own."""
    # Small batches would take minutes; a hundred batches with fsync say enough.
    count = min(count, size * (200 if path and fsync else 2000))
    found = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            where = Path(folder) / "exchange" if path else None
            if where is not None:  # the deposits are not what is measured
                with Exchange(path=where, fsync=False) as exchange:
                    fund(exchange)
            with Exchange(path=where, fsync=fsync) as exchange:
                if where is None:
                    fund(exchange)
                found.append(cycles(exchange, flow(count), size))
    return median(found)


def opened_again(path: Path, state_hash: int) -> float:
    """Seconds to open a path, which must give this state."""
    started = perf_counter()
    with Exchange(path=path, fsync=False) as exchange:
        taken = perf_counter() - started
        assert exchange.state_hash() == state_hash
    return taken


def recovery(count: int) -> None:
    """Print how long an exchange takes to open: by its whole journal, and by a snapshot."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "exchange"
        with Exchange(path=path, fsync=False) as exchange:
            fund(exchange)
            cycles(exchange, flow(count), 4096)
            state_hash = exchange.state_hash()
        by_journal = opened_again(path, state_hash)
        with Exchange(path=path, fsync=False) as exchange:
            exchange.snapshot()
        by_snapshot = opened_again(path, state_hash)
    print(f"open after {count:,} commands: {by_journal:.3f} s by journal", end="")
    print(f", {by_snapshot:.3f} s by snapshot")


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recovery", type=int, metavar="N", help="measure this instead")
    asked = parser.parse_args()
    print(describe())
    if asked.recovery is not None:
        recovery(asked.recovery)
        return
    print(f"{'batch':>8} {'memory':>14} {'journal':>14} {'journal, fsync':>16}   commands/s")
    for size in SIZES:
        row = [
            measure(size, asked.commands, asked.rounds, path=path, fsync=fsync)
            for path, fsync in ((False, False), (True, False), (True, True))
        ]
        print(f"{size:>8,} {row[0]:>14,.0f} {row[1]:>14,.0f} {row[2]:>16,.0f}")


if __name__ == "__main__":
    main()
