"""What the system tells of processes: whose children they are, their words, their memory."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

__all__ = ["children", "memory_bytes"]


def children(pid: int) -> dict[int, list[str]]:
    """The words of the command line of each process that this one started and that lives."""
    if not Path("/proc/self/stat").exists():
        return _listed_children(pid)
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            # Behind the name in brackets, which may hold anything: state, parent, ...
            state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
            words = (process / "cmdline").read_bytes().decode("utf-8", "replace")
        except OSError:  # it ended while we looked
            continue
        if int(parent) == pid and state not in "ZX":
            found[int(process.name)] = words.rstrip("\0").split("\0")
    return found


def memory_bytes(pid: int) -> int | None:
    """Memory of a process as the system counts it; None where it does not tell."""
    try:
        text = Path("/proc", str(pid), "status").read_text(errors="replace")
    except OSError:
        return None
    found = re.search(r"^VmRSS:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _listed_children(pid: int) -> dict[int, list[str]]:
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,state=,command="],
        capture_output=True,
        text=True,
        check=False,
    )
    found = {}
    for line in listed.stdout.splitlines():
        one, parent, state, *words = line.split()
        if int(parent) == pid and not state.startswith("Z"):
            found[int(one)] = words
    return found
