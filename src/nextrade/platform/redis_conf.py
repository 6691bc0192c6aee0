"""The redis.conf of a private server: written at each start, and read back by whoever asks it.

It holds the password, so its owner alone can read it; the server is started with the name of the
file and nothing else on its command line.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from .server_folder import HOST, write_private

__all__ = ["Configuration", "password_in", "port_in"]

_NAME = "redis.conf"
_PLAIN = bytes(set(range(32, 127)) - set(b'"\\'))


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a private server is to be."""

    appendfsync: str
    password: str = ""
    """What it asks for; empty: nothing."""
    replicas: int = 0
    """How many servers follow it; without any of them it then takes no changes."""
    follows: int | None = None
    """The port of its primary; None if it is one itself."""

    @property
    def changeable(self) -> dict[str, str]:
        """What a server that runs can be told too."""
        return {
            "appendfsync": self.appendfsync,
            "min-replicas-to-write": str(min(self.replicas, 1)),
            # A replica has what it needs as soon as it asks, not after waiting for others.
            "repl-diskless-sync-delay": "0",
        }

    def write(self, home: Path, port: int) -> None:
        """Write the file of the server in this folder, and at this port."""
        lines = [
            "# Written by nextrade stack at each start; what is changed here is lost.",
            f"port {port}",
            f"bind {HOST}",
            f"dir {_quoted(os.fsencode(home))}",
            f"pidfile {_quoted(os.fsencode(home / 'redis.pid'))}",
            f"logfile {_quoted(os.fsencode(home / 'redis.log'))}",
            "daemonize yes",
            'save ""',
            "appendonly yes",
            "maxmemory-policy noeviction",
            *(f"{name} {value}" for name, value in self.changeable.items()),
        ]
        if self.password:
            word = _quoted(self.password.encode())
            lines += [f"requirepass {word}", f"masterauth {word}"]
        if self.follows is not None:
            lines.append(f"replicaof {HOST} {self.follows}")
        write_private(home / _NAME, "\n".join(lines) + "\n")


def port_in(home: Path) -> int | None:
    """The port of the server in this folder, now or the last time; None if it never started."""
    found = re.search(r"^port ([0-9]{1,5})$", _text(home), re.MULTILINE)
    return int(found[1]) if found else None


def password_in(home: Path) -> str:
    """The password of the server in this folder; empty if it asks for none."""
    found = re.search(r'^requirepass "(.*)"$', _text(home), re.MULTILINE)
    if not found:
        return ""
    parts = re.split(r"\\x([0-9a-f]{2})", found[1])  # plain text and bytes in turn
    encoded = [bytes.fromhex(one) if k % 2 else one.encode() for k, one in enumerate(parts)]
    return b"".join(encoded).decode("utf-8", "replace")


def _text(home: Path) -> str:
    try:
        return (home / _NAME).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _quoted(text: bytes) -> str:
    """A text as redis.conf takes it, whatever bytes it has."""
    escaped = (chr(byte) if byte in _PLAIN else f"\\x{byte:02x}" for byte in text)
    return f'"{"".join(escaped)}"'
