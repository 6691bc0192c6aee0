"""The commands that look at money, on a ledger on three real Redis servers."""

import json
import struct
from pathlib import Path

import pytest

from nextrade import Exchange
from nextrade.domain.protocol.ids import Ids
from nextrade.domain.protocol.ports import Ask, Reserve, Settle

from ...contract.ledger.calls import named, postings
from ...redis_here import running
from .calling import call, deposit, told

USDT = 2
NOTHING = {"settled": "0.000000", "held": "0.000000"}
GIVEN_BACK = postings((1, USDT, 5, -5))

pytestmark = pytest.mark.usefixtures("_in_a_folder_of_its_own")


@pytest.mark.usefixtures("_founded")
def test_balances_of_one_and_of_all() -> None:
    """Exact text, ascending by account and asset; an account is asked for alone too."""
    for account, asset, amount in [(7, "USDT", "10.5"), (3, "BTC", "0.00000001"), (7, "BTC", "1")]:
        deposit(account, asset, amount, f"{account}-{asset}")
    assert deposit(7, "USDT", "11", "7-USDT").exit_code == 1
    everybody = told("balances", "--json")

    assert [tuple(row.values()) for row in everybody] == [
        (3, "BTC", "0.00000001", "0.00000000"),
        (7, "BTC", "1.00000000", "0.00000000"),
        (7, "USDT", "10.500000", "0.000000"),
    ]
    assert told("balances", "3", "--json") == everybody[:1]
    assert call("balances", "4").stdout == "nothing\n"
    assert "10.500000" in call("balances").stdout


@pytest.mark.usefixtures("_founded")
def test_inspect_shows_accounts_holds_and_buckets(servers: list) -> None:
    """Each decoded, with its place; what is unknown ends in exit code 1."""
    from nextrade.service.ledger.redis import RedisLedger

    deposit(1, "USDT", "10", "a")
    ledger = RedisLedger({f"redis-{n}": one.address for n, one in enumerate(servers, 1)})
    ledger.hold("w", 1, USDT, 2_500_000)
    ledger.transfer("t", 1, 2, USDT, 1_000_000)
    asked = named((1, USDT, 5, 2**53 + 1, 1, b"mine"), (1, USDT, 5, 8, 0, b"mine")).tobytes()
    frame = Ids(3, lambda: 1_700_000_000_000).one()
    asks = (Ask(frame, asked, named=True),)
    ledger.batches.turn(4, 9, [], [Reserve(ledger.map.of_account(1), 0, asks)])
    ledger.batches.turn(
        4,
        9,
        [Settle(ledger.map.of_account(1), 1, 0, bytes(3), GIVEN_BACK.tobytes(), (frame,))],
        [],
    )
    ledger.open_partition(4, 9)
    ledger.close()
    account = told("inspect", "--account", "1")
    place = {"bucket": account["bucket"], "shard": account["shard"]}
    bucket = told("inspect", "--bucket", str(account["bucket"]))

    assert account["client_order_ids"] == [
        {
            "client_order_id": "mine",
            "order": 2**53 + 1,
            "market": "ETH-USDT",
            "partition": 4,
            "frame": frame,
            "at": "2023-11-14T22:13:20+00:00",
        }
    ]
    assert bucket["client_order_ids"] == 1
    assert account["balances"]["USDT"] == {"available": "6.500000", "held": "2.500000"}
    assert told("inspect", "--hold", "w") == {
        "reference": "w",
        "purpose": "withdrawal",
        "account": 1,
        "asset": "USDT",
        "amount": "2.500000",
        **place,
        "hold": "held",
    }
    transfer = told("inspect", "--hold", "t")
    assert (transfer["to_account"], transfer["hold"], transfer["credited"]) == (2, "captured", True)
    assert bucket["shard"] == account["shard"]
    assert bucket["founding"]["buckets"] == 24
    assert bucket["totals"]["USDT"] == {
        "available": "6.500000",
        "held": "2.500000",
        "outside": "10.000000",
        "transfers": "-1.000000",
        "settled": "0.000000",
    }
    assert bucket["partitions"] == [
        {"partition": 4, "epoch": 9, "watermark": 1, "sums": {"USDT": NOTHING}}
    ]
    assert (bucket["balances"], bucket["open_holds"], bucket["waiting_answers"]) == (1, 1, 0)
    assert [record["call"] for record in bucket["outbox"]["oldest"]] == [
        "credit",
        "hold",
        "hold",
        "capture",
    ]
    for words in (["--hold", "nothing"], ["--bucket", "24"], ["--order", "5"]):
        assert call("inspect", *words).exit_code == 1
    assert "there are 0 to 23" in call("inspect", "--bucket", "24").stderr
    assert "nothing is open under 5" in call("inspect", "--order", "5").stderr


