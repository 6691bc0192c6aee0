"""All private servers of a folder, for real: Redis and RabbitMQ, killed and started again."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nextrade.errors import StackError
from nextrade.platform import rabbit_program, redis_program, servers
from nextrade.platform.redis_question import ask
from nextrade.platform.servers import Servers
from nextrade.platform.setting_kinds import Hidden
from nextrade.platform.setting_sections import StackSettings

from ..rabbit_here import eventually, need_rabbit
from ..redis_here import need_redis


def wanted(folder: Path, **changes: Any) -> StackSettings:
    """One Redis server and a RabbitMQ."""
    known = {"folder": folder, "shards": 1, "appendfsync": "always", "rabbit": True, "workers": 0}
    known |= {"replicas": 0, "password": Hidden("")}
    return StackSettings(**known | changes)


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Servers]:
    """Servers that are not started yet, and are stopped after the test whatever it did."""
    need_redis()
    need_rabbit()
    found = Servers(wanted(tmp_path / "stack"))
    yield found
    found.down()


@pytest.mark.full
def test_killed_servers_come_back_as_they_were(both: Servers) -> None:
    """After a kill of both, up brings them back on their ports, with their data and login."""
    from nextrade.platform.rabbit.target import RabbitTarget

    from ..rabbit_here import Look

    waits: list[float] = []
    before = both.up(waits.append)
    assert [(one.name, one.state) for one in before] == [
        ("redis-1", "running"),
        ("rabbit", "running"),
    ]
    assert both.all_run(before)
    assert waits == sorted(waits)
    assert waits[-1] > 0
    redis, rabbit = before
    assert redis.address is not None
    assert rabbit.address is not None
    assert ask(redis.address, "SET", "name", "value") == b"OK"
    target = RabbitTarget((rabbit.address,), "nextrade", both.rabbit.password)
    with Look(target) as look:
        look.declare("kept")
    for one in before:
        assert one.pid is not None
        os.kill(one.pid, signal.SIGKILL)
    eventually(lambda: {one.state for one in both.status()} == {"stopped"})
    assert not both.all_run(both.status())

    after = both.up()
    again = both.up()

    assert [one.port for one in after] == [one.port for one in before]
    assert not {one.pid for one in after} & {one.pid for one in before}
    assert [one.pid for one in again] == [one.pid for one in after]
    assert ask(redis.address, "GET", "name") == b"value"
    with Look(target) as look:
        assert look.count("kept") == 0
    assert {name for name, _ in both.logs(5)} == {"redis-1", "rabbit"}
    assert both.down() == ["redis-1", "rabbit"]
    assert both.down() == []
    assert not (both.rabbit.home / "epmd.pid").exists()


def test_strangers_are_left_alone(tmp_path: Path) -> None:
    """A process id that went to a stranger is neither taken for RabbitMQ nor stopped."""
    found = Servers(wanted(tmp_path))
    found.rabbit.home.mkdir()
    (found.rabbit.home / "rabbit.pid").write_text(f"{os.getpid()}\n")
    (found.rabbit.home / "epmd.pid").write_text(f"{os.getpid()}\n")

    assert [one.state for one in found.status()] == ["stopped", "stopped"]
    assert found.down() == []


def test_what_is_missing_is_mended_by_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs that are not installed are named before anything starts, with one line for all."""
    need_redis()
    monkeypatch.setattr(rabbit_program, "_USUAL", ())
    monkeypatch.setattr(rabbit_program.shutil, "which", lambda _: None)
    monkeypatch.setattr(redis_program, "redis_version", lambda: (7, 0, 0))
    assert servers.missing(with_rabbit=False) == ""
    only = servers.missing(with_rabbit=True)
    assert only.startswith("rabbitmq-server is not installed; install it with: ")
    assert only.endswith("; or set rabbit = false in [stack]")

    monkeypatch.setattr(redis_program, "redis_version", lambda: None)
    with pytest.raises(StackError) as caught:
        Servers(wanted(tmp_path / "stack")).up()
    text = str(caught.value)
    assert "redis-server is not installed; rabbitmq-server is not installed;" in text
    assert text.count("install both with:") == 1
    assert not (tmp_path / "stack").exists()


@pytest.mark.parametrize(
    ("manager", "line"),
    [
        ("apt-get", "apt-get install redis-server rabbitmq-server"),
        ("dnf", "dnf install redis rabbitmq-server"),
        ("pacman", "pacman -S redis rabbitmq"),
        ("brew", "brew install redis rabbitmq"),
    ],
)
def test_each_system_has_its_line(manager: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The packages are named as the system's own package manager names them."""
    from nextrade.platform import install_line

    monkeypatch.setattr(
        install_line.shutil, "which", lambda name: name if name == manager else None
    )
    monkeypatch.setattr(install_line.os, "geteuid", lambda: 0, raising=False)

    assert install_line.install_line("redis-server", "rabbitmq-server") == line
