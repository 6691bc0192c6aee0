"""Servers for small exchanges."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.redis_here import need_redis, running


@pytest.fixture(scope="session")
def proof_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list]:
    """Three servers for all tests of this folder."""
    with running(tmp_path_factory.mktemp("redis")) as found:
        yield found


@pytest.fixture
def found(proof_servers: list) -> Iterator[Callable]:
    """Found a small exchange on empty servers."""
    need_redis()
    from .driver import SmallExchange

    made: list[SmallExchange] = []

    def new(seed: int = 1, **limits: int) -> SmallExchange:
        for server in proof_servers:
            with server.client() as client:
                client.flushall()
        made.append(SmallExchange(proof_servers, seed, **limits))
        return made[-1]

    yield new
    for one in made:
        one.close()


@pytest.fixture
def told(found: Callable) -> Any:
    """An exchange with deposits of all accounts, all of them published."""
    from .told import Told

    return Told(found())
