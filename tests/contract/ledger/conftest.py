"""Fixtures of the ledger's contract: each home once a run, a new ledger for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nextrade.service.ledger import Ledger

from .homes import NAMES, Home, home


@pytest.fixture(scope="session")
def memory_home() -> Iterator[Home]:
    """Set up the home in this process."""
    with home("memory", Path()) as made:
        yield made


@pytest.fixture(scope="session")
def redis_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Set up three servers of our own."""
    with home("redis", tmp_path_factory.mktemp("redis")) as made:
        yield made


@pytest.fixture(scope="session")
def cluster_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Set up a Redis Cluster of three servers."""
    with home("cluster", tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture(params=NAMES)
def any_home(request: pytest.FixtureRequest) -> Home:
    """Give each home in turn."""
    return request.getfixturevalue(f"{request.param}_home")


@pytest.fixture(params=NAMES[1:])
def server_home(request: pytest.FixtureRequest) -> Home:
    """Give each home that has servers in turn."""
    return request.getfixturevalue(f"{request.param}_home")


@pytest.fixture
def ledger(any_home: Home) -> Ledger:
    """Give a new ledger of each home in turn."""
    return any_home.new()
