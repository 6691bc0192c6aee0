"""Servers for the commands that work on an exchange on Redis, and words to call commands with."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ...redis_here import running
from .calling import call


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list]:
    """Three servers for all tests of this module."""
    with running(tmp_path_factory.mktemp("redis")) as found:
        yield found


@pytest.fixture
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the machine, and a folder to write to."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("NEXTRADE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def _empty(_in_a_folder_of_its_own: None, servers: list, monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers are empty, and named in the settings."""
    for server in servers:
        with server.client() as client:
            client.flushall()
            client.function_flush()
    monkeypatch.setenv("NEXTRADE_LEDGER__HOME", "redis")
    monkeypatch.setenv("NEXTRADE_LEDGER__SHARDS", ",".join(one.address for one in servers))


@pytest.fixture
def _founded(_empty: None) -> None:
    """A ledger was founded on the servers."""
    assert call("shards", "found").exit_code == 0
