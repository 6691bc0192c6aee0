"""Changes outside batches on their way from real Redis servers to a stream in a real RabbitMQ."""

import json
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nextrade.cli import root
from nextrade.domain.protocol.changes import write_change_message
from tests.rabbit_here import Look, eventually, need_rabbit
from tests.redis_here import running

PARENT = """
import os, signal, sys, threading
from nextrade.platform.rabbit.connection import RabbitConnection
from nextrade.platform.rabbit.publisher import Publisher
from nextrade.platform.rabbit.target import target_of
from nextrade.platform.settings import read_settings
from nextrade.service.home.opening import open_ledger
from nextrade.service.ledger.redis.outboxes import Outboxes
from nextrade.service.topology import Topology
from nextrade.service.worker.relay import LedgerRelay
settings = read_settings()
ledger = open_ledger(settings)
topology = Topology(settings.rabbit.prefix)
with RabbitConnection(target_of(settings), "dies") as connection:
    publisher = Publisher(connection)
    publisher.wait_ready(10)
    relay = LedgerRelay(
        Outboxes(ledger.shards), lambda body, name: publisher.send(topology.ledger, body, name)
    )
    read = relay.read(range(ledger.map.buckets))
    for future in relay.send(read):
        future.result(10)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def exchange(
    broker: Any, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Settings that lead to a founded exchange with queues; what it gives is the settings."""
    need_rabbit()
    from nextrade.platform.rabbit.target import target_of
    from nextrade.platform.settings import read_settings
    from nextrade.service.topology import Topology

    monkeypatch.chdir(tmp_path)
    with running(tmp_path / "redis", 2) as servers:
        for name, value in {
            "LEDGER__HOME": "redis",
            "LEDGER__SHARDS": ",".join(server.address for server in servers),
            "RABBIT__ADDRESSES": broker.address,
            "RABBIT__USERNAME": "nextrade",
            "RABBIT__PASSWORD": broker.password,
            "RABBIT__PREFIX": prefix,
        }.items():
            monkeypatch.setenv(f"NEXTRADE_{name}", value)
        assert call("shards", "found").exit_code == 0
        found = read_settings()
        Topology(prefix).declare(target_of(found), [0, 1])
        yield found


def call(*words: str) -> Result:
    """Run the command with these words."""
    return CliRunner().invoke(root, list(words), prog_name="nextrade")


