"""Which bucket an account falls into, and which shard keeps it."""

from collections import Counter

import numpy as np
import pytest

pytest.importorskip("hiredis", reason="the ledger on Redis needs nextrade[redis]")

from nextrade.errors import WrongMap
from nextrade.service.ledger.redis.bucket_map import BucketMap, ring


@pytest.mark.parametrize(("shards", "buckets"), [(3, 24), (4, 24), (5, 24), (1, 3), (7, 100)])
def test_no_shard_has_more_than_its_share(shards: int, buckets: int) -> None:
    """Every bucket has one shard, and each shard at most its share, rounded up."""
    owners = ring([f"shard-{number}" for number in range(shards)], buckets)

    assert len(owners) == buckets
    assert set(owners) <= set(range(shards))
    assert max(Counter(owners).values()) <= -(-buckets // shards)


def test_ring_is_fixed() -> None:
    """The same shards always get the same buckets: the figures of the first release."""
    assert ring(["s0", "s1", "s2"], 24) == (
        *(0, 1, 1, 1, 1, 1, 1, 0, 2, 2, 2, 1, 0, 0, 2, 2, 2, 2, 0, 2, 0, 0, 0, 1),
    )


def test_a_new_shard_moves_few_buckets() -> None:
    """Beyond the buckets that the new shard gets, few change hands."""
    names = [f"shard-{number}" for number in range(10)]
    before, after = ring(names, 1000), ring([*names, "one-more"], 1000)
    moved_elsewhere = sum(a != b and b != 10 for a, b in zip(before, after, strict=True))

    assert Counter(after)[10] > 50
    assert moved_elsewhere < 200


@pytest.mark.parametrize("names", [[], ["a", "a"]])
def test_shards_need_names(names: list[str]) -> None:
    """A ring needs shards, each with a name of its own."""
    with pytest.raises(ValueError, match="names of their own"):
        ring(names, 24)


@pytest.mark.parametrize("buckets", [1, 3, 24, 64, 1000])
def test_accounts_spread_over_the_buckets(buckets: int) -> None:
    """Accounts with neighbouring numbers spread evenly, and both ways to compute agree."""
    bucket_map = BucketMap.founded(["a", "b"], buckets)
    accounts = np.arange(100 * buckets, dtype=np.uint32)
    found = bucket_map.of_accounts(accounts)
    counts = np.bincount(found, minlength=buckets)

    assert found[:50].tolist() == [bucket_map.of_account(account) for account in range(50)]
    assert bucket_map.of_account(2**32 - 1) == bucket_map.of_accounts(accounts[:1] - 1)[0]
    assert counts.min() >= 95
    assert counts.max() <= 105


def test_stored_map_reads_back() -> None:
    """A map is stored as text and read back as it was; anything else is refused."""
    for shards in (["a", "b"], []):
        bucket_map = BucketMap.founded(shards)
        assert BucketMap.from_json(bucket_map.to_json()) == bucket_map
    for text in ("", "{}", "[]", '{"version": 0, "buckets": 1, "shards": [], "owners": []}'):
        with pytest.raises(WrongMap):
            BucketMap.from_json(text)


def test_a_map_leaves_no_bucket_out() -> None:
    """A map of shards names one for every bucket."""
    with pytest.raises(ValueError, match="every bucket"):
        BucketMap(1, 3, ("a",), (0, 0))
    with pytest.raises(ValueError, match="buckets"):
        BucketMap(1, 0, (), ())


def test_shares_cannot_overflow() -> None:
    """What may come in through all buckets together is at most 2**62 of an asset."""
    for buckets in (1, 24, 4096):
        bucket_map = BucketMap.founded(["a"], buckets)
        assert bucket_map.share * buckets <= 2**62
