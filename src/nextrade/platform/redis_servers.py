"""Starts and stops Redis servers of our own: one process and one folder each.

They listen on loopback only, write an append-only file and no other, never evict, and are
stopped by their process id. A server that was killed starts again from its folder, at the same
port. Three of them can be joined into a Redis Cluster, and others into it as their replicas.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ..errors import LedgerUnavailable, MissingExtra
from .redis_access import OPEN, RedisAccess

try:
    import redis
except ImportError as error:
    raise MissingExtra("Redis servers need its client: pip install nextrade[redis]") from error

__all__ = [
    "PROGRAM",
    "SLOTS",
    "RedisServer",
    "free_port",
    "join_cluster",
    "join_replicas",
    "program",
    "wait_for_cluster",
]

PROGRAM: Final = "redis-server"
SLOTS: Final = 16384
READY_S: Final = 20.0
STEP_S: Final = 0.02


def program() -> str | None:
    """Path of the server program, None if it is not installed."""
    return shutil.which(PROGRAM)


def free_port() -> int:
    """Port on loopback that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class RedisServer:
    """One server. ``appendfsync``: "always", "everysec" (may lose a second at a power failure).

    ``access`` is how it is spoken to: with TLS it listens for nothing else, in a cluster too.
    Certificates and what it asks for stand in ``options``, which go over all others.
    """

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        appendfsync: str = "always",
        cluster: bool = False,
        access: RedisAccess = OPEN,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._appendfsync = appendfsync
        self._access = access
        self._options = dict(options or {})
        self._cluster_port = free_port() if cluster else 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where it listens: host:port."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if self._process and running else None

    @property
    def log(self) -> Path:
        """File that the server tells its doings in."""
        return self.folder / "redis.log"

    def client(self) -> "redis.Redis":
        """Full client of this server."""
        options = self._access.client_options()
        return redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=READY_S, **options)

    def start(self) -> None:
        """Start it and wait until it answers; raises LedgerUnavailable if it does not."""
        if self.pid is not None:
            return
        path = program()
        if path is None:
            raise LedgerUnavailable(
                f"{PROGRAM} is not installed (Debian: apt install redis-server)"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.folder),
            "logfile": str(self.log),
            "save": "",
            "appendonly": "yes",
            "appendfsync": self._appendfsync,
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        if self._cluster_port:
            options |= {
                "cluster-enabled": "yes",
                "cluster-port": str(self._cluster_port),
                "cluster-node-timeout": "5000",
                "cluster-config-file": "nodes.conf",
            }
        if self._access.tls:
            options |= {"port": "0", "tls-port": str(self.port), "tls-replication": "yes"}
            options |= {"tls-cluster": "yes"} if self._cluster_port else {}
        options |= self._options
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        # A session of its own: Ctrl-C in a terminal reaches the caller, who stops it in order.
        # And nothing of our environment, which may preload libraries that are not for it.
        self._process = subprocess.Popen(
            [path, *words],
            env={"PATH": os.defpath, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        give_up_at = time.monotonic() + READY_S
        while time.monotonic() < give_up_at:
            if self.pid is None:
                self._process = None
                raise LedgerUnavailable(f"Redis ended at once; see {self.log}")
            try:
                # Another server may be at this port; then ours is about to end.
                with self.client() as client:
                    if client.info("server")["process_id"] == self.pid:
                        client.ping()  # an error while it reads its file, which INFO is not
                        return
            except redis.RedisError:  # not listening yet, or reading its file
                pass
            time.sleep(STEP_S)
        raise LedgerUnavailable(f"Redis did not answer within {READY_S:g} s; see {self.log}")

    def stop(self) -> None:
        """Stop it in order, and wait for it."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            os.kill(self._process.pid, how)
        try:
            self._process.wait(READY_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def join_cluster(servers: Sequence[RedisServer]) -> None:
    """Join running servers, started with ``cluster``, and share the slots out evenly.

    Raises LedgerUnavailable if they do not agree in time.
    """
    clients = [server.client() for server in servers]
    try:
        for place, client in enumerate(clients):
            first = SLOTS * place // len(servers)
            last = SLOTS * (place + 1) // len(servers) - 1
            _told(client, "CLUSTER ADDSLOTSRANGE", first, last)
            _told(client, "CLUSTER SET-CONFIG-EPOCH", place + 1)
        for server in servers[1:]:
            # The bus port must be told, or the first assumes the port plus ten thousand.
            _told(clients[0], "CLUSTER MEET", "127.0.0.1", server.port, server._cluster_port)
    finally:
        for client in clients:
            client.close()
    wait_for_cluster(servers)


def join_replicas(primaries: Sequence[RedisServer], replicas: Sequence[RedisServer]) -> None:
    """Join running servers to a cluster, each as the replica of the primary in its place.

    Raises LedgerUnavailable if they do not have all of its data in time.
    """
    with primaries[0].client() as client:
        for server in replicas:
            _told(client, "CLUSTER MEET", "127.0.0.1", server.port, server._cluster_port)
    wait_for_cluster([*primaries, *replicas])
    for primary, replica in zip(primaries, replicas, strict=True):
        with primary.client() as client, replica.client() as other:
            _told(client, "CONFIG SET", "repl-diskless-sync-delay", 0)
            _told(other, "CLUSTER REPLICATE", _told(client, "CLUSTER MYID"))
    give_up_at = time.monotonic() + READY_S
    for replica in replicas:
        with replica.client() as client:
            while client.info("replication").get("master_link_status") != "up":
                if time.monotonic() >= give_up_at:
                    raise LedgerUnavailable(f"a replica did not follow within {READY_S:g} s")
                time.sleep(STEP_S)


def wait_for_cluster(servers: Sequence[RedisServer]) -> None:
    """Wait until all servers know each other and every slot is served; as after a restart.

    Raises LedgerUnavailable if they do not agree in time.
    """
    clients = [server.client() for server in servers]
    try:
        give_up_at = time.monotonic() + READY_S
        while not all(_agrees(client, len(servers)) for client in clients):
            if time.monotonic() >= give_up_at:
                raise LedgerUnavailable(f"the cluster did not agree within {READY_S:g} s")
            time.sleep(STEP_S)
    finally:
        for client in clients:
            client.close()


def _agrees(client: "redis.Redis", servers: int) -> bool:
    """Whether a server knows all others and sees every slot taken."""
    info = _told(client, "CLUSTER INFO")
    # Versions of the client differ in whether they take this reply apart.
    said = info if isinstance(info, dict) else dict(line.split(":") for line in info.split())
    return said["cluster_state"] == "ok" and int(said["cluster_known_nodes"]) == servers


def _told(client: "redis.Redis", *words: str | int) -> Any:
    """Reply to a command; bytes as text."""
    reply = client.execute_command(*words)  # type: ignore[no-untyped-call]
    return reply.decode() if isinstance(reply, bytes) else reply
