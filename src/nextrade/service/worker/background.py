"""The workers of a private stack: started in the background, found again, stopped.

folder/workers/worker.pid   the process that watches the others; the only worker, if there is one
folder/workers/worker.log   what all of them say
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ...errors import StackError
from ...platform.processes import children, memory_bytes
from ...platform.server_folder import (
    ServerStatus,
    alone,
    make_folder,
    read_pid,
    wait_for_end,
    works_in,
    written_since,
)
from ...platform.settings import Settings, variable
from ..listings_file import listings_of
from .supervisor import deal

__all__ = ["NAME", "Workers"]

NAME: Final = "workers"
_READY_S: Final = 60.0
_LOOK_S: Final = 0.1


class Workers:
    """The workers that belong to the servers of one folder. Raises StackError."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._partitions = listings_of(settings).partitions
        self._hands = deal(self._partitions, max(settings.stack.workers, 1))
        self.home = settings.stack.folder.absolute() / NAME

    @property
    def log(self) -> Path:
        """Where they write."""
        return self.home / "worker.log"

    @property
    def pid(self) -> int | None:
        """The process that watches the others; None if it does not run."""
        pid = read_pid(self.home / "worker.pid")
        return pid if pid and works_in(pid, self.home, "python", self._mark) else None

    @property
    def _mark(self) -> str:
        """Words on its command line that no other one has; Python takes them and does nothing."""
        return f"nextrade_stack={self.home} "

    def up(self, waiting: Callable[[float], None] = lambda _: None) -> list[ServerStatus]:
        """Start them, and wait until every partition has one that takes its frames.

        Workers that run already stay, unless some are missing or the settings ask for another
        number. ``waiting`` is called with how many seconds it takes, again and again.
        """
        make_folder(self.home)
        with alone(self.home.parent):
            if self.pid is not None and not self.all_run(self.status()):
                self._stop()
            size = self.log.stat().st_size if self.log.exists() else 0
            if self.pid is None:
                self._start()
            self._wait_until_ready(size, waiting)
        return self.status()

    def down(self) -> bool:
        """Stop them in order, with what they had begun finished; False if none ran."""
        if not self.home.is_dir():
            return False
        with alone(self.home.parent):
            return self._stop()

    def status(self) -> list[ServerStatus]:
        """Every worker process that there is to be; changes nothing."""
        pid = self.pid
        if len(self._hands) == 1:
            return [self._status(1, pid)]
        running = {} if pid is None else children(pid)
        found = {_partitions_in(words): child for child, words in running.items()}
        return [
            self._status(number, found.get(tuple(hand)))
            for number, hand in enumerate(self._hands, 1)
        ]

    @staticmethod
    def all_run(found: Sequence[ServerStatus]) -> bool:
        """Whether every one of these runs."""
        return all(one.state == "running" for one in found)

    def _status(self, number: int, pid: int | None) -> ServerStatus:
        return ServerStatus(
            name=f"worker-{number}",
            state="stopped" if pid is None else "running",
            port=None,
            pid=pid,
            memory_bytes=None if pid is None else memory_bytes(pid),
            folder=self.home,
        )

    def _start(self) -> None:
        command = [sys.executable, "-X", self._mark.strip(), "-m", "nextrade", "worker", "--all"]
        command += ["--processes", str(len(self._hands))]
        if self._settings.file is not None:
            command += ["--config", str(self._settings.file.absolute())]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.home,
                env=os.environ | self._variables(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        (self.home / "worker.pid").write_text(f"{process.pid}\n", encoding="ascii")
        process.returncode = 0  # it outlives us, and nobody here asks how it ended

    def _variables(self) -> dict[str, str]:
        """Settings of the environment that are paths, from the root: they work elsewhere."""
        found = {variable("stack", "folder"): str(self.home.parent)}
        for name, origin in self._settings.origins.items():
            section, _, key = name.partition(".")
            if key and origin == variable(section, key):
                value = getattr(getattr(self._settings, section), key)
                if isinstance(value, Path):
                    found[origin] = str(value.absolute())
        return found

    def _stop(self) -> bool:
        pid = self.pid
        if pid is None:
            return False
        os.kill(pid, signal.SIGTERM)
        wait_for_end(NAME, pid, self.log, lambda: self.pid == pid)
        (self.home / "worker.pid").unlink(missing_ok=True)
        return True

    def _wait_until_ready(self, size: int, waiting: Callable[[float], None]) -> None:
        from ...platform.rabbit.asking import Asking
        from ...platform.rabbit.target import target_of
        from ..topology import Topology

        begin = time.monotonic()
        topology = Topology(self._settings.rabbit.prefix)
        with Asking(target_of(self._settings), "waiting for workers") as broker:
            while True:
                idle = [
                    number
                    for number in self._partitions
                    if not broker.consumers(topology.orders(number))
                ]
                if not idle and self.all_run(self.status()):
                    return
                passed = time.monotonic() - begin
                said = written_since(self.log, size).strip().splitlines()[-1:] or ["nothing"]
                if self.pid is None:
                    raise StackError(f"the workers ended, and said: {said[0]}; see {self.log}")
                if passed > _READY_S:
                    raise StackError(
                        f"partition {idle[0] if idle else 'of a dead worker'} is not served after"
                        f" {_READY_S:.0f} s; the workers said: {said[0]}; see {self.log}"
                    )
                waiting(passed)
                time.sleep(_LOOK_S)


def _partitions_in(words: Sequence[str]) -> tuple[int, ...]:
    """The partitions that a command line names."""
    pairs = itertools.pairwise(words)
    return tuple(int(after) for word, after in pairs if word == "--partition" and after.isdigit())
