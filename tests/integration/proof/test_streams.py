"""The whole proof of an exchange: Redis servers, and a stream in a real RabbitMQ."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nextrade.cli import root
from tests.rabbit_here import Look, need_rabbit, target_of
from tests.redis_here import running
from tests.unit.service.proof.trading import trade


@pytest.fixture
def _exchange(
    broker: Any, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Settings that lead to a founded exchange with an empty stream."""
    need_rabbit()
    monkeypatch.chdir(tmp_path)
    with running(tmp_path / "redis", 2) as servers:
        for name, value in {
            "LEDGER__HOME": "redis",
            "LEDGER__SHARDS": ",".join(server.address for server in servers),
            "RABBIT__ADDRESSES": broker.address,
            "RABBIT__USERNAME": "nextrade",
            "RABBIT__PASSWORD": broker.password,
            "RABBIT__PREFIX": prefix,
        }.items():
            monkeypatch.setenv(f"NEXTRADE_{name}", value)
        assert call("shards", "found").exit_code == 0
        for words in (
            ("1", "BTC", "2", "--reference", "a"),
            ("2", "USDT", "1000", "--reference", "b"),
        ):
            assert call("deposit", *words).exit_code == 0
        yield


def call(*words: str) -> Result:
    """Run the command with these words."""
    return CliRunner().invoke(root, list(words), prog_name="nextrade")


@pytest.mark.usefixtures("_exchange")
def test_verify_reads_the_streams(broker: Any, prefix: str) -> None:
    """It agrees once the messages are there; before, what was confirmed is missing."""
    from nextrade.platform.settings import read_settings

    streams = trade(read_settings())
    with Look(target_of(broker)) as look:
        look.declare(f"{prefix}.events.0", x_queue_type="stream")
        empty = call("verify")
        for message in streams[0]:
            look.channel.basic_publish("", f"{prefix}.events.0", message)
        whole = call("verify", "--full")

    assert empty.exit_code == 1
    assert "batch 1 was confirmed by the broker, and it has none" in empty.stdout.replace("\n", " ")
    assert whole.exit_code == 0, whole.output
    assert "2 open orders; its stream agrees up to batch 1" in whole.stdout
    assert "Everything is accounted for (full walk)." in whole.stdout
