"""The one line that installs servers from this machine's own packages."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Final

__all__ = ["install_line"]

_MANAGERS: Final = {
    "apt-get": "apt-get install",
    "dnf": "dnf install",
    "apk": "apk add",
    "pacman": "pacman -S",
}
_OTHER_NAMES: Final = {
    ("dnf", "redis-server"): "redis",
    ("apk", "redis-server"): "redis",
    ("pacman", "redis-server"): "redis",
    ("pacman", "rabbitmq-server"): "rabbitmq",
    ("brew", "redis-server"): "redis",
    ("brew", "rabbitmq-server"): "rabbitmq",
}


def install_line(*programs: str) -> str:
    """The line that installs these programs, named as their makers name them."""
    for manager, verb in _MANAGERS.items():
        if shutil.which(manager):
            root = hasattr(os, "geteuid") and os.geteuid() == 0
            return f"{'' if root else 'sudo '}{verb} {_packages(manager, programs)}"
    if shutil.which("brew") or sys.platform == "darwin":
        return f"brew install {_packages('brew', programs)}"
    return f"install {' and '.join(programs)} from the packages of your system"


def _packages(manager: str, programs: tuple[str, ...]) -> str:
    return " ".join(_OTHER_NAMES.get((manager, program), program) for program in programs)
