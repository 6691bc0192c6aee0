"""The proof of a ledger on Redis, on real shards that are damaged on purpose."""

import struct
from collections.abc import Iterator

import numpy as np
import pytest

from nextrade.domain.postings import POSTING_DTYPE, REQUEST_DTYPE
from nextrade.errors import LedgerUnavailable
from tests.redis_here import running

BTC, USDT = 0, 2
ACCOUNTS = range(1, 41)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list]:
    """Three servers for all tests of this module."""
    with running(tmp_path_factory.mktemp("redis")) as found:
        yield found


@pytest.fixture
def ledger(servers: list) -> Iterator[object]:
    """A ledger in which forty accounts have traded, and two withdrawals and a transfer wait."""
    from nextrade.service.ledger.redis import RedisLedger

    for server in servers:
        with server.client() as client:
            client.flushall()
    made = RedisLedger.found({server.folder.name: server.address for server in servers}, 12)
    for account in ACCOUNTS:
        made.credit(f"in-{account}", account, USDT, 1000 + account)
        made.credit(f"btc-{account}", account, BTC, 2**54 + account)
    asked = np.array([(account, USDT, 100) for account in ACCOUNTS], REQUEST_DTYPE)
    assert made.reserve(3, 1, 1, asked).all()
    # Each pays the next one 90 of the 100 that were held, and 40 stay held for each.
    rows = [(0, USDT, 10 * len(ACCOUNTS), 0)]
    rows += [(account, USDT, 50, -60) for account in ACCOUNTS]
    made.settle(3, 1, 1, np.array(rows, POSTING_DTYPE), [1])
    made.hold("out-1", 1, USDT, 7)
    made.hold("out-2", 2, BTC, 5)
    made.capture("out-2")
    yield made
    made.close()


ORDERS = {(account, USDT): 40 for account in ACCOUNTS}


def proved(ledger, full: bool = True, orders: dict | None = ORDERS):
    """The proof, with the names that the tests look for."""
    from nextrade.service.ledger.redis.proof import prove

    names = {BTC: "BTC", USDT: "USDT"}
    return prove(ledger.shards, full=full, order_holds=orders, names=lambda n: names.get(n, str(n)))


def at(servers: list, ledger, bucket: int):
    """The client of the server that keeps a bucket."""
    name = ledger.shards.where(bucket)
    return next(server for server in servers if server.folder.name == name).client()


def field(account: int, asset: int) -> bytes:
    """The field of a balance."""
    return struct.pack("<II", account, asset)


def test_a_sound_ledger_is_proved(ledger) -> None:
    """Totals and full walk agree with what came in, with orders and with withdrawals."""
    short, full = proved(ledger, full=False), proved(ledger)

    assert (short.holds, short.remarks, full.holds, full.remarks) == (True, (), True, ())
    btc, usdt = full.assets
    came_in = sum(1000 + account for account in ACCOUNTS)
    assert (btc.outside, btc.held) == (sum(2**54 + a for a in ACCOUNTS) - 5, 0)
    assert (usdt.outside, usdt.held, usdt.fees) == (came_in, 40 * 40 + 7, 400)
    assert (usdt.in_withdrawals, usdt.in_orders, usdt.in_settlement) == (7, 1600, 0)
    assert (usdt.in_frames, usdt.order_list, short.assets[1].in_frames) == (0, 1600, None)


def test_client_order_ids_are_counted(servers, ledger) -> None:
    """The full walk finds a bucket that keeps another number of ids than it says."""
    bucket = ledger.map.of_account(1)
    with at(servers, ledger, bucket) as client:
        name = b"I" + struct.pack("<I36s", 1, b"mine")
        client.hset(ledger.map.key(bucket), mapping={name: bytes(24), b"i": struct.pack("<Q", 2)})
        assert f"bucket {bucket} keeps 1 client order ids, and says 2" in proved(ledger).faults
        client.hset(ledger.map.key(bucket), b"i", struct.pack("<Q", 1))
        assert proved(ledger).holds


def test_without_open_orders_it_says_so(ledger) -> None:
    """Nothing of the orders is compared then, and a remark tells it."""
    told = proved(ledger, orders=None)

    assert told.holds
    assert told.assets[1].order_list is None
    assert told.remarks == (
        "what open orders hold was not compared: no list of open orders was given",
    )


