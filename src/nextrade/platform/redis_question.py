"""One question to a Redis server, without a client library: what `stack` and `doctor` need."""

from __future__ import annotations

import socket

_REPLY_SECONDS = 2.0
_LONGEST_REPLY = 1 << 20


def ask(address: str, *words: str) -> bytes | None:
    """The reply to a command: its text, without the mark of its type; None if there is none.

    An error of the server (which begins with ``-``) is None too: it is no answer to the
    question.
    """
    encoded = [word.encode() for word in words]
    request = b"*%d\r\n" % len(encoded)
    request += b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded)
    try:
        with _connect(address) as connection:
            connection.sendall(request)
            return _reply(connection)
    except OSError:
        return None


def ask_info(address: str) -> dict[str, str]:
    """What the server says of itself; empty if none answers."""
    text = (ask(address, "INFO", "everything") or b"").decode("utf-8", "replace")
    lines = (line.partition(":") for line in text.splitlines())
    return {name: value for name, colon, value in lines if colon}


def _connect(address: str) -> socket.socket:
    """A connection to ``host:port`` or to the socket at a path. Raises OSError."""
    if address.startswith("/"):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_REPLY_SECONDS)
        try:
            connection.connect(address)
        except OSError:
            connection.close()
            raise
        return connection
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=_REPLY_SECONDS)


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
