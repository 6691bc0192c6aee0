"""An exchange whose deposits, withdrawals and transfers are published to a list.

Buckets are on real servers; their stream is a list in this process, filled as a relay does.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nextrade.domain.protocol.changes import read_change_message, write_change_message

ACCOUNT, OTHER, DOLLAR = 7, 8, 2
NAMES = ("GOLD", "TIN", "DOLLAR")


class Told:
    """An exchange whose changes are all in a stream, and what may be done to them."""

    def __init__(self, exchange: Any) -> None:
        from nextrade.service.ledger.redis.outboxes import Outboxes

        self.exchange, self.ledger = exchange, exchange.ledger
        self.outboxes = Outboxes(self.ledger.shards)
        self.bucket: int = self.ledger.map.of_account(ACCOUNT)
        self.key = self.ledger.map.key(self.bucket)
        self.stream: list[tuple[int, bytes]] = []
        self.more: list[tuple[int, bytes]] = []
        """What is published after the stream was opened."""
        self.relay()

    def relay(self, *, trim: bool = True) -> None:
        """Publish what waits, a message for each bucket."""
        for one in self.outboxes.read(range(self.ledger.map.buckets), 500):
            self.publish(write_change_message(one.bucket, one.first, 1, one.records))
            if trim:
                self.outboxes.trim([(one.bucket, one.after)])

    def publish(self, text: bytes) -> None:
        """One more message."""
        self.stream.append((len(self.stream), text))

    def of_bucket(self) -> list[int]:
        """Where the messages of our bucket are."""
        return [
            place
            for place, (_, text) in enumerate(self.stream)
            if read_change_message(text).bucket == self.bucket
        ]

    @property
    def next(self) -> int:
        """The number that the bucket's next change gets."""
        with self.server() as client:
            return int(struct.unpack("<QQ", client.hget(self.key, b"O"))[1])

    def server(self) -> Any:
        """A connection to the bucket's server."""
        return self.exchange.at(self.bucket)

    def saved(self) -> bytes:
        """A copy of the bucket."""
        with self.server() as client:
            return bytes(client.dump(self.key))

    def restore(self, copy: bytes) -> None:
        """Back to this copy."""
        with self.server() as client:
            client.restore(self.key, 0, copy, replace=True)

    @contextmanager
    def open(self) -> Iterator[Any]:
        """The stream, which goes on with ``more``."""
        from nextrade.service.proof.changes import LedgerStream

        last = self.stream[-1][0] if self.stream else -1
        yield LedgerStream([*self.stream, *self.more], last)

    def prove(self) -> Any:
        """Prove it."""
        from nextrade.service.ledger.redis.bucket_state import bucket_states
        from nextrade.service.proof.changes import prove_changes

        shards = self.ledger.shards
        return prove_changes(shards, bucket_states(shards), self.open, NAMES.__getitem__)
