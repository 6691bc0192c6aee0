"""Where RabbitMQ is said to be, and that nobody is told the password."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from nextrade.cli import root
from nextrade.errors import SettingsError, StackError
from nextrade.platform.settings import Settings, read_settings

pytest.importorskip("pika")


def read(folder: Path, text: str, **environment: str) -> Settings:
    """The settings of a file with this section."""
    (folder / "nextrade.toml").write_text(f"[rabbit]\n{text}\n")
    return read_settings(environment=environment, folder=folder)


def test_the_target_is_what_the_settings_say(tmp_path: Path) -> None:
    """Addresses, login and virtual host are handed on; a password file goes over a password."""
    from nextrade.platform.rabbit.target import target_of

    (tmp_path / "secret").write_text("of the file\n")
    text = 'addresses = ["a:1", "b:2"]\nusername = "u"\npassword = "p"\nvhost = "v"'
    plain = target_of(read(tmp_path, text))
    filed = target_of(read(tmp_path, text + '\npassword_file = "secret"'))

    assert (plain.addresses, plain.username, plain.vhost) == (("a:1", "b:2"), "u", "v")
    assert (plain.password, filed.password) == ("p", "of the file")
    assert [(one.host, one.port) for one in plain.parameters("x")] == [("a", 1), ("b", 2)]


def test_the_private_broker_must_have_been_started(tmp_path: Path) -> None:
    """Without an address the stack's broker is meant, which is not there yet."""
    from nextrade.platform.rabbit.target import target_of

    with pytest.raises(StackError, match="nextrade stack up"):
        target_of(read(tmp_path, ""))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """A missing password file, authority or certificate is an error of the settings."""
    from nextrade.platform.rabbit.target import target_of

    here = 'addresses = ["a:1"]\ntls = true\n'
    with pytest.raises(SettingsError, match=r"password_file.*No such file"):
        target_of(read(tmp_path, here + 'password_file = "none"'))
    with pytest.raises(SettingsError, match=r"tls_ca_file.*none"):
        target_of(read(tmp_path, here + 'tls_ca_file = "none"')).parameters("x")
    with pytest.raises(SettingsError, match="tls_cert_file"):
        target_of(read(tmp_path, here + 'tls_cert_file = "none"')).parameters("x")


def test_the_password_is_shown_nowhere(tmp_path: Path) -> None:
    """Neither `config show`, nor an error, nor the text of an object tells it."""
    from nextrade.platform.rabbit.target import target_of

    settings = read(tmp_path, 'addresses = ["a:1"]\npassword = "geheim"')
    run = CliRunner().invoke
    file = str(tmp_path / "nextrade.toml")
    shown = [run(root, ["config", "show", "--config", file, *more]) for more in ([], ["--json"])]

    assert [one.exit_code for one in shown] == [0, 0]
    assert all("geheim" not in one.output for one in shown)
    assert "geheim" not in repr(settings) + repr(target_of(settings))
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, 'password = ["geheim"]')
    assert "geheim" not in str(caught.value)


def test_a_broker_has_no_socket(tmp_path: Path) -> None:
    """A path is no address of RabbitMQ, and the prefix of queues is a plain word."""
    with pytest.raises(SettingsError, match=r"write HOST:PORT$"):
        read(tmp_path, 'addresses = ["/run/rabbit.sock"]')
    with pytest.raises(SettingsError, match="letters, digits, dots, dashes"):
        read(tmp_path, 'prefix = "a b"')
