"""What is done to the processes of an exchange, each by its name."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nextrade.platform.server_folder import ServerStatus

from .harness import HEARTBEAT_S, Exchange, Fault, until

Way = Callable[[Exchange], None]


def kill_worker(exchange: Exchange) -> None:
    """Kill -9 of the worker that runs some partition, sometimes while it is just taking over."""
    partition = exchange.dice.choice(exchange.partitions)
    victim = exchange.leader(partition)
    if victim is None and exchange.dice.random() < 0.3:
        victim = exchange.workers[0]
    exchange.kill(victim or exchange.active(partition))
    exchange.start_worker()


def kill_standby(exchange: Exchange) -> None:
    """Kill -9 of the worker that waits for its turn."""
    active = exchange.active(exchange.dice.choice(exchange.partitions))
    exchange.kill(next(worker for worker in exchange.workers if worker is not active))
    exchange.start_worker()


def stop_worker(exchange: Exchange) -> None:
    """Stop the active worker until the broker gives up on it; it comes back as a zombie."""
    partition = exchange.dice.choice(exchange.partitions)
    victim, before = exchange.active(partition), exchange.epoch(partition)
    victim.process.send_signal(signal.SIGSTOP)
    try:
        until(lambda: exchange.epoch(partition) > before, 60, "nobody took over from a zombie")
        time.sleep(exchange.dice.uniform(0, 1))
    finally:
        victim.process.send_signal(signal.SIGCONT)


def nap_worker(exchange: Exchange) -> None:
    """Stop the active worker for a moment that the broker may or may not notice."""
    victim = exchange.active(exchange.dice.choice(exchange.partitions))
    victim.process.send_signal(signal.SIGSTOP)
    time.sleep(exchange.dice.uniform(0, 3 * HEARTBEAT_S))
    victim.process.send_signal(signal.SIGCONT)


def kill_broker(exchange: Exchange) -> None:
    """Kill -9 of RabbitMQ; it starts again from its data.

    Often it dies only after everybody had the time to find it again.
    """
    time.sleep(exchange.dice.choice((0, 1, 3, 6)))
    exchange.servers.rabbit.kill()
    time.sleep(exchange.dice.uniform(0, 1))
    exchange.servers.up()


def kill_shard(exchange: Exchange) -> None:
    """Kill -9 of a Redis server; it starts again from its append-only file."""
    victim = exchange.dice.choice(exchange.shards())
    assert victim.pid
    os.kill(victim.pid, signal.SIGKILL)
    _await_end(victim.pid)
    time.sleep(exchange.dice.uniform(0, 1))
    exchange.servers.redis.up()


def stop_shard(exchange: Exchange, seconds: float = 15) -> None:
    """A Redis server that answers nobody for a while."""
    victim = exchange.dice.choice(exchange.shards())
    assert victim.pid
    os.kill(victim.pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(victim.pid, signal.SIGCONT)


def alarm(exchange: Exchange, seconds: float = 5) -> None:
    """A broker that has no memory left for messages takes none."""
    exchange.servers.rabbit.control("set_vm_memory_high_watermark", "0")
    time.sleep(seconds)
    exchange.servers.rabbit.control("set_vm_memory_high_watermark", "0.4")


def fill_shard(exchange: Exchange) -> None:
    """A Redis server may write a little more and then dies in the middle of a write.

    A limit of the file's size does what a full disk does, for one process and without root: the
    kernel writes the part that fits. The server ends, and starts again with room and a torn end.
    """
    import resource  # not on every system

    victim = exchange.dice.choice(exchange.shards())
    assert victim.pid
    size = max(file.stat().st_size for file in _append_only_files(victim))
    _, hard = resource.prlimit(victim.pid, resource.RLIMIT_FSIZE)
    room = size + exchange.dice.randint(1, 20_000)
    resource.prlimit(victim.pid, resource.RLIMIT_FSIZE, (room, hard))
    _await_end(victim.pid)
    exchange.servers.redis.up()


def starve_shard(exchange: Exchange, seconds: float = 4) -> None:
    """A Redis server that has no memory left for what comes, and says so."""
    import redis

    victim = exchange.dice.choice(exchange.shards())
    with redis.Redis(port=victim.port) as server:
        server.config_set("maxmemory", "1mb")
        time.sleep(seconds)
        server.config_set("maxmemory", "0")


def change_listings(exchange: Exchange) -> None:
    """Other fees for a market while it trades, and a worker dies on the way."""
    rate = f"0.{exchange.dice.randrange(10, 30)}%"
    with ThreadPoolExecutor(1) as pool:
        command = ("market", "set", "BTC-USDT", "--taker", rate)
        changing = pool.submit(exchange.nextrade, *command)
        time.sleep(exchange.dice.uniform(0.2, 2))
        kill_worker(exchange)
        done = changing.result()
    if done.returncode:
        raise Fault(f"market set: {done.stdout}{done.stderr}")


WAYS: dict[str, Way] = {
    "worker": kill_worker,
    "standby": kill_standby,
    "broker": kill_broker,
    "shard": kill_shard,
    "stop": stop_worker,
    "nap": nap_worker,
    "full": fill_shard,
    "alarm": alarm,
    "slow-shard": stop_shard,
    "starved": starve_shard,
    "listings": change_listings,
}


def _append_only_files(shard: ServerStatus) -> list[Path]:
    return [file for file in shard.folder.rglob("*.aof") if file.is_file()]


def _await_end(pid: int) -> None:
    def is_gone() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    until(is_gone, 60, f"process {pid} does not end")
