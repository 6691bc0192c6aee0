"""Private Redis servers that ask for a password: who knows it gets in, and nothing tells it."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nextrade.cli import root
from nextrade.errors import SettingsError, StackError
from nextrade.platform.redis_access import RedisAccess, access_of
from nextrade.platform.redis_conf import password_in
from nextrade.platform.redis_question import ask
from nextrade.platform.redis_stack import RedisStack
from nextrade.platform.settings import read_settings

from ..redis_here import need_redis

PASSWORD = r"""open "says" \x41 me # 'é€'"""
SECRET = "twelve-green-bottles"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[RedisStack]:
    """A primary and a replica, not yet started; stopped after the test."""
    need_redis()
    found = RedisStack(tmp_path / "stack", 1, replicas=1, password=PASSWORD)
    yield found
    found.down()


@pytest.fixture
def exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A ledger on one private server, whose password is in the variable; founded."""
    need_redis()
    monkeypatch.chdir(tmp_path)
    values = {"STACK__SHARDS": "1", "STACK__RABBIT": "false", "STACK__PASSWORD": SECRET}
    for name, value in (values | {"LEDGER__HOME": "redis"}).items():
        monkeypatch.setenv(f"NEXTRADE_{name}", value)
    done = call("stack", "up")
    assert done.exit_code == 0, done.output
    yield
    monkeypatch.setenv("NEXTRADE_STACK__PASSWORD", SECRET)
    call("stack", "down")


def call(*words: str) -> Result:
    """Run the command with these words."""
    return CliRunner().invoke(root, list(words), prog_name="nextrade")


def test_every_server_asks_and_none_tells(stack: RedisStack) -> None:
    """Any text works; without it nothing is answered; its file is private, its log is silent."""
    servers = stack.up()

    assert [one.state for one in servers] == ["running", "running"]
    for one in servers:
        assert one.address is not None
        assert ask(one.address, "PING") is None
        assert ask(one.address, "PING", access=RedisAccess(password="other")) is None
        assert ask(one.address, "PING", access=RedisAccess(password=PASSWORD)) == b"PONG"
        assert (one.folder / "redis.conf").stat().st_mode & 0o077 == 0
        assert password_in(one.folder) == PASSWORD
        listed = subprocess.run(
            ["ps", "-ww", "-p", str(one.pid), "-o", "args="], capture_output=True, check=True
        )
        for told in (listed.stdout, (one.folder / "redis.log").read_bytes()):
            assert b"redis" in told.lower()
            assert b"says" not in told


def test_another_password_waits_for_a_stop(stack: RedisStack) -> None:
    """Who has another one can see and stop the servers; up refuses until then, and takes it."""
    stack.up()
    other = RedisStack(stack.folder, 1, replicas=1)

    assert [one.state for one in other.status()] == ["running", "running"]
    with pytest.raises(StackError, match="redis-1 runs with another password than"):
        other.up()
    assert other.down() == ["redis-1", "redis-1-replica-1"]
    (one, _) = other.up()
    assert one.address is not None
    assert ask(one.address, "PING") == b"PONG"


@pytest.mark.usefixtures("exchange")
def test_an_exchange_behind_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that know it work, others say where it belongs, and no output holds it."""
    done = call("deposit", "1", "BTC", "1", "--reference", "a")
    doctor, status, logs = call("doctor"), call("stack", "status"), call("stack", "logs")
    shown, as_json = call("config", "show"), call("config", "show", "--json")
    monkeypatch.setenv("NEXTRADE_STACK__PASSWORD", "wrong")
    begin = time.monotonic()
    refused = call("balances")
    took = time.monotonic() - begin
    again = call("stack", "up")

    assert done.exit_code == 0, done.output
    assert doctor.exit_code == 0, doctor.output
    assert status.stdout.rstrip().endswith("1 wait to be published")
    assert json.loads(as_json.stdout)["stack"]["password"]["value"] == "set"
    assert refused.exit_code == 1
    assert "for a server of nextrade stack at password of [stack]" in refused.stderr
    assert took < 5
    assert "redis-1 runs with another password than [stack] password" in again.stderr
    for one in (done, doctor, status, logs, shown, as_json, refused, again):
        assert SECRET not in one.output
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and holds(path, SECRET)]
    assert kept == [tmp_path / ".nextrade/stack/redis-1/redis.conf"]


def holds(path: Path, text: str) -> bool:
    """Whether a file has this text in it."""
    return text.encode() in path.read_bytes()


def test_the_stack_has_its_own_access(tmp_path: Path) -> None:
    """Its password opens its servers and no others; that of [ledger] does not belong to it."""

    def read(**values: str) -> RedisAccess:
        variables = {f"NEXTRADE_{name}": value for name, value in values.items()}
        return access_of(read_settings(None, variables, tmp_path))

    ours = {"STACK__PASSWORD": SECRET}
    assert read(**ours) == RedisAccess(password=SECRET)
    assert read(**ours, LEDGER__SHARDS="a:1") == RedisAccess()
    assert read(**ours, LEDGER__SHARDS="a:1", LEDGER__PASSWORD="b").password == "b"
    with pytest.raises(SettingsError, match=r"\[stack\] password alone") as caught:
        read(**ours, LEDGER__PASSWORD="b")
    assert SECRET not in str(caught.value)
    with pytest.raises(SettingsError, match="not a text of at most 512 bytes"):
        read(STACK__PASSWORD="é" * 257)
