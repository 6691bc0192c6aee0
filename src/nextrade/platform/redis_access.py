"""Who we are to the Redis servers of the ledger, and how they prove who they are: password, TLS."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from .settings import Settings

_LONGEST_PASSWORD = 4096
# The full client cuts the first word off some of these.
_REFUSALS = (
    "WRONGPASS",
    "invalid username-password",
    "NOAUTH",
    "Authentication required",
    "already authenticated",
    "NOPERM",
    "has no permissions",
    "without any password configured",
)


@dataclass(frozen=True, slots=True)
class RedisAccess:
    """User, password and TLS of some servers; by default none of these."""

    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @property
    def auth(self) -> tuple[str, ...]:
        """The words after AUTH; none if there is nothing to say."""
        if not self.password:
            return ()
        return (self.username, self.password) if self.username else (self.password,)

    def client_options(self, *, of_socket: bool = False) -> dict[str, Any]:
        """What the full client takes for it; a socket in the file system knows no TLS."""
        options: dict[str, Any] = {}
        if self.password:
            options |= {"username": self.username or None, "password": self.password}
        if self.tls and not of_socket:
            _context(self)  # for what it says of files that cannot be used
            options |= {
                "ssl": True,
                "ssl_cert_reqs": "required",
                "ssl_check_hostname": True,
                "ssl_ca_certs": None if self.ca_file is None else str(self.ca_file),
                "ssl_certfile": None if self.cert_file is None else str(self.cert_file),
                "ssl_keyfile": None if self.key_file is None else str(self.key_file),
            }
        return options


OPEN = RedisAccess()
"""For servers that anybody may use who reaches them."""


def access_of(settings: Settings) -> RedisAccess:
    """The access that the settings describe; SettingsError if a file cannot be read.

    It is that of [ledger], or where no servers are named, that of the stack's own.
    """
    ledger = settings.ledger
    password = ledger.password.reveal()
    if settings.stack.password and not ledger.shards and not ledger.cluster:
        if password or ledger.password_file is not None or ledger.username:
            raise SettingsError(
                "[ledger] username and password are for servers of your own; those of the stack"
                " ask for [stack] password alone: leave one of them out"
            )
        return RedisAccess(password=settings.stack.password.reveal())
    if ledger.password_file is not None:
        if password:
            raise SettingsError("[ledger] has both password and password_file: give one of them")
        password = _first_line(ledger.password_file)
    if ledger.username and not password:
        raise SettingsError(
            "[ledger] username needs a password: set NEXTRADE_LEDGER__PASSWORD or password_file"
        )
    if ledger.tls_key_file is not None and ledger.tls_cert_file is None:
        raise SettingsError("[ledger] tls_key_file needs tls_cert_file, the certificate of the key")
    return RedisAccess(
        ledger.username,
        password,
        ledger.tls,
        ledger.tls_ca_file,
        ledger.tls_cert_file,
        ledger.tls_key_file,
    )


def connect(address: str, access: RedisAccess, timeout_s: float) -> socket.socket:
    """A connection to "host:port", or to the socket at a path. Raises OSError, ssl.SSLError too."""
    if address.startswith("/"):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout_s)
            connection.connect(address)
        except BaseException:
            connection.close()
            raise
        return connection
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    connection = socket.create_connection((host, int(port)), timeout_s)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if access.tls:
            return _context(access).wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise
    return connection


def refusal(error: BaseException | None) -> str:
    """Why an error means that this access will never do; empty if it may pass."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        text = str(error)
        # One that was cut off may be the server ending, not its certificate.
        cut = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
        if (isinstance(error, ssl.SSLError) and not cut) or "CERTIFICATE_VERIFY_FAILED" in text:
            return f"TLS fails ({_reason(error)}); look at tls and the tls_ files of [ledger]"
        if any(mark in text for mark in _REFUSALS):
            return (
                f"it refuses us ({text}); look at username and password of [ledger], for a"
                " server of nextrade stack at password of [stack]"
            )
        error = error.__cause__ or error.__context__
    return ""


def _reason(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return getattr(error, "reason", None) or str(error)


@cache
def _context(access: RedisAccess) -> ssl.SSLContext:
    """What TLS needs to know, read once; SettingsError for a file that is none of its kind."""
    name, file = "tls_ca_file", access.ca_file
    try:
        context = ssl.create_default_context(cafile=None if file is None else str(file))
        if access.cert_file is not None:
            name, file = "tls_cert_file", access.cert_file
            context.load_cert_chain(
                str(file), None if access.key_file is None else str(access.key_file)
            )
    except (OSError, ValueError) as error:  # SSLError is an OSError
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError(f"[ledger] {name} {file} cannot be used: {reason}") from error
    return context


def _first_line(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            text = stream.read(_LONGEST_PASSWORD).split(b"\n")[0].rstrip(b"\r").decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise SettingsError(f"[ledger] password_file {file} cannot be read: {reason}") from error
    if not text:
        raise SettingsError(f"[ledger] password_file {file}: its first line is empty")
    return text
