"""A private RabbitMQ in a folder of its own, which outlives whoever started it.

    folder/rabbitmq.conf    written at each start; keeps the port from one start to the next
    folder/environment      what the server is started with; serves rabbitmqctl too
    folder/password         of the one user that it has; nobody else can log in
    folder/rabbit.pid       written by the server
    folder/epmd.pid         of the small program through which the tools find the server
    folder/rabbit.log, out.log
    folder/data             queues and streams

It comes from the machine's own package, listens on loopback only, and has no plugin. Raises
StackError.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ..errors import StackError
from .processes import memory_bytes
from .rabbit_private import USERNAME, PrivateBroker
from .rabbit_program import ask_version, missing, server_script
from .server_folder import (
    HOST,
    POLL_S,
    ServerStatus,
    free_port,
    make_folder,
    read_pid,
    wait_for_end,
    works_in,
    write_private,
    written_since,
)

__all__ = ["RabbitServer"]

DISK_LIMIT_BYTES: Final = 200_000_000
"""With less free disk the broker takes no messages: it could not keep them."""

_READY_S: Final = 90.0
_BIRTH_S: Final = 10.0
_LET_GO_S: Final = 3.0
_NODE: Final = "nextrade@localhost"
_NAME: Final = re.compile(r"[A-Za-z0-9._/+@,:=~-]+")


class RabbitServer:
    """One broker. Whoever calls sees to it that nobody else does at the same time."""

    def __init__(self, home: Path, extra: str = "") -> None:
        """``extra`` are more lines of its configuration."""
        self.home = home.absolute()
        self._extra = extra
        self._private = PrivateBroker(self.home)

    @property
    def name(self) -> str:
        """How it is called in lists."""
        return self.home.name

    @property
    def address(self) -> str:
        """Where clients reach it."""
        return self._private.address

    @property
    def password(self) -> str:
        """The password of its user."""
        return self._private.password

    @property
    def log(self) -> Path:
        """File that the server tells its doings in."""
        return self.home / "rabbit.log"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        pid = read_pid(self.home / "rabbit.pid")
        return pid if pid and works_in(pid, self.home, "beam", self._mark) else None

    @property
    def _mark(self) -> str:
        """Words on the server's command line that no other one has."""
        return f"-env NEXTRADE_HOME {self.home} "

    def start(self, waiting: Callable[[float], None] = lambda _: None) -> None:
        """Start it and wait until it answers; data and ports of last time are kept.

        That takes some seconds; ``waiting`` is called with how many, again and again.
        """
        if lacking := missing():
            raise StackError(lacking)
        if not _NAME.fullmatch(str(self.home)):
            raise StackError(f"{self.home}: RabbitMQ's scripts take no folder with such a name")
        if self.pid is None:
            make_folder(self.home)
            self._configure()
            self._start_epmd()
            self._launch()
        self._wait_until_ready(waiting)

    def stop(self) -> bool:
        """Stop it in order, and its helper; False if it did not run."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            wait_for_end(self.name, pid, self.log, lambda: self.pid == pid)
        self._stop_epmd()
        return pid is not None

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGKILL)
            wait_for_end(self.name, pid, self.log, lambda: self.pid == pid)

    def status(self) -> ServerStatus:
        """How it is; changes nothing."""
        pid, port = self.pid, self._private.port
        answers = pid is not None and port is not None and ask_version(f"{HOST}:{port}")
        return ServerStatus(
            name=self.name,
            state="stopped" if pid is None else "running" if answers else "silent",
            port=port,
            pid=pid,
            memory_bytes=None if pid is None else memory_bytes(pid),
            folder=self.home,
        )

    def control(self, *words: str) -> str:
        """What rabbitmqctl says; takes a second or two."""
        script = server_script()
        if script is None:
            raise StackError(missing())
        done = subprocess.run(
            [script.with_name("rabbitmqctl"), *words],
            cwd=self.home,
            env=self._environment() | {"LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
            raise StackError(f"rabbitmqctl {' '.join(words)}: {last[0]}")
        return done.stdout

    # --- starting ------------------------------------------------------------------------------

    def _environment(self) -> dict[str, str]:
        try:
            lines = (self.home / "environment").read_text(encoding="utf-8").splitlines()
        except OSError:
            return {}
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def _configure(self) -> None:
        """Write configuration and environment; ports are those of last time if they are free."""
        before = self._environment()
        home = self.home
        port = _port_again(self._private.port)
        password = home / "password"
        if not password.exists():
            write_private(password, secrets.token_urlsafe(24) + "\n")
        (home / "rabbit.pid").unlink(missing_ok=True)
        (home / "enabled_plugins").write_text("[].\n", encoding="ascii")
        lines = (
            "# Written by nextrade stack at each start; what is changed here is lost.",
            f"listeners.tcp.1 = {HOST}:{port}",
            # The first start makes this user in place of the one that everybody knows.
            f"default_user = {USERNAME}",
            f"default_pass = {self.password}",
            f"disk_free_limit.absolute = {DISK_LIMIT_BYTES}",
            "log.console = false",
            "log.file.level = info",
            "log.file.rotation.size = 10485760",
            "log.file.rotation.count = 3",
            self._extra,
        )
        write_private(home / "rabbitmq.conf", "\n".join(lines) + "\n")
        environment = {
            "PATH": os.pathsep.join((os.defpath, "/usr/sbin", "/usr/local/bin")),
            "LC_ALL": "C.UTF-8",
            "HOME": str(home),
            "RABBITMQ_NODENAME": _NODE,
            "RABBITMQ_NODE_IP_ADDRESS": HOST,
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(_port_again(_number(before.get("RABBITMQ_DIST_PORT")))),
            "ERL_EPMD_PORT": str(_port_again(_number(before.get("ERL_EPMD_PORT")))),
            "ERL_EPMD_ADDRESS": HOST,
            "RABBITMQ_MNESIA_BASE": str(home / "data"),
            "RABBITMQ_LOG_BASE": str(home),
            "RABBITMQ_LOGS": str(self.log),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "none.config"),
            "RABBITMQ_CONF_ENV_FILE": str(home / "none.conf"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(home / "generated"),
            "RABBITMQ_PID_FILE": str(home / "rabbit.pid"),
            # Without the first, tools could be reached from outside; the others save idle cores.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                self._mark + "-kernel inet_dist_use_interface {127,0,0,1}"
                " +sbwt none +sbwtdcpu none +sbwtdio none"
            ),
        }
        text = "".join(f"{name}={value}\n" for name, value in environment.items())
        write_private(home / "environment", text)

    def _start_epmd(self) -> None:
        """Start the name service ourselves: the one that the server would start stays for ever."""
        self._stop_epmd()
        environment = self._environment()
        program = shutil.which("epmd", path=environment["PATH"])
        if program is None:  # then it lies with the Erlang that the script finds
            return
        process = subprocess.Popen(
            [program, "-port", environment["ERL_EPMD_PORT"], "-address", HOST],
            cwd=self.home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        (self.home / "epmd.pid").write_text(f"{process.pid}\n", encoding="ascii")
        _forget(process)

    def _stop_epmd(self) -> None:
        file = self.home / "epmd.pid"
        pid = read_pid(file)
        mark = f"-port {self._environment().get('ERL_EPMD_PORT')} "
        if pid and works_in(pid, self.home, "epmd", mark):
            os.kill(pid, signal.SIGTERM)
            wait_for_end("epmd", pid, self.log, lambda: works_in(pid, self.home, "epmd", mark))
        file.unlink(missing_ok=True)

    def _launch(self) -> None:
        script = server_script()
        assert script is not None
        with (self.home / "out.log").open("wb") as out:
            process = subprocess.Popen(
                [script],
                cwd=self.home,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        _forget(process)

    def _wait_until_ready(self, waiting: Callable[[float], None]) -> None:
        begin = time.monotonic()
        was_alive = False
        while time.monotonic() < begin + _READY_S:
            alive = self.pid is not None
            if alive and ask_version(self.address):
                return
            late = time.monotonic() > begin + _BIRTH_S
            if not alive and (was_alive or late):
                self._stop_epmd()
                raise StackError(f"{self.name} did not start: {self._last_words()}")
            was_alive = was_alive or alive
            waiting(time.monotonic() - begin)
            time.sleep(5 * POLL_S)
        raise StackError(
            f"{self.name} runs but does not answer after {_READY_S:.0f} s; see {self.log}"
        )

    def _last_words(self) -> str:
        said = written_since(self.home / "out.log", 0).strip().splitlines()
        told = [line for line in said if re.search(r"error|fail|in use", line, re.IGNORECASE)]
        last = (told or said)[-1:] or ["it said nothing"]
        return f"{last[0].strip()}; see {self.log} and {self.home / 'out.log'}"


def _forget(process: subprocess.Popen[bytes]) -> None:
    """Leave a process to itself: it outlives us, and nobody here asks how it ended."""
    process.returncode = 0


def _port_again(wanted: int | None) -> int:
    """The port of last time, which a process that was killed may hold for a moment longer."""
    end = time.monotonic() + _LET_GO_S
    while wanted is not None and time.monotonic() < end:
        if free_port(wanted) == wanted:
            return wanted
        time.sleep(POLL_S)
    return free_port(None)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None
