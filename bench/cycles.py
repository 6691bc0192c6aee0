"""Full cycles through the distributed exchange, everything durable, on servers of its own.

    python -m bench.cycles                    the table, about a minute
    python -m bench.cycles --appendfsync everysec --processes 1
    python -m bench.cycles --named            the same where every order has a client order id
    python -m bench.cycles --profile out.txt  the calls of a worker that take longest

A cycle: a frame is published with a confirm, its commands reserve, match, are committed, settle,
their events are confirmed, the frame is acknowledged. The time of a row runs from the first frame
that is sent to the last one whose events can be read from the stream. Processor time is what the
system says that the processes of each kind used, per command. The lone order is one frame at a
time, from sending it to reading its events. Needs ``nextrade[redis,rabbit]`` and both servers.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
from rich.table import Table

from nextrade import COMMAND_DTYPE, CommandKind, Side
from nextrade.domain.protocol.frames import NAME_DTYPE, commands_frame, named_frame
from nextrade.domain.protocol.ids import Ids
from nextrade.domain.protocol.messages import read_message
from nextrade.platform.rabbit.connection import RabbitConnection
from nextrade.platform.rabbit.publisher import Publisher
from nextrade.platform.rabbit.stream import StreamReader
from nextrade.platform.rabbit.target import target_of
from nextrade.platform.settings import Settings, read_settings
from nextrade.service.home.opening import open_ledger
from nextrade.service.listings_file import listings_of
from nextrade.service.topology import Topology
from nextrade.service.worker.lane import Lane
from nextrade.service.worker.serving import connector

from .machine import describe, wide_console

SIZES = (1, 10, 100, 1000)
MOST_COMMANDS = 400_000
ACCOUNTS = 1000
LONE = 300
SPREAD = 5
WINDOW = 32
TICK = os.sysconf("SC_CLK_TCK")


@contextmanager
def exchange(folder: Path, appendfsync: str) -> Iterator[Settings]:
    """Servers with a founded exchange, and accounts that have money."""
    os.environ |= {
        "NEXTRADE_LEDGER__HOME": "redis",
        "NEXTRADE_STACK__FOLDER": str(folder),
        "NEXTRADE_STACK__APPENDFSYNC": appendfsync,
        "NEXTRADE_STACK__WORKERS": "0",
    }
    run = [sys.executable, "-m", "nextrade"]
    try:
        subprocess.run([*run, "stack", "up"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([*run, "shards", "found"], check=True, stdout=subprocess.DEVNULL)
        settings = read_settings()
        fund(settings)
        yield settings
    finally:
        subprocess.run([*run, "stack", "down"], check=False, stdout=subprocess.DEVNULL)


def fund(settings: Settings) -> None:
    """Give the accounts more than they can spend: first to one, then on from it."""
    ledger = open_ledger(settings)
    for account in range(1, ACCOUNTS + 1):
        for asset in range(len(listings_of(settings).assets)):
            ledger.credit(f"bench {account} {asset}", account, asset, 10**13)
    ledger.close()


@contextmanager
def workers(processes: int) -> Iterator[None]:
    """The worker processes, until the end of the block."""
    command = [sys.executable, "-m", "nextrade", "worker", "--all", "--quiet"]
    process = subprocess.Popen([*command, "--processes", str(processes)])
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


class Bench:
    """Sends frames to all partitions and reads what comes of them."""

    def __init__(self, settings: Settings, stack: ExitStack, *, named: bool = False) -> None:
        self._named = named
        self._topology = Topology(settings.rabbit.prefix)
        listings = listings_of(settings)
        self._markets = {number: listings.in_partition(number) for number in listings.partitions}
        target = target_of(settings)
        writing = stack.enter_context(RabbitConnection(target, "bench, out"))
        self._publisher = Publisher(writing)
        self._publisher.wait_ready(30)
        reading = stack.enter_context(RabbitConnection(target, "bench, in"))
        self._topology.declare(target, listings.partitions)
        self._readers = {
            number: stack.enter_context(
                StreamReader(reading, self._topology.events(number), "next", prefetch=256)
            )
            for number in listings.partitions
        }
        self._ids = Ids(1, lambda: time.time_ns() // 1_000_000)
        self._random = np.random.default_rng(1)

    def _commands(self, partition: int, count: int) -> npt.NDArray[np.void]:
        """New orders around one price; nine of ten trade."""
        draw = self._random.integers
        commands = np.zeros(count, COMMAND_DTYPE)
        commands["kind"] = CommandKind.PLACE
        commands["owner"] = draw(1, ACCOUNTS + 1, count)
        commands["market"] = self._markets[partition][0]
        commands["side"] = draw(Side.BUY, Side.SELL + 1, count)
        commands["qty_lots"] = draw(10, 50, count)
        commands["price_ticks"] = 300_000 + draw(-SPREAD, SPREAD + 1, count)
        commands["order_id"] = np.fromiter(self._ids.take(count), np.uint64, count)
        return commands

    def frames(self, size: int, count: int) -> list[tuple[int, int, bytes]]:
        """Partition, id and bytes of so many frames, in turn for each partition."""
        partitions = list(self._markets)
        made = []
        for number in range(count):
            partition = partitions[number % len(partitions)]
            identity = self._ids.one()
            body = self._frame(partition, identity, self._commands(partition, size))
            made.append((partition, identity, body))
        return made

    def _frame(self, partition: int, identity: int, commands: npt.NDArray[np.void]) -> bytes:
        if not self._named:
            return commands_frame(partition, identity, commands)
        names = np.zeros(len(commands), NAME_DTYPE)
        names["row"] = np.arange(len(commands))
        names["text"] = [b"order-%d" % order for order in commands["order_id"].tolist()]
        return named_frame(partition, identity, commands, names)

    def send(self, frames: list[tuple[int, int, bytes]]) -> int:
        """Publish, confirm, and read until every frame has its events; the batches it took."""
        missing = {identity for _, identity, _ in frames}
        batches = 0
        waiting = []
        for partition, identity, body in frames:
            queue = self._topology.orders(partition)
            waiting.append(self._publisher.send(queue, body, str(identity)))
            if len(waiting) == WINDOW:
                batches += self._read(missing, 0)
                for future in waiting:
                    future.result(60)
                waiting = []
        for future in waiting:
            future.result(60)
        while missing:
            batches += self._read(missing, 0.05)
        return batches

    def _read(self, missing: set[int], timeout_s: float) -> int:
        batches = 0
        for reader in self._readers.values():
            for entry in reader.read(timeout_s):
                message = read_message(entry.body)
                if len(message.frames):
                    batches += 1
                    missing.difference_update(message.frames["identity"].tolist())
        return batches

    def lone(self, count: int) -> list[float]:
        """Seconds from sending one order to reading its events, one at a time."""
        seconds = []
        partition = min(self._markets)
        for _, identity, body in [one for one in self.frames(1, 2 * count) if one[0] == partition]:
            begun = time.perf_counter()
            self._publisher.send(self._topology.orders(partition), body, str(identity))
            missing = {identity}
            while missing:
                for entry in self._readers[partition].read(0.5):
                    message = read_message(entry.body)
                    missing.difference_update(message.frames["identity"].tolist())
            seconds.append(time.perf_counter() - begun)
        return sorted(seconds)


def cpu_by_kind() -> dict[str, float]:
    """Seconds of processor that the processes of the exchange used so far; Linux only.

    A server works in its folder of the stack; the workers are children of this process.
    """
    used = {"redis": 0.0, "broker": 0.0, "workers": 0.0, "gateway": 0.0}
    folder = Path(os.environ["NEXTRADE_STACK__FOLDER"]).resolve()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            home = (path / "cwd").resolve()
            words = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        kind = ""
        if int(path.name) == os.getpid():
            kind = "gateway"
        elif b"worker" in words and b"nextrade" in words:
            kind = "workers"
        elif folder in home.parents:
            kind = "redis" if home.name.startswith("redis") else "broker"
        if kind:
            used[kind] += (int(fields[11]) + int(fields[12])) / TICK
    return used


@contextmanager
def profiled(settings: Settings, file: Path) -> Iterator[None]:
    """All partitions in this process, the first under a profiler; writes what took longest."""
    stop = threading.Event()
    connect = connector(settings, Topology(settings.rabbit.prefix), stop)
    first, *others = listings_of(settings).partitions
    profile = cProfile.Profile(time.thread_time)

    def work() -> None:
        profile.enable()
        Lane(first, connect, stop).serve()
        profile.disable()

    lanes = [Lane(number, connect, stop) for number in others]
    for lane in lanes:
        lane.start()
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        with file.open("w") as stream:
            pstats.Stats(profile, stream=stream).sort_stats("tottime").print_stats(40)
        for lane in lanes:
            lane.join()


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(prog="python -m bench.cycles", description=__doc__)
    parser.add_argument("--appendfsync", choices=("always", "everysec", "no"), default="always")
    parser.add_argument("--processes", type=int, default=2, help="worker processes")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="commands of a frame")
    parser.add_argument("--seconds", type=float, default=4.0, help="about how long each row takes")
    parser.add_argument("--named", action="store_true", help="every order has a client order id")
    parser.add_argument("--profile", type=Path, help="write a profile of the workers here")
    options = parser.parse_args()
    console = wide_console()
    with TemporaryDirectory() as folder, ExitStack() as stack:
        settings = stack.enter_context(exchange(Path(folder), options.appendfsync))
        if options.profile is not None:
            stack.enter_context(profiled(settings, options.profile))
        else:
            stack.enter_context(workers(options.processes))
        bench = Bench(settings, stack, named=options.named)
        bench.send(bench.frames(10, 20))
        table = Table(title=f"appendfsync {options.appendfsync}, {options.processes} workers")
        for name in ("commands a frame", "commands", "a batch", "commands/s"):
            table.add_column(name, justify="right")
        for name in ("redis", "broker", "workers", "gateway"):
            table.add_column(f"{name} us", justify="right")
        for size in options.sizes:
            count, rate = max(20, 200 // size), 0.0
            while True:
                frames = bench.frames(size, count)
                before, begun = cpu_by_kind(), time.perf_counter()
                batches = bench.send(frames)
                seconds, after = time.perf_counter() - begun, cpu_by_kind()
                rate = size * count / seconds
                enough = size * count >= MOST_COMMANDS
                if enough or seconds >= options.seconds / 2:
                    break
                wanted = int(min(MOST_COMMANDS, rate * options.seconds) / size)
                count = max(2 * count, wanted)
            used = [1e6 * (after[kind] - before[kind]) / (size * count) for kind in after]
            table.add_row(
                f"{size:,}",
                f"{size * count:,}",
                f"{size * count / max(batches, 1):,.0f}",
                f"{rate:,.0f}",
                *(f"{one:.1f}" for one in used),
            )
        console.print(table)
        lone = bench.lone(LONE)
        middle, late = lone[len(lone) // 2], lone[len(lone) * 99 // 100]
        console.print(f"a lone order: p50 {1e3 * middle:.2f} ms, p99 {1e3 * late:.2f} ms")
        console.print(describe())


if __name__ == "__main__":
    main()
