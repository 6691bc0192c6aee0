"""Client order ids of the exchange in one process: taken once, found again, kept on disk."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nextrade import COMMAND_DTYPE, CommandKind, Exchange, errors
from nextrade.domain.protocol.frames import NAME_DTYPE
from nextrade.domain.protocol.limits import Limits
from nextrade.platform.journal import Journal
from nextrade.platform.snapshots import Snapshots
from nextrade.service.exchange import kept_ids, records, store
from nextrade.service.exchange.kept_ids import KeptIds

from .markets import listings

DAY_NS = 24 * 60 * 60 * 10**9
BUY = {"price": "100", "quantity": "1"}


class Clock:
    """A time that is set by hand."""

    now_ns = 1

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    """One that stands at the beginning."""
    return Clock()


@pytest.fixture
def exchange(clock: Clock, tmp_path: Path) -> Iterator[Exchange]:
    """A durable one in which accounts 1 and 2 have 1,000 USDT."""
    with Exchange(listings(), tmp_path / "exchange", fsync=False, clock=clock) as opened:
        opened.deposit(1, "USDT", "1000")
        opened.deposit(2, "USDT", "1000")
        yield opened


def place(exchange: Exchange, name: str | None, account: int = 1, **words: str) -> tuple[str, str]:
    """Status and reason of a buy."""
    words = BUY | words
    placed = exchange.place(account, "BTC-USDT", "buy", **words, client_order_id=name)
    return placed.status, placed.reason


def kinds(path: Path) -> list[int]:
    """The kinds of a journal's records."""
    journal = Journal(path / "exchange" / "journal", read_only=True)
    try:
        return [record.kind for record in journal.read(1)]
    finally:
        journal.close()


def test_an_id_is_taken_once_in_all_markets(exchange: Exchange) -> None:
    """Another order of the account is refused in whatever market, one of another account is not."""
    assert place(exchange, "a-1") == ("open", "")
    assert place(exchange, "a-1") == ("rejected", "DUPLICATE_CLIENT_ORDER_ID")
    other = exchange.place(1, "ETH-USDT", "buy", price="10", quantity="1", client_order_id=b"a-1")
    assert other.reason == "DUPLICATE_CLIENT_ORDER_ID"
    assert place(exchange, "a-1", account=2) == ("open", "")
    assert (exchange.client_order(1, "a-1"), exchange.client_order(2, "a-1")) == (1, 4)


def test_an_id_is_told_before_money_and_kept_only_with_it(exchange: Exchange) -> None:
    """The order of the checks is that of the distributed ledger."""
    assert place(exchange, "a", quantity="500") == ("rejected", "INSUFFICIENT_FUNDS")
    assert exchange.client_order(1, "a") == 0
    assert place(exchange, "a", quantity="0") == ("rejected", "BELOW_MIN_QTY")
    assert place(exchange, "a") == ("open", "")
    assert place(exchange, "a", quantity="500") == ("rejected", "DUPLICATE_CLIENT_ORDER_ID")


def test_what_its_book_refuses_keeps_its_id(exchange: Exchange) -> None:
    """It had its money, and its id with it."""
    refused = exchange.place(1, "BTC-USDT", "buy", **BUY, expire_ns=5, client_order_id="a")
    assert refused.reason == "BAD_COMBINATION"
    assert place(exchange, "a") == ("rejected", "DUPLICATE_CLIENT_ORDER_ID")


@pytest.mark.parametrize("is_open", [True, False])
def test_an_id_is_free_after_a_day_if_its_order_is_not_open(
    exchange: Exchange, clock: Clock, is_open: bool
) -> None:
    """To the nanosecond, by the times of the commands."""
    place(exchange, "a")
    if not is_open:
        exchange.cancel(1, "BTC-USDT", client_order_id="a")
    clock.now_ns += DAY_NS - 1
    assert place(exchange, "a") == ("rejected", "DUPLICATE_CLIENT_ORDER_ID")
    clock.now_ns += 1
    assert exchange.client_order(1, "a") == (1 if is_open else 0)
    assert (place(exchange, "a") == ("open", "")) is not is_open


