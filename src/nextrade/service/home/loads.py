"""How the buckets of a ledger lie on its shards, and how much each shard has to carry."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from ..ledger.redis.bucket_state import bucket_states
from ..ledger.redis.link import packed
from ..ledger.redis.shards import Shards

__all__ = ["ShardLoad", "loads"]


@dataclass(frozen=True, slots=True)
class ShardLoad:
    """One shard. ``sums`` gives available plus held of its buckets, by asset."""

    name: str
    address: str
    buckets: tuple[int, ...]
    missing: tuple[int, ...]
    """Buckets that the map places here and that are not."""
    fields: int
    memory_bytes: int
    calls_per_second: int
    sums: dict[int, int]


def loads(shards: Shards) -> list[ShardLoad]:
    """The load of every shard, in their order."""
    states = bucket_states(shards)
    sizes = shards.exchange(
        [(state.bucket, packed(b"HLEN", shards.map.key(state.bucket))) for state in states]
    )
    of_address: dict[str, list[int]] = defaultdict(list)
    for state in states:
        of_address[shards.placement.address_of(shards.map, state.bucket)].append(state.bucket)
    found = []
    for name, address in shards.named():
        buckets = of_address[address]
        sums: dict[int, int] = defaultdict(int)
        for bucket in buckets:
            for asset, (available, held, *_) in states[bucket].sums().items():
                sums[asset] += available + held
        info = shards.info(address)
        found.append(
            ShardLoad(
                name,
                address,
                tuple(buckets),
                tuple(bucket for bucket in buckets if states[bucket].fault),
                sum(int(sizes[bucket]) for bucket in buckets),
                int(info["used_memory"]),
                int(info["instantaneous_ops_per_sec"]),
                dict(sorted(sums.items())),
            )
        )
    return found
