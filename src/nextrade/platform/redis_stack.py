"""A stack of private Redis servers that outlives the command which started it.

    folder/lock
    folder/redis-1/redis.conf    written at each start; keeps the port from one start to the next
    folder/redis-1/redis.pid     written by the server, removed by it when it ends in order
    folder/redis-1/redis.log
    folder/redis-1/appendonlydir

How a process is known as the server of its folder: server_folder.py.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

from ..errors import StackError
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
    write_private,
    written_since,
)
from .settings import Settings

_START_SECONDS = 60.0
_BIRTH_SECONDS = 5.0


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

    Calls of several processes on one folder wait for each other. Raises StackError.
    """

    def __init__(self, folder: Path, count: int = 3, *, appendfsync: str = "always") -> None:
        self.folder = folder.absolute()
        self.count = count
        self._appendfsync = appendfsync

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where clients reach the servers, in their order; StackError if one never started."""
        found = [self._status(self._home(number)) for number in range(1, self.count + 1)]
        never = [one.name for one in found if one.address is None]
        if never:
            raise StackError(
                f"{', '.join(never)} in {self.folder}: never started; nextrade stack up starts it"
            )
        return tuple(one.address for one in found if one.address is not None)

    def up(self) -> list[ServerStatus]:
        """Start what does not run yet, wait until all answer, and tell how they are."""
        if lacking := missing():
            raise StackError(lacking)
        make_folder(self.folder, ignored=True)
        with alone(self.folder):
            for number in range(1, self.count + 1):
                self._up(self._home(number))
            return self.status()

    def down(self) -> list[str]:
        """Stop every server of the folder in order; the names of those that ran."""
        if not self.folder.is_dir():
            return []
        with alone(self.folder):
            running = {home: pid for home in self._homes() if (pid := self._pid(home)) is not None}
            for pid in running.values():
                os.kill(pid, signal.SIGTERM)
            for home, pid in running.items():
                _wait_for_end(home, pid)
            for home in self._homes():  # left behind by a server that was killed
                (home / "redis.pid").unlink(missing_ok=True)
        return [home.name for home in running]

    def status(self) -> list[ServerStatus]:
        """Every server of the folder, and those that are yet to be started; changes nothing."""
        homes = {self._home(number) for number in range(1, self.count + 1)} | set(self._homes())
        return [self._status(home) for home in sorted(homes, key=_number)]

    def log(self, number: int, lines: int) -> list[str]:
        """The last lines of a server's log; none if it was never started."""
        text = written_since(self._home(number) / "redis.log", 0)
        return text.splitlines()[-lines:]

    # One server

    def _home(self, number: int) -> Path:
        return self.folder / f"redis-{number}"

    def _homes(self) -> list[Path]:
        found = (path for path in self.folder.glob("redis-*") if _number(path) and path.is_dir())
        return sorted(found, key=_number)

    def _up(self, home: Path) -> None:
        if self._pid(home) is not None:
            self._wait_until_ready(home)
            if (port := _port(home)) is not None:
                ask(f"{HOST}:{port}", "CONFIG", "SET", "appendfsync", self._appendfsync)
            return
        make_folder(home)
        (home / "redis.pid").unlink(missing_ok=True)
        for _ in range(5):  # between finding a free port and using it somebody may take it
            write_private(home / "redis.conf", self._configuration(home, free_port(_port(home))))
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
            port, alive = _port(home), self._pid(home) is not None
            if alive and port is not None and ask(f"{HOST}:{port}", "PING") == b"PONG":
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
        port, pid = _port(home), self._pid(home)
        info = ask_info(f"{HOST}:{port}") if pid is not None and port is not None else {}
        memory = info.get("used_memory", "")
        return ServerStatus(
            name=home.name,
            state="stopped" if pid is None else "running" if info else "silent",
            port=port,
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
        port = _port(home)
        if port is None:
            return None
        told = ask_info(f"{HOST}:{port}").get("process_id", "")
        return int(told) if told.isdigit() and _works_in(int(told), home) else None

    def _configuration(self, home: Path, port: int) -> str:
        lines = (
            "# Written by nextrade stack at each start; what is changed here is lost.",
            f"port {port}",
            f"bind {HOST}",
            f"dir {_quoted(home)}",
            f"pidfile {_quoted(home / 'redis.pid')}",
            f"logfile {_quoted(home / 'redis.log')}",
            "daemonize yes",
            'save ""',
            "appendonly yes",
            f"appendfsync {self._appendfsync}",
            "maxmemory-policy noeviction",
        )
        return "\n".join(lines) + "\n"


def _wait_for_end(home: Path, pid: int) -> None:
    wait_for_end(home.name, pid, home / "redis.log", lambda: _works_in(pid, home))


def _number(home: Path) -> int:
    """The number of a server's folder; 0 if it is no such folder."""
    found = re.fullmatch(r"redis-([1-9][0-9]{0,3})", home.name)
    return int(found[1]) if found else 0


def _port(home: Path) -> int | None:
    """The port in a server's configuration; None if it was never started."""
    try:
        text = (home / "redis.conf").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.search(r"^port ([0-9]{1,5})$", text, re.MULTILINE)
    return int(found[1]) if found else None


def _works_in(pid: int, home: Path) -> bool:
    """Whether this process is the server of this folder."""
    return works_in(pid, home, "redis", f":{_port(home)}")


def _quoted(path: Path) -> str:
    """A path as redis.conf takes it, whatever bytes it has."""
    plain = bytes(set(range(32, 127)) - set(b'"\\'))
    text = (chr(byte) if byte in plain else f"\\x{byte:02x}" for byte in os.fsencode(path))
    return f'"{"".join(text)}"'
