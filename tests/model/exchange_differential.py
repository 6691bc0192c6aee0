"""Run seeded streams through both exchanges and stop at the first difference.

    python -m tests.model.exchange_differential --seed 1 --commands 500 --streams 100

Prints the failing seed, the command that repeats it, and the shortest list of steps found that
still fails. Exit code 1 means that the exchanges differ.
"""

import argparse
import faulthandler
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from tests.model.exchange_comparing import as_text, difference, shortest
from tests.model.exchange_faces import Plain, Real
from tests.model.exchange_settings import Setting
from tests.model.exchange_streams import Step, exchange_stream

Maker = Callable[[Any], Any]


def run(setting: Setting, steps: Sequence[Step], real: Maker = Real) -> str:
    """Let an oracle and a real exchange take all steps. Answers with the first difference."""
    plain, judged = Plain(setting.listings), real(setting.listings)
    for step in steps:
        found = difference(plain, judged, step)
        if found:
            return found
    return ""


def report(setting: Setting, steps: Sequence[Step], found: str, again: str) -> str:
    """What a person needs to see one difference again."""
    few = shortest(steps, lambda tried: bool(run(setting, tried)))
    return "\n".join(
        [
            f"the exchanges differ in {found}",
            f"again: {again}",
            f"{len(few)} steps with the setting {setting.name!r} show it: {run(setting, few)}",
            *(f"    {as_text(step)}," for step in few),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the arguments, compare, and answer with the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="first seed")
    parser.add_argument("--commands", type=int, default=500, help="commands in each stream")
    parser.add_argument("--streams", type=int, default=1, help="number of seeds to try")
    parser.add_argument("--relisting", action="store_true", help="let listings change among them")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    options = parser.parse_args(arguments)
    faulthandler.enable()
    started = time.monotonic()
    tried = 0
    for seed in range(options.seed, options.seed + options.streams):
        setting, steps = exchange_stream(seed, options.commands, options.relisting)
        found = run(setting, steps)
        if found:
            again = f"python -m {__spec__.name} --seed {seed} --commands {options.commands}"
            again += " --relisting" if options.relisting else ""
            print(f"seed {seed}: {report(setting, steps, found, again)}")
            return 1
        tried += 1
        if time.monotonic() - started > options.seconds:
            break
    print(f"{tried} streams of {options.commands} commands agree, from seed {options.seed} on")
    return 0


if __name__ == "__main__":
    sys.exit(main())
