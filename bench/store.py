"""What the book store of a partition costs, on one Redis server started for the purpose.

    python -m bench.store            both tables, about a minute
    python -m bench.store --quick    a first impression

A commit is one call, one after the other as a worker makes them; its entry is random bytes.
Server time is what the server says that it used of the processor (INFO cpu). Needs
``nextrade[redis]`` and redis-server.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.table import Table

from nextrade.platform.redis_servers import RedisServer
from nextrade.service.ledger.redis import RedisLedger
from nextrade.service.store import RedisBookStore

from .ledger import Cost, cpu_seconds
from .machine import describe, wide_console

SIZES = (200, 10_000, 100_000, 1_000_000)
MOST_COMMITS = 3000
MOST_COMMITTED = 300_000_000
SNAPSHOT = 100_000_000
ENTRIES = 10_000
ENTRY = 2_000
ROUNDS = 5


@contextmanager
def running(appendfsync: str) -> Iterator[tuple[RedisServer, RedisBookStore]]:
    """One server with a founded store, both gone afterwards."""
    with TemporaryDirectory() as folder:
        server = RedisServer(Path(folder, "one"), appendfsync=appendfsync)
        try:
            server.start()
            shards = {"one": server.address}
            RedisLedger.found(shards, buckets=1).close()
            store = RedisBookStore(shards)
            for partition in range(len(SIZES)):
                store.found(partition, b"{}")
            yield server, store
            store.close()
        finally:
            server.stop()


def measured(server: RedisServer, call: Callable[[int], object], times: int) -> Cost:
    """Cost of one call over so many, counted from 1."""
    server_before, client_before = cpu_seconds([server]), time.process_time()
    wall_before = time.perf_counter()
    for number in range(1, times + 1):
        call(number)
    wall, client = time.perf_counter() - wall_before, time.process_time() - client_before
    used = (wall, client, cpu_seconds([server]) - server_before)
    return Cost(*(1e6 * seconds / times for seconds in used))


def sync_us() -> float:
    """Median time that the device takes to make a few bytes durable, at the moment."""
    taken = []
    with TemporaryDirectory() as folder, Path(folder, "synced").open("wb", buffering=0) as file:
        for _ in range(100):
            file.write(bytes(200))
            before = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(1e6 * (time.perf_counter() - before))
    return statistics.median(taken)


def commits_table(shrink: int) -> Table:
    """Commits by size of the entry and what is done before a commit is confirmed."""
    table = Table("appendfsync", "entry bytes", "commits/s", "MB/s", "server us", "client us")
    table.title = f"Commits, one after the other; a sync takes {sync_us():,.0f} us"
    for appendfsync in ("always", "everysec"):
        with running(appendfsync) as (server, store):
            for partition, size in enumerate(SIZES):
                entry = random.Random(size).randbytes(size)
                epoch = store.acquire(partition).epoch

                def commit(
                    batch: int, partition: int = partition, epoch: int = epoch, entry: bytes = entry
                ) -> None:
                    store.commit(partition, epoch, batch, batch - 1, entry)

                times = min(MOST_COMMITS, MOST_COMMITTED // size) // shrink
                cost = measured(server, commit, times)
                table.add_row(
                    appendfsync,
                    f"{size:,}",
                    f"{1e6 / cost.wall_us:,.0f}",
                    f"{size / cost.wall_us:,.1f}",
                    f"{cost.server_us:,.0f}",
                    f"{cost.client_us:,.0f}",
                )
    return table


def takeover_table(shrink: int) -> Table:
    """Keeping a large snapshot, and reading it with the entries since."""
    size, entries = SNAPSHOT // shrink, ENTRIES // shrink
    table = Table("call", "median ms", "server ms", "client ms")
    table.title = f"Snapshot of {size:,} bytes, {entries:,} entries of {ENTRY:,} bytes since"
    with running("everysec") as (server, store):
        epoch = store.acquire(0).epoch
        snapshot = random.Random(1).randbytes(size)
        keeps = []
        for batch in range(1, ROUNDS + 1):
            store.commit(0, epoch, batch, batch - 1, b"entry")
            store.clear(0, epoch, batch)
            keeps.append(
                measured(server, lambda _, batch=batch: store.keep(0, epoch, batch, snapshot), 1)
            )
        entry = random.Random(2).randbytes(ENTRY)
        for batch in range(ROUNDS + 1, ROUNDS + 1 + entries):
            store.commit(0, epoch, batch, batch - 1, entry)
        acquires = [measured(server, lambda _: store.acquire(0), 1) for _ in range(ROUNDS)]
        assert len(store.look(0).entries) == entries
    for name, costs in (("keep", keeps), ("acquire", acquires)):
        cost = sorted(costs, key=lambda cost: cost.wall_us)[ROUNDS // 2]
        times = (cost.wall_us, cost.server_us, cost.client_us)
        table.add_row(name, *(f"{us / 1000:,.0f}" for us in times))
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="what the book store of a partition costs")
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls and sizes")
    shrink = 10 if parser.parse_args().quick else 1
    console = wide_console()
    console.print(", ".join(f"{name}: {value}" for name, value in describe().items()))
    console.print(commits_table(shrink))
    console.print(takeover_table(shrink))


if __name__ == "__main__":
    main()
