"""``python -m tests.simulation``: play many schedules, tell how to play a failed one again."""

import argparse
import time
import traceback

from .mutations import MUTATIONS, make_play


def main() -> int:
    """Play; returns 1 if a schedule failed (0 if one did, when a mutation is to be found)."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many schedules")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--broken", choices=sorted(MUTATIONS), default="", help="break something")
    parser.add_argument("--trace", action="store_true", help="print where a failure came from")
    options = parser.parse_args()
    counts: dict[str, int] = {}
    failures = 0
    begun = time.monotonic()
    for seed in range(options.first, options.first + options.seeds):
        play = make_play(seed, options.broken)
        try:
            play.run()
        except Exception as error:  # noqa: BLE001 - every failure is told with its seed
            failures += 1
            if failures <= 5:
                again = f" --broken '{options.broken}'" if options.broken else ""
                print(f"seed {seed}: {type(error).__name__}: {error}")
                print(f"    python -m tests.simulation --first {seed} --seeds 1 --trace{again}")
            if options.trace:
                traceback.print_exc()
        finally:
            play.end()
        for what, count in play.world.counts.items():
            counts[what] = counts.get(what, 0) + count
    seconds = time.monotonic() - begun
    told = ", ".join(f"{what} {count:,}" for what, count in sorted(counts.items()))
    print(f"{options.seeds:,} schedules in {seconds:.1f} s, {failures} failed; {told}")
    return int(failures > 0)


if __name__ == "__main__":
    raise SystemExit(main())
