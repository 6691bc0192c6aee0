"""Run seeded streams through both books and stop at the first difference.

    python -m tests.model.differential --seed 1 --commands 500 --streams 1000

Prints the failing seed and the shortest list of commands found that still fails. Exit code 1
means that the books differ.
"""

import argparse
import faulthandler
import random
import sys
import time
from collections.abc import Sequence

from tests.model.comparing import as_code, difference, smallest
from tests.model.compiled import Compiled, OrderBook
from tests.model.streams import stream
from tests.oracle.oracle import Oracle
from tests.oracle.records import Command

SMALL_BATCHES = [1, 3, 10, 50, 200]
LARGE_BATCHES = [50, 500]
"""For long streams: after each batch the whole state is compared, which takes its time."""


def run(commands: Sequence[Command], batch_seed: int) -> str:
    """Compare both books over one stream, in batches of random length with restarts between."""
    dice = random.Random(batch_seed)
    oracle, compiled = Oracle(), Compiled()
    sizes = SMALL_BATCHES if len(commands) < 1000 else LARGE_BATCHES
    start = 0
    while start < len(commands):
        batch = commands[start : start + dice.choice(sizes)]
        if dice.random() < 0.1:
            compiled = Compiled(OrderBook.from_snapshot(compiled.book.snapshot()))
        prices = [command.price_ticks for command in batch[:3] if command.price_ticks > 0]
        found = difference(oracle, compiled, batch, references=[0, *prices])
        if found:
            return found
        start += len(batch)
    return ""


def run_singly(commands: Sequence[Command]) -> str:
    """The same with one command at a time, so that a difference has a place."""
    oracle, compiled = Oracle(), Compiled()
    for command in commands:
        found = difference(oracle, compiled, [command], references=[0, 1, 100])
        if found:
            return found
    return ""


def report(seed: int, commands: Sequence[Command], found: str) -> str:
    """What a person needs to see one difference again."""
    text = [f"seed {seed}: the books differ in {found}"]
    if run_singly(commands):
        shortest = smallest(commands, lambda tried: bool(run_singly(tried)))
        text.append(f"{len(shortest)} commands, one at a time, show it: {run_singly(shortest)}")
    else:
        shortest = smallest(commands, lambda tried: bool(run(tried, seed)))
        text.append(f"{len(shortest)} commands in batches show it: {run(shortest, seed)}")
    text += [f"    {as_code(command)}," for command in shortest]
    return "\n".join(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the arguments, compare, and answer with the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="first seed")
    parser.add_argument("--commands", type=int, default=500, help="commands in each stream")
    parser.add_argument("--streams", type=int, default=100, help="number of seeds to try")
    parser.add_argument("--deep", action="store_true", help="fill large books, many levels")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--verbose", action="store_true", help="name each seed before it runs")
    options = parser.parse_args(arguments)
    faulthandler.enable()
    started = time.monotonic()
    seeds = 0
    for seed in range(options.seed, options.seed + options.streams):
        if options.verbose:
            print(f"seed {seed}", flush=True)
        commands = stream(seed, options.commands, options.deep)
        found = run(commands, seed)
        if found:
            print(report(seed, commands, found))
            return 1
        seeds += 1
        if time.monotonic() - started > options.seconds:
            break
    print(f"{seeds} streams of {options.commands} commands agree, from seed {options.seed} on")
    return 0


if __name__ == "__main__":
    sys.exit(main())