def test_changes_find_their_order(exchange: Exchange) -> None:
    """By its client order id as by its own."""
    place(exchange, "a", quantity="3")
    assert exchange.reduce(1, "BTC-USDT", quantity="1", client_order_id="a").order_id == 1
    assert exchange.reduce(1, "BTC-USDT", 1, "0.5").status == "open"
    replaced = exchange.replace(1, "BTC-USDT", price="90", quantity="1", client_order_id="a")
    assert replaced.status == "open"
    (order,) = exchange.inspect_account(1)["orders"]
    assert (order["price"], order["client_order_id"]) == ("90.00", "a")
    assert exchange.inspect_order(1) == order
    assert exchange.cancel(1, "BTC-USDT", client_order_id="a").status == "canceled"
    (kept,) = exchange.inspect_account(1)["client_order_ids"]
    assert kept == {
        "client_order_id": "a",
        "order": 1,
        "market": "BTC-USDT",
        "partition": 0,
        "at": "1970-01-01T00:00:00+00:00",
    }


def test_a_change_of_an_order_that_nobody_knows(exchange: Exchange) -> None:
    """It is refused for that, even if it could not be paid, and another account's is not found."""
    place(exchange, "a", account=2)
    assert exchange.cancel(1, "BTC-USDT", client_order_id="a").reason == "UNKNOWN_ORDER"
    dear = exchange.replace(1, "BTC-USDT", price="100", quantity="900", client_order_id="a")
    assert (dear.status, dear.reason) == ("rejected", "UNKNOWN_ORDER")


def test_what_names_no_order_is_refused(exchange: Exchange) -> None:
    """Two names, none, or one that cannot be: nothing is written down."""
    place(exchange, "a")
    before = exchange.state_hash()
    for names in ({}, {"order_id": 1, "client_order_id": "a"}, {"client_order_id": "é"}):
        with pytest.raises(errors.DataError):
            exchange.cancel(1, "BTC-USDT", **names)
    for wrong in ("", " ", "a b", "x" * 37, "\x7f"):
        with pytest.raises(errors.DataError, match="no client order id"):
            place(exchange, wrong)
    with pytest.raises(errors.ExchangeError, match="needs a quantity"):
        exchange.reduce(1, "BTC-USDT", client_order_id="a")
    assert exchange.state_hash() == before


def orders(*rows: tuple[int, int, int]) -> np.ndarray:
    """Commands of kind, account and quantity in lots, in BTC-USDT at 100."""
    commands = np.zeros(len(rows), COMMAND_DTYPE)
    commands["kind"], commands["owner"], commands["qty_lots"] = zip(*rows, strict=True)
    commands["price_ticks"] = 10_000
    placing = commands["kind"] == CommandKind.PLACE
    commands["order_id"] = np.where(placing, 1 + np.arange(len(rows)), 0)
    return commands


def test_one_array(exchange: Exchange) -> None:
    """Who gets an id that several ask for is the first who has the money; changes of what comes in
    the same array find it."""
    place_, cancel = CommandKind.PLACE, CommandKind.CANCEL
    commands = orders(
        (place_, 1, 900_000), (place_, 1, 10_000), (place_, 1, 10_000), (place_, 1, 10_000),
        (cancel, 1, 0), (cancel, 1, 0),
    )  # fmt: skip
    commands["order_id"][commands["kind"] == place_] += 10
    done = exchange.submit(commands, client_order_ids=["a", "a", "a", None, "a", "zz"])

    refused = done.events[done.events["reason"] >= 32]
    assert refused["reason"].tolist() == [138, 142, 52, 52]
    assert refused["command"].tolist() == [0, 2, 4, 5]
    assert exchange.client_order(1, "a") == 12
    assert exchange.open_orders()["order_id"].tolist() == [12, 14]


