"""``python -m tests.faults.distributed``: kill and pause processes under load, then prove."""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from .harness import Exchange, Load, judge

WAYS = {
    "worker": Exchange.kill_worker,
    "broker": Exchange.kill_broker,
    "shard": Exchange.kill_shard,
    "pause": Exchange.pause_worker,
}
ROUND = 10


def main() -> int:
    """Return 0 if everything held."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.distributed", description=__doc__)
    parser.add_argument("what", choices=sorted(WAYS), nargs="+", help="what is done to what")
    parser.add_argument("--times", type=int, default=20, help="how often, of each")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        exchange = Exchange(Path(folder), options.seed)
        loads = []
        try:
            exchange.start()
            for what in options.what:
                left, begun = options.times, time.monotonic()
                while left:
                    with Load(exchange) as load:
                        for _ in range(min(ROUND, left)):
                            time.sleep(exchange.dice.uniform(0.1, 1.2))
                            WAYS[what](exchange)
                            left -= 1
                        time.sleep(1.0)
                    loads.append(load)
                    exchange.wait_until_quiet()
                    exchange.verify()
                    done = options.times - left
                    print(f"{what}: {done} of {options.times}, verify holds", flush=True)
                print(
                    f"{what}: {time.monotonic() - begun:.0f} s; {judge(exchange, loads)}",
                    flush=True,
                )
        except BaseException:
            print((Path(folder) / "workers.log").read_text()[-3000:])
            raise
        finally:
            exchange.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
