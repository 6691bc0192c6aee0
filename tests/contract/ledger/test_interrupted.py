"""The ledger on Redis while servers are killed, connections are cut and workers die."""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nextrade.errors import (
    Gap,
    LedgerUnavailable,
    StaleEpoch,
    UnknownBucket,
    WrongLibrary,
    WrongMap,
)

from .calls import ANNA, BIG, BTC, USDT, has, postings, requests, sums
from .homes import Home

FAR = 5  # an account in another bucket, on another shard than Anna's
LEGS = postings((ANNA, BTC, 0, -6), (FAR, BTC, 6, 0))


def set_up(home: Home) -> Any:
    """Return a ledger in which Anna has 20, of which 6 are held for frame 1 and 3 for "w"."""
    ledger = home.new(buckets=6)
    assert ledger.map.of_account(ANNA) != ledger.map.of_account(FAR)
    ledger.credit("d", ANNA, BTC, 20)
    ledger.hold("w", ANNA, BTC, 3)
    ledger.reserve(0, 1, 1, requests((ANNA, BTC, 6)))
    return ledger


CALLS: dict[str, tuple[Callable[[Any], Any], tuple[tuple[int, int], tuple[int, int]]]] = {
    "credit": (lambda ledger: ledger.credit("c", ANNA, BTC, 5), ((16, 9), (0, 0))),
    "hold": (lambda ledger: ledger.hold("h", ANNA, BTC, 5), ((6, 14), (0, 0))),
    "capture": (lambda ledger: ledger.capture("w"), ((11, 6), (0, 0))),
    "refund": (lambda ledger: ledger.refund("w"), ((14, 6), (0, 0))),
    "transfer": (lambda ledger: ledger.transfer("t", ANNA, FAR, BTC, 5), ((6, 9), (5, 0))),
    "reserve": (
        lambda ledger: ledger.reserve(0, 1, 2, requests((ANNA, BTC, 5), (FAR, BTC, 1))).tolist(),
        ((6, 14), (0, 0)),
    ),
    "settle": (lambda ledger: ledger.settle(0, 1, 1, LEGS, [1]), ((11, 3), (6, 0))),
    "open_partition": (lambda ledger: ledger.open_partition(0, 2), ((11, 9), (0, 0))),
    "trim_outbox": (
        lambda ledger: ledger.trim_outbox(ledger.map.of_account(ANNA), 2),
        ((11, 9), (0, 0)),
    ),
    "balances": (lambda ledger: ledger.balances(ANNA).tolist(), ((11, 9), (0, 0))),
    "totals": (lambda ledger: ledger.totals().tolist(), ((11, 9), (0, 0))),
}


