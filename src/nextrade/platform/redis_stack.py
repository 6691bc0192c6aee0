"""A stack of private Redis servers that outlives the command which started it.

    folder/lock
    folder/redis-1/redis.conf    written at each start; keeps the port from one start to the next
    folder/redis-1/redis.pid     written by the server, removed by it when it ends in order
    folder/redis-1/redis.log
    folder/redis-1/appendonlydir
    folder/redis-1-replica-1     the same of a server that follows redis-1

How a process is known as the server of its folder: server_folder.py.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..errors import StackError
from .redis_access import RedisAccess
from .redis_conf import Configuration, password_in, port_in
from .redis_program import missing
from .redis_question import ask, ask_info
from .server_folder import (
    HOST,
    POLL_S,
    ServerStatus,
    alone,
    free_port,
    make_folder,
    read_pid,
    wait_for_end,
    works_in,
    written_since,
)
from .settings import Settings

_START_SECONDS = 60.0
_BIRTH_SECONDS = 5.0
_ASK_SECONDS = 1.0
_DATA = "appendonlydir"


def shards_of(settings: Settings) -> dict[str, str]:
    """The address of each shard of the ledger by its name: those set, else those of the stack.

    Raises StackError if they are to be those of the stack and it was never started.
    """
    if settings.ledger.shards:
        addresses = settings.ledger.shards
    else:
        addresses = RedisStack(settings.stack.folder, settings.stack.shards).addresses
    return {f"redis-{number}": address for number, address in enumerate(addresses, 1)}


class RedisStack:
    """Some private Redis servers that keep their data in one folder.

    ``count`` primaries with ``replicas`` each. Calls of several processes on one folder wait for
    each other. Raises StackError.
    """

    def __init__(
        self,
        folder: Path,
        count: int = 3,
        *,
        appendfsync: str = "always",
        replicas: int = 0,
        password: str = "",
    ) -> None:
        self.folder = folder.absolute()
        self.count = count
        self.replicas = replicas
        self._configuration = Configuration(appendfsync, password, replicas)

    @property
    def primaries(self) -> tuple[str, ...]:
        """The names of those that are to be shards."""
        return tuple(f"redis-{number}" for number in range(1, self.count + 1))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all that are to be, replicas behind their primary."""
        return tuple(name for one in self.primaries for name in (one, *self._replicas_of(one)))

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where clients reach the primaries, in their order; StackError if one never started."""
        ports = {name: port_in(self.folder / name) for name in self.primaries}
        if never := [name for name, port in ports.items() if port is None]:
            raise StackError(
                f"{', '.join(never)} in {self.folder}: never started; nextrade stack up starts it"
            )
        return tuple(f"{HOST}:{port}" for port in ports.values())

    def up(self) -> list[ServerStatus]:
        """Start what does not run yet, wait until all answer, and tell how they are.

        A replica has then everything that its primary has.
        """
        if lacking := missing():
            raise StackError(lacking)
        make_folder(self.folder, ignored=True)
        with alone(self.folder):
            self._check_password()
            for name in self.primaries:
                self._check_data(name)
            for name in self.primaries:
                self._up(self.folder / name, self._configuration)
            for name in self.primaries:
                self._up_replicas(self.folder / name)
            return self.status()

    def down(self) -> list[str]:
        """Stop every server of the folder in order; the names of those that ran."""
        if not self.folder.is_dir():
            return []
        with alone(self.folder):
            running = {home: pid for home in self._homes() if (pid := self._pid(home)) is not None}
            # Replicas first: a primary would wait for what they have not said that they have.
            for home in sorted(running, key=lambda home: not _place(home)[1]):
                os.kill(running[home], signal.SIGTERM)
            for home, pid in running.items():
                _wait_for_end(home, pid)
            for home in self._homes():  # left behind by a server that was killed
                (home / "redis.pid").unlink(missing_ok=True)
        return [home.name for home in running]

    def status(self) -> list[ServerStatus]:
        """Every server of the folder, and those that are yet to be started; changes nothing."""
        homes = {self.folder / name for name in self.names} | set(self._homes())
        return [self._status(home) for home in sorted(homes, key=_place)]

    def log(self, name: str, lines: int) -> list[str]:
        """The last lines of a server's log; none if it was never started."""
        return written_since(self.folder / name / "redis.log", 0).splitlines()[-lines:]

    # One server

    def _replicas_of(self, primary: str) -> tuple[str, ...]:
        return tuple(f"{primary}-replica-{number}" for number in range(1, self.replicas + 1))

    def _homes(self) -> list[Path]:
        found = (path for path in self.folder.glob("redis-*") if _place(path)[0] and path.is_dir())
        return sorted(found, key=_place)

    def _check_password(self) -> None:
        """Refuse another password than that of servers which run: workers go on with that."""
        for home in self._homes():
            if self._pid(home) is not None and password_in(home) != self._configuration.password:
                raise StackError(
                    f"{home.name} runs with another password than [stack] password:"
                    " nextrade stack down, then up"
                )

    def _check_data(self, name: str) -> None:
        """Refuse to let a replica follow a primary that lost its data: it would lose its own."""
        if (self.folder / name / _DATA).is_dir():
            return
        for replica in self._replicas_of(name):
            if (self.folder / replica / _DATA).is_dir():
                raise StackError(
                    f"{name} has no data, and its replica has: copy {self.folder / replica / _DATA}"
                    f" to {self.folder / name}, or remove {self.folder / replica}"
                )

    def _up_replicas(self, primary: Path) -> None:
        """Start the replicas of a primary that runs, and wait until they have what it has."""
        port = port_in(primary)
        followers = [self.folder / name for name in self._replicas_of(primary.name)]
        how = Configuration(
            self._configuration.appendfsync, self._configuration.password, follows=port
        )
        for home in followers:
            self._up(home, how)
            if _info(home).get("master_port") != str(port):  # it ran, and the primary moved
                _ask(home, "REPLICAOF", HOST, str(port))
        for home in followers:
            self._wait_until(home, _has_all)
        if followers:
            self._wait_until(primary, lambda told: told.get("min_slaves_good_slaves", "0") != "0")

    def _wait_until(self, home: Path, holds: Callable[[dict[str, str]], bool]) -> None:
        end = time.monotonic() + _START_SECONDS
        while not holds(_info(home)):
            if time.monotonic() > end:
                raise StackError(
                    f"{home.name} and what belongs to it did not find each other within"
                    f" {_START_SECONDS:.0f} s; see {home / 'redis.log'}"
                )
            time.sleep(POLL_S)

    def _up(self, home: Path, how: Configuration) -> None:
        if self._pid(home) is not None:
            self._wait_until_ready(home)
            _ask(home, "CONFIG", "SET", *(word for one in how.changeable.items() for word in one))
            return
        make_folder(home)
        (home / "redis.pid").unlink(missing_ok=True)
        for _ in range(5):  # between finding a free port and using it somebody may take it
            how.write(home, free_port(port_in(home)))
            if self._launch(home):
                return
        raise StackError(f"{home.name} finds no free port; see {home / 'redis.log'}")

    def _launch(self, home: Path) -> bool:
        """Start a server that is configured; False if its port was taken meanwhile."""
        log = home / "redis.log"
        before = log.stat().st_size if log.exists() else 0
        done = subprocess.run(
            ["redis-server", str(home / "redis.conf")],
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode == 0 and self._wait_until_ready(home, before):
            return True
        said = written_since(log, before) + (done.stdout + done.stderr).decode("utf-8", "replace")
        if "Address already in use" in said:
            return False
        last = said.strip().splitlines()[-1:] or ["it said nothing"]
        raise StackError(f"{home.name} did not start: {last[0]}; see {log}")

    def _wait_until_ready(self, home: Path, log_size: int = 0) -> bool:
        """Wait until the server answers; False if it ended instead.

        Who starts it is back before the server has written its process id, so one that is not
        there yet has not failed; unless its log says so, or it takes too long.
        """
        begin = time.monotonic()
        was_alive = False
        while time.monotonic() < begin + _START_SECONDS:
            alive = self._pid(home) is not None
            if alive and _ask(home, "PING") == b"PONG":
                return True
            if not alive:
                late = time.monotonic() > begin + _BIRTH_SECONDS
                if was_alive or late or "Failed" in written_since(home / "redis.log", log_size):
                    return False
            was_alive = was_alive or alive
            time.sleep(POLL_S)
        raise StackError(
            f"{home.name} runs but does not answer after {_START_SECONDS:.0f} s;"
            f" see {home / 'redis.log'}"
        )

    def _status(self, home: Path) -> ServerStatus:
        pid = self._pid(home)
        info = _info(home) if pid is not None else {}
        memory = info.get("used_memory", "")
        return ServerStatus(
            name=home.name,
            state="stopped" if pid is None else "running" if info else "silent",
            port=port_in(home),
            pid=pid,
            memory_bytes=int(memory) if memory.isdigit() else None,
            folder=home,
        )

    def _pid(self, home: Path) -> int | None:
        """The process id of this server; None if it does not run."""
        pid = read_pid(home / "redis.pid")
        if pid > 0 and _works_in(pid, home):
            return pid
        # The file may have been lost while the server runs: a second one on the same data
        # would destroy it. So ask whoever listens on our port whether it works in our folder.
        told = _info(home).get("process_id", "")
        return int(told) if told.isdigit() and _works_in(int(told), home) else None


def _ask(home: Path, *words: str) -> bytes | None:
    """What the server of this folder answers, with the password that it was started with."""
    if (port := port_in(home)) is None:
        return None
    return ask(f"{HOST}:{port}", *words, access=RedisAccess(password=password_in(home)))


def _info(home: Path) -> dict[str, str]:
    """What the server of this folder says of itself; empty if none answers."""
    if (port := port_in(home)) is None:
        return {}
    return ask_info(f"{HOST}:{port}", RedisAccess(password=password_in(home)))


def _wait_for_end(home: Path, pid: int) -> None:
    """Wait for a server that was asked to end, and ask it again: a replica that writes its first
    append-only file refuses, and does not end by itself when it is done."""
    asked = time.monotonic()

    def lives() -> bool:
        nonlocal asked
        if not _works_in(pid, home):
            return False
        if time.monotonic() > asked + _ASK_SECONDS:
            asked = time.monotonic()
            with suppress(ProcessLookupError):  # it has ended just now
                os.kill(pid, signal.SIGTERM)
        return True

    wait_for_end(home.name, pid, home / "redis.log", lives)


def _has_all(told: dict[str, str]) -> bool:
    """Whether a replica has what its primary has, on its disk too."""
    writes = told.get("aof_rewrite_in_progress"), told.get("aof_rewrite_scheduled")
    return told.get("master_link_status") == "up" and writes == ("0", "0")


def _place(home: Path) -> tuple[int, int]:
    """The numbers of shard and replica of a server's folder; zeros if it is no such folder."""
    found = re.fullmatch(r"redis-([1-9][0-9]{0,3})(?:-replica-([1-9][0-9]?))?", home.name)
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)


def _works_in(pid: int, home: Path) -> bool:
    """Whether this process is the server of this folder."""
    return works_in(pid, home, "redis", f":{port_in(home)}")
