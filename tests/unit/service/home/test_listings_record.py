"""The record of the current listings, on a real server."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nextrade.domain.listings import Listings
from nextrade.errors import StoreError
from nextrade.service.listings_file import default_listings
from tests.redis_here import running

FOUNDED = default_listings()


def version(number: int, **of_market: Any) -> Listings:
    """The listings of a version, with something of the first market changed."""
    first = replace(FOUNDED.listings[0], **of_market)
    return replace(FOUNDED, version=number, listings=(first, *FOUNDED.listings[1:]))


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list]:
    """Two servers."""
    with running(tmp_path_factory.mktemp("redis"), count=2) as found:
        yield found


@pytest.fixture
def stores(servers: list) -> Iterator[list]:
    """Two clients of a book store."""
    from nextrade.service.ledger.redis import RedisLedger
    from nextrade.service.store import RedisBookStore

    for server in servers:
        with server.client() as client:
            client.flushall()
    addresses = {Path(server.folder).name: server.address for server in servers}
    RedisLedger.found(addresses, 4).close()
    found = [RedisBookStore(addresses) for _ in range(2)]
    yield found
    for store in found:
        store.close()


def test_of_several_proposals_one_wins(stores: list) -> None:
    """Whoever made the same is no loser; a version that is decided takes no proposal."""
    from nextrade.service.store.listed import ListingsRecord

    mine, other = (ListingsRecord(store) for store in stores)
    assert mine.read() == (None, None)
    one, two = version(2, min_qty_lots=2), version(2, min_qty_lots=3)
    assert mine.propose(one)
    assert not other.propose(two)
    assert other.propose(one)
    assert other.read() == (None, one)
    other.adopt(one)
    assert mine.read() == (one, None)
    assert not mine.propose(two)
    assert not mine.propose(one)


def test_adopting_may_be_repeated_and_come_late(stores: list) -> None:
    """Another version is never brought back, nor one made another."""
    from nextrade.service.store.listed import ListingsRecord

    record, late = (ListingsRecord(store) for store in stores)
    for number in (2, 3, 4):
        assert record.propose(version(number))
        record.adopt(version(number))
    late.adopt(version(2))
    late.adopt(version(4, min_qty_lots=9))

    assert record.read() == (version(4), None)


def test_a_damaged_record_says_so(stores: list, servers: list) -> None:
    """It is never taken for other listings."""
    from nextrade.service.store.listed import ListingsRecord

    with servers[0].client() as client:
        client.hset("nextrade:{p0}:listings", "a2", "damaged")
    with pytest.raises(StoreError, match="cannot be read"):
        ListingsRecord(stores[0]).read()
