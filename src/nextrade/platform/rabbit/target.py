"""Where RabbitMQ is and how one logs in: read from the settings, turned into the client's form."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import MissingExtra, SettingsError
from ..rabbit_private import PRIVATE_NAME, USERNAME, PrivateBroker
from ..settings import Settings

try:
    import pika
except ImportError as error:
    raise MissingExtra("RabbitMQ needs its client: pip install nextrade[rabbit]") from error

__all__ = ["RabbitTarget", "target_of"]

_CONNECT_S = 10.0
"""For each of: reaching the port, and logging in."""


@dataclass(frozen=True, slots=True)
class RabbitTarget:
    """One broker, or the nodes of a cluster, and a login. The password is in no text of it."""

    addresses: tuple[str, ...]
    """Each host:port; they are tried in turn."""
    username: str
    password: str = field(repr=False)
    vhost: str = "/"
    heartbeat_s: int = 10
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def parameters(self, name: str) -> list[Any]:
        """What the client needs, for each address; ``name`` is how the broker lists us.

        Raises SettingsError for a certificate or key that cannot be read.
        """
        context = self._context() if self.tls else None
        found = []
        for address in self.addresses:
            host, _, port = address.rpartition(":")
            host = host.strip("[]")
            found.append(
                pika.ConnectionParameters(
                    host=host,
                    port=int(port),
                    virtual_host=self.vhost,
                    credentials=pika.PlainCredentials(self.username, self.password),
                    heartbeat=self.heartbeat_s,
                    socket_timeout=_CONNECT_S,
                    stack_timeout=_CONNECT_S,
                    ssl_options=None if context is None else pika.SSLOptions(context, host),
                    client_properties={"connection_name": name, "product": "NexTrade"},
                )
            )
        return found

    def _context(self) -> ssl.SSLContext:
        """TLS as the settings ask for it; the broker's name and chain are always checked."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"[rabbit] tls_ca_file: {self.ca_file}: {_said(error)}") from error
        if self.cert_file is not None:
            try:
                # A key behind a passphrase would have the client ask for it on the terminal.
                context.load_cert_chain(self.cert_file, self.key_file, password=lambda: "")
            except (OSError, ssl.SSLError) as error:
                raise SettingsError(
                    f"[rabbit] tls_cert_file and tls_key_file: {_said(error)}"
                ) from error
        return context


def target_of(settings: Settings) -> RabbitTarget:
    """The broker that the settings name; without an address, the private one of the stack.

    Raises SettingsError for a password file that cannot be read, and StackError if the private
    broker was never started.
    """
    wanted = settings.rabbit
    if not wanted.addresses:
        home = PrivateBroker(settings.stack.folder / PRIVATE_NAME)
        return RabbitTarget(
            (home.address,), USERNAME, home.password, heartbeat_s=wanted.heartbeat_s
        )
    password = wanted.password.reveal()
    if wanted.password_file is not None:
        try:
            password = wanted.password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"[rabbit] password_file: {wanted.password_file}: {_said(error)}"
            ) from error
    return RabbitTarget(
        addresses=wanted.addresses,
        username=wanted.username,
        password=password,
        vhost=wanted.vhost,
        heartbeat_s=wanted.heartbeat_s,
        tls=wanted.tls,
        ca_file=wanted.tls_ca_file,
        cert_file=wanted.tls_cert_file,
        key_file=wanted.tls_key_file,
    )


def _said(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
