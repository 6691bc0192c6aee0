"""An exchange with a path: what it answered is there again, whatever happened to the process."""

import contextlib
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nextrade import Exchange, ExchangeError, errors
from nextrade.domain.listings import Fees, Listings
from nextrade.errors import LedgerError
from nextrade.platform.journal import Journal
from nextrade.service.exchange.core import Core
from nextrade.service.exchange.records import BATCH, FOUNDED, LISTINGS, MONEY, NAMED_BATCH, TIER

from .markets import listings

Move = Callable[[Exchange], object]


def moves(seed: int, count: int) -> list[Move]:
    """Random calls of an exchange, the same for the same seed."""
    draw = random.Random(seed)
    made: list[Move] = [
        lambda exchange: exchange.deposit(1, "USDT", "100000", "first"),
        lambda exchange: exchange.deposit(2, "BTC", "100", "second"),
        lambda exchange: exchange.deposit(3, "ETH", "100", "third"),
    ]
    for number in range(count):
        account, side = draw.randint(1, 3), draw.choice(["buy", "sell"])
        market = draw.choice(["BTC-USDT", "ETH-USDT", "ETH-BTC"])
        price = {"BTC-USDT": "100", "ETH-USDT": "10", "ETH-BTC": "0.1"}[market]
        price = f"{float(price) * draw.choice([0.9, 1, 1.1]):.2f}"
        quantity = f"{draw.randint(1, 30) / 10}"
        order = draw.randint(1, number + 1)
        words = {"price": price, "quantity": quantity}
        name = f"c{draw.randint(1, 12)}"
        if number % 23 == 20:
            made.append(lambda e, n=number: e.relist(dearer(e.listings, n)))
        match draw.randint(0, 12):
            case 0:
                made.append(lambda e, m=market, a=account, o=order: e.cancel(a, m, o))
            case 1:
                made.append(
                    lambda e, m=market, a=account, o=order, w=words: e.replace(a, m, o, **w)
                )
            case 2:
                made.append(lambda e, a=account, n=number: e.deposit(a, "USDT", "5", f"d{n}"))
            case 3:
                made.append(
                    lambda e, a=account, n=number: e.hold_withdrawal(a, "USDT", "7", f"w{n}")
                )
            case 4:
                made.append(lambda e, n=number: e.capture(f"w{n - 3}"))
            case 5:
                made.append(lambda e, a=account, n=number: e.set_tier(a, n % 2))
            case 6 | 7:
                made.append(
                    lambda e, m=market, a=account, s=side, w=words, n=name: e.place(
                        a, m, s, **w, client_order_id=n
                    )
                )
            case 8:
                made.append(
                    lambda e, m=market, a=account, n=name: e.cancel(a, m, client_order_id=n)
                )
            case _:
                made.append(lambda e, m=market, a=account, s=side, w=words: e.place(a, m, s, **w))
    return made


def dearer(before: Listings, fee: int) -> Listings:
    """The next version: the taker of the first market pays another fee."""
    first, *rest = before.listings
    tiers = tuple(Fees(maker=one.maker, taker=2000 + fee) for one in first.tiers)
    return replace(
        before, listings=(replace(first, tiers=tiers), *rest), version=before.version + 1
    )


def attempt(exchange: Exchange, move: Move) -> None:
    """Make a move; one that the ledger refuses changes nothing and is as good as any."""
    with contextlib.suppress(LedgerError):
        move(exchange)


def opened(path: Path, given: Listings | None = None) -> Exchange:
    """The exchange of a path, with a clock that counts."""
    ticks = iter(range(1, 10**9))
    return Exchange(given, path, fsync=False, clock=lambda: next(ticks))


def twin() -> Exchange:
    """The same in memory."""
    ticks = iter(range(1, 10**9))
    return Exchange(listings(), clock=lambda: next(ticks))


@pytest.mark.parametrize("seed", range(5))
def test_an_exchange_with_a_path_is_one_in_memory(tmp_path: Path, seed: int) -> None:
    """Same calls, same books and balances; closed and opened, with snapshots and without."""
    made = moves(seed, 120)
    memory, durable = twin(), opened(tmp_path, listings())
    draw = random.Random(seed)
    for number, move in enumerate(made):
        attempt(memory, move)
        attempt(durable, move)
        if draw.random() < 0.05:
            durable.snapshot()
        if draw.random() < 0.05:
            durable.close()
            ticks = iter(range(number + 2, 10**9))
            durable = Exchange(path=tmp_path, fsync=False, clock=lambda t=ticks: next(t))
        assert durable.ledger.totals().tolist() == memory.ledger.totals().tolist()
    assert durable.open_orders()["held"].tolist() == memory.open_orders()["held"].tolist()
    for account in (1, 2, 3):
        key = "client_order_ids"
        assert durable.inspect_account(account)[key] == memory.inspect_account(account)[key]
    assert durable.verify(full=True).holds
    durable.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, list[int]]:
    """A folder of some seventy calls, how large its journal was before them, and the state after
    each of them."""
    path = tmp_path_factory.mktemp("written")
    states = []
    with opened(path, listings()) as exchange:
        (segment,) = (path / "journal").glob("*.nxj")
        founded = segment.stat().st_size
        states.append(exchange.state_hash())
        for move in moves(11, 70):
            attempt(exchange, move)
            states.append(exchange.state_hash())
    with contextlib.closing(Journal(path / "journal", read_only=True)) as journal:
        kinds = {record.kind for record in journal.read(1)}
    assert kinds == {FOUNDED, BATCH, MONEY, TIER, NAMED_BATCH, LISTINGS}
    return path, founded, states


