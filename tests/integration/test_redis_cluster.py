"""A ledger on Redis Clusters as they are run in earnest: with TLS and passwords, with replicas."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nextrade.cli import root
from nextrade.errors import AccessRefused, LedgerUnavailable
from nextrade.platform.redis_access import OPEN, RedisAccess

from ..contract.ledger.calls import BTC, has, postings, requests
from ..redis_here import need_redis
from ..tls_here import certificates

PASSWORD = "open says me, 5 times"
BUCKETS = 12
ACCOUNTS = range(1, 13)

pytestmark = pytest.mark.full


@contextmanager
def cluster(folder: Path, access: RedisAccess = OPEN, **options: str) -> Iterator[Sequence[Any]]:
    """Three primaries, joined."""
    need_redis()
    from nextrade.platform.redis_servers import RedisServer, join_cluster

    servers = [
        RedisServer(folder / f"{k}", None, "everysec", True, access, options) for k in range(3)
    ]
    try:
        for server in servers:
            server.start()
        join_cluster(servers)
        yield servers
    finally:
        for server in servers:
            server.stop()


@contextmanager
def followed(folder: Path, primaries: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """A replica of each of these."""
    from nextrade.platform.redis_servers import RedisServer, join_replicas

    replicas = [RedisServer(folder / f"r{k}", None, "everysec", True) for k in range(3)]
    try:
        for one in replicas:
            one.start()
        join_replicas(primaries, replicas)
        yield replicas
    finally:
        for one in replicas:
            if one.pid:
                os.kill(one.pid, signal.SIGCONT)
            one.stop()


def placement(servers: Sequence[Any], access: RedisAccess = OPEN, replicas: int = 0) -> Any:
    """What clients are given: one of the servers, through which they find the others."""
    from nextrade.service.ledger.redis import ClusterShards, Replication

    return ClusterShards([servers[0].address], access, Replication(replicas, 100))


def exercise(ledger: Any) -> None:
    """Money comes in, moves, is held, goes out and is settled, in every bucket."""
    for account in ACCOUNTS:
        assert ledger.credit(f"in-{account}", account, BTC, 100)
        assert not ledger.credit(f"in-{account}", account, BTC, 100)
    ledger.transfer("across", 1, 2, BTC, 30)
    ledger.hold("out", 3, BTC, 10)
    ledger.capture("out")
    epoch = 1
    ledger.reserve(0, epoch, 1, requests((4, BTC, 6)))
    ledger.settle(0, epoch, 1, postings((4, BTC, 2, -6), (5, BTC, 4, 0)), [1])
    assert [has(ledger, account, BTC) for account in range(1, 7)] == [
        *((70, 0), (130, 0), (90, 0), (96, 0), (104, 0), (100, 0)),
    ]


def test_a_cluster_with_tls_and_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of a ledger works over TLS between all, the command line too; others are turned away."""
    from nextrade.service.ledger.redis import RedisLedger

    papers = certificates(tmp_path / "papers")
    access = RedisAccess("", PASSWORD, True, papers.authority, papers.certificate, papers.key)
    options = {
        "tls-cert-file": str(papers.certificate),
        "tls-key-file": str(papers.key),
        "tls-ca-cert-file": str(papers.authority),
        "requirepass": PASSWORD,
    }
    with cluster(tmp_path / "redis", access, **options) as servers:
        no_password = RedisAccess("", "no", True, papers.authority, papers.certificate, papers.key)
        other_authority = RedisAccess("", PASSWORD, True, None, papers.certificate, papers.key)
        no_certificate = RedisAccess("", PASSWORD, True, papers.authority)
        for wrong, error in (
            (no_password, AccessRefused),
            (other_authority, AccessRefused),
            # What the server says of it may be lost when it hangs up.
            (no_certificate, (AccessRefused, LedgerUnavailable)),
        ):
            begin = time.monotonic()
            with pytest.raises(error):
                RedisLedger(placement(servers, wrong))
            assert time.monotonic() - begin < 5
        for name, value in {
            "HOME": "redis",
            "CLUSTER": "true",
            "BUCKETS": str(BUCKETS),
            "SHARDS": servers[1].address,
            "PASSWORD": PASSWORD,
            "TLS": "true",
            "TLS_CA_FILE": str(papers.authority),
            "TLS_CERT_FILE": str(papers.certificate),
            "TLS_KEY_FILE": str(papers.key),
        }.items():
            monkeypatch.setenv(f"NEXTRADE_LEDGER__{name}", value)
        monkeypatch.setenv("NEXTRADE_STACK__RABBIT", "false")
        monkeypatch.chdir(tmp_path)
        for words in (
            "shards found",
            "deposit 12 USDT 5 --reference a",
            "verify --full",
            "doctor",
        ):
            done = CliRunner().invoke(root, words.split(), prog_name="nextrade")
            assert done.exit_code == 0, done.output
        ledger = RedisLedger(placement(servers, access))
        assert len(ledger.shards.placement.addresses()) == 3
        exercise(ledger)
        address = ledger.shards.where(ledger.map.of_account(6))
        (server,) = (one for one in servers if one.address == address)
        server.kill()
        ledger.shards.patience_s = 0.5
        with pytest.raises(LedgerUnavailable):
            ledger.credit("more", 6, BTC, 1)
        server.start()
        ledger.shards.patience_s = 20.0
        ledger.credit("more", 6, BTC, 1)
        assert has(ledger, 6, BTC) == (101, 0)
        ledger.close()
    with pytest.raises(LedgerUnavailable, match="no Redis Cluster at"):
        RedisLedger(placement(servers, access))


def kept(server: Any, key: bytes, replica: bool = False) -> Any:
    """All that a server has under a key."""
    with server.client() as client:
        if replica:
            client.execute_command("READONLY")
        return client.hgetall(key)


def test_a_confirmed_call_is_on_the_replica(tmp_path: Path) -> None:
    """Of each primary; without the replica nothing is done; a failover loses nothing."""
    from nextrade.service.ledger.redis import RedisLedger

    with cluster(tmp_path / "redis") as primaries, followed(tmp_path / "redis", primaries) as two:
        RedisLedger.found(placement(primaries, replicas=1), BUCKETS).close()
        ledger = RedisLedger(placement(primaries, replicas=1))
        exercise(ledger)
        replica_of = dict(zip((one.address for one in primaries), two, strict=True))
        by_address = {one.address: one for one in primaries}
        for account in ACCOUNTS:
            ledger.credit(f"more-{account}", account, BTC, 1)
            bucket = ledger.map.of_account(account)
            address, key = ledger.shards.where(bucket), ledger.map.key(bucket)
            assert kept(replica_of[address], key, replica=True) == kept(by_address[address], key)

        address = ledger.shards.where(ledger.map.of_account(6))
        os.kill(replica_of[address].pid, signal.SIGSTOP)
        hasty = RedisLedger(placement(primaries, replicas=1), patience_s=0.5)
        with pytest.raises(LedgerUnavailable, match="0 of 1 replicas"):
            hasty.credit("last", 6, BTC, 1)
        hasty.close()
        os.kill(replica_of[address].pid, signal.SIGCONT)
        ledger.credit("last", 6, BTC, 1)

        after = RedisLedger(placement([by_address[address]]), patience_s=30.0)
        by_address[address].kill()  # the only server that this one was told of
        assert not after.credit("last", 6, BTC, 1)
        assert has(after, 6, BTC) == (102, 0)
        assert after.shards.where(after.map.of_account(6)) == replica_of[address].address
        ledger.close()
        after.close()
