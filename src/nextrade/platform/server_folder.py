"""What private servers have in common: a folder, a lock on it, ports, and proof of who is who.

A process id alone proves nothing: the server may have died and its number have gone to a
stranger. So nothing is signalled, and no server is taken as running, unless the process works
in its folder (or, where the system does not tell, has the mark of it on its command line).
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from ..errors import StackError

__all__ = [
    "HOST",
    "POLL_S",
    "ServerStatus",
    "State",
    "alone",
    "free_port",
    "is_listed",
    "make_folder",
    "read_pid",
    "wait_for_end",
    "works_in",
    "write_private",
    "written_since",
]

HOST: Final = "127.0.0.1"
POLL_S: Final = 0.02
_ALONE_S: Final = 90.0
_STOP_S: Final = 30.0

State = Literal["running", "silent", "stopped"]


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One server as it is found. ``silent``: the process is there and does not answer."""

    name: str
    state: State
    port: int | None
    pid: int | None
    memory_bytes: int | None
    folder: Path

    @property
    def address(self) -> str | None:
        """Where clients reach it; None if it was never started."""
        return None if self.port is None else f"{HOST}:{self.port}"


def make_folder(folder: Path, *, ignored: bool = False) -> None:
    """Make a folder for its owner alone; ``ignored``: a version control passes it over."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if ignored and not (folder / ".gitignore").exists():
            # The folder often stands in a checkout; nothing of it belongs there.
            (folder / ".gitignore").write_text("*\n", encoding="ascii")
    except OSError as error:
        raise StackError(f"{folder} cannot be made: {error.strerror or error}") from error


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one process at a time start and stop servers of this folder."""
    if sys.platform == "win32":
        raise StackError("private servers cannot be started on Windows; use WSL")
    import fcntl

    end = time.monotonic() + _ALONE_S
    with (folder / "lock").open("ab") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > end:
                    raise StackError(
                        f"another process has been starting or stopping the servers in"
                        f" {folder} for {_ALONE_S:.0f} s"
                    ) from error
                time.sleep(POLL_S)
        yield


def free_port(wanted: int | None) -> int:
    """A port that nobody listens on: the one it had before, if that is free."""
    with socket.socket() as probe:
        # As the server itself does: a port whose last connections linger is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted or 0))
            port: int = probe.getsockname()[1]
            return port
        except OSError:
            if wanted is None:
                raise
    return free_port(None)


def read_pid(file: Path) -> int:
    """The process id in a file; 0 if there is none."""
    try:
        return max(int(file.read_text(encoding="ascii")), 0)
    except (OSError, ValueError):
        return 0


def works_in(pid: int, home: Path, program: str, mark: str) -> bool:
    """Whether this process is such a program and works in this folder.

    Where the system does not tell in which folder, its command line must hold ``mark``.
    """
    process = Path("/proc", str(pid))
    if not os.path.lexists("/proc/self/cwd"):
        return is_listed(pid, program, mark)
    try:
        name = (process / "comm").read_text(errors="replace")
        return program in name and os.path.samefile(process / "cwd", home)
    except OSError:  # it is gone, dead and not yet buried, or somebody else's
        return False


def is_listed(pid: int, program: str, mark: str) -> bool:
    """Whether the system lists this process with a command line that holds both texts."""
    listed = subprocess.run(
        ["ps", "-ww", "-p", str(pid), "-o", "command="], capture_output=True, text=True, check=False
    )
    return program in listed.stdout and mark in listed.stdout


def wait_for_end(name: str, pid: int, log: Path, lives: Callable[[], bool]) -> None:
    """Wait for a process that was asked to end; raises StackError if it does not."""
    end = time.monotonic() + _STOP_S
    while lives():
        if time.monotonic() > end:
            raise StackError(
                f"{name} (process {pid}) was asked to end and has not after"
                f" {_STOP_S:.0f} s; see {log}"
            )
        time.sleep(POLL_S)


def written_since(log: Path, size: int) -> str:
    """What was written to a log after it had this size."""
    try:
        return log.read_bytes()[size:].decode("utf-8", "replace")
    except OSError:
        return ""


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone can read."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")