def test_a_power_cut_at_any_byte_loses_only_what_was_not_answered(
    written: tuple[Path, int, list[int]], tmp_path: Path
) -> None:
    """The journal cut anywhere opens to a state that the exchange once answered with, and a
    longer journal never to an earlier one."""
    path, founded, states = written
    (segment,) = sorted((path / "journal").glob("*.nxj"))
    size = segment.stat().st_size
    cuts = {*range(size - 700, size + 1), *range(founded, size, 97)}
    reached = 0
    for cut in sorted(cuts):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(path, copy)
        with (copy / "journal" / segment.name).open("r+b") as file:
            file.truncate(cut)
        with Exchange(path=copy, fsync=False) as exchange:
            place = states.index(exchange.state_hash(), reached)
        reached = place
    assert states[reached] == states[-1]


def test_a_changed_byte_in_the_middle_is_refused_with_its_place(
    written: tuple[Path, int, list[int]], tmp_path: Path
) -> None:
    """What was answered cannot be read back otherwise: the error names file and offset."""
    path, _, _ = written
    shutil.copytree(path, tmp_path / "copy")
    (segment,) = sorted((tmp_path / "copy/journal").glob("*.nxj"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0x10
    segment.write_bytes(data)

    with pytest.raises(errors.JournalDamaged, match=r"journal-.*\.nxj"):
        Exchange(path=tmp_path / "copy")


def test_a_damaged_newest_snapshot_falls_back_to_the_one_before(tmp_path: Path) -> None:
    """Opening says so, and loses nothing."""
    with opened(tmp_path, listings()) as exchange:
        for number, move in enumerate(moves(5, 60)):
            attempt(exchange, move)
            if number in (20, 40):
                exchange.snapshot()
        state = exchange.state_hash()
    newest = max((tmp_path / "snapshots").glob("snapshot-*"))
    newest.write_bytes(b"")
    with Exchange(path=tmp_path, fsync=False) as exchange:
        assert exchange.state_hash() == state
        assert any("snapshot" in remark for remark in exchange.remarks)


def test_two_processes_cannot_open_one_path(tmp_path: Path) -> None:
    """The second is refused; a look by ``read_only`` is not."""
    with opened(tmp_path, listings()) as exchange:
        exchange.deposit(1, "USDT", "1")
        with pytest.raises(errors.JournalLocked):
            Exchange(path=tmp_path)
        with Exchange(path=tmp_path, read_only=True) as seen:
            assert seen.balances(1)["USDT"].available == "1.000000"
            with pytest.raises(ExchangeError, match="read only"):
                seen.deposit(1, "USDT", "1")


def test_other_listings_are_refused_and_none_take_its_own(tmp_path: Path) -> None:
    """An exchange goes on under the listings that it was founded with."""
    with opened(tmp_path, listings()):
        pass
    with pytest.raises(ExchangeError, match="founded with other listings"):
        Exchange(Exchange().listings, tmp_path)
    with Exchange(path=tmp_path) as exchange:
        assert exchange.listings == listings()


def test_a_closed_exchange_takes_nothing_more(tmp_path: Path) -> None:
    """What would not be kept is not answered."""
    exchange = opened(tmp_path, listings())
    exchange.close()
    with pytest.raises(ExchangeError, match="closed"):
        exchange.deposit(1, "USDT", "1")
    with pytest.raises(ExchangeError, match="nowhere to keep"):
        twin().snapshot()


def test_a_full_disk_answers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call that could not be written has not happened, and the exchange says so."""
    exchange = opened(tmp_path, listings())
    exchange.deposit(1, "USDT", "100", "a")
    assert exchange._store is not None

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exchange._store.journal._files, "write", full)
    with pytest.raises(errors.JournalError, match="No space left"):
        exchange.deposit(1, "USDT", "100", "b")
    assert exchange.balances(1)["USDT"].available == "100.000000"
    exchange.close()
    with Exchange(path=tmp_path) as again:
        assert again.balances(1)["USDT"].available == "100.000000"


def test_missing_records_are_refused(tmp_path: Path) -> None:
    """A journal that begins after what the snapshots cover is not taken for the whole."""
    with opened(tmp_path, listings()) as exchange:
        for number, move in enumerate(moves(5, 60)):
            attempt(exchange, move)
            if number in (20, 40, 50):
                exchange.snapshot()
    for snapshot in (tmp_path / "snapshots").glob("snapshot-*"):
        snapshot.unlink()

    with pytest.raises(errors.JournalDamaged, match="restore the folder from a backup"):
        Exchange(path=tmp_path)


def test_a_batch_that_fails_on_the_way_up_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger refuses again what it refused; a batch that the engine cannot run is an error."""
    with opened(tmp_path, listings()) as exchange:
        exchange.deposit(1, "USDT", "1000", "first")
        with pytest.raises(LedgerError):
            exchange.hold_withdrawal(1, "USDT", "2000", "too much")
        exchange.place(1, "BTC-USDT", "buy", price="100", quantity="1")
    opened(tmp_path).close()

    def stopped(*_: object) -> None:
        raise errors.BookStopped("memory ran out")

    monkeypatch.setattr(Core, "run", stopped)
    with pytest.raises(errors.BookStopped, match="memory ran out"):
        opened(tmp_path)