def told() -> list[dict[str, Any]]:
    """What `tail --ledger` tells from the beginning."""
    done = call("tail", "--ledger", "--from", "first", "--no-follow", "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextmanager
def chores(settings: Any, count: int = 1) -> Iterator[None]:
    """So many workers' chores, running."""
    from nextrade.platform.rabbit.connection import RabbitConnection
    from nextrade.platform.rabbit.publisher import Publisher
    from nextrade.platform.rabbit.target import target_of
    from nextrade.service.home.opening import open_ledger
    from nextrade.service.ledger.redis.outboxes import Outboxes
    from nextrade.service.topology import Topology
    from nextrade.service.worker.ledger_chores import LedgerChores
    from nextrade.service.worker.relay import LedgerRelay

    topology, target = Topology(settings.rabbit.prefix), target_of(settings)
    stop = threading.Event()
    with RabbitConnection(target, "chores") as connection:
        publisher = Publisher(connection)
        running_ = [
            LedgerChores(
                lambda: open_ledger(settings, 1.0),
                lambda ledger: LedgerRelay(
                    Outboxes(ledger.shards),
                    lambda body, name: publisher.send(topology.ledger, body, name),
                ),
                lambda: topology.declare(target, [0, 1]),
                stop,
            )
            for _ in range(count)
        ]
        for one in running_:
            one.start()
        try:
            yield
        finally:
            stop.set()
            for one in running_:
                one.join()


def waiting(settings: Any) -> int:
    """How many records no relay has trimmed."""
    from nextrade.service.home.opening import open_ledger
    from nextrade.service.ledger.redis.looking import outbox_sizes

    ledger = open_ledger(settings)
    try:
        return sum(outbox_sizes(ledger.shards))
    finally:
        ledger.close()


def server_of(ledger: Any, bucket: int) -> Any:
    """A connection to the server of a bucket."""
    import redis

    address = ledger.shards.placement.address_of(ledger.map, bucket)
    if address.startswith("/"):
        return redis.Redis(unix_socket_path=address)
    host, _, port = address.rpartition(":")
    return redis.Redis(host=host, port=int(port))


def test_every_change_is_told_once(exchange: Any) -> None:
    """Killed between publishing and trimming, then two at once: each change once, in order."""
    from nextrade.service.home.opening import open_ledger

    ledger = open_ledger(exchange)
    for number in range(60):
        assert ledger.credit(f"in-{number}", number % 7 + 1, 2, 1000)
    ledger.hold("out", 1, 2, 300)
    ledger.capture("out")
    ledger.hold("back", 2, 2, 300)
    ledger.refund("back")
    ledger.transfer("across", 1, 2, 2, 50)
    before = waiting(exchange)
    died = subprocess.run([sys.executable, "-c", PARENT], timeout=60, check=False)
    kept = waiting(exchange)
    proof_before = call("verify")
    with chores(exchange, 2):
        eventually(lambda: waiting(exchange) == 0)
        assert ledger.credit("later", 5, 2, 7)
        eventually(lambda: waiting(exchange) == 0)
    facts = told()

    assert (died.returncode, before, kept) == (-9, 67, 67)
    assert len({(one["bucket"], one["sequence"]) for one in facts}) == len(facts) == 68
    by_bucket: dict[int, list[int]] = {}
    for one in facts:
        by_bucket.setdefault(one["bucket"], []).append(one["sequence"])
    assert all(numbers == list(range(len(numbers))) for numbers in by_bucket.values())
    events = [one["event"] for one in facts]
    assert events.count("deposit") == 61
    for event in ("capture", "refund", "transfer-hold", "transfer-in", "transfer-out"):
        assert events.count(event) == 1
    assert proof_before.exit_code == 0, proof_before.output
    assert len(call("tail", "--ledger", "--from", "first", "--count", "3").stdout.splitlines()) == 3
    assert call("tail", "--ledger", "--trades").exit_code == 2
    ledger.close()


def test_verify_names_what_happened_to_changes(exchange: Any) -> None:
    """A bucket set back to an older copy gives a number twice; a gap; a balance changed by hand."""
    from nextrade.platform.rabbit.target import target_of
    from nextrade.service.home.opening import open_ledger
    from nextrade.service.topology import Topology

    ledger = open_ledger(exchange)
    ledger.credit("first", 1, 2, 1000)
    bucket = ledger.map.of_account(1)
    key = ledger.map.key(bucket)
    with chores(exchange), server_of(ledger, bucket) as client:
        eventually(lambda: waiting(exchange) == 0)
        copy = client.dump(key)
        ledger.hold("out", 1, 2, 300)
        eventually(lambda: waiting(exchange) == 0)
        sound = call("verify")
        client.restore(key, 0, copy, replace=True)
        lost = call("verify")
        ledger.credit("second", 1, 2, 50)
        eventually(lambda: waiting(exchange) == 0)
        twice = call("verify", "--json")
        number = struct.unpack("<QQ", client.hget(key, b"O"))[1]
        sums = client.hget(key, b"T" + struct.pack("<I", 2))
        client.hset(key, b"T" + struct.pack("<I", 2), struct.pack("<q", 1) + sums[8:])
        record = struct.pack("<HBIIqI", 6, 1, 1, 2, 5, 0) + b"never"
    with Look(target_of(exchange)) as look:
        text = write_change_message(bucket, number + 3, 1, [record])
        look.channel.basic_publish("", Topology(exchange.rabbit.prefix).ledger, text)
    changed = json.loads(call("verify", "--json").stdout)["faults"]
    ledger.close()

    assert sound.exit_code == 0, sound.output
    assert lost.exit_code == twice.exit_code == 1
    assert "the bucket has made 1: its server has lost time" in lost.stdout.replace("\n", " ")
    assert (
        f"bucket {bucket}: change 1 is a hold of a withdrawal at first and a credit of a deposit at"
        " offset 2: its server has lost time"
    ) in json.loads(twice.stdout)["faults"]
    assert f"bucket {bucket}: the stream lacks changes 2 to 4, at offset 3" in changed
    assert any(f"bucket {bucket}, USDT: " in fault for fault in changed)


def test_a_full_outbox_refuses_until_it_is_relayed(exchange: Any) -> None:
    """At its limit a bucket refuses deposits; once the relay has been there it takes them."""
    from nextrade.errors import LedgerUnavailable
    from nextrade.service.home.opening import open_ledger

    ledger = open_ledger(exchange)
    assert ledger.credit("first", 1, 2, 1000)
    bucket = ledger.map.of_account(1)
    client = server_of(ledger, bucket)
    key = ledger.map.key(bucket)
    record = client.hget(key, b"o" + bytes(8))
    assert record is not None
    # The limit is a million: as many as the relay will take are really there.
    for begin in range(1, 2001, 500):
        pairs = {b"o" + struct.pack("<Q", n): record for n in range(begin, begin + 500)}
        client.hset(key, mapping=pairs)
    client.hset(key, b"O", struct.pack("<QQ", 0, 1_000_000))
    with pytest.raises(LedgerUnavailable, match="nobody has published"):
        ledger.credit("second", 1, 2, 1)
    with chores(exchange):
        eventually(lambda: struct.unpack("<QQ", client.hget(key, b"O"))[0] > 0)
        assert ledger.credit("second", 1, 2, 1)
    client.close()
    ledger.close()


def test_a_transfer_left_half_way_is_ended(exchange: Any) -> None:
    """The sweeper waits for a transfer to be old, ends it once, and does no harm when repeated."""
    from nextrade.service.home.opening import open_ledger
    from nextrade.service.ledger.redis.codes import Call, Purpose
    from nextrade.service.worker.ledger_chores import TransferSweeper

    ledger = open_ledger(exchange)
    ledger.credit("in", 1, 2, 1000)
    name, claim, before = ledger._claim("half", Purpose.TRANSFER, 1, 2, 400, 5)
    assert before is None
    ledger._one(Call.HOLD, 1, claim, name)
    now = [0.0]
    sweepers = [TransferSweeper(ledger, 10, lambda: now[0]) for _ in range(2)]
    everywhere = range(ledger.map.buckets)
    early = [one.sweep(everywhere) for one in sweepers]
    now[0] = 10.0
    late = [one.sweep(everywhere) for one in sweepers]

    assert (early, late) == ([0, 0], [1, 0])
    assert [tuple(row)[2:] for row in ledger.balances([(1, 2), (5, 2)]).tolist()] == [
        (600, 0),
        (400, 0),
    ]
    assert ledger.transfer("half", 1, 5, 2, 400) is False
    ledger.close()


def test_doctor_tells_that_nobody_publishes(exchange: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many changes and no worker: a note that says what to start; once published it is gone."""
    monkeypatch.setattr("nextrade.service.doctor_outbox.MANY_WAITING", 2)
    for name in "abc":
        assert call("deposit", "1", "BTC", "1", "--reference", name).exit_code == 0
    before = call("doctor").stdout
    with chores(exchange):
        eventually(lambda: waiting(exchange) == 0)
    after = call("doctor").stdout

    assert (
        "note   outboxes: 3 changes wait to be published, and no worker does it\n"
        "       -> nextrade stack up, or nextrade worker --all"
    ) in before
    assert "ok     outboxes: 0 changes wait to be published" in after
