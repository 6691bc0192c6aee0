"""The workers of a private stack: started in the background, found again, stopped.

folder/workers/worker.pid   the process that watches the others
folder/workers/worker.log   what all of them say
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from ...errors import StackError
from ...platform.server_folder import (
    ServerStatus,
    make_folder,
    read_pid,
    wait_for_end,
    works_in,
    written_since,
)
from ...platform.settings import Settings, variable

__all__ = ["Workers"]

NAME: Final = "workers"
_BIRTH_S: Final = 1.0


class Workers:
    """The workers that belong to the servers of one folder. Raises StackError."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.home = settings.stack.folder.absolute() / NAME

    @property
    def log(self) -> Path:
        """Where they write."""
        return self.home / "worker.log"

    @property
    def pid(self) -> int | None:
        """The process that watches the others; None if it does not run."""
        pid = read_pid(self.home / "worker.pid")
        return pid if pid and works_in(pid, self.home, "python", "nextrade worker") else None

    def up(self) -> ServerStatus:
        """Start them, if they do not run."""
        if self.pid is None:
            make_folder(self.home)
            command = [sys.executable, "-m", "nextrade", "worker", "--all"]
            command += ["--processes", str(self._settings.stack.workers)]
            if self._settings.file is not None:
                command += ["--config", str(self._settings.file.absolute())]
            # The working folder is what a process is known by, so relative paths must not count.
            environment = os.environ | {
                variable("stack", "folder"): str(self._settings.stack.folder.absolute())
            }
            size = self.log.stat().st_size if self.log.exists() else 0
            with self.log.open("ab") as log:
                process = subprocess.Popen(
                    command,
                    cwd=self.home,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            (self.home / "worker.pid").write_text(f"{process.pid}\n", encoding="ascii")
            time.sleep(_BIRTH_S)
            if process.poll() is not None:
                last = written_since(self.log, size).strip().splitlines()[-1:] or ["nothing"]
                raise StackError(f"the workers ended at once, and said: {last[0]}; see {self.log}")
        return self.status()

    def down(self) -> bool:
        """Stop them in order; False if they did not run."""
        pid = self.pid
        if pid is None:
            return False
        os.kill(pid, signal.SIGTERM)
        wait_for_end(NAME, pid, self.log, lambda: self.pid is not None)
        (self.home / "worker.pid").unlink(missing_ok=True)
        return True

    def status(self) -> ServerStatus:
        """How they are found."""
        pid = self.pid
        state = "stopped" if pid is None else "running"
        return ServerStatus(NAME, state, None, pid, None, self.home)  # type: ignore[arg-type]
