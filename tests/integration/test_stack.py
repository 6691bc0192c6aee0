"""The whole exchange of a stack: started by one command, traded on, broken, stopped."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nextrade.cli import root

from ..rabbit_here import eventually, need_rabbit
from ..redis_here import need_redis


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder with nothing in it; whatever was started there is stopped in the end."""
    need_redis()
    need_rabbit()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    yield
    CliRunner().invoke(root, ["stack", "down"])


def call(*words: str) -> Result:
    """Call nextrade, which must succeed."""
    done = CliRunner().invoke(root, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def states() -> dict[str, Any]:
    """What `stack status` tells of each server and worker, by name."""
    told = CliRunner().invoke(root, ["stack", "status", "--json"], catch_exceptions=False)
    return {one["name"]: one for one in json.loads(told.stdout)}


def trade(count: int) -> None:
    """Send so many pairs of orders that meet through a gateway, and wait for their outcomes."""
    order = (
        '{{"account": {}, "market": "BTC-USDT", "side": "{}", "price": "100", "quantity": "1"}}\n'
    )
    lines = order.format(1, "buy") + order.format(2, "sell")
    Path("orders.jsonl").write_text(lines * count)
    done = json.loads(call("submit", "orders.jsonl", "--wait", "--json").stdout)
    assert done["confirmed"] == 2 * count


def wait_for_the_end_of_an_order() -> None:
    """An order good till a date holds money until then, and nothing after: nobody cancels it."""
    before = balance(1, "USDT")
    order = {"account": 1, "market": "BTC-USDT", "side": "buy", "price": "50", "quantity": "1"}
    order |= {"time_in_force": "gtd", "expire_ns": time.time_ns() + 1_500_000_000}
    Path("gtd.jsonl").write_text(json.dumps(order) + "\n")
    assert json.loads(call("submit", "gtd.jsonl", "--wait", "--json").stdout)["accepted"] == 1
    assert balance(1, "USDT") != before
    eventually(lambda: balance(1, "USDT") == before, 20)


def send_one_order_twice() -> None:
    """An order of one client order id, through two gateways, runs once; then it has an end."""
    order = {"account": 1, "market": "BTC-USDT", "side": "buy", "price": "10", "quantity": "1"}
    Path("named.jsonl").write_text(json.dumps(order | {"client_order_id": "a-1"}) + "\n")
    told = [json.loads(call("submit", "named.jsonl", "--wait", "--json").stdout) for _ in "12"]
    assert [one["accepted"] for one in told] == [1, 0]
    assert told[1]["rejected"] == {"DUPLICATE_CLIENT_ORDER_ID": 1}
    words = ("--json", "--from", "first", "--no-follow", "--account", "1")
    events = [json.loads(line) for line in call("tail", *words).stdout.splitlines()]
    accepted, refused = [one for one in events if one.get("client_order_id") == "a-1"]
    assert (accepted["event"], refused["event"]) == ("ACCEPTED", "REJECTED")
    (trouble,) = told[1]["troubles"]
    assert trouble == (
        f"order {refused['order']} of account 1 was refused: order {accepted['order']} has the"
        " client order id a-1"
    )
    cancel = {"do": "cancel", "account": 1, "market": "BTC-USDT", "client_order_id": "a-1"}
    Path("cancel.jsonl").write_text(json.dumps(cancel) + "\n")
    assert json.loads(call("submit", "cancel.jsonl", "--wait", "--json").stdout)["accepted"] == 1
    Path("cancel.jsonl").write_text(json.dumps(cancel | {"client_order_id": "b"}) + "\n")
    assert json.loads(call("submit", "cancel.jsonl", "--json").stdout)["refused"] == {
        "UNKNOWN_ORDER": 1
    }


def balance(account: int, asset: str) -> str:
    """What an account has available."""
    found = json.loads(call("balances", str(account), "--json").stdout)
    return next(one["available"] for one in found if one["asset"] == asset)


def test_an_exchange_by_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """After up orders match and settle, a killed worker is seen and replaced; down ends all."""
    up = call("stack", "up")
    names = ["redis-1", "redis-2", "redis-3", "rabbit", "worker-1", "worker-2"]
    assert [line.split()[0] for line in up.stdout.splitlines()] == [
        *names,
        "ledger",
        "queues",
        "nextrade.toml",
    ]
    before = states()
    assert list(before) == names
    assert {one["state"] for one in before.values()} == {"running"}
    assert all(f"process {one['pid']}" in up.stdout for one in before.values())

    call("deposit", "1", "USDT", "1000", "--reference", "wire-1")
    call("deposit", "2", "BTC", "4", "--reference", "wire-2")
    trade(1)
    assert balance(2, "USDT") == "99.800000"
    wait_for_the_end_of_an_order()
    send_one_order_twice()
    assert "client order ids" not in call("verify").stdout
    doctor = call("doctor").stdout
    for line in ("stack: 4 of 4 servers run", "workers: each of 2 partitions is served"):
        assert f"ok     {line}" in doctor
    assert "0 wrong" in doctor
    assert "ok     outboxes: " in doctor
    monkeypatch.setattr("nextrade.service.doctor_outbox.MANY_WAITING", -1)
    assert "wait to be published\n       -> most at redis-" in call("doctor").stdout

    dead = before["worker-1"]["pid"]
    os.kill(dead, signal.SIGKILL)
    eventually(lambda: states()["worker-1"]["pid"] not in (None, dead))
    again = call("stack", "up")
    assert "nextrade.toml" not in again.stdout
    after = states()
    assert [after[name]["pid"] for name in names[:4]] == [before[name]["pid"] for name in names[:4]]
    trade(2)
    assert balance(2, "USDT") == "299.400000"
    assert {line.split()[0] for line in call("stack", "logs").stdout.splitlines()} == {
        *names[:4],
        "workers",
    }

    assert call("stack", "down").stdout == ("stopped: workers, redis-1, redis-2, redis-3, rabbit\n")
    assert call("stack", "down").stdout == "nothing ran\n"
    assert {one["state"] for one in states().values()} == {"stopped"}
    assert CliRunner().invoke(root, ["stack", "status"]).exit_code == 1


@pytest.mark.full
def test_what_was_killed_comes_back_with_everything() -> None:
    """After a kill of every server and of who watches the workers, up goes on where it was."""
    call("stack", "up")
    call("deposit", "1", "USDT", "1000", "--reference", "wire-1")
    call("deposit", "2", "BTC", "4", "--reference", "wire-2")
    trade(1)
    before = states()
    watcher = int(Path(".nextrade/stack/workers/worker.pid").read_text())
    for pid in [watcher, *(one["pid"] for name, one in before.items() if "worker" not in name)]:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: {one["state"] for one in states().values()} == {"stopped"})
    # Who was watched by the dead one ends by itself, and says so.
    log = Path(".nextrade/stack/workers/worker.log")
    eventually(lambda: log.read_text().count("nextrade.worker ended") == 2, 60)
    doctor = CliRunner().invoke(root, ["doctor"])
    assert doctor.exit_code == 1
    assert "wrong  stack: 0 of 4 servers run\n       -> nextrade stack up" in doctor.stdout

    call("stack", "up")

    after = states()
    assert {name: one["port"] for name, one in after.items()} == {
        name: one["port"] for name, one in before.items()
    }
    assert balance(2, "USDT") == "99.800000"
    trade(1)
    assert balance(2, "USDT") == "199.600000"
    told = call("tail", "--ledger", "--from", "first", "--no-follow", "--json").stdout
    assert {json.loads(line)["reference"] for line in told.splitlines()} == {"wire-1", "wire-2"}
    proof = json.loads(call("verify", "--full", "--json").stdout)
    assert (proof["changes"]["waiting"], proof["changes"]["published"]) == (0, 2)


