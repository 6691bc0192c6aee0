"""A broker with the queues of an exchange, settings that lead there, and small workers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nextrade.cli import root
from nextrade.service.listings_file import default_listings

from ...rabbit_here import Look, need_rabbit, target_of


@pytest.fixture(autouse=True)
def _rabbit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_rabbit()
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def look(broker: Any, prefix: str) -> Iterator[Look]:
    """A connection of the test's own, and the queues of both partitions."""
    with Look(target_of(broker)) as found:
        found.declare(f"{prefix}.ledger", x_queue_type="stream")
        for partition in default_listings().partitions:
            for kind in ("orders", "dead"):
                found.declare(f"{prefix}.{kind}.{partition}")
            found.declare(f"{prefix}.events.{partition}", x_queue_type="stream")
        yield found


@pytest.fixture
def bus(broker: Any, prefix: str, look: Look, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ARG001
    """The bus of settings that lead to this test's queues, given by the environment."""
    from nextrade.platform.settings import read_settings
    from nextrade.service.gateway.opening import Bus

    for name, value in {
        "RABBIT__ADDRESSES": broker.address,
        "RABBIT__USERNAME": "nextrade",
        "RABBIT__PASSWORD": broker.password,
        "RABBIT__PREFIX": prefix,
        "RABBIT__HEARTBEAT_S": "5",
    }.items():
        monkeypatch.setenv(f"NEXTRADE_{name}", value)
    return Bus(read_settings())


@pytest.fixture
def workers(broker: Any, prefix: str, bus: Any) -> Iterator[list]:
    """A small worker for each partition."""
    from .exchange_here import SmallWorker

    parameters = target_of(broker).parameters("worker")[0]
    found = []
    try:
        for partition in bus.listings.partitions:
            worker = SmallWorker(parameters, bus.listings, partition, prefix)
            found.append(worker)
        yield found
    finally:
        for worker in found:
            worker.close()


@pytest.fixture
def call(bus: Any) -> Callable[..., Result]:  # noqa: ARG001
    """The command line, in the settings of this test."""

    def run(*words: str, given: str | bytes = "") -> Result:
        return CliRunner().invoke(root, list(words), input=given, prog_name="nextrade")

    return run
