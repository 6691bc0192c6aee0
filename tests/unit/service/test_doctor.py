"""The doctor: each check, on machines made up for it."""

import os
import socket
import time
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from nextrade.platform.redis_question import ask_info
from nextrade.platform.servers import Servers
from nextrade.platform.setting_kinds import Hidden
from nextrade.platform.setting_sections import StackSettings
from nextrade.service import doctor, doctor_outbox, doctor_redis
from nextrade.service.doctor import Finding


def test_python_must_be_new_enough_and_cpython() -> None:
    """An older Python, or another one, is wrong and the fix names the oldest that works."""
    assert doctor.check_python((3, 11, 0), "cpython").state == "ok"
    assert doctor.check_python((3, 10, 9), "cpython").fix == "use CPython 3.11 or newer"
    assert doctor.check_python((3, 12, 0), "pypy").state == "wrong"


def test_the_core_of_this_machine_is_found() -> None:
    """All compiled modules can be imported here, and the finding says for which Python."""
    package = Path(doctor.__file__).parents[1]
    found = doctor.check_core(package)

    assert {"_book", "_wire", "_messages"} <= set(doctor.compiled_modules(package))
    assert found.state != "wrong"
    assert str(package) in found.found


def test_a_core_that_is_missing(tmp_path: Path) -> None:
    """A module that cannot be imported is wrong, with the call that builds it."""
    (tmp_path / "_never_built.pyi").touch()
    found = doctor.check_core(tmp_path)

    assert found.state == "wrong"
    assert "nextrade._never_built cannot be imported" in found.found
    assert "make build" in found.fix


def test_a_core_older_than_its_source(tmp_path: Path) -> None:
    """Source that changed after the last build is noted; headers without source are not."""
    (tmp_path / "_book.pyi").touch()
    header = tmp_path / "_types.pxd"
    header.touch()
    later = time.time() + 1000
    os.utime(header, (later, later))
    assert doctor.check_core(tmp_path).state == "ok"
    (tmp_path / "_book.pyx").touch()
    found = doctor.check_core(tmp_path)

    assert (found.state, found.fix) == ("note", "compile it again: make build")
    assert "_types.pxd" in found.found


REQUIRED = [
    "numpy<3,>=2",
    "pandas>=2.2; extra == 'pandas'",
    'redis>=5; extra == "redis"',
    'hiredis>=3; extra == "redis"',
    'nextrade[pandas,redis]; extra == "all"',
    'pandas>=2.2; extra == "all"',
]


def test_extras_are_read_from_the_requirements() -> None:
    """Each extra has its packages; what is always there, and extras made of others, are not."""
    assert doctor.extras(REQUIRED) == {"pandas": ["pandas"], "redis": ["redis", "hiredis"]}


def test_a_missing_extra_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is not there is noted, with the call that installs it."""

    def installed(package: str) -> str:
        if package == "hiredis":
            raise metadata.PackageNotFoundError(package)
        return "1"

    monkeypatch.setattr(metadata, "requires", lambda _: REQUIRED)
    first, second = doctor.check_extras(installed)

    assert first == Finding("extra pandas", "ok", "pandas")
    assert (second.state, second.found) == ("note", "without hiredis")
    assert second.fix.startswith("pip install 'nextrade[redis]'")


def test_a_clock_that_was_set_back() -> None:
    """A clock before the day of the installation is wrong; a minute is not worth a word."""
    installed = 1_700_000_000 * 10**9
    assert doctor.check_clock(installed - 59 * 10**9, installed).state == "ok"
    found = doctor.check_clock(installed - 61 * 10**9, installed)

    assert found.state == "wrong"
    assert found.found.startswith("2023-11-14 22:12:19 UTC")


def test_few_open_files() -> None:
    """A low limit of open files is noted with the call that raises it; none at all is fine."""
    assert doctor.check_open_files(None).state == "ok"
    assert doctor.check_open_files(1024).state == "ok"
    assert doctor.check_open_files(256).fix.startswith("ulimit -n 1024")


def test_ports_of_this_machine() -> None:
    """Where nothing hinders, a server can listen; where it cannot, that is wrong."""
    assert doctor.check_ports().state == "ok"


def test_no_listening_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system forbids listening, the finding says what to look at."""

    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "create_server", forbidden)
    found = doctor.check_ports()

    assert (found.state, found.found) == ("wrong", "127.0.0.1: Permission denied")
    assert "firewall" in found.fix


