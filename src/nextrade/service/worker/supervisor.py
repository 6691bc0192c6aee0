"""Several worker processes: started, watched, started again when one dies, stopped together."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Final

__all__ = ["deal", "end_with", "supervise"]

_CONTRADICTION: Final = 3
"""The exit code of a worker whose state contradicts itself: to start it again changes nothing."""
_FIRST_REST_S: Final = 0.5
_LONGEST_REST_S: Final = 30.0
_STEADY_S: Final = 60.0
_LOOK_S: Final = 0.2

_log = logging.getLogger("nextrade.supervisor")


def deal(partitions: Sequence[int], processes: int) -> list[list[int]]:
    """Which partitions each process gets: dealt out in turn, none without any."""
    hands = [list(partitions[first::processes]) for first in range(processes)]
    return [hand for hand in hands if hand]


class _Child:
    """One worker process."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = list(arguments)
        self.exit_code: int | None = None
        self._rest_s = _FIRST_REST_S
        self._due = 0.0
        self._begun = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    def look(self) -> None:
        """Start it if it does not run and may."""
        now = time.monotonic()
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return
            self._process = None
            if code == _CONTRADICTION:
                self.exit_code = code
                return
            if now - self._begun > _STEADY_S:
                self._rest_s = _FIRST_REST_S
            _log.warning("a worker ended with %d; another one in %.1f s", code, self._rest_s)
            self._due = now + self._rest_s
            self._rest_s = min(2 * self._rest_s, _LONGEST_REST_S)
        if self.exit_code is None and now >= self._due:
            self._begun = now
            command = [sys.executable, "-m", "nextrade", "worker", *self._arguments]
            command += ["--watched-by", str(os.getpid())]
            # Of a group of its own: Ctrl-C in the terminal reaches the parent, which passes it on.
            self._process = subprocess.Popen(command, start_new_session=True)

    def stop(self) -> None:
        """Ask it to end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self) -> None:
        """Wait for its end."""
        if self._process is not None:
            self.exit_code = self._process.wait()

    @property
    def is_over(self) -> bool:
        """Whether it ended for good."""
        return self.exit_code is not None


def supervise(commands: Sequence[Sequence[str]], stop: threading.Event) -> int:
    """Run a ``nextrade worker`` process for each list of arguments until told to stop.

    A process that dies is started again, after a pause that grows. Returns 0, or the exit code
    of one that ended with a contradiction.
    """
    children = [_Child(arguments) for arguments in commands]
    while not stop.is_set() and not all(child.is_over for child in children):
        for child in children:
            child.look()
        stop.wait(_LOOK_S)
    for child in children:
        child.stop()
    for child in children:
        child.wait()
    return max((child.exit_code or 0 for child in children), default=0)


def end_with(parent: int, stop: threading.Event) -> None:
    """Have this process told to stop once that parent is gone: killed, it told nobody."""

    def watch() -> None:
        while os.getppid() == parent and not stop.wait(_LOOK_S):
            pass
        stop.set()

    threading.Thread(target=watch, name="parent", daemon=True).start()
