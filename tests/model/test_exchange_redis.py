"""Seeded streams through partitions over a ledger on three Redis servers."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.model.exchange_differential import run
from tests.model.exchange_faces import Real
from tests.model.exchange_settings import ASSETS, SETTINGS
from tests.model.exchange_streams import ExchangeStream
from tests.oracle.exchange.listing import Listing
from tests.redis_here import running

PAIRS = [(account, asset) for account in range(9) for asset in range(len(ASSETS))]
MODERATE = [setting for setting in SETTINGS if setting.name != "huge"]
"""A bucket takes in no more than its share of what a ledger does, so nobody is rich here."""


class OnRedis(Real):
    """The real exchange, its balances on servers."""

    reopen: Callable[[], Any]

    def balances(self) -> dict[tuple[int, int], tuple[int, int]]:
        return {
            (account, asset): (available, held)
            for account, asset, available, held in self.ledger.balances(PAIRS).tolist()
            if available or held
        }

    def restart(self) -> None:
        """Another worker takes over, who knows nothing of the first one."""
        self.restart_partitions()
        self.ledger = self.reopen()


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list]:
    """Three servers for all tests of this module."""
    with running(tmp_path_factory.mktemp("redis")) as servers:
        yield servers


def agree(shards: list, seed: int, commands: int) -> None:
    """Fail if the oracle and an exchange on empty servers differ anywhere."""
    from nextrade.service.ledger.redis import RedisLedger

    for server in shards:
        with server.client() as client:
            client.flushall()
    addresses = {server.folder.name: server.address for server in shards}
    opened = [RedisLedger.found(addresses, buckets=5)]

    def reopen() -> Any:
        opened.append(RedisLedger(addresses))
        return opened[-1]

    def founded(listings: tuple[Listing, ...]) -> OnRedis:
        exchange = OnRedis(listings, ledger=opened[0])
        exchange.reopen = reopen
        return exchange

    setting = MODERATE[seed % len(MODERATE)]
    steps = ExchangeStream(seed, setting).steps(commands)
    try:
        assert run(setting, steps, founded) == ""
    finally:
        for ledger in opened:
            ledger.close()


@pytest.mark.parametrize("seed", range(6))
def test_an_exchange_on_redis_does_what_the_oracle_does(shards: list, seed: int) -> None:
    """Events, balances, holds and totals are the same over three shards."""
    agree(shards, seed, 200)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(2000, 2100))
def test_an_exchange_on_redis_does_so_for_long(shards: list, seed: int) -> None:
    """So they are over many longer streams."""
    agree(shards, seed, 1000)
