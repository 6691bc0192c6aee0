"""From the settings to an exchange on Redis: its servers, who we are, ledger and book stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...domain.listings import Listings
from ...errors import SettingsError, StoreError, WrongMap
from ...platform.redis_access import access_of
from ...platform.redis_stack import shards_of
from ...platform.settings import Settings
from ..ledger.redis import ClusterShards, NamedShards, RedisLedger, Replication
from ..ledger.redis.bucket_map import BucketMap
from ..ledger.redis.bucket_state import BucketState, bucket_states
from ..ledger.redis.shards import PATIENCE_S, Shards
from ..listings_file import listings_of
from ..store import RedisBookStore
from ..store.founding import check_same, open_listings, write_founding
from .listed import stored_listings

__all__ = ["Founding", "found_ledger", "open_ledger", "placement_of"]


def placement_of(settings: Settings) -> NamedShards | ClusterShards:
    """Where the servers of the ledger are; SettingsError or StackError if that is not said."""
    access = access_of(settings)
    replication = Replication(settings.ledger.replicas, settings.ledger.replica_timeout_ms)
    if not settings.ledger.cluster:
        return NamedShards(shards_of(settings), access, replication)
    if not settings.ledger.shards:
        raise SettingsError(
            "[ledger] cluster = true needs shards: some servers of the Redis Cluster, to find it"
        )
    if any(address.startswith("/") for address in settings.ledger.shards):
        raise SettingsError("[ledger] shards of a Redis Cluster are HOST:PORT, not sockets")
    return ClusterShards(settings.ledger.shards, access, replication)


def open_ledger(settings: Settings, patience_s: float = PATIENCE_S) -> RedisLedger:
    """The ledger of the settings; WrongMap if there is none, or one that was founded otherwise."""
    ledger = RedisLedger(placement_of(settings), patience_s)
    if ledger.map.buckets != settings.ledger.buckets:
        ledger.close()
        raise WrongMap(_otherwise(ledger.map, settings))
    return ledger


@dataclass(frozen=True, slots=True)
class Founding:
    """What founding did."""

    bucket_map: BucketMap
    addresses: tuple[str, ...]
    new_map: bool
    """Whether the map was stored now; else it was there before."""
    new_buckets: int
    """How many buckets were founded now."""
    new_functions: int
    """At how many servers the functions of this version were loaded now."""
    partitions: tuple[int, ...]
    """The partitions that the settings list."""
    new_stores: tuple[int, ...]
    """Those whose book stores were founded now."""


def found_ledger(settings: Settings, patience_s: float = PATIENCE_S) -> Founding:
    """Found ledger and book stores of the settings, or finish doing so; changes nothing else.

    Raises WrongMap if the servers hold a ledger that was founded otherwise, or have lost a
    bucket of one; StoreError for a book store likewise.
    """
    listings = listings_of(settings)
    placement = placement_of(settings)
    names = tuple(placement.by_name) if isinstance(placement, NamedShards) else ()
    wanted = BucketMap.founded(names, settings.ledger.buckets)
    shards = Shards(placement, wanted, patience_s)
    stored = {text for address in placement.addresses() if (text := shards.stored_text(address))}
    for text in stored:
        if (there := BucketMap.from_json(text)) != wanted:
            raise WrongMap(_otherwise(there, settings))
    functions = shards.without_library()
    states = bucket_states(shards, partitions=1 + max(listings.partitions))
    shards.close()
    missing = [state.bucket for state in states if state.fault]
    if missing and any(state.outside_batches for state in states):
        # Founded anew it would be empty, and what it had would be gone without a trace.
        raise WrongMap(
            f"{_listed(missing)} of this ledger lost its data, while others have balances: restore"
            " the data of the server, nothing is founded over it"
        )
    RedisLedger.found(placement, settings.ledger.buckets, patience_s).close()
    store = RedisBookStore(placement, patience_s)
    try:
        new = _found_stores(store, listings, settings.ledger.buckets, states)
    finally:
        store.close()
    return Founding(
        wanted,
        placement.addresses(),
        not stored,
        len(missing),
        len(functions),
        listings.partitions,
        new,
    )


def _found_stores(
    store: RedisBookStore, listings: Listings, buckets: int, states: Sequence[BucketState]
) -> tuple[int, ...]:
    """Found the book store of every partition; return those that were not there."""
    settled = {
        partition
        for state in states
        for partition, mark in state.watermarks
        if int.from_bytes(mark[8:16], "little")
    }
    new = []
    current = stored_listings(store, listings)
    founded = listings
    for partition in listings.partitions:
        there = store.founding(partition)
        if there:
            founded = open_listings(there)
            check_same(founded, current, listings, partition)
        elif partition in settled:
            raise StoreError(
                f"the book store of partition {partition} lost its data, while the ledger has"
                " settled batches of it: restore the data of its server, nothing is founded over it"
            )
        else:
            new.append(partition)
        store.found(partition, write_founding(founded, buckets))
    return tuple(new)


def _listed(buckets: list[int]) -> str:
    return f"bucket{'' if len(buckets) == 1 else 's'} {', '.join(map(str, buckets))}"


def _otherwise(there: BucketMap, settings: Settings) -> str:
    def told(buckets: int, shards: tuple[str, ...]) -> str:
        where = f"over the shards {', '.join(shards)}" if shards else "on a Redis Cluster"
        return f"{buckets} buckets {where}"

    ledger = settings.ledger
    names = () if ledger.cluster else tuple(shards_of(settings))
    return (
        f"this ledger was founded with {told(there.buckets, there.shards)}; the settings say"
        f" {told(ledger.buckets, names)}: set [ledger] back to the former, or name empty servers"
    )
