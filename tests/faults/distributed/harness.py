"""An exchange of real processes: servers, two workers of every partition, money for accounts."""

import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nextrade.domain.protocol.frames import identity_of
from nextrade.platform.rabbit.connection import RabbitConnection
from nextrade.platform.rabbit.publisher import Publisher
from nextrade.platform.rabbit.target import target_of
from nextrade.platform.server_folder import ServerStatus
from nextrade.platform.servers import Servers
from nextrade.platform.settings import read_settings
from nextrade.service.home.opening import open_ledger
from nextrade.service.listings_file import listings_of
from nextrade.service.topology import Topology

ACCOUNTS = 30
ASSETS = 3
GIVEN = (10**9, 10**10, 10**11)
"""What each account gets of BTC, ETH and USDT, in smallest units: little, so that some is short."""
HEARTBEAT_S = 3
_TOOK_OVER = re.compile(r"nextrade\.partition\.(\d+) took over with epoch (\d+)")
_BAD = re.compile(r"Traceback|CRITICAL|is stopped")


class Fault(AssertionError):
    """Something is not as it must be."""


@dataclass
class WorkerProcess:
    """A ``nextrade worker`` and what it tells."""

    process: subprocess.Popen
    log: Path

    def epochs(self) -> dict[int, int]:
        """Of each partition that it ever took over its latest epoch."""
        return {int(one): int(epoch) for one, epoch in _TOOK_OVER.findall(self.log.read_text())}


class Exchange:
    """Servers and two workers of every partition: one works, the other stands by."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.dice = random.Random(seed)
        self.environment = os.environ | {
            "NEXTRADE_LEDGER__HOME": "redis",
            "NEXTRADE_STACK__FOLDER": str(folder / "stack"),
            "NEXTRADE_STACK__WORKERS": "0",
            "NEXTRADE_STACK__APPENDFSYNC": "always",
            "NEXTRADE_RABBIT__HEARTBEAT_S": str(HEARTBEAT_S),
        }
        self.folder = folder
        self.settings = read_settings(environment=self.environment, folder=folder)
        self.listings = listings_of(self.settings)
        self.partitions = self.listings.partitions
        self.topology = Topology(self.settings.rabbit.prefix)
        self.servers = Servers(self.settings.stack)
        self.given = Counter({asset: ACCOUNTS * amount for asset, amount in enumerate(GIVEN)})
        """What came in of each asset and has not left."""
        self.workers: list[WorkerProcess] = []
        self._logs: list[Path] = []

    @property
    def target(self) -> Any:
        """How to reach the broker."""
        return target_of(self.settings)

    def nextrade(self, *words: str, timeout: float = 180) -> subprocess.CompletedProcess:
        """Run a command as a user would."""
        return subprocess.run(
            [sys.executable, "-m", "nextrade", *words],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    # --- from start to stop --------------------------------------------------------------------

    def start(self, *, broker_dies: bool = True) -> None:
        """Servers, founding, money, workers.

        A broker of this version that is killed in its first minutes may lose its streams; one
        that was stopped in order once does not (service/topology.py).
        """
        done = self.nextrade("stack", "up")
        if done.returncode:
            raise Fault(done.stdout + done.stderr)
        if broker_dies:
            self.servers.rabbit.stop()
            self.servers.up()
        ledger = open_ledger(self.settings)
        for account in range(1, ACCOUNTS + 1):
            for asset, amount in enumerate(GIVEN):
                ledger.credit(f"given {account} {asset}", account, asset, amount)
        ledger.close()
        for _ in range(2):
            self.start_worker()
        self.active(self.partitions[0])

    def start_worker(self) -> None:
        """One more worker of all partitions."""
        log = self.folder / f"worker-{len(self._logs) + 1}.log"
        self._logs.append(log)
        with log.open("wb") as told:
            process = subprocess.Popen(
                [sys.executable, "-m", "nextrade", "worker", "--all"],
                env=self.environment,
                cwd=self.folder,
                stdout=told,
                stderr=told,
            )
        self.workers.append(WorkerProcess(process, log))

    def kill(self, worker: WorkerProcess) -> None:
        """Kill -9 of a worker, which must have been alive."""
        if worker.process.poll() is not None:
            raise Fault(f"{worker.log.name} had ended with {worker.process.returncode}")
        worker.process.kill()
        worker.process.wait()
        self.workers.remove(worker)

    def stop(self) -> None:
        """End everything that was started."""
        for worker in self.workers:
            worker.process.kill()
            worker.process.wait()
        self.servers.down()

    # --- who does what -------------------------------------------------------------------------

    def epoch(self, partition: int) -> int:
        """How often the partition was taken over, by whomever."""
        # Only the newest of the dead can be ahead of the living.
        seen = [WorkerProcess(None, log).epochs() for log in self._logs[-4:]]  # type: ignore[arg-type]
        seen += [worker.epochs() for worker in self.workers]
        return max((one.get(partition, 0) for one in seen), default=0)

    def leader(self, partition: int) -> WorkerProcess | None:
        """The living worker that runs a partition; None while there is none that took it over."""
        newest = self.epoch(partition)
        for worker in self.workers:
            if newest and worker.epochs().get(partition) == newest:
                return worker
        return None

    def active(self, partition: int) -> WorkerProcess:
        """The same; it is waited for."""
        found = until(lambda: self.leader(partition), 60, f"nobody runs partition {partition}")
        assert isinstance(found, WorkerProcess)
        return found

    def shards(self) -> list[ServerStatus]:
        """The Redis servers that run."""
        return [one for one in self.servers.redis.status() if one.pid]

    def check_workers(self) -> None:
        """Raise Fault if a worker ended by itself, or told of a defect."""
        for worker in self.workers:
            if worker.process.poll() is not None:
                raise Fault(f"{worker.log.name} ended with {worker.process.returncode}")
        for log in self._logs:
            text = log.read_text()
            if bad := _BAD.search(text):
                raise Fault(f"{log.name}: {text[max(0, bad.start() - 300) :][:3000]}")

    # --- past the gateway ----------------------------------------------------------------------

    def publish_raw(self, messages: list[tuple[int, bytes]]) -> None:
        """Put bytes straight into the queues of partitions, confirmed."""
        with RabbitConnection(self.target, "fuzz") as connection:
            publisher = Publisher(connection)
            publisher.wait_ready(30)
            sent = [
                publisher.send(self.topology.orders(number), body, str(identity_of(body)))
                for number, body in messages
            ]
            for future in sent:
                future.result(60)


def until(what: Callable[[], Any], seconds: float, otherwise: str) -> Any:
    """Wait until something holds and return it; Fault if it does not in time."""
    end = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > end:
            raise Fault(f"{otherwise}, after {seconds:g} s")
        time.sleep(0.05)
    return found
