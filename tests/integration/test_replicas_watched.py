"""The doctor on a primary and its replica: what it says as the replica goes and comes."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nextrade.cli import root

from ..redis_here import running


def found(name: str) -> tuple[str, str]:
    """State and finding of the doctor's check of this name."""
    done = CliRunner().invoke(root, ["doctor", "--json"])
    (one,) = [one for one in json.loads(done.stdout) if one["name"] == name]
    return one["state"], one["found"]


def follow(replica: Any, primary: Any) -> None:
    """Let one server be the replica of the other, and wait until it has everything."""
    with primary.client() as client, replica.client() as other:
        client.config_set("repl-diskless-sync-delay", 0)
        other.replicaof("127.0.0.1", primary.port)
        until = time.monotonic() + 20
        while other.info("replication")["master_link_status"] != "up":
            assert time.monotonic() < until
            time.sleep(0.02)


def test_doctor_counts_the_replicas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is wrong, one is enough; lonely writes are noted until refused; roles are not mixed."""
    monkeypatch.chdir(tmp_path)
    with running(tmp_path, count=2) as (primary, replica):
        monkeypatch.setenv("NEXTRADE_LEDGER__HOME", "redis")
        monkeypatch.setenv("NEXTRADE_LEDGER__REPLICAS", "1")
        monkeypatch.setenv("NEXTRADE_LEDGER__SHARDS", primary.address)
        replicas, lonely = f"replicas {primary.address}", f"lonely writes {primary.address}"
        alone = found(replicas), found(lonely)
        follow(replica, primary)
        followed = found(replicas), found(lonely)
        with primary.client() as client:
            client.config_set("min-replicas-to-write", 1)
        refused = found(lonely)
        monkeypatch.setenv("NEXTRADE_LEDGER__SHARDS", replica.address)
        mistaken = found(f"shard {replica.address}")

    lacks = "0 connected, 1 must have each change"
    assert alone == (("wrong", lacks), ("note", "taken without any replica"))
    has = "1 connected, 1 must have each change"
    assert followed == (("ok", has), ("note", "taken without any replica"))
    assert refused == ("ok", "refused")
    assert mistaken[0] == "wrong"
    assert mistaken[1].endswith("a replica: it takes no changes")
