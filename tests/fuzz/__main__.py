"""Fuzz the compiled book for a while.

    python -m tests.fuzz --seconds 600          search
    python -m tests.fuzz crash-1234...          run these inputs once

With atheris installed (and the core compiled for it: `make fuzz`) the search is led by the
coverage of the compiled core. Without, it mutates at random; under `make fuzz` both run with
the address and undefined-behaviour sanitizers. What fails is stored in the working directory.
"""

import argparse
import faulthandler
import hashlib
import random
import sys
import time
from pathlib import Path

from tests.fuzz.seeds import mutated, seeds
from tests.fuzz.target import check_input


def search_blindly(seconds: float, seed: int) -> int:
    """Mutate known inputs at random; answers with the number of inputs run."""
    dice = random.Random(seed)
    corpus = seeds()
    end = time.monotonic() + seconds
    runs = 0
    while time.monotonic() < end:
        data = mutated(dice, corpus)
        try:
            check_input(data)
        except BaseException:
            name = f"crash-{hashlib.sha1(data).hexdigest()}"
            Path(name).write_bytes(data)
            print(f"stored the input as {name}", file=sys.stderr)
            raise
        runs += 1
        if runs % 8 == 0:
            corpus[dice.randrange(len(corpus))] = data
    return runs


def search_by_coverage(atheris, corpus: Path, options: list[str]) -> None:
    """Hand over to libFuzzer, which ends the process."""
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds()):
        (corpus / f"seed-{number}").write_bytes(data)
    atheris.Setup(
        [
            sys.argv[0],
            "-max_len=4096",
            "-timeout=30",
            "-print_final_stats=1",
            *options,
            str(corpus),
        ],
        check_input,
    )
    atheris.Fuzz()


def main() -> int:
    """Read the arguments and search, or run the inputs that are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, default=Path("build/fuzz/corpus"))
    parser.add_argument("inputs", nargs="*", type=Path)
    chosen = parser.parse_args()
    faulthandler.enable()
    for path in chosen.inputs:
        check_input(path.read_bytes())
    if chosen.inputs:
        print(f"{len(chosen.inputs)} inputs hold")
        return 0
    try:
        import atheris
    except ImportError:
        print("atheris is not installed: searching without coverage", flush=True)
        runs = search_blindly(chosen.seconds, chosen.seed)
        print(f"{runs:,} inputs in {chosen.seconds} seconds, nothing found")
        return 0
    search_by_coverage(
        atheris, chosen.corpus, [f"-max_total_time={chosen.seconds}", f"-seed={chosen.seed}"]
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
