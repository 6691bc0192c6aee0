"""The ledger and a book store on a server that must have a replica before anything is done."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nextrade.errors import LedgerUnavailable, StoreUnavailable

from ...redis_here import running
from .calls import ANNA, BTC, has, postings, requests

PATIENCE_S = 0.2
WAIT_MS = 50
BACK = postings((ANNA, BTC, 6, -6))


class Pair:
    """A primary, its replica, and clients that want both."""

    def __init__(self, primary: Any, replica: Any) -> None:
        self.primary, self.replica = primary, replica
        self._open: list[Any] = []

    def placement(self, replicas: int = 1, of: Any = None) -> Any:
        """Return what clients are given; by default the primary."""
        from nextrade.service.ledger.redis import NamedShards, Replication

        address = (of or self.primary).address
        return NamedShards({"redis-1": address}, replication=Replication(replicas, WAIT_MS))

    def ledger(self, patience_s: float = 10.0, **how: Any) -> Any:
        """Return a ledger with connections of its own."""
        from nextrade.service.ledger.redis import RedisLedger

        self._open.append(RedisLedger(self.placement(**how), patience_s))
        return self._open[-1]

    def store(self, patience_s: float = 10.0, **how: Any) -> Any:
        """Return a book store with connections of its own."""
        from nextrade.service.store import RedisBookStore

        self._open.append(RedisBookStore(self.placement(**how), patience_s))
        return self._open[-1]

    def close(self) -> None:
        """Close the connections of all of them."""
        for one in self._open:
            one.close()

    def signal_replica(self, what: int) -> None:
        """Send the replica a signal."""
        os.kill(self.replica.pid, what)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Two servers, one the replica of the other, and a founded ledger."""
    from nextrade.service.ledger.redis import RedisLedger

    with running(tmp_path, count=2) as (primary, replica):
        with primary.client() as client, replica.client() as other:
            client.config_set("repl-diskless-sync-delay", 0)
            other.replicaof("127.0.0.1", primary.port)
            until = time.monotonic() + 20
            while other.info("replication")["master_link_status"] != "up":
                assert time.monotonic() < until
                time.sleep(0.02)
        pair = Pair(primary, replica)
        RedisLedger.found(pair.placement(), 6).close()
        try:
            yield pair
        finally:
            pair.close()
            if replica.pid:
                pair.signal_replica(signal.SIGCONT)


def test_nothing_is_done_without_the_replica_and_nothing_doubled_after(pair: Pair) -> None:
    """Calls are unavailable while the replica stands still, on old connections and on new ones."""
    ledger = pair.ledger(PATIENCE_S)
    store = pair.store(PATIENCE_S)
    store.found(0, b"markets")
    epoch = store.acquire(0).epoch
    ledger.credit("d", ANNA, BTC, 20)
    ledger.reserve(0, epoch, 1, requests((ANNA, BTC, 6)))
    pair.signal_replica(signal.SIGSTOP)

    for _ in range(2):  # the second time it has been done, and is still not to be counted on
        fresh = pair.ledger(PATIENCE_S)
        for one in (ledger, fresh):
            with pytest.raises(LedgerUnavailable, match="0 of 1 replicas"):
                one.settle(0, epoch, 1, BACK, [1])
            with pytest.raises(LedgerUnavailable, match="0 of 1 replicas"):
                one.credit("e", ANNA, BTC, 5)
        with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
            store.commit(0, epoch, 1, 0, b"entry")
    assert store.look(0).batch == 1  # who only reads waits for nobody
    pair.signal_replica(signal.SIGCONT)

    patient = pair.ledger(10.0)
    patient.settle(0, epoch, 1, BACK, [1])
    patient.credit("e", ANNA, BTC, 5)
    pair.store(10.0).commit(0, epoch, 1, 0, b"entry")
    assert has(patient, ANNA, BTC) == (25, 0)
    assert store.look(0).entries == (b"entry",)


def test_without_the_setting_no_replica_is_waited_for(pair: Pair) -> None:
    """The same server takes a call at once when no replica is asked for."""
    pair.signal_replica(signal.SIGSTOP)
    ledger = pair.ledger(PATIENCE_S, replicas=0)
    ledger.credit("d", ANNA, BTC, 20)

    assert has(ledger, ANNA, BTC) == (20, 0)


def test_a_promoted_replica_has_everything_that_was_confirmed(pair: Pair) -> None:
    """Kill the primary after a hundred confirmed calls: its replica goes on with all of them."""
    ledger = pair.ledger()
    store = pair.store()
    store.found(0, b"markets")
    epoch = store.acquire(0).epoch
    for number in range(1, 101):
        ledger.credit(f"d{number}", ANNA, BTC, number)
        store.commit(0, epoch, number, 0, b"%d" % number)
    pair.primary.kill()
    with pair.replica.client() as client:
        client.replicaof("NO", "ONE")

    after = pair.ledger(replicas=0, of=pair.replica)
    after.credit("d100", ANNA, BTC, 100)  # known, and not credited twice
    assert has(after, ANNA, BTC) == (5050, 0)
    found = pair.store(replicas=0, of=pair.replica).look(0)
    assert found.entries == tuple(b"%d" % number for number in range(1, 101))
