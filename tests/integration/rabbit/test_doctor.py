"""What the doctor says of a broker: version, queues, alarm; or why it cannot be asked."""

from pathlib import Path
from typing import Any

from nextrade.platform.settings import Settings, read_settings


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

    assert found["rabbit"][0] == "ok"
    assert found["rabbit"][1].startswith("RabbitMQ ")
    assert found["rabbit queues"] == ("note", f"{topology.prefix}.dead.1 is not there and 3 more")
    assert found["rabbit alarm"] == ("ok", "it takes messages")
    assert refused["rabbit"][0] == "wrong"
    assert "refuses 'nextrade'" in refused["rabbit"][1]
