"""``verify`` and ``inspect`` on an exchange on Redis where orders are open."""

import struct
from pathlib import Path

import pytest

from ..service.proof.trading import ASK, BID, trade
from .calling import call, deposit, told


@pytest.fixture
def _traded(_founded: None) -> None:
    """Two accounts have traded, and each has an open order."""
    from nextrade.platform.settings import read_settings

    deposit(1, "BTC", "2", "a")
    deposit(2, "USDT", "1000", "b")
    trade(read_settings())


@pytest.mark.usefixtures("_traded")
def test_verify_compares_book_stores() -> None:
    """What orders hold by the books is a column; partitions have a line each."""
    plain = told("verify", "--full", "--no-stream", "--json")
    shown = call("verify", "--no-stream")

    assert shown.exit_code == 0, shown.output
    assert "by orders" in shown.stdout
    assert "to settle" in shown.stdout
    assert "partition 0: batch 1, 2 open orders; its stream was not read" in shown.stdout
    assert "Everything is accounted for (totals)." in shown.stdout
    assert plain["holds"]
    held = {one["asset"]: (one["held"], one["order_list"]) for one in plain["assets"]}
    assert held["BTC"] == ("50000000", "50000000")
    assert held["USDT"] == ("100000000", "100000000")
    assert plain["partitions"][0] == {
        "partition": 0,
        "batch": 1,
        "cleared": 1,
        "snapshot_batch": 0,
        "open_orders": 2,
        "stream": None,
    }


@pytest.mark.usefixtures("_traded")
def test_without_a_broker_it_says_what_to_leave_out() -> None:
    """A stream that cannot be read is an error, not something to pass over."""
    refused = call("verify")

    assert refused.exit_code == 1
    assert "--no-stream" in refused.stderr


def test_no_stream_is_refused_where_there_are_none(tmp_path: Path) -> None:
    """An exchange in a folder has no event streams that could be left out."""
    assert call("verify", "--path", str(tmp_path), "--no-stream").exit_code == 2
    refused = call("verify", "--path", str(tmp_path), "--no-stream").stderr
    assert "--no-stream is for an exchange on Redis" in refused


@pytest.mark.usefixtures("_traded")
def test_verify_ends_with_1_where_a_bucket_and_its_books_differ(servers: list) -> None:
    """Even if the bucket agrees with itself."""
    bucket = told("inspect", "--account", "2")["bucket"]
    key, partition_sum = f"nextrade:{{b{bucket}}}", b"P" + struct.pack("<II", 0, 2)
    changed = 0
    for server in servers:
        with server.client() as client:
            value = client.hget(key, partition_sum) if client.exists(key) else None
            if value:
                available, held = struct.unpack("<qq", value)
                client.hset(key, partition_sum, struct.pack("<qq", available - 1, held + 1))
                changed += 1
    wrong = call("verify", "--no-stream")

    assert changed == 1
    assert wrong.exit_code == 1
    assert f"Wrong: bucket {bucket}, partition 0, USDT, batch 1: by the bucket" in wrong.stdout
    assert "WRONG" in wrong.stdout
    assert "accounted for" not in wrong.stdout


@pytest.mark.usefixtures("_traded")
def test_inspect_shows_open_orders_of_the_book_stores() -> None:
    """By id, and those of an account."""
    order = told("inspect", "--order", str(ASK))

    assert order == {
        "order_id": ASK,
        "account": 1,
        "market": "BTC-USDT",
        "side": "SELL",
        "price": "500.00",
        "quantity": "0.5000",
        "dormant": False,
        "tier": 0,
        "holds": "0.50000000 BTC",
    }
    assert told("inspect", "--account", "1")["orders"] == [order]
    assert [one["order_id"] for one in told("inspect", "--account", "2")["orders"]] == [BID]
    assert call("inspect", "--order", "1002").exit_code == 1
