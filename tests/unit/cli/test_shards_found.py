"""``nextrade shards found``: ledger and book stores on three real Redis servers, founded once."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from nextrade.domain.postings import POSTING_DTYPE

from .calling import call, deposit


@pytest.mark.usefixtures("_empty")
def test_nothing_is_credited_before_the_ledger_is_founded() -> None:
    """What to run is said; founding is done once and may be repeated."""
    before = deposit(1, "USDT", "5", "a")
    first, again = call("shards", "found"), call("shards", "found")

    assert before.exit_code == 1
    assert "no ledger was founded at" in before.stderr
    assert "run `nextrade shards found`" in before.stderr
    assert first.output == (
        "24 of 24 buckets founded on 3 servers; functions loaded on 3; map version 1\n"
        "2 of 2 book stores founded\n"
    )
    assert again.output == (
        "24 buckets on 3 servers were founded before; map version 1\n"
        "2 book stores were founded before\n"
    )
    assert deposit(1, "USDT", "5", "a").output == "a: 5 USDT credited; account 1 has 5.000000\n"


@pytest.mark.usefixtures("_founded")
def test_a_ledger_that_was_founded_otherwise_is_refused(
    servers: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other buckets or other servers: neither founding nor any use, and the message says both."""
    monkeypatch.setenv("NEXTRADE_LEDGER__BUCKETS", "12")
    used, founded = deposit(1, "USDT", "5", "a"), call("shards", "found")
    monkeypatch.delenv("NEXTRADE_LEDGER__BUCKETS")
    monkeypatch.setenv("NEXTRADE_LEDGER__SHARDS", servers[0].address)
    fewer = call("shards", "found")

    assert (used.exit_code, founded.exit_code, fewer.exit_code) == (1, 1, 1)
    assert "was founded with 24 buckets over the shards redis-1, redis-2, redis-3" in used.stderr
    assert "the settings say 12 buckets" in founded.stderr
    assert "the settings say 24 buckets over the shards redis-1:" in fewer.stderr


@pytest.mark.usefixtures("_founded")
def test_a_lost_bucket_is_not_founded_again(servers: list) -> None:
    """Founded anew it would be empty; before anything came in it may be."""
    with servers[0].client() as client:
        (key, *_) = client.keys("nextrade:{b*")
        client.delete(key)
    assert call("shards", "found").output.startswith("1 of 24 buckets founded on 3 servers;")
    for account in range(1, 60):
        deposit(account, "USDT", "5", f"a{account}")
    with servers[0].client() as client:
        client.delete(key)
    refused = call("shards", "found")

    assert refused.exit_code == 1
    assert "lost its data, while others have balances" in refused.stderr


@pytest.mark.usefixtures("_founded")
def test_book_stores_keep_the_listings_that_they_were_founded_with(
    tmp_path: Path,
) -> None:
    """Other markets are refused and named; a store alone may be founded later."""
    from nextrade.errors import StoreError
    from nextrade.platform.settings import read_settings
    from nextrade.service.home.opening import placement_of
    from nextrade.service.listings_file import listings_of
    from nextrade.service.store import RedisBookStore
    from nextrade.service.store.founding import open_founding, open_listings

    settings = read_settings(None)
    store = RedisBookStore(placement_of(settings))
    founding = store.look(1).founding
    store.close()
    opened = open_founding(founding)
    assert open_listings(founding) == opened.listings == listings_of(settings)
    assert (opened.buckets, opened.limits().posting_limit) == (24, opened.posting_limit)
    with pytest.raises(StoreError, match="cannot be read"):
        open_listings(b"{}")

    default = call("config", "init", str(tmp_path / "other.toml"))
    assert default.exit_code == 0
    text = (tmp_path / "other.toml").read_text()
    (tmp_path / "other.toml").write_text(text.replace("partition = 1", "partition = 2"))
    refused = call("shards", "found", "--config", str(tmp_path / "other.toml"))

    assert refused.exit_code == 1
    assert "book store of partition 0 was founded with other listings: of markets" in refused.stderr


@pytest.mark.usefixtures("_founded")
def test_a_lost_book_store_is_not_founded_again(servers: list) -> None:
    """Founded anew it would be empty, and batches of it have settled."""
    from nextrade.platform.settings import read_settings
    from nextrade.service.home.opening import open_ledger

    store = b"nextrade:{p1}"
    for server in servers:
        with server.client() as client:
            client.delete(store)
    assert call("shards", "found").output.endswith("1 of 2 book stores founded\n")
    with closing(open_ledger(read_settings(None))) as ledger:
        ledger.settle(1, 1, 1, np.zeros(0, POSTING_DTYPE), [])
    for server in servers:
        with server.client() as client:
            client.delete(store)
    refused = call("shards", "found")

    assert refused.exit_code == 1
    assert "the book store of partition 1 lost its data" in refused.stderr


@pytest.mark.usefixtures("_founded")
def test_functions_of_another_version_are_replaced(servers: list) -> None:
    """A server without our functions serves nothing until founding has put them there."""
    with servers[1].client() as client:
        client.function_flush()
    refused, mended = deposit(1, "USDT", "5", "a"), call("shards", "found")

    assert "has no functions" in refused.stderr
    assert "run `nextrade shards found`" in refused.stderr
    assert "founded before; functions loaded on 1; map version 1\n" in mended.output
    assert deposit(1, "USDT", "5", "a").exit_code == 0