def cut(monkeypatch: pytest.MonkeyPatch, what: str, at: int) -> list[int]:
    """Cut the connection once: at the at-th request or reply. Returns how often that could be."""
    from nextrade.service.ledger.redis.link import Link

    send, receive = Link.send, Link.receive
    count = [0]

    def failing_send(link: Link, commands: list[bytes]) -> None:
        if what == "reply":
            return send(link, commands)
        count[0] += 1
        if count[0] != at:
            return send(link, commands)
        if what == "half a request":
            whole = b"".join(commands)
            send(link, [whole[: len(whole) // 2]])
        link.close()
        raise LedgerUnavailable("cut")

    def failing_receive(link: Link) -> Any:
        reply = receive(link)
        if what != "reply":
            return reply
        count[0] += 1
        if count[0] == at:
            link.close()
            raise LedgerUnavailable("cut")
        return reply

    monkeypatch.setattr(Link, "send", failing_send)
    monkeypatch.setattr(Link, "receive", failing_receive)
    return count


@pytest.mark.parametrize("what", ["request", "half a request", "reply"])
@pytest.mark.parametrize("name", CALLS)
def test_cut_connection(
    redis_home: Home, monkeypatch: pytest.MonkeyPatch, name: str, what: str
) -> None:
    """Wherever the connection is cut, the call ends well and takes effect once."""
    call, expected = CALLS[name]
    for at in range(1, 100):
        ledger = set_up(redis_home)
        with monkeypatch.context() as patched:
            count = cut(patched, what, at)
            call(ledger)
        assert (has(ledger, ANNA, BTC), has(ledger, FAR, BTC)) == expected
        total = sums(ledger)[BTC]
        assert total[0] + total[1] == total[2]
        assert total[3] == 0
        if count[0] < at:
            break

    assert 1 < at < 99


def test_kill_in_the_middle(server_home: Home) -> None:
    """While shards are killed and started again, no batch and no credit is lost or doubled."""
    ledger = server_home.new()
    ledger.shards.patience_s = 30
    accounts = np.arange(1, 41)
    for account in accounts:
        ledger.credit(f"d{account}", int(account), USDT, 10_000)
    expected = np.full(40, 10_000)
    stop = threading.Event()
    killed: list = []
    kills = 3 if server_home.again().map.shards else 1  # a cluster takes seconds to agree again

    def trouble() -> None:
        while not stop.is_set():
            server = server_home.servers[len(killed) % 3]
            server.kill()
            time.sleep(0.05)
            server_home.restart(server)
            killed.append(server)
            stop.wait(0.2)

    random = np.random.default_rng(7)
    thread = threading.Thread(target=trouble)
    thread.start()
    batch = 0
    try:
        while len(killed) < kills or batch < 100:
            batch += 1
            payers = random.permutation(40)[:10]
            asked = np.zeros(10, requests().dtype)
            asked["account"], asked["asset"], asked["amount"] = accounts[payers], USDT, 3
            assert ledger.reserve(0, 1, batch, asked).all()
            change = np.full(40, 10 * 3 // 30)
            change[30:] = 0
            legs = np.zeros(40, postings().dtype)
            legs["account"], legs["asset"], legs["available"] = accounts, USDT, change
            legs["held"][payers] = -3
            ledger.settle(0, 1, batch, legs, [batch])
            ledger.credit(f"more {batch}", 1, USDT, 2)
            expected[payers] -= 3
            expected += change
            expected[0] += 2
    finally:
        stop.set()
        thread.join()

    records = ledger.balances([(int(account), USDT) for account in accounts])
    assert records["available"].tolist() == expected.tolist()
    assert not records["held"].any()
    assert sums(ledger)[USDT] == (400_000 + 2 * batch, 0, 400_000 + 2 * batch, 0)
    assert server_home.again().open_partition(0, 2) == batch


def test_server_that_stays_away(server_home: Home) -> None:
    """A call gives up after its patience, and can be repeated when the server is back."""
    ledger = set_up(server_home)
    ledger.shards.patience_s = 0.3
    address = ledger.shards.placement.address_of(ledger.map, ledger.map.of_account(ANNA))
    (server,) = [server for server in server_home.servers if server.address == address]
    server.kill()
    try:
        with pytest.raises(LedgerUnavailable):
            ledger.settle(0, 1, 1, LEGS, [1])
    finally:
        server_home.restart(server)
    ledger.shards.patience_s = 10
    with pytest.raises(Gap):
        ledger.settle(0, 1, 2, LEGS[:0])
    ledger.settle(0, 1, 1, LEGS, [1])

    assert (has(ledger, ANNA, BTC), has(ledger, FAR, BTC)) == ((11, 3), (6, 0))


@pytest.mark.parametrize("landed", [0, 1])
def test_batch_that_landed_in_one_bucket(
    server_home: Home, monkeypatch: pytest.MonkeyPatch, landed: int
) -> None:
    """When a worker dies between two buckets, the next one finds the batch begun and ends it."""
    ledger = set_up(server_home)
    ledger.settle(0, 1, 1, LEGS[:0])
    exchange = ledger.shards.exchange

    def die_halfway(calls: list) -> None:
        assert len(calls) == 2
        exchange([calls[landed]])
        raise LedgerUnavailable("died")

    monkeypatch.setattr(ledger.shards, "exchange", die_halfway)
    with pytest.raises(LedgerUnavailable):
        ledger.settle(0, 1, 2, LEGS, [1])
    other = server_home.again()

    assert other.open_partition(0, 2) == 1
    with pytest.raises(Gap):
        other.settle(0, 2, 3, LEGS)
    other.settle(0, 2, 2, LEGS, [1])
    other.settle(0, 2, 2, LEGS, [1])
    assert (has(other, ANNA, BTC), has(other, FAR, BTC)) == ((11, 3), (6, 0))
    assert server_home.again().open_partition(0, 3) == 2
    monkeypatch.undo()
    with pytest.raises(StaleEpoch):
        ledger.settle(0, 1, 2, LEGS, [1])


@pytest.mark.parametrize(("steps", "between"), [(0, 0), (1, 0), (2, 5), (3, 0)])
def test_transfer_whose_caller_died(
    server_home: Home, monkeypatch: pytest.MonkeyPatch, steps: int, between: int
) -> None:
    """A transfer that stopped after any step is counted as in flight, and the sweeper ends it."""
    ledger = set_up(server_home)
    one, made = ledger._one, []

    def die_later(*arguments: Any) -> bool:
        if len(made) == steps:
            raise LedgerUnavailable("died")
        made.append(arguments)
        return one(*arguments)

    monkeypatch.setattr(ledger, "_one", die_later)
    if steps < 3:
        with pytest.raises(LedgerUnavailable):
            ledger.transfer("t", ANNA, FAR, BTC, 5)
    else:
        ledger.transfer("t", ANNA, FAR, BTC, 5)
    other = server_home.again()
    assert sums(other)[BTC][3] == between
    assert other.finish_transfers() == (1 if steps in (1, 2) else 0)
    assert other.finish_transfers() == 0

    moved = 5 if steps else 0
    assert (has(other, ANNA, BTC), has(other, FAR, BTC)) == ((11 - moved, 9), (moved, 0))
    assert sums(other)[BTC] == (11, 9, 20, 0)
    assert other.transfer("t", ANNA, FAR, BTC, 5) == (steps == 0)
    assert has(other, FAR, BTC) == (5, 0)


def test_lost_bucket(server_home: Home) -> None:
    """A bucket whose data is gone is neither read as empty nor written to."""
    ledger = set_up(server_home)
    address = ledger.shards.placement.address_of(ledger.map, ledger.map.of_account(ANNA))
    (server,) = [server for server in server_home.servers if server.address == address]
    key = ledger.map.key(ledger.map.of_account(ANNA))
    with server.client() as client:
        client.delete(key)
        for call in (
            lambda: ledger.balances([(ANNA, BTC)]),
            lambda: ledger.balances(ANNA),
            lambda: ledger.reserve(0, 1, 2, requests((ANNA, BTC, 1))),
            lambda: ledger.settle(0, 1, 1, LEGS),
            lambda: ledger.credit("d9", ANNA, BTC, 1),
            ledger.totals,
        ):
            with pytest.raises(UnknownBucket):
                call()
        assert not client.exists(key)


def test_other_maps_are_refused(redis_home: Home) -> None:
    """Servers without a map, with another one, or by other names are no ledger to this client."""
    from nextrade.service.ledger.redis import RedisLedger

    redis_home.new(buckets=6)
    addresses = {server.folder.name: server.address for server in redis_home.servers}
    with pytest.raises(WrongMap):
        RedisLedger.found(addresses, buckets=7)
    RedisLedger.found(addresses, buckets=6).close()
    with pytest.raises(WrongMap):
        RedisLedger({f"other-{name}": address for name, address in addresses.items()})
    with redis_home.servers[1].client() as client:
        client.flushall()
    with pytest.raises(WrongMap):
        RedisLedger(addresses)


def test_library_is_checked(server_home: Home) -> None:
    """A server without this version's functions is refused, and takes them when told to."""
    ledger = set_up(server_home)
    for server in server_home.servers:
        with server.client() as client:
            client.function_flush()
    try:
        with pytest.raises(WrongLibrary):
            server_home.again()
        with pytest.raises(WrongLibrary):
            ledger.credit("d2", ANNA, BTC, 1)
    finally:
        ledger.load_library()

    assert server_home.again().credit("d2", ANNA, BTC, BIG)


def test_outbox_tells_every_change(server_home: Home) -> None:
    """Each change outside batches leaves one record, in order, until it is trimmed."""
    ledger = server_home.new(buckets=1)
    ledger.credit("d", ANNA, BTC, 20)
    ledger.credit("d", ANNA, BTC, 20)
    ledger.hold("w", ANNA, BTC, 3)
    ledger.refund("w")
    ledger.transfer("t", ANNA, FAR, BTC, BTC + 4)
    records = ledger.outbox(0)

    assert [(record.number, record.call.name, record.reference) for record in records] == [
        (0, "CREDIT", "d"),
        (1, "HOLD", "w"),
        (2, "REFUND", "w"),
        (3, "HOLD", "t"),
        (4, "CREDIT", "t"),
        (5, "CAPTURE", "t"),
    ]
    assert [record.amount for record in records] == [20, 3, 3, 4, 4, 4]
    assert {(record.account, record.other_account) for record in records[3:]} == {(ANNA, FAR)}
    ledger.trim_outbox(0, 4)
    ledger.trim_outbox(0, 4)
    assert [record.number for record in ledger.outbox(0)] == [4, 5]
    assert [record.number for record in ledger.outbox(0, most=1)] == [4]