@pytest.mark.usefixtures("_founded")
def test_verify_ends_with_1_where_balances_were_changed(servers: list) -> None:
    """Totals and full walk, as a table and as JSON, before and after a change by hand."""
    deposit(1, "USDT", "10", "a")
    sound = call("verify")
    assert sound.exit_code == 0, sound.output
    assert "Everything is accounted for (totals)." in sound.stdout
    assert "partition 0: batch 0, 0 open orders" in sound.stdout
    assert told("verify", "--full", "--json")["assets"][0]["available"] == "10000000"

    account = told("inspect", "--account", "1")
    server = servers[int(account["shard"].removeprefix("redis-")) - 1]
    with server.client() as client:
        client.hset(
            f"nextrade:{{b{account['bucket']}}}",
            struct.pack("<II", 1, USDT),
            struct.pack("<qq", 10_000_001, 0),
        )
    wrong = call("verify", "--full")

    assert wrong.exit_code == 1
    assert f"Wrong: bucket {account['bucket']}, USDT: its balances add up to" in wrong.stdout
    assert "accounted for" not in wrong.stdout
    assert call("verify").exit_code == 0


@pytest.mark.usefixtures("_founded")
def test_shards_show_the_map_and_the_load(servers: list) -> None:
    """Every bucket once, sums where the accounts are, and buckets that are gone by number."""
    deposit(1, "USDT", "10", "a")
    shown = told("shards", "show", "--json")
    account = told("inspect", "--account", "1")
    table = call("shards", "show").stdout

    assert sorted(b for one in shown["shards"] for b in one["buckets"]) == list(range(24))
    assert [one["address"] for one in shown["shards"]] == [one.address for one in servers]
    assert {one["name"]: one["sums"] for one in shown["shards"]}[account["shard"]] == {
        "USDT": "10.000000"
    }
    assert all(one["memory_bytes"] > 0 and one["fields"] >= 8 for one in shown["shards"])
    assert "24 buckets, map version 1" in table
    assert "10.000000" in table
    lost = shown["shards"][0]["buckets"][0]
    with servers[0].client() as client:
        client.delete(f"nextrade:{{b{lost}}}")
    assert f"Wrong: redis-1 lacks the buckets {lost}" in call("shards", "show").stdout


@pytest.mark.usefixtures("_founded")
def test_a_folder_goes_before_the_settings() -> None:
    """With --path the commands work on the exchange there, wherever the settings point."""
    deposit(1, "USDT", "10", "a")
    call("deposit", "5", "BTC", "1", "--reference", "b", "--path", "money")

    assert [row["account"] for row in told("balances", "--path", "money", "--json")] == [5]
    assert [row["account"] for row in told("balances", "--json")] == [1]
    assert call("inspect", "--bucket", "3", "--path", "money").exit_code == 2


def test_the_folder_of_the_settings_is_meant_if_none_is_given() -> None:
    """[journal] path names the exchange; a new one has the listings of the settings."""
    Path("my.toml").write_text(
        '[journal]\npath = "books"\n'
        '[assets.GOLD]\nscale = 3\nsupply = "1000"\n[assets.EUR]\nscale = 2\nsupply = "1000"\n'
        '[markets.GOLD-EUR]\nbase = "GOLD"\nquote = "EUR"\ntick_size = "0.01"\nlot_size = "1"\n'
    )
    done = call("deposit", "1", "GOLD", "2.5", "--reference", "a", "--config", "my.toml")
    again = call("deposit", "1", "EUR", "2", "--reference", "b", "--config", "my.toml")

    assert done.output == "a: 2.5 GOLD credited; account 1 has 2.500\n"
    assert again.exit_code == 0, again.output
    assert told("balances", "1", "--config", "my.toml", "--json")[0]["asset"] == "GOLD"
    with Exchange(path="books", read_only=True) as exchange:
        assert exchange.listings.market_names == ("GOLD-EUR",)


