"""The sections of the settings and their keys: of each its kind, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .setting_kinds import (
    Addresses,
    Choice,
    Hidden,
    Kind,
    Name,
    Place,
    Secret,
    Switch,
    Whole,
    Word,
)

__all__ = [
    "SECTIONS",
    "TABLES",
    "GatewaySettings",
    "JournalSettings",
    "LedgerSettings",
    "RabbitSettings",
    "StackSettings",
    "keys",
]


def _is(kind: Kind, meaning: str) -> dict[str, Any]:
    return {"kind": kind, "meaning": meaning}


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """Where balances live."""

    home: str = field(
        metadata=_is(
            Choice(("memory", "redis")),
            "Where balances live: in this process, or in Redis shards.",
        )
    )
    buckets: int = field(
        metadata=_is(
            Whole(1, 4096),
            "How many buckets the accounts are spread over; fixed once an exchange is founded.",
        )
    )
    shards: tuple[str, ...] = field(
        metadata=_is(
            Addresses(), "The Redis servers of the shards; none: those of `nextrade stack`."
        )
    )
    cluster: bool = field(
        metadata=_is(
            Switch(),
            "Whether the shards are a Redis Cluster, found through any of the servers listed.",
        )
    )
    replicas: int = field(
        metadata=_is(
            Whole(0, 16),
            "How many replicas of a server must have a change before it counts as done.",
        )
    )
    replica_timeout_ms: int = field(
        metadata=_is(
            Whole(1, 60_000),
            "For how many milliseconds replicas are waited for before the call is made again.",
        )
    )
    username: str = field(
        metadata=_is(Name(), "The user that the servers know us as; none: their default user.")
    )
    password: Hidden = field(
        metadata=_is(Secret(), "The password of the servers; never shown. Better in the variable.")
    )
    password_file: Path | None = field(
        metadata=_is(Place(may_be_empty=True), "The file whose first line is the password.")
    )
    tls: bool = field(
        metadata=_is(
            Switch(), "Whether the servers are spoken to through TLS, and prove who they are."
        )
    )
    tls_ca_file: Path | None = field(
        metadata=_is(
            Place(may_be_empty=True),
            "The certificates that vouch for the servers; empty: those of this machine.",
        )
    )
    tls_cert_file: Path | None = field(
        metadata=_is(Place(may_be_empty=True), "Our own certificate, for servers that ask for one.")
    )
    tls_key_file: Path | None = field(
        metadata=_is(Place(may_be_empty=True), "The key of our own certificate.")
    )


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """What makes an exchange in one process durable."""

    path: Path | None = field(
        metadata=_is(
            Place(may_be_empty=True), "The folder of journal and snapshots; empty: nothing is kept."
        )
    )
    fsync: bool = field(
        metadata=_is(
            Switch(), "Whether a batch counts as done only when the disk says that it has it."
        )
    )


@dataclass(frozen=True, slots=True)
class StackSettings:
    """The private servers that `nextrade stack` starts."""

    folder: Path = field(
        metadata=_is(Place(), "Where the servers keep their data, logs and process ids.")
    )
    shards: int = field(metadata=_is(Whole(1, 64), "How many Redis servers are started."))
    replicas: int = field(
        metadata=_is(Whole(0, 8), "How many replicas of each of them are started too.")
    )
    password: Hidden = field(
        metadata=_is(
            Secret(512), "What these Redis servers ask for; never shown. Empty: nothing is asked."
        )
    )
    appendfsync: str = field(
        metadata=_is(
            Choice(("always", "everysec", "no")), "When a Redis server asks the disk for certainty."
        )
    )
    rabbit: bool = field(metadata=_is(Switch(), "Whether a RabbitMQ is started too."))
    workers: int = field(
        metadata=_is(Whole(0, 64), "How many worker processes are started; 0: none.")
    )


@dataclass(frozen=True, slots=True)
class RabbitSettings:
    """How RabbitMQ is reached, and how its queues are named."""

    addresses: tuple[str, ...] = field(
        metadata=_is(
            Addresses(sockets=False),
            "The nodes of RabbitMQ; none: the private one of `nextrade stack`, which has its own"
            " login.",
        )
    )
    username: str = field(metadata=_is(Word(), "Who logs in."))
    password: Hidden = field(
        metadata=_is(Secret(), "The password; better kept in `password_file`.")
    )
    password_file: Path | None = field(
        metadata=_is(
            Place(may_be_empty=True), "A file that holds the password; goes over `password`."
        )
    )
    vhost: str = field(metadata=_is(Word(), "The virtual host of the queues."))
    prefix: str = field(
        metadata=_is(Word(r"[A-Za-z0-9._-]+"), "What the name of every queue begins with.")
    )
    heartbeat_s: int = field(
        metadata=_is(
            Whole(1, 3600), "After how many seconds of silence a connection counts as lost."
        )
    )
    tls: bool = field(
        metadata=_is(Switch(), "Whether connections are encrypted, and the broker proves itself.")
    )
    tls_ca_file: Path | None = field(
        metadata=_is(
            Place(may_be_empty=True), "The authorities to trust; empty: those of the system."
        )
    )
    tls_cert_file: Path | None = field(
        metadata=_is(Place(may_be_empty=True), "The certificate that we show; empty: none.")
    )
    tls_key_file: Path | None = field(
        metadata=_is(
            Place(may_be_empty=True), "Its key; empty: it stands in the certificate's file."
        )
    )


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """How commands are sent to the queues."""

    number: int = field(
        metadata=_is(
            Whole(-1, 1022),
            "What the ids that it gives carry; no two gateways may share it. -1: drawn at start.",
        )
    )
    window: int = field(
        metadata=_is(
            Whole(1, 1000), "How many frames of a partition may wait for their confirmation."
        )
    )
    patience_s: int = field(
        metadata=_is(
            Whole(1, 3600), "After how many seconds without a confirmation a command is given up."
        )
    )


SECTIONS: Mapping[str, type] = MappingProxyType(
    {
        "ledger": LedgerSettings,
        "journal": JournalSettings,
        "stack": StackSettings,
        "rabbit": RabbitSettings,
        "gateway": GatewaySettings,
    }
)
"""The sections whose keys are known here, in the order in which they are shown."""

TABLES = ("assets", "markets")
"""The sections that are handed on as they stand."""


def keys(section: str) -> dict[str, tuple[Kind, str]]:
    """Each key of a section with its kind and what it means."""
    return {
        one.name: (one.metadata["kind"], one.metadata["meaning"])
        for one in fields(SECTIONS[section])
    }
