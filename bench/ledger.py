"""What the ledger costs: in this process, and on three Redis servers started for the purpose.

    python -m bench.ledger            all tables, some minutes
    python -m bench.ledger --quick    a first impression

A leg is one posting of a batch, or one request of a reservation; the accounts of a call are
random among 10,000. On Redis a batch goes to its buckets as the worker of a partition sends it:
*settle* is settlements alone, *cycle* settles one batch and reserves as many requests for the
next, in one exchange. Server time is what the three servers say that they used of the processor
(INFO cpu); it depends less on the machine's other work than the time on the wall. The figures
are medians of five rounds. Needs ``nextrade[redis]`` and redis-server but for the first table.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from rich.table import Table

from nextrade.domain.postings import BALANCE_DTYPE, POSTING_DTYPE, REQUEST_DTYPE
from nextrade.domain.protocol.ports import Ask, Reserve, Settle
from nextrade.platform.redis_servers import RedisServer
from nextrade.service.ledger import Ledger, MemoryLedger
from nextrade.service.ledger.redis import RedisLedger

from .machine import describe, wide_console

ACCOUNTS = 10_000
ASSETS = 3
EACH = 1_000_000
LEGS = (2, 10, 100, 1000, 3000)
BUCKETS = (3, 6, 24, 64)
READS = 100_000

ROUNDS = 5

Records = npt.NDArray[np.void]
Turn = tuple[list[Settle], list[Reserve]]
Work = TypeVar("Work")


@dataclass
class Cost:
    """Microseconds per leg: on the wall, of this process, of the servers."""

    wall_us: float
    client_us: float
    server_us: float


def fill(ledger: Ledger) -> None:
    """Give every account something of every asset, by one batch for each asset."""
    for asset in range(ASSETS):
        amount = ACCOUNTS * EACH
        ledger.credit(f"all of {asset}", 0, asset, amount)
        ask = np.array([(0, asset, amount)], REQUEST_DTYPE)
        ledger.reserve(0, 1, asset, ask)
        legs = np.zeros(ACCOUNTS + 1, POSTING_DTYPE)
        legs["account"], legs["asset"] = np.arange(ACCOUNTS + 1), asset
        legs["available"][1:], legs["held"][0] = EACH, -amount
        ledger.settle(0, 1, asset + 1, legs, [asset])


def batches(random: np.random.Generator, legs: int, count: int) -> Iterator[Records]:
    """Batches of an even number of postings: half pay one unit of what they have, half get it."""
    for _ in range(count):
        accounts = np.sort(random.choice(ACCOUNTS, legs, replace=False)) + 1
        batch = np.zeros(legs, POSTING_DTYPE)
        batch["account"], batch["asset"] = accounts, 0
        batch["available"] = np.where(np.arange(legs) % 2, 1, -1)
        yield batch


def reservations(random: np.random.Generator, legs: int, count: int) -> Iterator[Records]:
    """Reservations of one unit each."""
    for _ in range(count):
        ask = np.zeros(legs, REQUEST_DTYPE)
        ask["account"] = random.integers(1, ACCOUNTS + 1, legs)
        ask["asset"], ask["amount"] = 1, 1
        yield ask


def cpu_seconds(servers: Sequence[RedisServer]) -> float:
    """Processor time that the servers have used."""
    total = 0.0
    for server in servers:
        with server.client() as client:
            info = client.info("cpu")
        total += info["used_cpu_user"] + info["used_cpu_sys"]
    return total


def measured(
    servers: Sequence[RedisServer],
    call: Callable[[int, Work], object],
    work: Sequence[Work],
    legs: int,
) -> Cost:
    """Cost of a leg over all of this work, which has so many legs in all."""
    legs_millions = legs / 1e6
    server_before, client_before = cpu_seconds(servers), time.process_time()
    wall_before = time.perf_counter()
    for number, records in enumerate(work):
        call(number, records)
    wall, client = time.perf_counter() - wall_before, time.process_time() - client_before
    server = cpu_seconds(servers) - server_before
    return Cost(wall / legs_millions, client / legs_millions, server / legs_millions)


def in_memory(ledger: Ledger, legs: int, count: int) -> tuple[Cost, Cost]:
    """Cost of a leg of settle, and of one of reserve, in this process."""
    random = np.random.default_rng(5)
    first = ledger.open_partition(0, 1) + 1
    settling = measured(
        [],
        lambda number, batch: ledger.settle(0, 1, first + number, batch),
        list(batches(random, legs, count)),
        legs * count,
    )
    frame = 1_000_000 * legs
    reserving = measured(
        [],
        lambda number, ask: ledger.reserve(0, 1, frame + number, ask),
        list(reservations(random, legs, count)),
        legs * count,
    )
    return settling, reserving


def by_bucket(ledger: RedisLedger, records: Records) -> dict[int, bytes]:
    """Records of each bucket, in their order."""
    buckets = ledger.map.of_accounts(records["account"])
    return {int(bucket): records[buckets == bucket].tobytes() for bucket in np.unique(buckets)}


def turns(ledger: RedisLedger, legs: int, count: int, reserving: bool) -> list[Turn]:
    """Turns of a worker: each settles a batch, and reserves for the one after it if told to."""
    random = np.random.default_rng(5)
    marks = ledger.batches.fence(0, 1)
    last = [mark.watermark for mark in marks]
    batch, touched = max(last), bytes((len(marks) + 7) // 8)
    made: list[Turn] = [([], [])]
    for records, ask in zip(
        batches(random, legs, count), reservations(random, legs, count), strict=True
    ):
        batch += 1
        postings, asked = by_bucket(ledger, records), by_bucket(ledger, ask) if reserving else {}
        # A frame for each batch; asked for with the settlement of the batch before.
        made[-1][1].extend(
            Reserve(bucket, last[bucket], (Ask(batch, requests),))
            for bucket, requests in asked.items()
        )
        settles = []
        for bucket in sorted({*postings, *asked}):
            frames = (batch,) if bucket in asked else ()
            part = postings.get(bucket, b"")
            settles.append(Settle(bucket, batch, last[bucket], touched, part, frames))
            last[bucket] = batch
        made.append((settles, []))
    return made


def on_redis(
    ledger: RedisLedger, servers: Sequence[RedisServer], legs: int, count: int
) -> tuple[Cost, Cost]:
    """Cost of a leg of settle alone, and of a whole cycle of one posting and one request."""

    def cost(reserving: bool) -> Cost:
        work = turns(ledger, legs, count, reserving)
        return measured(
            servers, lambda _, turn: ledger.batches.turn(0, 1, *turn), work, legs * count
        )

    rounds = [(cost(False), cost(True)) for _ in range(ROUNDS)]
    settling, cycle = zip(*rounds, strict=True)
    return median(settling), median(cycle)


def median(costs: Sequence[Cost]) -> Cost:
    """The middle one of several rounds, each figure by itself."""
    return Cost(
        *(
            statistics.median(getattr(cost, field) for cost in costs)
            for field in ("wall_us", "client_us", "server_us")
        )
    )


@contextmanager
def running(appendfsync: str) -> Iterator[list[RedisServer]]:
    """Three servers, which are gone afterwards."""
    with TemporaryDirectory() as folder:
        servers = [
            RedisServer(Path(folder, str(place)), appendfsync=appendfsync) for place in range(3)
        ]
        try:
            for server in servers:
                server.start()
            yield servers
        finally:
            for server in servers:
                server.stop()


def founded(servers: Sequence[RedisServer], buckets: int) -> RedisLedger:
    """Return a new ledger over these servers, filled."""
    for server in servers:
        with server.client() as client:
            client.flushall()
    shards = {f"shard-{place}": server.address for place, server in enumerate(servers)}
    ledger = RedisLedger.found(shards, buckets)
    fill(ledger)
    return ledger


def calls_for(legs: int, most_legs: int) -> int:
    """How many calls to make: enough to measure, in about the same time for each size."""
    return max(5, min(500, most_legs // legs))


def memory_table(most_legs: int) -> Table:
    """Cost in this process."""
    table = Table("legs a call", "settle us/call", "settle ns/leg", "reserve ns/leg")
    table.title = "In this process"
    ledger = MemoryLedger()
    fill(ledger)
    for legs in LEGS:
        settling, reserving = in_memory(ledger, legs, calls_for(legs, 20 * most_legs))
        table.add_row(
            f"{legs:,}",
            f"{settling.wall_us * legs:,.1f}",
            f"{1000 * settling.wall_us:,.0f}",
            f"{1000 * reserving.wall_us:,.0f}",
        )
    return table


def redis_table(appendfsync: str, most_legs: int) -> Table:
    """Cost on three servers by number of buckets and legs a call."""
    table = Table("buckets", "legs a call", title=f"Three servers, appendfsync {appendfsync}")
    for name in ("settle", "cycle"):
        for part in ("server", "client", "wall"):
            table.add_column(f"{name} {part} us/leg")
    with running(appendfsync) as servers:
        for buckets in BUCKETS:
            ledger = founded(servers, buckets)
            for legs in LEGS:
                costs = on_redis(ledger, servers, legs, calls_for(legs, most_legs))
                cells = [
                    f"{us:,.1f}"
                    for cost in costs
                    for us in (cost.server_us, cost.client_us, cost.wall_us)
                ]
                table.add_row(str(buckets), f"{legs:,}", *cells)
            ledger.close()
    return table


def reads_table() -> Table:
    """Balance reads a second over three servers."""
    table = Table("buckets", "pairs a call", "reads/s", "server us", "client us")
    table.title = f"Balances, {READS:,} reads over three servers"
    with running("everysec") as servers:
        for buckets in BUCKETS:
            ledger = founded(servers, buckets)
            random = np.random.default_rng(6)
            for pairs in (10, 100, 1000, 10_000):
                work = []
                for _ in range(READS // pairs if pairs > 10 else 1000):
                    wanted = np.zeros(pairs, BALANCE_DTYPE)
                    wanted["account"] = random.integers(1, ACCOUNTS + 1, pairs)
                    wanted["asset"] = random.integers(0, ASSETS, pairs)
                    work.append(wanted)
                read = ledger.balances
                cost = measured(
                    servers, lambda _, wanted, read=read: read(wanted), work, pairs * len(work)
                )
                table.add_row(
                    str(buckets),
                    f"{pairs:,}",
                    f"{1e6 / cost.wall_us:,.0f}",
                    f"{cost.server_us:.2f}",
                    f"{cost.client_us:.2f}",
                )
            ledger.close()
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="what the ledger costs")
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls")
    most_legs = 2_000 if parser.parse_args().quick else 20_000
    console = wide_console()
    console.print(", ".join(f"{name}: {value}" for name, value in describe().items()))
    console.print(memory_table(most_legs))
    for appendfsync in ("everysec", "always"):
        console.print(redis_table(appendfsync, most_legs))
    console.print(reads_table())


if __name__ == "__main__":
    main()