@pytest.mark.parametrize(
    "command",
    [
        ["balances"],
        ["verify"],
        ["inspect", "--account", "1"],
        ["deposit", "1", "BTC", "1", "--reference", "a"],
    ],
)
def test_without_any_exchange_the_three_ways_are_said(command: list[str]) -> None:
    """Neither --path, nor [journal] path, nor Redis: usage error that names all three."""
    done = call(*command)

    assert done.exit_code == 2
    assert "Give --path FOLDER, or set `path` in [journal]" in done.stderr
    assert 'home = "redis" in [ledger]' in done.stderr


@pytest.mark.usefixtures("_empty")
def test_doctor_looks_at_every_server(servers: list) -> None:
    """What loses balances is wrong, what founding mends is named, and each has its fix."""

    def found(name: str) -> list[tuple[str, str]]:
        done = call("doctor", "--json")
        rows = [one for one in json.loads(done.stdout) if one["name"].startswith(name)]
        return [(one["state"], one["found"]) for one in rows]

    assert found("functions ") == [("note", "none: no ledger was founded here")] * 3
    call("shards", "found")
    assert found("functions ") == [("ok", "of this version")] * 3
    assert found("append-only file ") == [("ok", "on")] * 3
    assert found("eviction ") == [("ok", "noeviction")] * 3
    assert [state for state, _ in found("clock 127")] == ["ok"] * 3
    with servers[1].client() as client:
        client.function_load(
            "#!lua name=nextrade\nredis.register_function{function_name='nextrade_library',"
            " callback=function() return 'old' end, flags={'no-writes'}}",
            replace=True,
        )
        client.config_set("maxmemory-policy", "allkeys-lru")
        wrong = call("doctor")
        client.config_set("maxmemory-policy", "noeviction")

    assert wrong.exit_code == 1
    address = servers[1].address
    assert f"wrong  functions {address}: of another version\n       -> nextrade shards found" in (
        wrong.stdout
    )
    assert f"wrong  eviction {address}: allkeys-lru" in wrong.stdout
    assert "2 wrong, " in wrong.stdout


def test_a_redis_cluster_is_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any one of its servers finds it; its slots say where a bucket is."""
    monkeypatch.setenv("NEXTRADE_LEDGER__HOME", "redis")
    monkeypatch.setenv("NEXTRADE_LEDGER__CLUSTER", "true")
    unnamed = call("balances")
    with running(tmp_path / "cluster", cluster=True) as servers:
        monkeypatch.setenv("NEXTRADE_LEDGER__SHARDS", servers[1].address)
        before, founded = deposit(1, "USDT", "5", "a"), call("shards", "found")
        for account in range(1, 13):
            assert deposit(account, "USDT", "5", f"a{account}").exit_code == 0
        shown = told("shards", "show", "--json")
        everybody = told("balances", "--json")
        proof = told("verify", "--full", "--json")
        account = told("inspect", "--account", "1")
        doctor = call("doctor")

    assert "[ledger] cluster = true needs shards" in unnamed.stderr
    assert "run `nextrade shards found`" in before.stderr
    assert founded.output.startswith("24 of 24 buckets founded on 3 servers; functions loaded on 3")
    assert sorted(b for one in shown["shards"] for b in one["buckets"]) == list(range(24))
    assert {one["address"] for one in shown["shards"]} == {one.address for one in servers}
    assert len(everybody) == 12
    assert (proof["holds"], proof["assets"][0]["outside"]) == (True, "60000000")
    assert account["shard"] in {one.address for one in servers}
    assert doctor.exit_code == 0, doctor.output
    assert doctor.output.count("of this version") == 3
