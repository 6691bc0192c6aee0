"""What the figures were measured on, in words that name no particular machine."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import numpy as np
from rich.console import Console

from .workloads import native

__all__ = ["describe", "resident_bytes", "wide_console"]


def wide_console() -> Console:
    """A console as wide as the tables need where there is no terminal to fit into."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, 180))


def describe() -> dict[str, str | int]:
    """Processor, cores, interpreter and compiler."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 0,
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "numpy": np.__version__,
        "compiler": native.compiler_version(),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def resident_bytes() -> int:
    """Memory of this process that is in RAM now; Linux only."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
