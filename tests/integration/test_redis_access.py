"""A ledger on servers that ask for a password and speak TLS: let in, and turned away at once."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nextrade.cli import root
from nextrade.errors import AccessRefused, LedgerUnavailable, SettingsError
from nextrade.platform.redis_access import RedisAccess, access_of
from nextrade.platform.settings import read_settings

from ..redis_here import need_redis
from ..tls_here import Certificates, certificates

PASSWORD = "open says me, 5 times"
USER = "exchange"
ENOUGH_S = 9.0
"""A refusal comes sooner than patience ends, also on a machine that is busy."""


class Server:
    """A redis-server with these options, at a free port of 127.0.0.1."""

    def __init__(self, folder: Path, options: dict[str, str], access: RedisAccess) -> None:
        from nextrade.platform.redis_servers import free_port, program

        folder.mkdir()
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.access = access
        options = {"port": "0" if access.tls else str(self.port), **options}
        if access.tls:
            options["tls-port"] = str(self.port)
        options |= {"bind": "127.0.0.1", "dir": str(folder), "save": "", "appendonly": "yes"}
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        self.process = subprocess.Popen(
            [str(program()), *words],
            env={"PATH": os.defpath, "LC_ALL": "C"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait(self) -> None:
        """Wait until it answers."""
        from nextrade.service.ledger.redis.link import Link, packed

        link, end = Link(self.address, 5.0, self.access), time.monotonic() + 20
        while True:
            try:
                link.send([packed("PING")])
                assert link.receive() == b"PONG"
                link.close()
                return
            except LedgerUnavailable:
                assert time.monotonic() < end
                assert self.process.poll() is None
                time.sleep(0.02)

    def stop(self) -> None:
        """End it by its process id."""
        self.process.terminate()
        self.process.wait(20)


@contextmanager
def serving(folder: Path, options: dict[str, str], access: RedisAccess) -> Iterator[Server]:
    """Run one server."""
    server = Server(folder, options, access)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """The server's certificate and the authority that vouches for it."""
    return certificates(tmp_path_factory.mktemp("papers") / "good")


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a password for its default user."""
    need_redis()
    folder = tmp_path_factory.mktemp("locked") / "redis"
    with serving(folder, {"requirepass": PASSWORD}, RedisAccess(password=PASSWORD)) as server:
        yield server


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory, papers: Certificates) -> Iterator[Server]:
    """A server with TLS that asks for a certificate, and a user of its own with a password."""
    need_redis()
    folder = tmp_path_factory.mktemp("sealed") / "redis"
    options = {
        "tls-cert-file": str(papers.certificate),
        "tls-key-file": str(papers.key),
        "tls-ca-cert-file": str(papers.authority),
        "user": f"{USER} on >{PASSWORD.replace(' ', '')} ~* &* +@all",
    }
    access = RedisAccess(
        USER, PASSWORD.replace(" ", ""), True, papers.authority, papers.certificate, papers.key
    )
    # The words of a user's rule are arguments of their own.
    with serving(folder, options | _users(folder, options), access) as server:
        yield server


def _users(folder: Path, options: dict[str, str]) -> dict[str, str]:
    """The rule of the user in a file, as the server wants it."""
    rule = folder.parent / "users.acl"
    rule.write_text(f"user default off\nuser {options.pop('user')}\n")
    return {"aclfile": str(rule)}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("NEXTRADE_")]:
        monkeypatch.delenv(name)


def settings_of(server: Server, **keys: object) -> dict[str, str]:
    """The variables of a ledger on one server."""
    found = {"home": "redis", "shards": server.address, **keys}
    return {f"NEXTRADE_LEDGER__{key.upper()}": str(value) for key, value in found.items()}


def of_tls(papers: Certificates) -> dict[str, object]:
    """The settings that a server with TLS wants."""
    return {
        "username": USER,
        "password": PASSWORD.replace(" ", ""),
        "tls": "true",
        "tls_ca_file": papers.authority,
        "tls_cert_file": papers.certificate,
        "tls_key_file": papers.key,
    }


def call(environment: dict[str, str], *arguments: str) -> Result:
    """Run the command with these words; a refusal must not take long."""
    begin = time.monotonic()
    done = CliRunner().invoke(root, list(arguments), prog_name="nextrade", env=environment)
    assert time.monotonic() < begin + ENOUGH_S
    return done


def works(environment: dict[str, str]) -> None:
    """A ledger is founded, credited, read and proved; nothing printed holds the password."""
    for words in (
        ("shards", "found"),
        ("deposit", "1", "USDT", "5", "--reference", "a"),
        ("balances",),
        ("verify", "--full"),
        ("shards", "show"),
        ("config", "show"),
        ("config", "show", "--json"),
        ("doctor",),
    ):
        done = call(environment, *words)
        assert done.exit_code == 0, done.output
        assert environment.get("NEXTRADE_LEDGER__PASSWORD", PASSWORD) not in done.output
    assert "5.000000" in call(environment, "balances").output


def test_with_its_password_a_server_works(locked: Server) -> None:
    """Given in the variable, and shown to nobody."""
    works(settings_of(locked, password=PASSWORD))
    shown = call(settings_of(locked, password=PASSWORD), "config", "show").output
    assert re.search(r"^ledger\.password +set ", shown, re.MULTILINE)
    assert "NEXTRADE_LEDGER__PASSWORD" in shown


def test_with_a_password_file_a_server_works(locked: Server) -> None:
    """Its first line is the password; the path starts at the folder one stands in."""
    Path("secret").write_text(f"{PASSWORD}\nthe rest is nobody's business\n")
    works(settings_of(locked, password_file="secret"))


def test_with_tls_and_a_user_a_server_works(sealed: Server, papers: Certificates) -> None:
    """The authority vouches for the server, our certificate for us, the password for the user."""
    works(settings_of(sealed, **of_tls(papers)))


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"password": "open says you"}, "invalid username-password pair"),
        ({}, "it refuses us ("),
        ({"password": PASSWORD, "username": "nobody"}, "invalid username-password pair"),
    ],
)
def test_a_wrong_password_is_refused_at_once(locked: Server, keys: dict, reason: str) -> None:
    """In one line that names the server, its reason, and where to look; not the password."""
    done = call(settings_of(locked, **keys), "balances")

    assert done.exit_code == 1
    assert f"Redis at {locked.address}: it refuses us" in done.stderr
    assert reason in done.stderr
    assert "look at username and password of [ledger]" in done.stderr
    assert "open says" not in done.output


def test_a_link_is_refused_too(locked: Server) -> None:
    """The quick connection, which no full client opened a way for."""
    from nextrade.service.ledger.redis.link import Link, packed

    for access in (RedisAccess(password="no"), RedisAccess("nobody", PASSWORD)):
        with pytest.raises(AccessRefused, match="WRONGPASS"):
            Link(locked.address, 5.0, access).send([packed("PING")])


def test_a_password_that_nobody_asks_for(tmp_path: Path) -> None:
    """A server without one refuses it: the settings are of another server."""
    need_redis()
    from nextrade.service.ledger.redis.link import Link, packed

    with serving(tmp_path / "redis", {}, RedisAccess()) as server:
        link = Link(server.address, 5.0, RedisAccess(password="secret"))
        with pytest.raises(AccessRefused, match="without any password configured"):
            link.send([packed("PING")])


def test_another_authority_is_refused_at_once(
    sealed: Server, papers: Certificates, tmp_path: Path
) -> None:
    """A server that our authority does not vouch for, by the full client and by the link."""
    from nextrade.service.ledger.redis.link import Link, packed

    other = certificates(tmp_path / "other")
    keys = of_tls(papers) | {"tls_ca_file": other.authority}
    done = call(settings_of(sealed, **keys), "balances")

    assert done.exit_code == 1
    assert f"Redis at {sealed.address}: TLS fails" in done.stderr
    assert "look at tls and the tls_ files of [ledger]" in done.stderr
    with pytest.raises(AccessRefused, match="TLS fails"):
        Link(sealed.address, 5.0, RedisAccess(tls=True, ca_file=other.authority)).send(
            [packed("PING")]
        )


def test_a_certificate_of_another_address_is_refused(tmp_path: Path) -> None:
    """The authority is ours, and the server is not where its certificate says."""
    need_redis()
    other = certificates(tmp_path / "other", "127.0.0.9")
    options = {
        "tls-cert-file": str(other.certificate),
        "tls-key-file": str(other.key),
        "tls-ca-cert-file": str(other.authority),
        "tls-auth-clients": "no",
    }
    server = Server(tmp_path / "redis", options, RedisAccess(tls=True, ca_file=other.authority))
    try:
        with pytest.raises(AccessRefused, match=r"not valid for '127\.0\.0\.1'"):
            server.wait()
    finally:
        server.stop()


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    """Each is named with its setting and the reason, before any server is asked."""
    (tmp_path / "empty").touch()
    wrong = {
        "password_file .*nothere cannot be read": {"password_file": "nothere"},
        "its first line is empty": {"password_file": "empty"},
        "both password and password_file": {"password": "a", "password_file": "empty"},
        "username needs a password": {"username": "me"},
        "tls_key_file needs tls_cert_file": {"tls_key_file": "empty"},
    }
    for reason, keys in wrong.items():
        environment = {f"NEXTRADE_LEDGER__{key.upper()}": value for key, value in keys.items()}
        with pytest.raises(SettingsError, match=reason):
            access_of(read_settings(None, environment, tmp_path))
    for name in ("ca_file", "cert_file"):
        access = RedisAccess(tls=True, **{name: tmp_path / "empty"})
        with pytest.raises(SettingsError, match=f"tls_{name} .*empty cannot be used"):
            access.client_options()


def test_a_password_is_in_no_message() -> None:
    """Neither a mistake in it nor the settings printed whole tell what it was."""
    environment = {"NEXTRADE_LEDGER__PASSWORD": "hush\nhush"}
    with pytest.raises(SettingsError) as caught:
        read_settings(None, environment)
    good = read_settings(None, {"NEXTRADE_LEDGER__PASSWORD": "hush"})

    assert "hush" not in str(caught.value)
    assert "hush" not in repr(good)
    assert "hush" not in repr(access_of(good))
