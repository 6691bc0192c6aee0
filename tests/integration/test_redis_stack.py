"""The stack of Redis servers, for real: started, found again, killed, stopped, not mistaken."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nextrade.errors import StackError
from nextrade.platform import redis_stack
from nextrade.platform.redis_question import ask
from nextrade.platform.redis_stack import RedisStack, ServerStatus
from nextrade.platform.settings import read_settings

from ..redis_here import need_redis


@pytest.fixture(autouse=True)
def _redis() -> None:
    need_redis()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[RedisStack]:
    """Two servers that are not started yet, and are stopped after the test whatever it did."""
    found = RedisStack(tmp_path / 'a "folder"', 2)
    yield found
    found.down()


def states(servers: RedisStack) -> list[str]:
    """How the servers are, in their order."""
    return [one.state for one in servers.status()]


def kill(server: ServerStatus) -> None:
    """End a server at once, as a power cut would, and wait until it is gone."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    while redis_stack._works_in(server.pid, server.folder):
        time.sleep(0.01)


def said(server: ServerStatus, *words: str) -> bytes | None:
    """What a server answers."""
    assert server.address is not None
    return ask(server.address, *words)


def test_up_status_down(servers: RedisStack) -> None:
    """Servers that were started answer, each at a port of its own; stopped ones are gone."""
    assert states(servers) == ["stopped", "stopped"]
    one, two = servers.up()
    assert (one.state, two.state) == ("running", "running")
    assert (said(one, "PING"), said(two, "PING")) == (b"PONG", b"PONG")
    assert one.port != two.port
    assert servers.addresses == (one.address, two.address)

    assert servers.down() == ["redis-1", "redis-2"]
    assert states(servers) == ["stopped", "stopped"]
    assert (said(one, "PING"), said(two, "PING")) == (None, None)


def test_up_and_down_can_be_repeated(servers: RedisStack) -> None:
    """A second up changes nothing; a second down has nothing to do."""
    assert servers.down() == []
    first = servers.up()
    second = servers.up()

    assert [one.pid for one in first] == [one.pid for one in second]
    servers.down()
    assert servers.down() == []


def test_data_and_port_survive(servers: RedisStack) -> None:
    """After down and up, and after a kill, the data is there, at the same address."""
    one, two = servers.up()
    assert said(one, "SET", "name", "value") == b"OK"
    assert said(two, "SET", "name", "other") == b"OK"
    kill(two)
    assert states(servers) == ["running", "stopped"]
    servers.down()
    again_one, again_two = servers.up()

    assert (again_one.port, again_two.port) == (one.port, two.port)
    assert said(again_one, "GET", "name") == b"value"
    assert said(again_two, "GET", "name") == b"other"


def test_what_a_server_keeps_is_as_set(servers: RedisStack) -> None:
    """Each write goes to the append-only file, nothing is evicted, only this machine connects."""
    one, _ = servers.up()
    assert said(one, "SET", "name", "a value to be found") == b"OK"
    kept = b"".join(path.read_bytes() for path in one.folder.rglob("*.aof"))
    assert b"a value to be found" in kept
    settings = (one.folder / "redis.conf").read_text()

    for line in ("appendfsync always", "maxmemory-policy noeviction", "bind 127.0.0.1"):
        assert line in settings
    assert (servers.folder / ".gitignore").read_text() == "*\n"
    if os.name == "posix":
        assert servers.folder.stat().st_mode & 0o077 == 0