@pytest.mark.parametrize(
    ("account", "asset", "value", "found"),
    [
        (5, USDT, struct.pack("<qq", 10**6, 40), "its balances add up to"),
        (5, USDT, struct.pack("<qq", -1, 40), "account 5, USDT: a balance is negative"),
        (5, USDT, b"garbage", "the balance of account 5, asset 2 has a value of 7 bytes"),
        (5, USDT, struct.pack("<qq", 1000, 41), "account 5, USDT: 41 is held, and its orders"),
        (5, BTC, struct.pack("<qq", 2**54 + 4, 0), "add up to 72,057,594,037,928,028 available"),
    ],
)
def test_a_changed_balance_is_found(
    servers, ledger, account: int, asset: int, value: bytes, found: str
) -> None:
    """One balance written past the functions, by a single unit or into garbage."""
    bucket = ledger.map.of_account(account)
    with at(servers, ledger, bucket) as client:
        client.hset(ledger.map.key(bucket), field(account, asset), value)
    told = proved(ledger)

    assert not told.holds
    assert any(f"bucket {bucket}" in fault for fault in told.faults)
    assert any(found in fault for fault in told.faults), told.faults
    assert proved(ledger, full=False).holds  # totals alone cannot see it


def test_a_balance_in_the_wrong_bucket_is_found(servers, ledger) -> None:
    """An account that no map would look for there."""
    bucket = (ledger.map.of_account(77) + 1) % 12
    with at(servers, ledger, bucket) as client:
        client.hset(ledger.map.key(bucket), field(77, USDT), struct.pack("<qq", 0, 0))

    assert proved(ledger).faults == (
        f"account 77 has a balance in bucket {bucket} and belongs into bucket"
        f" {ledger.map.of_account(77)}",
    )


@pytest.mark.parametrize("full", [False, True])
def test_a_lost_bucket_is_found(servers, ledger, full: bool) -> None:
    """A bucket that is gone is named; what the others count is still compared one by one."""
    with at(servers, ledger, 4) as client:
        client.delete(ledger.map.key(4))
    told = proved(ledger, full=full)

    assert told.faults == ("bucket 4 was never founded, or its data is gone",)
    assert "some buckets are missing" in told.remarks[0]


def test_a_changed_total_is_found(servers, ledger) -> None:
    """By the sums of one bucket alone, without any walk."""
    with at(servers, ledger, 4) as client:
        client.hset(
            ledger.map.key(4), b"T" + struct.pack("<I", USDT), struct.pack("<4q", 10**6, 0, 10, 0)
        )
    told = proved(ledger, full=False)

    assert not told.holds
    assert told.faults[0].startswith("bucket 4, USDT: available ")


def test_trades_that_do_not_add_up_are_found(servers, ledger) -> None:
    """Money made in one bucket as if by a trade: each bucket is sound, all of them are not."""
    key, name = ledger.map.key(4), b"P" + struct.pack("<II", 3, BTC)
    with at(servers, ledger, 4) as client:
        client.hset(key, name, struct.pack("<qq", 5, 0))
    told = proved(ledger, full=False)

    assert told.faults == (
        "partition 3, BTC: what its trades moved adds up to 5 over all buckets, and to zero it"
        " must",
    )


def test_a_batch_in_flight_is_a_remark(ledger, monkeypatch) -> None:
    """A settlement that has landed in some buckets only is named, not taken for a fault."""
    one, other = (
        1,
        next(a for a in ACCOUNTS if ledger.map.of_account(a) != ledger.map.of_account(1)),
    )
    rows = np.array(sorted([(one, USDT, 5, 0), (other, USDT, -5, 0)]), POSTING_DTYPE)
    send = ledger.shards.exchange

    def only_the_first(calls):
        send(calls[:1])
        raise LedgerUnavailable("cut")

    monkeypatch.setattr(ledger.shards, "exchange", only_the_first)
    with pytest.raises(LedgerUnavailable):
        ledger.settle(3, 1, 2, rows)
    monkeypatch.undo()
    told = proved(ledger, full=False)
    buckets = sorted({ledger.map.of_account(one), ledger.map.of_account(other)})

    assert told.holds
    assert told.remarks == (
        f"partition 3: batch 2 is in flight, it has not settled in bucket {buckets[1]}",
    )
    assert abs(told.assets[1].in_settlement) == 5
    ledger.settle(3, 1, 2, rows)
    assert proved(ledger).remarks == ()