@pytest.mark.full
def test_servers_alone() -> None:
    """With --servers-only nothing is founded, no worker runs, and no settings file is written."""
    up = call("stack", "up", "--servers-only")
    assert [line.split()[0] for line in up.stdout.splitlines()] == [
        "redis-1",
        "redis-2",
        "redis-3",
        "rabbit",
    ]
    assert not Path("nextrade.toml").exists()
    assert states()["worker-1"]["state"] == "stopped"
    done = CliRunner().invoke(root, ["balances"], env={"NEXTRADE_LEDGER__HOME": "redis"})
    assert done.exit_code == 1
    assert "nextrade shards found" in done.output
    doctor = CliRunner().invoke(root, ["doctor"], env={"NEXTRADE_LEDGER__HOME": "redis"})
    assert "nextrade.dead.0 is not there; and 8 more" in doctor.stdout
    assert "-> nextrade stack up, or nextrade worker --all" in doctor.stdout


def test_a_stale_process_id_of_workers_is_nobody() -> None:
    """A process id that went to a stranger is neither taken for the workers nor stopped."""
    home = Path(".nextrade/stack/workers")
    home.mkdir(parents=True)
    (home / "worker.pid").write_text(f"{os.getpid()}\n")

    assert states()["worker-1"]["state"] == "stopped"
    assert call("stack", "down").stdout == "nothing ran\n"


@pytest.mark.full
def test_an_exchange_with_replicas_and_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of a stack get both, wait for the replica, and settle; with the disk all is kept."""
    for name, value in {"SHARDS": "1", "REPLICAS": "1", "PASSWORD": "a b", "WORKERS": "1"}.items():
        monkeypatch.setenv(f"NEXTRADE_STACK__{name}", value)
    call("stack", "up")
    call("deposit", "1", "USDT", "1000", "--reference", "wire-1")
    call("deposit", "2", "BTC", "4", "--reference", "wire-2")
    trade(3)
    assert "0 wrong" in call("doctor").stdout
    os.kill(states()["redis-1-replica-1"]["pid"], signal.SIGKILL)
    call("stack", "up")
    trade(1)
    assert balance(2, "USDT") == "399.200000"
    call("verify", "--full")
    assert call("stack", "down").stdout == (
        "stopped: workers, redis-1, redis-1-replica-1, rabbit\n"
    )
