"""``nextrade config``, ``stack`` and ``doctor`` from outside."""

import json
import os
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nextrade.cli import root
from nextrade.platform.settings import default_text

from ...redis_here import need_redis


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("NEXTRADE_")]:
        monkeypatch.delenv(name)


def call(*arguments: str, **environment: str) -> Result:
    """Run the command with these words."""
    return CliRunner().invoke(root, list(arguments), prog_name="nextrade", env=environment)


def test_init_writes_the_default_and_replaces_nothing() -> None:
    """``config init`` writes the commented file once; a second time only --force does."""
    assert call("config", "init").exit_code == 0
    assert Path("nextrade.toml").read_text(encoding="utf-8") == default_text()
    Path("nextrade.toml").write_text("mine")
    refused = call("config", "init")

    assert refused.exit_code == 1
    assert "nextrade.toml is there already; --force replaces it" in refused.output
    assert Path("nextrade.toml").read_text() == "mine"
    assert call("config", "init", "--force").exit_code == 0
    assert Path("nextrade.toml").read_text(encoding="utf-8") == default_text()


def test_the_written_file_says_what_holds_anyway() -> None:
    """With the file that init writes every value is the same as without any."""
    before = json.loads(call("config", "show", "--json").stdout)
    call("config", "init")
    after = json.loads(call("config", "show", "--json").stdout)

    assert before["file"] is None
    assert after["file"] == "nextrade.toml"
    for section in ("ledger", "journal", "stack"):
        for key, told in after[section].items():
            assert told["value"] == before[section][key]["value"]
            assert told["from"] == after["file"]


def test_show_tells_where_each_value_comes_from() -> None:
    """Default, file and variable are told apart, in the table as in the JSON."""
    Path("my.toml").write_text("[ledger]\nbuckets = 6\n")
    table = call("config", "show", "--config", "my.toml", NEXTRADE_STACK__SHARDS="2").stdout
    told = json.loads(
        call("config", "show", "--config", "my.toml", "--json", NEXTRADE_STACK__SHARDS="2").stdout
    )
    rows = [line.split() for line in table.splitlines()]

    assert rows[0] == ["file:", "my.toml"]
    assert ["ledger.buckets", "6", "my.toml"] in rows
    assert ["stack.shards", "2", "NEXTRADE_STACK__SHARDS"] in rows
    assert ["ledger.home", '"memory"', "default"] in rows
    assert told["ledger"]["buckets"] == {"value": 6, "from": "my.toml"}
    assert told["stack"]["shards"] == {"value": 2, "from": "NEXTRADE_STACK__SHARDS"}
    assert told["markets"]["value"] == tomllib.loads(default_text())["markets"]


def test_show_says_what_is_wrong() -> None:
    """A mistake in settings or listings is one line and exit code 1."""
    Path("nextrade.toml").write_text(
        default_text().replace('tick_size = "0.01"', "tick_size = 0.01")
    )
    done = call("config", "show")

    assert done.exit_code == 1
    assert "[markets.BTC-USDT] tick_size: 0.01 must be text to be exact" in done.output
    assert done.output.count("\n") == 1


def test_doctor_finds_this_machine_able() -> None:
    """Where the tests run nothing is wrong, and each line begins with a state."""
    done = call("doctor")
    findings = json.loads(call("doctor", "--json").stdout)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("  ")]

    assert done.exit_code == 0, done.output
    assert [line.split()[0] for line in lines[:-1]] == [one["state"] for one in findings]
    assert lines[-1].startswith("0 wrong, ")
    assert {"python", "core", "settings", "stack"} <= {one["name"] for one in findings}


def test_doctor_ends_with_1_if_something_is_wrong() -> None:
    """A mistake in the settings is among the findings, with its fix, and decides the exit code."""
    done = call("doctor", NEXTRADE_LEDGER__HOME="disk")

    assert done.exit_code == 1
    assert "wrong  settings: environment variable NEXTRADE_LEDGER__HOME: 'disk'" in done.stdout
    assert call("doctor", "--json", NEXTRADE_LEDGER__HOME="disk").exit_code == 1


def test_doctor_wants_the_stack_for_a_ledger_in_redis() -> None:
    """With home = "redis" and no servers named, a stack that does not run is wrong."""
    done = call("doctor", NEXTRADE_LEDGER__HOME="redis")

    assert done.exit_code == 1
    assert "wrong  stack: 0 of 4 servers run\n       -> nextrade stack up" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="Redis does not run on Windows at all")
def test_stack_without_redis_names_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where redis-server is missing, up is one line that says how to install it."""
    monkeypatch.setenv("PATH", "")
    done = call("stack", "up")

    assert done.exit_code == 1
    assert "redis-server is not installed; " in done.output
    assert "install it with: " in done.output or "install both with: " in done.output
    assert not Path(".nextrade").exists()


def test_stack_before_anything_was_started() -> None:
    """status, down and logs of a stack that never ran say so and make nothing."""
    status = call("stack", "status")

    assert status.exit_code == 1
    names = ("redis-1", "redis-2", "redis-3", "rabbit", "worker-1", "worker-2")
    assert status.stdout == "".join(f"{name}  stopped\n" for name in names)
    assert call("stack", "down").stdout == "nothing ran\n"
    assert "holds no logs" in call("stack", "logs").output
    assert not Path(".nextrade").exists()


def test_stack_from_up_to_down() -> None:
    """up starts what the settings say, status and logs tell of it, down stops it."""
    need_redis()
    settings = {
        "NEXTRADE_STACK__SHARDS": "1",
        "NEXTRADE_STACK__FOLDER": "here",
        "NEXTRADE_STACK__RABBIT": "false",
    }
    try:
        up = call("stack", "up", **settings)
        assert up.exit_code == 0, up.output
        (server,) = json.loads(call("stack", "status", "--json", **settings).stdout)
        assert server["state"] == "running"
        assert f"127.0.0.1:{server['port']}  process {server['pid']}" in up.stdout
        assert Path("here/redis-1/redis.pid").read_text().strip() == str(server["pid"])
        assert "redis-1  " in call("stack", "logs", **settings).stdout
        ready = call("doctor", NEXTRADE_LEDGER__HOME="redis", **settings)
        assert ready.exit_code == 0, ready.output
        assert "ok     outboxes: 0 changes wait to be published" in ready.stdout
        for name in "ab":
            words = ("deposit", "1", "BTC", "1", "--reference", name)
            assert call(*words, NEXTRADE_LEDGER__HOME="redis", **settings).exit_code == 0
        assert "2 wait to be published" in call("stack", "status", **settings).stdout
        (server,) = json.loads(call("stack", "status", "--json", **settings).stdout)
        assert server["waiting"] == 2
    finally:
        down = call("stack", "down", **settings)
    assert down.stdout == "stopped: redis-1\n"