def test_a_mistake_in_the_settings(tmp_path: Path) -> None:
    """Settings that cannot be read are wrong, in the words of their own error."""
    (tmp_path / "x.toml").write_text("[legder]\n")
    settings, found = doctor.check_settings(tmp_path / "x.toml")

    assert settings is None
    assert found.state == "wrong"
    assert "did you mean ledger?" in found.found


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder is fine if it is there or can be made; a file in its place is wrong."""
    (tmp_path / "file").touch()
    there = doctor.check_folder("stack folder", tmp_path)
    to_be = doctor.check_folder("stack folder", tmp_path / "a/b")
    in_place = doctor.check_folder("stack folder", tmp_path / "file/b")

    assert (there.state, there.found) == ("ok", str(tmp_path))
    assert to_be.found.endswith("can be made")
    assert (in_place.state, in_place.found) == ("wrong", f"{tmp_path / 'file'} is no folder")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    assert doctor.check_folder("stack folder", tmp_path).state == "wrong"


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Less than a GiB is noted."""
    assert doctor.check_disk("stack folder", tmp_path).name == "stack disk"
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2**29))
    found = doctor.check_disk("stack folder", tmp_path / "new")

    assert (found.state, found.found) == ("note", "0.5 GiB free")


@pytest.mark.parametrize(("needed", "state"), [(True, "wrong"), (False, "note")])
def test_redis_is_wrong_only_where_it_is_needed(needed: bool, state: str, tmp_path: Path) -> None:
    """Without redis-server or a running stack a ledger in memory is fine, one in Redis is not."""
    lacking = "redis-server is not installed; install it with: apt-get install redis-server"
    program = doctor.check_redis_program(lacking, needed=needed)
    settings = StackSettings(tmp_path, 2, 0, Hidden(""), "always", rabbit=False, workers=0)
    stack = doctor.check_stack(Servers(settings), needed)

    assert program.state == state
    assert program.fix == "install it with: apt-get install redis-server"
    assert (stack.state, stack.found) == (state, "0 of 2 servers run")
    assert stack.fix == "nextrade stack up"


class Reply:
    """Somebody who listens and gives every request the same answer."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    def __call__(self, *_: object) -> socket.socket:
        ours, self.theirs = socket.socketpair()
        self.theirs.sendall(self.answer)
        self.theirs.shutdown(socket.SHUT_WR)
        return ours


def info(**fields: str) -> bytes:
    """The reply of a server that tells this of itself."""
    text = "# Server\r\n" + "".join(f"{name}:{value}\r\n" for name, value in fields.items())
    return f"${len(text)}\r\n{text}\r\n".encode()


FOLLOWER = {"role": "slave", "master_host": "10.0.0.7", "master_port": "6379"}
REPLIES = {
    "replica": (info(redis_version="7.2.4", **FOLLOWER), "wrong", "7.2.4, a replica"),
    "good": (info(redis_version="7.2.4", aof_enabled="1"), "ok", "7.2.4"),
    "old": (info(redis_version="6.2.1", aof_enabled="1"), "wrong", "6.2.1"),
    "not redis": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "wrong", "does not answer as a Redis"),
    "cut": (b"$1000\r\nredis_version:7.0.0", "wrong", "does not answer as a Redis"),
    "odd": (info(redis_version="next"), "wrong", "does not answer as a Redis"),
    "silent": (b"", "wrong", "does not answer as a Redis"),
    "errors": (b"-NOAUTH Authentication required.\r\n", "wrong", "does not answer as a Redis"),
}


@pytest.mark.parametrize("reply", REPLIES)
def test_a_shard_that_is_named(reply: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A named server is fine if it is a Redis and new enough."""
    answer, state, found = REPLIES[reply]
    server = Reply(answer)
    monkeypatch.setattr("nextrade.platform.redis_question.connect", server)
    finding = doctor_redis.check_shard("host:1", ask_info("host:1"))
    server.theirs.close()

    assert finding.state == state
    assert found in finding.found
    assert bool(finding.fix) == (state != "ok")


