"""One connection to one Redis server, for the calls that must be quick.

A plain socket with hiredis on it costs a fifth of a full client's time for each command. It
does not retry: whoever sends knows what may be repeated.
"""

import socket
from collections.abc import Sequence
from typing import Any

from ....errors import AccessRefused, LedgerUnavailable, MissingExtra
from ....platform.redis_access import OPEN, RedisAccess, connect, refusal

try:
    import hiredis
except ImportError as error:
    raise MissingExtra(
        "the ledger on Redis needs two packages: pip install nextrade[redis]"
    ) from error

__all__ = ["Link", "ReplyError", "packed"]

READ_BYTES = 65536

ReplyError = hiredis.ReplyError


def packed(*words: bytes | str | int) -> bytes:
    """Return a command as the server reads it."""
    return hiredis.pack_command(words)  # type: ignore[arg-type] # its stub allows one word only


class Link:
    """A connection that is made when it is first needed, and again after it broke."""

    def __init__(self, address: str, timeout_s: float, access: RedisAccess = OPEN) -> None:
        self.address = address
        self._access = access
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._reader: Any = None

    def send(self, commands: Sequence[bytes]) -> None:
        """Send commands in one go; raises LedgerUnavailable, after which none may have arrived.

        Raises AccessRefused if the server will not have us, or shows a wrong certificate.
        """
        try:
            self._connected().sendall(b"".join(commands))
        except OSError as error:
            self.close()
            if why := refusal(error):
                raise AccessRefused(f"Redis at {self.address}: {why}") from error
            raise LedgerUnavailable(f"no connection to Redis at {self.address}: {error}") from error

    def receive(self) -> Any:
        """Return the next reply, ReplyError among them; raises LedgerUnavailable."""
        if self._socket is None:
            raise LedgerUnavailable(f"the connection to Redis at {self.address} was closed")
        try:
            while (reply := self._reader.gets()) is False:
                received = self._socket.recv(READ_BYTES)
                if not received:
                    raise ConnectionResetError("the server closed the connection")
                self._reader.feed(received)
        except (OSError, hiredis.ProtocolError) as error:
            self.close()
            raise LedgerUnavailable(f"Redis at {self.address} did not answer: {error}") from error
        return reply

    def close(self) -> None:
        """Drop the connection, and with it all replies that are still to come."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = connect(self.address, self._access, self._timeout_s)
            self._reader = hiredis.Reader()
            if self._access.auth:
                self._socket.sendall(packed("AUTH", *self._access.auth))
                reply = self.receive()
                if isinstance(reply, ReplyError):
                    self.close()
                    why = refusal(reply) or f"it refuses us ({reply})"
                    raise AccessRefused(f"Redis at {self.address}: {why}")
        assert self._socket is not None
        return self._socket
