"""Open orders as the book stores have them, for people who look while workers run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...domain.protocol.replica import Replica
from ..exchange.open_order import open_order_plain
from ..store import RedisBookStore
from .books import rebuilt

__all__ = ["StoredOrders"]


class StoredOrders:
    """Open orders after the last batch of each partition. Raises StoreError if one is damaged."""

    def __init__(self, store: RedisBookStore, partitions: Sequence[int], buckets: int) -> None:
        self._store, self._partitions, self._buckets = store, partitions, buckets

    def of_account(self, account: int) -> list[dict[str, Any]]:
        """The open orders of an account, ascending by market and id."""
        return [
            order for replica in self._replicas() for order in _plain(replica, "account", account)
        ]

    def of_id(self, order_id: int) -> dict[str, Any]:
        """The open order of this id; empty if there is none."""
        for replica in self._replicas():
            for order in _plain(replica, "order_id", order_id):
                return order
        return {}

    def _replicas(self) -> Iterator[Replica]:
        for number in self._partitions:
            if not self._store.founding(number):
                continue
            acquired = self._store.look(number)
            replica = rebuilt(acquired, number, self._buckets)
            for entry in acquired.entries:
                replica.replay(entry)
            yield replica


def _plain(replica: Replica, field: str, value: int) -> list[dict[str, Any]]:
    partition = replica.partition
    orders = partition.open_orders()
    return [
        open_order_plain(partition.listings, partition, row)
        for row in orders[orders[field] == value]
    ]