@pytest.mark.parametrize(("needed", "state"), [(True, "wrong"), (False, "note")])
def test_a_server_that_forgets_or_evicts(needed: bool, state: str) -> None:
    """Balances that can be lost are wrong where a ledger is to live, else worth a note."""
    good = {"aof_enabled": "1", "maxmemory_policy": "noeviction"}
    forgets = doctor_redis.check_append_only("host:1", {"aof_enabled": "0"}, needed)
    evicts = doctor_redis.check_eviction("host:1", {"maxmemory_policy": "allkeys-lru"}, needed)
    full = doctor_redis.check_append_only("host:1", good | {"aof_last_write_status": "err"}, needed)

    assert (forgets.state, forgets.fix.split(",")[0]) == (
        state,
        "appendonly yes in its configuration",
    )
    assert (evicts.state, evicts.found) == (state, "allkeys-lru")
    assert evicts.fix.startswith("maxmemory-policy noeviction")
    assert (full.state, full.found) == ("wrong", "cannot be written")
    assert doctor_redis.check_append_only("host:1", good, needed).state == "ok"
    assert doctor_redis.check_eviction("host:1", good, needed).state == "ok"


def test_a_server_with_another_time() -> None:
    """A second either way is nothing; more is a note that says how much."""
    second, now = 10**9, 1_700_000_000 * 10**9

    def check(there_ns: int) -> Finding:
        told = {"server_time_usec": str(there_ns // 1000)}
        return doctor_redis.check_server_clock("host:1", told, now, now + second)

    assert check(now - second).state == "ok"
    assert check(now + 2 * second).state == "ok"
    assert (check(now - 3 * second).state, check(now - 3 * second).found) == (
        "note",
        "3.0 s from ours",
    )
    assert check(now + 6 * second).found == "5.0 s from ours"
    assert doctor_redis.check_server_clock("host:1", {}, now, now).state == "note"


def test_replicas_that_must_have_each_change() -> None:
    """Those count that are connected and online; too few is wrong where a ledger is to live."""
    told = {
        "connected_slaves": "2",
        "slave0": "ip=::1,port=6380,state=online,offset=7,lag=0",
        "slave1": "ip=::1,port=6381,state=wait_bgsave,offset=0,lag=0",
    }

    assert doctor_redis.check_replicas("host:1", told, 1, needed=True).state == "ok"
    lacks = doctor_redis.check_replicas("host:1", told, 2, needed=True)
    assert (lacks.state, lacks.found) == ("wrong", "1 connected, 2 must have each change")
    assert doctor_redis.check_replicas("host:1", {}, 1, needed=False).state == "note"


def test_changes_that_wait_are_noted_with_who_should_publish_them() -> None:
    """A few are nothing; many need a worker, one that gets on, or queues at all."""
    few, many = {"redis-1": 10, "redis-2": 20}, {"redis-1": 700, "redis-2": 800}

    assert doctor_outbox.check_outboxes(few, relays=False).state == "ok"
    assert doctor_outbox.check_outboxes(few).found == "30 changes wait to be published"
    idle = doctor_outbox.check_outboxes(many, relays=False)
    assert idle.found == "1500 changes wait to be published, and no worker does it"
    assert idle.fix.startswith("nextrade stack up, or nextrade worker --all")
    assert "most at redis-2" in doctor_outbox.check_outboxes(many).fix
    assert "rabbit = true" in doctor_outbox.check_outboxes(many, relays=None).fix
    assert {doctor_outbox.check_outboxes(many, one).state for one in (True, False, None)} == {
        "note"
    }
