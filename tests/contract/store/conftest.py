"""Fixtures of the book store's contract: each home once a run, a new store for each test."""

from collections.abc import Iterator

import pytest

from nextrade.domain.protocol.ports import BookStore

from .homes import NAMES, Home, home


@pytest.fixture(scope="session", params=NAMES)
def any_home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """Give each home in turn."""
    with home(request.param, tmp_path_factory.mktemp(request.param)) as made:
        yield made


@pytest.fixture(scope="session")
def one_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Give one server of our own, past whose client a test may look."""
    with home("one", tmp_path_factory.mktemp("one")) as made:
        yield made


@pytest.fixture
def store(any_home: Home) -> BookStore:
    """Give a new store of each home in turn, founded for partitions 0 and 1."""
    return any_home.new(0, 1)
