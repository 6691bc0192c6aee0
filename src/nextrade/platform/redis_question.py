"""One question to a Redis server, without a client library: what `stack` and `doctor` need."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from .redis_access import OPEN, RedisAccess, connect

_REPLY_SECONDS = 2.0
_LONGEST_REPLY = 1 << 20


def ask(address: str, *words: str, access: RedisAccess = OPEN) -> bytes | None:
    """The reply to a command: its text, without the mark of its type; None if there is none.

    An error of the server (which begins with ``-``) is None too: it is no answer to the
    question. So is a server that refuses us.
    """
    try:
        with connect(address, access, _REPLY_SECONDS) as connection:
            if access.auth:
                connection.sendall(_packed(("AUTH", *access.auth)))
                if _reply(connection) is None:
                    return None
            connection.sendall(_packed(words))
            return _reply(connection)
    except OSError:
        return None


def _packed(words: Sequence[str]) -> bytes:
    encoded = [word.encode() for word in words]
    request = b"*%d\r\n" % len(encoded)
    return request + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded)


def ask_info(address: str, access: RedisAccess = OPEN) -> dict[str, str]:
    """What the server says of itself; empty if none answers."""
    text = (ask(address, "INFO", "everything", access=access) or b"").decode("utf-8", "replace")
    lines = (line.partition(":") for line in text.splitlines())
    return {name: value for name, colon, value in lines if colon}


def _reply(connection: socket.socket) -> bytes | None:
    """A simple or a bulk string. Who speaks another protocol gives None, not an endless wait."""
    got = b""
    while b"\r\n" not in got:
        got += (more := connection.recv(4096))
        if not more or len(got) > _LONGEST_REPLY:
            return None
    head, _, body = got.partition(b"\r\n")
    if head.startswith(b"+"):
        return head[1:]
    if not head.startswith(b"$") or not head[1:].isdigit():
        return None
    length = int(head[1:])
    while len(body) < min(length, _LONGEST_REPLY):
        body += (more := connection.recv(65536))
        if not more:
            return None
    return body[:length]