def test_an_unfinished_transfer_is_a_remark(servers, ledger, monkeypatch) -> None:
    """What it counts on both sides is told; a transfer that buckets only claim is a fault."""
    call = ledger._one

    def not_captured(kind, *arguments):
        if kind.name == "CAPTURE":
            raise LedgerUnavailable("died")
        return call(kind, *arguments)

    monkeypatch.setattr(ledger, "_one", not_captured)
    with pytest.raises(LedgerUnavailable):
        ledger.transfer("t-1", 3, 9, USDT, 11)
    monkeypatch.undo()
    told = proved(ledger)

    assert told.holds
    assert told.remarks == ("USDT: 11 of unfinished transfers count twice",)
    assert (told.assets[1].in_transfer, told.assets[1].in_withdrawals) == (11, 18)
    bucket = ledger.map.of_account(3)
    with at(servers, ledger, bucket) as client:
        client.hset(ledger.map.key(bucket), b"t", b"")
    assert "USDT: buckets count 11 in transfer, and unfinished transfers 0" in proved(ledger).faults
    with at(servers, ledger, bucket) as client:
        client.hset(ledger.map.key(bucket), b"t", b"\x03t-1")
    assert ledger.finish_transfers() == 1
    assert proved(ledger).remarks == ()


def test_what_a_waiting_frame_holds_is_counted(servers, ledger) -> None:
    """Between reserve and settle its requests hold, to the unit; one that was refused does not."""
    asked = np.array([(5, USDT, 9), (5, USDT, 10**9)], REQUEST_DTYPE)
    assert ledger.reserve(3, 1, 2, asked).tolist() == [True, False]
    told = proved(ledger)
    bucket = ledger.map.of_account(5)

    assert (told.holds, told.remarks, told.assets[1].in_frames) == (True, (), 9)
    with at(servers, ledger, bucket) as client:
        client.hdel(ledger.map.key(bucket), b"A" + struct.pack("<I", 3))
    assert proved(ledger).faults == (
        "account 5, USDT: 49 is held, and its orders, withdrawals, transfers and frames hold 40",
    )


def test_a_hold_that_vanished_is_found(servers, ledger) -> None:
    """A withdrawal whose record is gone still counts in the bucket's totals."""
    bucket = ledger.map.of_account(1)
    with at(servers, ledger, bucket) as client:
        client.hdel(ledger.map.key(bucket), b"on-hold:out-1")
    told = proved(ledger, orders=None)

    assert told.faults == (
        f"bucket {bucket}, USDT: its withdrawals and transfers hold 0, its totals say 7",
    )


def test_orders_that_hold_more_or_less_are_found(ledger) -> None:
    """Each account's orders against what is held for it, both ways."""
    more, less = dict(ORDERS), dict(ORDERS)
    more[6, USDT] += 1
    del less[6, USDT]

    assert proved(ledger, orders=more).faults == (
        "account 6, USDT: 40 is held, and its orders, withdrawals, transfers and frames hold 41",
    )
    assert proved(ledger, orders=less).faults == (
        "account 6, USDT: 40 is held, and its orders, withdrawals, transfers and frames hold 0",
    )


def test_a_ledger_that_never_stands_still_is_not_blamed(ledger, monkeypatch) -> None:
    """If every read sees another moment, sums are not compared and that is said."""
    from nextrade.service.ledger.redis import bucket_state, proof, proof_walk

    read, count = bucket_state.bucket_states, iter(range(1000))

    def after_a_deposit(*arguments):
        ledger.credit(f"more-{next(count)}", 1, USDT, 1)
        return read(*arguments)

    monkeypatch.setattr(proof, "bucket_states", after_a_deposit)
    short = proved(ledger, full=False)
    monkeypatch.setattr(proof_walk, "bucket_states", after_a_deposit)
    full = proved(ledger)

    assert (short.holds, full.holds) == (True, True)
    assert "the ledger kept changing while it was read" in short.remarks[0]
    assert f"bucket {ledger.map.of_account(1)} kept changing while it was walked" in full.remarks[1]


def test_a_bucket_of_many_pages_is_walked_whole(ledger) -> None:
    """Thousands of fields in a bucket, read page by page: none is missed, none counted twice."""
    from nextrade.service.ledger.redis.scanning import PAGE, all_balances, pages

    inside = [account for account in range(1, 40_000) if ledger.map.of_account(account) == 7]
    records = np.zeros(len(inside) + 1, POSTING_DTYPE)
    records["account"][1:], records["asset"], records["available"] = inside, USDT, 1
    records["account"][0], records["available"][0] = 0, -len(inside)
    ledger.credit("stock", 0, USDT, len(inside))
    ledger.settle(3, 1, 2, records)
    sizes = [len(page) // 2 for page in pages(ledger.shards, 7)]
    everybody = all_balances(ledger.shards)

    assert len(sizes) > 2
    assert max(sizes) < 3 * PAGE
    assert set(inside) <= set(everybody["account"].tolist())
    assert (
        everybody["available"][everybody["asset"] == USDT].sum() + 1607
        == proved(ledger).assets[1].outside
    )
    assert proved(ledger).holds
