"""``python -m tests.faults.distributed``: faults under load, many times over, and the proof."""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from .cashier import Cashier
from .checks import check
from .harness import Exchange
from .load import Load
from .ways import WAYS

ROUND = 10
"""So many faults come between two checks."""


def main() -> int:
    """Return 0 if everything held."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.distributed", description=__doc__)
    parser.add_argument("--what", choices=list(WAYS), nargs="+", default=["worker"])
    parser.add_argument("--kills", type=int, default=20, help="how many of each kind")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        exchange = Exchange(Path(folder), options.seed)
        loads: list[Load] = []
        try:
            exchange.start()
            for what in options.what:
                begun = time.monotonic()
                for done in range(0, options.kills, ROUND):
                    some = min(ROUND, options.kills - done)
                    cashier = Cashier(exchange, f"{what} {done}")
                    with Load(exchange) as load, cashier:
                        for _ in range(some):
                            time.sleep(exchange.dice.uniform(0.05, 1.2))
                            WAYS[what](exchange)
                        time.sleep(1.0)
                    loads.append(load)
                    said = check(exchange, loads)
                    epochs = [exchange.epoch(number) for number in exchange.partitions]
                    print(
                        f"{what}: {done + some} of {options.kills} in"
                        f" {time.monotonic() - begun:.0f} s, all holds: {said};"
                        f" {cashier.changes:,} changes; epochs {epochs}",
                        flush=True,
                    )
        finally:
            exchange.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
