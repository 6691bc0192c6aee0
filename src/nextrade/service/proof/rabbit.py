"""The streams of the settings' broker, read from their beginning to where they end now."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from ...platform.rabbit.connection import RabbitConnection
from ...platform.rabbit.stream import StreamReader
from ...platform.rabbit.target import target_of
from ...platform.settings import Settings
from ..topology import Topology
from .changes import LedgerStream

__all__ = ["Streams"]

_CONNECT_S: Final = 10.0
_END_S: Final = 3.0
"""After so long without a message the stream is taken to end."""
_PREFETCH: Final = 512
_PIECE_S: Final = 0.2
"""Between two messages of what the broker stored last there is less than this."""
_BUSY_S: Final = 2.0
"""Longer than that its last piece is not: what still comes was published meanwhile."""


class Streams:
    """Opens one stream after the other."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topology = Topology(settings.rabbit.prefix)

    def open(self, partition: int) -> AbstractContextManager[Iterable[tuple[int, bytes]]]:
        """A partition's stream as offsets and messages; BusLost or BusRefused if there is none."""
        return self._opened(self._topology.events(partition))

    @contextmanager
    def open_ledger(self) -> Iterator[LedgerStream]:
        """The ledger's stream likewise, and where it ends."""
        with RabbitConnection(target_of(self._settings), "verify") as connection:
            connection.wait_open(_CONNECT_S)
            last = _last(connection, self._topology.ledger)
            with StreamReader(
                connection, self._topology.ledger, "first", prefetch=_PREFETCH
            ) as reader:
                yield LedgerStream(_messages(connection, reader), last)

    @contextmanager
    def _opened(self, queue: str) -> Iterator[Iterable[tuple[int, bytes]]]:
        with RabbitConnection(target_of(self._settings), "verify") as connection:
            connection.wait_open(_CONNECT_S)
            with StreamReader(connection, queue, "first", prefetch=_PREFETCH) as reader:
                yield _messages(connection, reader)


def _messages(connection: RabbitConnection, reader: StreamReader) -> Iterator[tuple[int, bytes]]:
    while entries := reader.read(_END_S):
        yield from entries
    # Silence is the end of the stream only where the broker could have spoken.
    connection.wait_open(_CONNECT_S)


def _last(connection: RabbitConnection, queue: str) -> int:
    """The offset of a stream's last message; -1 if it has none.

    Reading begins with the whole piece that the broker stored last, so that this takes no longer
    for a long stream.
    """
    last, begin, wait = -1, time.monotonic(), _END_S
    with StreamReader(connection, queue, "last", prefetch=_PREFETCH) as reader:
        while time.monotonic() - begin < _BUSY_S and (entries := reader.read(wait)):
            last, wait = entries[-1].offset, _PIECE_S
    return last
