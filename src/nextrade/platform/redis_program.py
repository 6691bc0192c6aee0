"""Which redis-server this machine has."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

from .install_line import install_line

PROGRAM = "redis-server"
OLDEST_REDIS = 7
"""From this version on Redis keeps function libraries, which the ledger needs."""


def redis_version() -> tuple[int, ...] | None:
    """The version of the redis-server on the search path; None if there is none that runs."""
    program = shutil.which("redis-server")
    if program is None:
        return None
    try:
        done = subprocess.run([program, "--version"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(rb"v=(\d+)\.(\d+)\.(\d+)", done.stdout)
    return tuple(map(int, found.groups())) if found else None


def missing() -> str:
    """What is missing for servers to be started, with the remedy; empty if nothing is."""
    if sys.platform == "win32":
        return (
            "Redis does not run on Windows; use WSL, or name servers elsewhere in [ledger] shards"
        )
    version = redis_version()
    if version is None:
        return f"{PROGRAM} is not installed; install it with: {install_line(PROGRAM)}"
    if version[0] < OLDEST_REDIS:
        text = ".".join(map(str, version))
        return f"redis-server is {text}; {OLDEST_REDIS} or newer is needed: {install_line(PROGRAM)}"
    return ""
