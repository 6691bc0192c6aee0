"""The event streams of the settings' broker, read from their beginning to where they end now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from ...platform.rabbit.connection import RabbitConnection
from ...platform.rabbit.stream import StreamReader
from ...platform.rabbit.target import target_of
from ...platform.settings import Settings
from ..topology import Topology

__all__ = ["Streams"]

_CONNECT_S: Final = 10.0
_END_S: Final = 3.0
"""After so long without a message the stream is taken to end."""
_PREFETCH: Final = 512


class Streams:
    """Opens one stream after the other."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topology = Topology(settings.rabbit.prefix)

    def open(self, partition: int) -> AbstractContextManager[Iterable[tuple[int, bytes]]]:
        """A partition's stream as offsets and messages; BusLost or BusRefused if there is none."""
        return self._opened(self._topology.events(partition))

    def open_ledger(self) -> AbstractContextManager[Iterable[tuple[int, bytes]]]:
        """The ledger's stream likewise."""
        return self._opened(self._topology.ledger)

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