def test_too_many_ids(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above so many, orders with an id are refused and others are not; one who cannot pay takes
    nobody's place."""
    monkeypatch.setattr(KeptIds, "most", 2)
    commands = orders(*[(CommandKind.PLACE, 1, lots) for lots in (10, 900_000, 10, 10, 10)])
    done = exchange.submit(commands, client_order_ids=["a", "b", "c", "d", None])
    assert done.events[done.events["reason"] >= 32]["reason"].tolist() == [138, 143]
    assert place(exchange, "a") == ("rejected", "DUPLICATE_CLIENT_ORDER_ID")


def test_only_what_has_ids_is_written_with_them(exchange: Exchange, tmp_path: Path) -> None:
    """A batch without any is a record as before, and so is a change whose order was found."""
    place(exchange, "a")
    place(exchange, None)
    exchange.cancel(1, "BTC-USDT", client_order_id="a")
    commands = orders((CommandKind.CANCEL, 1, 0))
    exchange.submit(commands, client_order_ids=np.array([b"a"]))
    exchange.submit(commands, client_order_ids=[None])
    assert kinds(tmp_path)[3:] == [records.NAMED_BATCH, *[records.BATCH] * 4]
    assert commands["order_id"].tolist() == [0]


def test_ids_come_back_with_the_journal_and_with_a_snapshot(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the last day, and those of orders that are open for longer; nothing else grows."""
    monkeypatch.setattr(kept_ids, "_FEWEST_LOOKED_AT", 2)
    path = tmp_path / "exchange"
    with Exchange(listings(), path, fsync=False, clock=clock) as exchange:
        exchange.deposit(1, "USDT", "1000")
        for day in range(40):
            clock.now_ns += DAY_NS
            place(exchange, f"d{day}", price="1")
            if day % 10:
                exchange.cancel(1, "BTC-USDT", client_order_id=f"d{day}")
        assert len(exchange._core.kept_ids) < 12
    before = None
    for _ in range(3):
        with Exchange(path=path, fsync=False, clock=clock) as exchange:
            state = exchange.state_hash()
            assert before in (None, state)
            before = state
            for day in (0, 10, 20, 30, 39):
                assert place(exchange, f"d{day}")[1] == "DUPLICATE_CLIENT_ORDER_ID"
            assert exchange.client_order(1, "d38") == 0
            assert exchange.verify(full=True).holds
            exchange.snapshot()
            before = exchange.state_hash()


def rewritten(path: Path, version: int) -> None:
    """Replace the newest snapshot by one of another version."""
    snapshots = Snapshots(path / "snapshots")
    newest = snapshots.newest()
    assert newest is not None
    founded, head, ledger, ids, now, *partitions = store._parts(newest.payload)
    said = json.loads(head) | {"version": version}
    if version == 1:
        del said["version"]
    behind = [ids, now][: version - 1]
    parts = [founded, records.plain(said), ledger, *behind, *partitions]
    for file in (path / "snapshots").glob("snapshot-*"):
        file.unlink()
    whole = b"".join(store._PART.pack(len(part)) + part for part in parts)
    Snapshots(path / "snapshots").write(newest.position, [whole])


@pytest.mark.parametrize("version", [1, 2])
def test_snapshots_of_before(exchange: Exchange, tmp_path: Path, version: int) -> None:
    """Those without ids, and without listings, are read; what a newer NexTrade wrote is refused."""
    place(exchange, "a" if version > 1 else None)
    exchange.snapshot()
    state = exchange.state_hash()
    exchange.close()
    path = tmp_path / "exchange"
    rewritten(path, version)
    with Exchange(path=path) as again:
        assert again.state_hash() == state
        again.snapshot()
    rewritten(path, store.SNAPSHOT_VERSION + 1)
    with pytest.raises(errors.SnapshotError, match=f"version {store.SNAPSHOT_VERSION + 1}"):
        Exchange(path=path)


def test_a_damaged_record_of_names_is_told() -> None:
    """One that is cut short, or names a command that is not there."""
    commands = orders((CommandKind.PLACE, 1, 10), (CommandKind.PLACE, 1, 10))
    tiers = np.zeros(2, np.uint8)
    names = np.array([(0, b"a"), (1, b"b")], NAME_DTYPE)
    whole = records.named_batch_record(0, commands, tiers, names)
    number, same, _, own = records.read_named_batch(whole)
    assert (number, same.tobytes(), own.tobytes()) == (0, commands.tobytes(), names.tobytes())
    for wrong in (whole[:-1], whole[:-80], whole[:7], b""):
        with pytest.raises(errors.JournalDamaged):
            records.read_named_batch(wrong)
    for rows in ((0, 2), (1, 0), (1, 1)):
        odd = np.array(list(zip(rows, (b"a", b"b"), strict=True)), NAME_DTYPE)
        with pytest.raises(errors.JournalDamaged, match="names of others"):
            records.read_named_batch(records.named_batch_record(0, commands, tiers, odd))


def test_a_damaged_snapshot_of_ids_is_told() -> None:
    """Whatever its checksum says."""
    with pytest.raises(errors.SnapshotError, match="cut short"):
        KeptIds(lambda *_: False).restore(bytes(17))


def test_the_day_is_that_of_the_distributed_exchange() -> None:
    """An id is free again after the same time in both."""
    assert Limits().named_ms * 10**6 == kept_ids.LIFETIME_NS == DAY_NS