def test_another_appendfsync_reaches_running_servers(servers: RedisStack) -> None:
    """up with another setting changes servers that run already."""
    before = servers.up()
    changed = RedisStack(servers.folder, 2, appendfsync="everysec")
    after = changed.up()
    config = subprocess.run(
        ["redis-cli", "-p", str(after[0].port), "CONFIG", "GET", "appendfsync"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert [one.pid for one in before] == [one.pid for one in after]
    assert config == ["appendfsync", "everysec"]


def test_a_stale_process_id_is_nobody(servers: RedisStack) -> None:
    """After a kill the file with the process id names nobody, and up starts a new server."""
    one, _ = servers.up()
    kill(one)
    assert (one.folder / "redis.pid").exists()
    again = servers.up()[0]

    assert again.state == "running"
    assert again.pid != one.pid


def test_a_stranger_with_that_process_id_is_left_alone(servers: RedisStack) -> None:
    """A process that got the number of a dead server is neither taken for it nor stopped."""
    one, _ = servers.up()
    kill(one)
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with stranger:
        (one.folder / "redis.pid").write_text(f"{stranger.pid}\n")
        assert states(servers) == ["stopped", "running"]
        assert servers.down() == ["redis-2"]
        assert stranger.poll() is None
        stranger.communicate(b"\n")


def test_servers_of_another_folder_are_left_alone(servers: RedisStack, tmp_path: Path) -> None:
    """Process ids that name servers of another folder, a copied one say, are not acted upon."""
    mine = servers.up()
    other = RedisStack(tmp_path / "copy", 2)
    for one in mine:
        (other.folder / one.name).mkdir(parents=True)
        for name in ("redis.pid", "redis.conf"):
            (other.folder / one.name / name).write_bytes((one.folder / name).read_bytes())

    assert states(other) == ["stopped", "stopped"]
    assert other.down() == []
    assert states(servers) == ["running", "running"]


def test_a_lost_process_id_starts_no_second_server(servers: RedisStack) -> None:
    """A server whose file with the process id was deleted is found by its port, and stopped."""
    one, two = servers.up()
    (one.folder / "redis.pid").unlink()

    assert servers.status()[0].pid == one.pid
    assert [found.pid for found in servers.up()] == [one.pid, two.pid]
    assert servers.down() == ["redis-1", "redis-2"]


def test_a_port_that_was_taken_is_replaced(servers: RedisStack) -> None:
    """If a stranger listens on the port of last time, another is used and the stranger stays."""
    before = servers.up()[0]
    servers.down()
    with socket.create_server(("127.0.0.1", before.port or 0)):
        after = servers.up()[0]

        assert after.port != before.port
        assert said(after, "PING") == b"PONG"


def test_a_port_taken_at_the_last_moment(
    servers: RedisStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the port is gone between finding it and using it, another is tried."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([taken.getsockname()[1]])
        find = redis_stack.free_port
        monkeypatch.setattr(redis_stack, "free_port", lambda _: next(ports, 0) or find(None))
        one = servers.up()[0]

        assert one.state == "running"
        assert one.port != taken.getsockname()[1]


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """A line that redis-server does not take ends in an error with its own words."""
    servers = RedisStack(tmp_path, 1, appendfsync="sometimes")

    with pytest.raises(StackError, match=r"redis-1 did not start: .*; see .*redis\.log"):
        servers.up()
    assert states(servers) == ["stopped"]


def test_a_server_whose_data_is_damaged_says_so(servers: RedisStack) -> None:
    """A server that ends while it loads is an error with the last line of its log."""
    one, _ = servers.up()
    assert said(one, "SET", "name", "value") == b"OK"
    servers.down()
    (manifest,) = one.folder.rglob("*.manifest")
    manifest.write_text("nonsense\n")

    with pytest.raises(StackError, match="redis-1 did not start"):
        servers.up()


def test_two_at_once_start_one_set(servers: RedisStack) -> None:
    """Two calls of up at the same time wait for each other and find the same servers."""
    found: list[list[int | None]] = []
    threads = [
        threading.Thread(target=lambda: found.append([one.pid for one in servers.up()]))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 2
    assert found[0] == found[1]


def test_a_server_that_hangs_is_told_apart(servers: RedisStack) -> None:
    """A server that is there and does not answer is ``silent``, neither running nor stopped."""
    one, _ = servers.up()
    assert one.pid is not None
    os.kill(one.pid, signal.SIGSTOP)
    try:
        assert states(servers) == ["silent", "running"]
    finally:
        os.kill(one.pid, signal.SIGCONT)


def test_fewer_servers_than_before(servers: RedisStack) -> None:
    """Servers beyond the number that is set are still shown, and stopped with the others."""
    servers.up()
    fewer = RedisStack(servers.folder, 1)

    assert states(fewer) == ["running", "running"]
    assert fewer.down() == ["redis-1", "redis-2"]
    assert len(fewer.up()) == 2
    assert states(fewer) == ["running", "stopped"]


def test_log(servers: RedisStack) -> None:
    """The last lines of a log are there, and none before the first start."""
    assert servers.log("redis-1", 5) == []
    servers.up()
    lines = servers.log("redis-1", 5)

    assert 1 <= len(lines) <= 5
    assert "Ready to accept connections" in "\n".join(servers.log("redis-1", 100))


def test_addresses_before_the_first_start(tmp_path: Path) -> None:
    """There are no addresses of servers that never ran; the error says how to start them."""
    with pytest.raises(StackError, match=r"redis-1 in .*: never started; nextrade stack up"):
        _ = RedisStack(tmp_path, 1).addresses


def test_servers_outlive_the_command(servers: RedisStack, tmp_path: Path) -> None:
    """What one process starts another finds, uses and stops, with its data."""
    environment = os.environ | {
        "NEXTRADE_STACK__FOLDER": str(servers.folder),
        "NEXTRADE_STACK__SHARDS": "2",
        "NEXTRADE_STACK__RABBIT": "false",
        "NEXTRADE_LEDGER__HOME": "redis",
    }

    def nextrade(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "nextrade", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    assert nextrade("stack", "up").count("running") == 2
    one, two = servers.status()
    assert said(one, "SET", "name", "value") == b"OK"
    shards = redis_stack.shards_of(read_settings(None, environment, tmp_path))
    assert shards == {"redis-1": one.address, "redis-2": two.address}
    assert nextrade("stack", "down") == "stopped: redis-1, redis-2\n"
    nextrade("stack", "up")
    assert said(servers.status()[0], "GET", "name") == b"value"


def test_named_shards_come_before_the_stack(tmp_path: Path) -> None:
    """Addresses in the settings are the shards, in their order; the stack need not be there."""
    named = {"NEXTRADE_LEDGER__SHARDS": "b:1,/run/a.sock"}
    settings = read_settings(None, named, tmp_path)

    assert redis_stack.shards_of(settings) == {"redis-1": "b:1", "redis-2": "/run/a.sock"}
