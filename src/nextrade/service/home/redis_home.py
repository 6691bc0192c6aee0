"""An exchange that lives in Redis, for people: names, decimal text, plain values."""

from __future__ import annotations

from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from ...domain.protocol.ids import milliseconds_of
from ...errors import ExchangeError
from ...platform.settings import Settings
from ..exchange import Balance
from ..ledger.redis import kept_ids, looking
from ..ledger.redis.bucket_state import bucket_states
from ..ledger.redis.proof import LedgerProof, prove
from ..ledger.redis.scanning import Progress, all_balances
from ..ledger.redis.shards import PATIENCE_S
from ..listings_file import listings_of
from ..proof.exchange import ExchangeProof, prove_exchange, with_batches
from ..proof.stores import StoredOrders
from ..store import RedisBookStore
from .bucket_view import BucketView
from .listed import stored_listings
from .opening import open_ledger, placement_of
from .words import Words

__all__ = ["RedisHome"]


class RedisHome:
    """The ledger of the settings, and the book stores, in which workers keep open orders."""

    def __init__(self, settings: Settings, patience_s: float = PATIENCE_S) -> None:
        self.ledger = open_ledger(settings, patience_s)
        self._settings, self._patience_s = settings, patience_s
        self._store: RedisBookStore | None = None
        self.words = Words(stored_listings(self.store, listings_of(settings)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self.ledger.close()
        if self._store is not None:
            self._store.close()

    @property
    def store(self) -> RedisBookStore:
        """The book stores, opened when they are first asked for."""
        if self._store is None:
            self._store = RedisBookStore(placement_of(self._settings), self._patience_s)
        return self._store

    def deposit(self, account: int, asset: str, amount: str, reference: str) -> bool:
        """Credit what came in from outside; False if the reference was credited before."""
        number = self.words.listings.asset(asset)
        units = self.words.listings.assets[number].base_units(amount)
        return self.ledger.credit(reference, account, number, units)

    def balances(self, account: int) -> dict[str, Balance]:
        """What an account has, by asset; assets that it has nothing of are left out."""
        return {
            self.words.asset(int(row["asset"])): Balance(
                self.words.amount(int(row["asset"]), int(row["available"])),
                self.words.amount(int(row["asset"]), int(row["held"])),
            )
            for row in self.ledger.balances(account)
        }

    def all_balances(self, progress: Progress) -> list[tuple[int, str, str, str]]:
        """Account, asset, available and held of everybody who has anything, ascending."""
        return [
            (
                account,
                self.words.asset(asset),
                self.words.amount(asset, available),
                self.words.amount(asset, held),
            )
            for account, asset, available, held in all_balances(
                self.ledger.shards, progress
            ).tolist()
        ]

    def prove(self, *, full: bool, stream: bool, progress: Progress) -> LedgerProof | ExchangeProof:
        """Prove ledger, book stores and, with ``stream``, the event streams; it may all run.

        Running totals are compared, with ``full`` every balance too. Where no book store was
        founded the ledger is proved alone.
        """
        shards, partitions = self.ledger.shards, self.words.listings.partitions
        states = bucket_states(shards, None, 1 + max(partitions))
        if not any(self.store.founding(n) for n in partitions) and not with_batches(states):
            return prove(shards, full=full, names=self.words.asset, progress=progress)
        open_stream = open_changes = None
        if stream:
            # Imported when it is used: RabbitMQ needs packages that a ledger alone does not.
            from ..proof.rabbit import Streams

            streams = Streams(self._settings)
            open_stream, open_changes = streams.open, streams.open_ledger
        return prove_exchange(
            shards,
            self.store,
            partitions,
            full=full,
            open_stream=open_stream,
            open_changes=open_changes,
            names=self.words.asset,
            progress=progress,
        )

    def inspect_account(self, account: int) -> dict[str, Any]:
        """Balances and open orders of an account, and where they are, as plain values."""
        bucket = self.ledger.map.of_account(account)
        return {
            "account": account,
            "bucket": bucket,
            "shard": self.ledger.shards.where(bucket),
            "balances": {
                name: balance._asdict() for name, balance in self.balances(account).items()
            },
            "orders": self._orders().of_account(account),
            "client_order_ids": self._client_order_ids(account),
        }

    def _client_order_ids(self, account: int) -> list[dict[str, Any]]:
        """The client order ids of an account that its bucket keeps, oldest first."""
        markets = self.words.listings.market_names
        return [
            {
                "client_order_id": text.decode("ascii", "replace"),
                "order": order,
                "market": markets[market] if market < len(markets) else f"market {market}",
                "partition": partition,
                "frame": frame,
                "at": _moment(milliseconds_of(frame)),
            }
            for _, text, order, frame, partition, market in kept_ids.of_account(
                self.ledger.shards, account
            ).tolist()
        ]

    def inspect_hold(self, reference: str) -> dict[str, Any]:
        """What a reference stands for, and how far its hold has come; empty if it is unknown."""
        name = reference.encode()
        shards = self.ledger.shards
        ((claim,),) = looking.read_fields(
            shards, [(shards.map.of_reference(name), [b"claimed:" + name])]
        )
        if claim is None:
            return {}
        told = self.words.claim(claim)
        bucket = shards.map.of_account(int(told["account"]))
        ((entry, credit),) = looking.read_fields(
            shards, [(bucket, [b"on-hold:" + name, b"credits:" + name])]
        )
        if told["purpose"] == "transfer":
            other = shards.map.of_account(int(told["to_account"]))
            ((credit,),) = looking.read_fields(shards, [(other, [b"credits:" + name])])
        return {
            "reference": reference,
            **told,
            "bucket": bucket,
            "shard": shards.where(bucket),
            **self.words.progress(str(told["purpose"]), entry, credit),
        }

    def inspect_order(self, order_id: int) -> dict[str, Any]:
        """An open order as plain values; empty if there is none of this id."""
        return self._orders().of_id(order_id)

    def _orders(self) -> StoredOrders:
        return StoredOrders(self.store, self.words.listings.partitions, self.ledger.map.buckets)

    def inspect_bucket(self, bucket: int) -> dict[str, Any]:
        """Everything about one bucket but its balances, decoded, as plain values."""
        if not 0 <= bucket < self.ledger.map.buckets:
            raise ExchangeError(
                f"there is no bucket {bucket}; there are 0 to {self.ledger.map.buckets - 1}"
            )
        return BucketView(self.ledger.shards, self.words).of(bucket)


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).isoformat()
