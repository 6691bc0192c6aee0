"""What the doctor says of a broker: version, queues, alarm; or why it cannot be asked."""

from pathlib import Path
from typing import Any

import pytest

from nextrade.platform.settings import Settings, read_settings

from ...rabbit_here import eventually, target_of


def told(folder: Path, broker: Any, **changes: str) -> dict[str, tuple[str, str]]:
    """State and finding by name."""
    from nextrade.service.doctor_rabbit import examine_rabbit

    known = {"ADDRESSES": broker.address, "USERNAME": "nextrade", "PASSWORD": broker.password}
    environment = {f"NEXTRADE_RABBIT__{key}": text for key, text in (known | changes).items()}
    settings: Settings = read_settings(environment=environment, folder=folder)
    return {one.name: (one.state, one.found) for one in examine_rabbit(settings)}


def test_a_broker_is_looked_at(broker: Any, topology: Any, tmp_path: Path) -> None:
    """Version, missing queues, and that it takes messages; a wrong password is told."""
    found = told(tmp_path, broker, PREFIX=topology.prefix)
    refused = told(tmp_path, broker, PASSWORD="wrong")

    assert found["rabbitmq"][0] == "ok"
    assert found["rabbitmq"][1].endswith(f" at {broker.address}")
    assert found["queues"] == ("note", f"{topology.prefix}.dead.1 is not there; and 3 more")
    assert found["rabbitmq alarm"] == ("ok", "none: it takes messages")
    assert refused["rabbitmq"][0] == "note"
    assert "refuses 'nextrade'" in refused["rabbitmq"][1]
    assert "workers" not in found


def test_queues_without_workers(broker: Any, topology: Any, tmp_path: Path) -> None:
    """Queues that are there and nobody works behind are told; so is a queue that differs."""
    from nextrade.platform.rabbit.asking import Asking

    target = target_of(broker)
    topology.declare(target, (0, 1))
    found = told(tmp_path, broker, PREFIX=topology.prefix)
    assert found["queues"] == ("ok", "of 2 partitions as they are to be")
    assert found["workers"] == ("note", "none for partitions 0, 1")
    assert found["backlog"] == ("ok", "0 frames wait")
    assert found["dead letters"] == ("ok", "none")
    with Asking(target, "test") as asking:
        asking.delete(topology.orders(0))
        asking.declare(topology.orders(0), {"x-queue-type": "quorum"})

    state, text = told(tmp_path, broker, PREFIX=topology.prefix)["queues"]
    assert state == "wrong"
    assert "PRECONDITION_FAILED" in text


@pytest.mark.full
def test_a_broker_short_of_room(broker: Any, topology: Any, tmp_path: Path) -> None:
    """A broker that takes no messages is wrong, and nothing more is asked of it."""
    broker.control("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        eventually(
            lambda: (
                told(tmp_path, broker, PREFIX=topology.prefix)["rabbitmq alarm"]
                == ("wrong", "an alarm: it takes no messages")
            )
        )
    finally:
        broker.control("set_vm_memory_high_watermark", "absolute", "1GB")
    eventually(lambda: told(tmp_path, broker)["rabbitmq alarm"][0] == "ok")
