"""An exchange of real processes, a load, faults, and the checks after them."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from nextrade import COMMAND_DTYPE, CommandKind, OrderType
from nextrade.domain.protocol.frames import Verdict, identity_of
from nextrade.errors import BusLost
from nextrade.platform.rabbit.connection import RabbitConnection
from nextrade.platform.rabbit.publisher import Publisher
from nextrade.platform.rabbit.target import target_of
from nextrade.platform.servers import Servers
from nextrade.platform.settings import read_settings
from nextrade.service.gateway.opening import Bus
from nextrade.service.home.opening import open_ledger
from nextrade.service.home.stores import open_store
from nextrade.service.listings_file import listings_of
from nextrade.service.topology import Topology

ACCOUNTS = 30
QUIET_S = 120.0
HEARTBEAT_S = 3


class Fault(AssertionError):
    """Something is not as it must be."""


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
        self.servers = Servers(self.settings.stack)
        self.workers: list[subprocess.Popen] = []
        self.counts: Counter[str] = Counter()
        self._log = (folder / "workers.log").open("ab")

    # --- processes -----------------------------------------------------------------------------

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

    def start(self) -> None:
        """Servers, founding, workers, money."""
        done = self.nextrade("stack", "up")
        if done.returncode:
            raise Fault(done.stdout + done.stderr)
        # A broker of this version that is killed in its first minutes may lose its streams; one
        # that was stopped in order once does not (service/topology.py).
        self.servers.rabbit.stop()
        self.servers.up()
        ledger = open_ledger(self.settings)
        for account in range(1, ACCOUNTS + 1):
            for asset, amount in enumerate((10**9, 10**10, 10**11)):
                ledger.credit(f"given {account} {asset}", account, asset, amount)
        ledger.close()
        for _ in range(2):
            self.start_worker()
        time.sleep(2)

    def start_worker(self) -> None:
        """One more worker of all partitions."""
        self.workers.append(
            subprocess.Popen(
                [sys.executable, "-m", "nextrade", "worker", "--all"],
                env=self.environment,
                cwd=self.folder,
                stdout=self._log,
                stderr=self._log,
            )
        )

    def stop(self) -> None:
        """End everything that was started."""
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.servers.down()
        self._log.close()

    # --- faults --------------------------------------------------------------------------------

    def kill_worker(self) -> None:
        """Kill -9 of one of the two, whichever works, and start another."""
        victim = self.workers.pop(self.dice.randrange(len(self.workers)))
        if victim.poll() is not None:
            raise Fault(f"a worker had ended by itself with {victim.returncode}")
        victim.kill()
        victim.wait()
        self.start_worker()

    def pause_worker(self) -> None:
        """Stop a worker for so long that the broker gives up on it, then let it go on."""
        victim = self.dice.choice(self.workers)
        victim.send_signal(signal.SIGSTOP)
        time.sleep(3 * HEARTBEAT_S)
        victim.send_signal(signal.SIGCONT)

    def kill_broker(self) -> None:
        """Kill -9 of RabbitMQ; it starts again from its data."""
        pid = self.servers.rabbit.pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        self._await_end(pid)
        self.servers.up()

    def kill_shard(self) -> None:
        """Kill -9 of a Redis server; it starts again from its append-only file."""
        shards = [one for one in self.servers.redis.status() if one.pid]
        victim = self.dice.choice(shards)
        assert victim.pid
        os.kill(victim.pid, signal.SIGKILL)
        self._await_end(victim.pid)
        self.servers.redis.up()

    @staticmethod
    def _await_end(pid: int) -> None:
        while True:
            try:
                if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                    return
            except OSError:
                return
            time.sleep(0.01)

    # --- checks --------------------------------------------------------------------------------

    def wait_until_quiet(self) -> None:
        """Wait until no frame waits, and all that was committed is done."""
        if ended := [worker.returncode for worker in self.workers if worker.poll() is not None]:
            raise Fault(f"workers ended by themselves with {ended}")
        topology, target = Topology(self.settings.rabbit.prefix), target_of(self.settings)
        store = open_store(self.settings)
        end, quiet = time.monotonic() + QUIET_S, 0
        told: object = None
        while quiet < 4:
            if time.monotonic() > end:
                raise Fault(f"it does not come to rest: {told}")
            time.sleep(0.3)
            depths = topology.depths(target, self.partitions)
            waiting = {
                name: depth
                for name, depth in depths.items()
                if depth
                and not name.startswith((f"{topology.prefix}.dead", f"{topology.prefix}.e"))
            }
            stores = [store.look(number) for number in self.partitions]
            open_ = [(one.batch, one.cleared) for one in stores if one.batch != one.cleared]
            told = waiting, open_
            quiet = 0 if waiting or open_ else quiet + 1
        store.close()

    def verify(self) -> None:
        """``nextrade verify --full`` finds everything accounted for."""
        done = self.nextrade("verify", "--full")
        if done.returncode:
            raise Fault(f"verify: {done.stdout}\n{done.stderr}")

    def verdicts(self) -> dict[int, list[int]]:
        """Of each frame in the streams its verdicts; a gap in a stream is a fault."""
        found: dict[int, list[int]] = {}
        with Bus(self.settings).feed(self.partitions, "first", batch=1) as feed:
            for news in feed.news(3.0):
                if news.message is None:
                    raise Fault(f"partition {news.partition}: {news.trouble}")
                for identity, _, _, verdict, _ in news.message.frames.tolist():
                    found.setdefault(identity, []).append(verdict)
        return found

    def publish_raw(self, messages: list[tuple[int, bytes]]) -> None:
        """Put bytes straight into the queues of partitions, confirmed."""
        topology = Topology(self.settings.rabbit.prefix)
        with RabbitConnection(target_of(self.settings), "fuzz") as connection:
            publisher = Publisher(connection)
            publisher.wait_ready(30)
            sent = [
                publisher.send(topology.orders(number), body, str(identity_of(body)))
                for number, body in messages
            ]
            for future in sent:
                future.result(60)


class Load:
    """Random commands through a gateway on a thread of its own, until told to stop."""

    def __init__(self, exchange: Exchange, rate: float = 150.0) -> None:
        self._exchange = exchange
        self._rate = rate
        self._dice = np.random.default_rng(exchange.dice.randrange(1 << 30))
        self._stop = threading.Event()
        self._orders: list[int] = []
        self.confirmed: set[int] = set()
        self.unconfirmed: set[int] = set()
        self.commands = 0
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        tickets = []
        try:
            with ExitStack() as stack:
                gateway = stack.enter_context(Bus(self._exchange.settings).gateway())
                while not self._stop.is_set():
                    try:
                        submission = gateway.submit(self._some(), wait_s=60)
                    except BusLost:
                        time.sleep(0.2)
                        continue
                    tickets += submission.tickets
                    self._orders = [*self._orders, *submission.order_ids.tolist()][-300:]
                    self._stop.wait(self._dice.exponential(10 / self._rate))
        except BaseException as error:  # noqa: BLE001 - told to whoever waits for the load
            self.error = error
        for ticket in tickets:
            self.commands += len(ticket.rows)
            failed = ticket.confirmed.exception(60)
            (self.confirmed if failed is None else self.unconfirmed).add(ticket.frame)
        self.unconfirmed -= self.confirmed | {0}

    def _some(self) -> np.ndarray:
        """Commands of all kinds; prices near each other, so that they trade."""
        draw, count = self._dice.integers, int(self._dice.integers(1, 20))
        commands = np.zeros(count, COMMAND_DTYPE)
        kinds = (CommandKind.PLACE,) * 7 + (CommandKind.CANCEL, CommandKind.REPLACE)
        commands["kind"] = self._dice.choice(kinds, count)
        commands["owner"] = draw(1, ACCOUNTS + 1, count)
        commands["market"] = draw(0, 3, count)
        commands["side"] = draw(0, 2, count)
        commands["qty_lots"] = draw(500, 3000, count)
        # ETH-BTC counts its price in another step.
        middle = np.where(commands["market"] == 2, 5_000, 300_000)
        commands["price_ticks"] = middle + draw(-20, 21, count)
        commands["order_type"] = self._dice.choice(
            (OrderType.LIMIT,) * 6 + (OrderType.MARKET, OrderType.STOP_LIMIT), count
        )
        stops = commands["order_type"] == OrderType.STOP_LIMIT
        commands["trigger_ticks"][stops] = middle[stops] + draw(-20, 21, int(stops.sum()))
        changes = commands["kind"] != CommandKind.PLACE
        commands["order_type"][changes] = commands["trigger_ticks"][changes] = 0
        if self._orders:
            commands["order_id"][changes] = self._dice.choice(self._orders, int(changes.sum()))
        else:
            commands["kind"][changes] = CommandKind.MASS_CANCEL
        return commands


def judge(exchange: Exchange, loads: list[Load]) -> str:
    """Raise Fault unless each confirmed frame has exactly one outcome; a line that says so."""
    verdicts = exchange.verdicts()
    confirmed = set().union(*(load.confirmed for load in loads))
    unconfirmed = set().union(*(load.unconfirmed for load in loads))
    lost = [frame for frame in confirmed if verdicts.get(frame) != [Verdict.RUN]]
    if lost:
        raise Fault(
            f"{len(lost)} of {len(confirmed)} confirmed frames did not run once:"
            f" {[(frame, verdicts.get(frame)) for frame in lost[:5]]}"
        )
    twice = [frame for frame, found in verdicts.items() if len(found) > 1]
    if twice:
        raise Fault(f"frames {twice[:5]} ended more than once")
    ran = sum(frame in verdicts for frame in unconfirmed)
    commands = sum(load.commands for load in loads)
    return (
        f"{len(confirmed):,} confirmed frames with {commands:,} commands ran once each; of"
        f" {len(unconfirmed)} unconfirmed {ran} ran"
    )
