"""Which rabbitmq-server this machine has."""

from __future__ import annotations

import shutil
import socket
import sys
from pathlib import Path
from typing import Final

from .install_line import install_line

__all__ = ["PROGRAM", "ask_version", "missing", "server_script"]

PROGRAM: Final = "rabbitmq-server"
_USUAL: Final = ("/usr/lib/rabbitmq/bin", "/usr/local/lib/rabbitmq/bin")
_REPLY_S: Final = 2.0


def server_script() -> Path | None:
    """The script that runs the server as whoever calls it; None if it is not installed.

    The one on the search path often changes to a user of the system's first: it comes last.
    """
    for folder in _USUAL:
        if (found := Path(folder, "rabbitmq-server")).is_file():
            return found
    on_path = shutil.which("rabbitmq-server")
    return None if on_path is None else Path(on_path)


def missing() -> str:
    """What is missing for a server to be started, with the remedy; empty if nothing is."""
    if sys.platform == "win32":
        return "no private RabbitMQ on Windows; use WSL, or name one in [rabbit] addresses"
    if server_script() is not None:
        return ""
    return f"{PROGRAM} is not installed; install it with: {install_line(PROGRAM)}"


def ask_version(address: str) -> str | None:
    """The version of the broker at host:port, without a login; None if none answers."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_REPLY_S) as link:
            link.sendall(b"AMQP\x00\x00\x09\x01")
            got = b""
            while b"\xce" not in got[-1:] and len(got) < 4096:
                if not (more := link.recv(4096)):
                    break
                got += more
    except OSError:
        return None
    # In its first frame a broker tells its properties: a short name, "S", a long text.
    if b"RabbitMQ" not in got:
        return None
    _, _, rest = got.partition(b"\x07versionS")
    return rest[4 : 4 + int.from_bytes(rest[:4], "big")].decode("ascii", "replace") or None
