"""The real command in a process of its own, and what every end of it must look like."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

LIMIT_SECONDS = 60


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    error: str

    def failed_well(self, code: int = 1) -> str:
        """Checks for this exit code and one line of error; returns the line."""
        assert self.code == code, self
        assert self.error.count("\n") == 1, self.error
        assert self.error.startswith("Error: ")
        return self.error


def started(*words: str | Path, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    """The command, running; ``before`` runs in its process first."""
    return subprocess.Popen(
        [sys.executable, "-m", "nextrade", *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        preexec_fn=before,
    )


def ended(running: subprocess.Popen[str]) -> Done:
    """Wait for the end, which must come and must not be a traceback."""
    try:
        out, error = running.communicate(timeout=LIMIT_SECONDS)
    finally:
        running.kill()
    assert "Traceback" not in error, error
    return Done(running.returncode, out, error)


def run(*words: str | Path, before: Callable[[], None] | None = None) -> Done:
    """Run the command to its end."""
    return ended(started(*words, before=before))
