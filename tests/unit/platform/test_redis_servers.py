"""Redis servers of our own start, come back after a crash with what they had, and go."""

import os
from pathlib import Path

import pytest

from ...redis_here import need_redis, running


def alive(pid: int) -> bool:
    """Whether a process with this id exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_data_survives(tmp_path: Path, end: str) -> None:
    """Killed or stopped, a server comes back at its address with every key, and then is gone."""
    with running(tmp_path, count=1) as (server,):
        address, pid = server.address, server.pid
        with server.client() as client:
            client.hset("key", "field", "value")
        getattr(server, end)()
        assert server.pid is None
        assert not alive(pid)
        server.start()
        with server.client() as client:
            assert client.hget("key", "field") == b"value"
        assert server.address == address
        assert server.pid not in (None, pid)
        last = server.pid

    assert not alive(last)


def test_only_this_machine_can_reach_it(tmp_path: Path) -> None:
    """A server listens on loopback, never evicts, and keeps an append-only file."""
    with running(tmp_path, count=1) as (server,), server.client() as client:
        said = client.config_get("*")

    assert said["bind"] == "127.0.0.1"
    assert said["maxmemory-policy"] == "noeviction"
    assert (said["appendonly"], said["save"]) == ("yes", "")


def test_server_that_cannot_start(tmp_path: Path) -> None:
    """A port in use ends in one error that names the log, not in an endless wait."""
    need_redis()
    from nextrade.errors import LedgerUnavailable
    from nextrade.platform.redis_servers import RedisServer

    with running(tmp_path, count=1) as (server,):
        second = RedisServer(tmp_path / "second", server.port)
        with pytest.raises(LedgerUnavailable, match=r"ended at once; see .*redis\.log"):
            second.start()
        second.stop()


def test_missing_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without redis-server the error names the package to install."""
    need_redis()
    from nextrade.errors import LedgerUnavailable
    from nextrade.platform.redis_servers import RedisServer

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LedgerUnavailable, match="apt install redis-server"):
        RedisServer(tmp_path / "one").start()
