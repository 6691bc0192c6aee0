"""Private Redis servers with replicas: they have everything, come back, and are never harmed."""

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nextrade.cli import root
from nextrade.errors import StackError
from nextrade.platform import redis_stack
from nextrade.platform.redis_question import ask, ask_info
from nextrade.platform.redis_stack import RedisStack, ServerStatus
from nextrade.platform.settings import read_settings

from ..redis_here import need_redis


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[RedisStack]:
    """A primary with two replicas, not yet started; stopped after the test."""
    need_redis()
    found = RedisStack(tmp_path / "stack", 1, replicas=2)
    yield found
    found.down()


def said(server: ServerStatus, *words: str) -> bytes | None:
    """What a server answers."""
    assert server.address is not None
    return ask(server.address, *words)


def kill(server: ServerStatus) -> None:
    """End a server at once, and wait until it is gone."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    while redis_stack._works_in(server.pid, server.folder):
        time.sleep(0.01)


def arrives(server: ServerStatus, name: str, value: bytes) -> bool:
    """Whether a value comes to a server in time."""
    end = time.monotonic() + 10
    while said(server, "GET", name) != value and time.monotonic() < end:
        time.sleep(0.01)
    return said(server, "GET", name) == value


def test_replicas_have_what_the_primary_has(stack: RedisStack) -> None:
    """They follow it from the end of up on, take no changes themselves, and end before it."""
    one, *replicas = stack.up()

    assert [one.name for one in (one, *replicas)] == list(stack.names)
    assert stack.names == ("redis-1", "redis-1-replica-1", "redis-1-replica-2")
    assert stack.addresses == (one.address,)
    assert ask_info(one.address or "")["connected_slaves"] == "2"
    assert said(one, "SET", "name", "value") == b"OK"
    assert all(arrives(replica, "name", b"value") for replica in replicas)
    assert said(replicas[0], "SET", "name", "other") is None
    begin = time.monotonic()
    assert stack.down() == list(stack.names)
    assert time.monotonic() - begin < 5


def test_killed_ones_come_back(stack: RedisStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any replica nothing is taken; up brings replicas back, and finds a moved primary."""
    # Whoever has the port of a primary that moved accepts and says nothing.
    monkeypatch.setattr("nextrade.platform.redis_question._REPLY_SECONDS", 0.5)
    one, first, second = stack.up()
    kill(first)
    assert said(one, "SET", "name", "with one") == b"OK"
    kill(second)
    assert said(one, "SET", "name", "with none") is None
    one, first, second = stack.up()
    assert said(one, "SET", "name", "with both") == b"OK"
    kill(one)
    with socket.create_server(("127.0.0.1", one.port or 0)):  # it must go elsewhere
        moved, *replicas = stack.up()

        assert moved.port != one.port
        assert [replica.pid for replica in replicas] == [first.pid, second.pid]
        assert said(moved, "SET", "name", "after") == b"OK"
        assert all(arrives(replica, "name", b"after") for replica in replicas)


def test_a_primary_without_data_takes_none_from_its_replica(stack: RedisStack) -> None:
    """If the data of a primary is gone up refuses; copied from the replica it goes on."""
    one, first, _ = stack.up()
    assert said(one, "SET", "name", "value") == b"OK"
    assert arrives(first, "name", b"value")
    stack.down()
    shutil.rmtree(one.folder)

    with pytest.raises(StackError, match="redis-1 has no data, and its replica has: copy"):
        stack.up()
    one.folder.mkdir()
    shutil.copytree(first.folder / "appendonlydir", one.folder / "appendonlydir")
    again, *replicas = stack.up()
    assert said(again, "GET", "name") == b"value"
    assert all(arrives(replica, "name", b"value") for replica in replicas)


def test_one_that_may_not_end_yet_is_asked_again(stack: RedisStack) -> None:
    """While a server writes its first append-only file it refuses to end, and then goes on."""
    one, *_ = stack.up()
    for number in range(15):
        assert said(one, "SET", f"key-{number}", "value") == b"OK"
    assert said(one, "CONFIG", "SET", "rdb-key-save-delay", "100000") == b"OK"
    for word in ("no", "yes"):
        assert said(one, "CONFIG", "SET", "appendonly", word) == b"OK"

    assert stack.down() == list(stack.names)
    assert "Writing initial AOF, can't exit" in (one.folder / "redis.log").read_text()


def test_replicas_come_and_go_with_the_setting(stack: RedisStack) -> None:
    """More of them join a primary that runs; where none is wanted none is needed."""
    alone = RedisStack(stack.folder, 1)
    (before,) = alone.up()
    assert said(before, "SET", "name", "value") == b"OK"
    one, first, _ = stack.up()
    assert one.pid == before.pid
    assert arrives(first, "name", b"value")
    stack.down()
    alone.up()

    assert [server.state for server in alone.status()] == ["running", "stopped", "stopped"]
    assert said(one, "SET", "name", "alone") == b"OK"


def call(*words: str) -> Result:
    """Run the command with these words, which must succeed."""
    done = CliRunner().invoke(root, list(words), prog_name="nextrade")
    assert done.exit_code == 0, done.output
    return done


def test_an_exchange_on_replicas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger on a stack with replicas waits for them, unless it is told otherwise."""
    need_redis()
    monkeypatch.chdir(tmp_path)
    for name, value in {"SHARDS": "1", "REPLICAS": "1", "RABBIT": "false"}.items():
        monkeypatch.setenv(f"NEXTRADE_STACK__{name}", value)
    followed = read_settings()
    try:
        up = call("stack", "up")
        written = Path("nextrade.toml").read_text()
        call("deposit", "1", "BTC", "1", "--reference", "a")
        doctor = call("doctor").stdout
        status = json.loads(call("stack", "status", "--json").stdout)
        replica = status[1]
        os.kill(replica["pid"], signal.SIGKILL)
        lacks = CliRunner().invoke(root, ["doctor"]).stdout
        monkeypatch.setenv("NEXTRADE_LEDGER__REPLICAS", "0")
        told = call("stack", "up").stdout
    finally:
        down = call("stack", "down").stdout

    assert (followed.ledger.replicas, followed.origins["ledger.replicas"]) == (
        1,
        "[stack] replicas",
    )
    assert "redis-1-replica-1  running" in up.stdout
    assert "replicas = 1" in written
    assert [(one["name"], one["waiting"]) for one in status] == [
        ("redis-1", 1),
        ("redis-1-replica-1", None),
    ]
    for line in ("stack: 2 of 2 servers run", "1 connected, 1 must have each change", ": refused"):
        assert f"{line}\n" in doctor
    assert "0 wrong" in doctor
    assert "0 connected, 1 must have each change" in lacks
    assert "changes wait for 0 of 1 replicas: [ledger] replicas says so" in told
    assert down == "stopped: redis-1, redis-1-replica-1\n"


def test_servers_elsewhere_have_replicas_of_their_own(tmp_path: Path) -> None:
    """What the stack has says nothing of servers that the settings name."""
    named = {"NEXTRADE_STACK__REPLICAS": "2", "NEXTRADE_LEDGER__SHARDS": "a:1"}

    assert read_settings(None, named, tmp_path).ledger.replicas == 0
