"""Book stores on Redis while servers are killed and connections are cut."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nextrade.errors import StaleEpoch, StoreError, StoreUnavailable, WrongLibrary

from ...redis_here import need_redis
from .homes import FOUNDING, NAMES, PART_BYTES, Home
from .test_contract import filled, numbers


@pytest.fixture(scope="module")
def careful_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Give one server that writes to the disk before it answers."""
    need_redis()
    from nextrade.platform.redis_servers import RedisServer

    server = RedisServer(Path(tmp_path_factory.mktemp("careful"), "one"), appendfsync="always")
    server.start()
    try:
        made = Home([server])
        yield made
        made.close()
    finally:
        server.stop()


def entry_of(batch: int) -> bytes:
    """An entry whose length and letters follow from its batch."""
    return bytes([batch % 251]) * (batch * 7919 % 60_000)


def work(store: Any, epoch: int, told: list[int]) -> None:
    """Commit, and keep a snapshot now and then, until the server is gone; note what was told."""
    batch = told[-1]
    try:
        while True:
            batch += 1
            store.commit(0, epoch, batch, batch - 1, entry_of(batch))
            told.append(batch)
            if batch % 40 == 0:
                store.keep(0, epoch, batch - 1, b"%d" % (batch - 1) * PART_BYTES)
    except StoreUnavailable:
        pass


@pytest.mark.parametrize("delay_s", [0.05, 0.11, 0.17, 0.23])
def test_kill_in_the_middle(careful_home: Home, delay_s: float) -> None:
    """What was confirmed before the server was killed is there, and nothing is there by half."""
    home = careful_home
    (server,) = home.servers
    home.new(0)
    told = [0]
    for round_ in range(3):
        store = home.again()
        acquired = store.acquire(0)
        store.shards.patience_s = 0
        told = [acquired.batch]
        thread = threading.Thread(target=work, args=(store, acquired.epoch, told))
        thread.start()
        thread.join(delay_s * (round_ + 1) / 2)
        os.kill(server.pid, signal.SIGKILL)
        thread.join()
        server.kill()
        server.start()
        found = home.again().look(0)

        # The one after the last that was confirmed may have arrived.
        assert found.batch in (told[-1], told[-1] + 1)
        assert found.epoch == acquired.epoch
        first = found.snapshot_batch + 1
        assert found.entries == tuple(map(entry_of, range(first, found.batch + 1)))
        if found.snapshot:
            assert found.snapshot == b"%d" % found.snapshot_batch * PART_BYTES
            assert found.snapshot_batch <= found.cleared
        home.again().look(0, earlier=True)
    assert told[-1] > 0


CALLS = {
    "commit": lambda store, epoch: store.commit(0, epoch, 7, 6, b"7"),
    "clear": lambda store, epoch: store.clear(0, epoch, 6),
    "keep": lambda store, epoch: store.keep(0, epoch, 5, b"five" * PART_BYTES),
    "acquire": lambda store, _: store.acquire(0),
    "found": lambda store, _: store.found(0, FOUNDING),
}


@pytest.mark.parametrize("what", ["request", "half a request", "reply"])
@pytest.mark.parametrize("name", CALLS)
def test_cut_connection(
    one_home: Home, monkeypatch: pytest.MonkeyPatch, name: str, what: str
) -> None:
    """Wherever the connection is cut, the call ends well and takes effect once."""
    from nextrade.errors import LedgerUnavailable
    from nextrade.service.ledger.redis.link import Link

    send, receive = Link.send, Link.receive
    for at in range(1, 100):
        store: Any = one_home.new(0)
        epoch = filled(store, 6)
        store.keep(0, epoch, 2, b"two")
        count = 0

        def failing_send(link: Any, commands: list[bytes]) -> None:
            nonlocal count
            count += what != "reply"
            if what != "reply" and count == at:  # noqa: B023
                if what == "half a request":
                    whole = b"".join(commands)
                    send(link, [whole[: len(whole) // 2]])
                link.close()
                raise LedgerUnavailable("cut")
            send(link, commands)

        def failing_receive(link: Any) -> Any:
            nonlocal count
            reply = receive(link)
            count += what == "reply"
            if what == "reply" and count == at:  # noqa: B023
                link.close()
                raise LedgerUnavailable("cut")
            return reply

        with monkeypatch.context() as patched:
            patched.setattr(Link, "send", failing_send)
            patched.setattr(Link, "receive", failing_receive)
            CALLS[name](store, epoch)
        found = one_home.again().look(0)
        snapshot = (b"five" * PART_BYTES, 5) if name == "keep" else (b"two", 2)
        last = 7 if name == "commit" else 6
        cleared = 6 if name in ("commit", "clear") else 5
        entries = numbers(snapshot[1] + 1, last)
        epoch += name == "acquire"  # raised once, though the call was sent twice
        assert found == (epoch, last, cleared, *snapshot, entries, FOUNDING)
        if count < at:
            break

    assert 1 < at < 99


def test_server_that_stays_away(careful_home: Home) -> None:
    """A call gives up after its patience, and can be repeated when the server is back."""
    filled(careful_home.new(0), 2)
    (server,) = careful_home.servers
    store = careful_home.again(patience_s=0.2)
    server.kill()
    try:
        for call in (
            lambda: store.commit(0, 1, 3, 2, b"3"),
            lambda: store.acquire(0),
        ):
            with pytest.raises(StoreUnavailable):
                call()
    finally:
        server.start()
    store.commit(0, 1, 3, 2, b"3")

    assert store.look(0) == (1, 3, 2, b"", 0, numbers(1, 3), FOUNDING)


def test_server_that_will_not_write_now(one_home: Home) -> None:
    """A server that waits for its replicas has changed nothing, and may be asked again."""
    filled(one_home.new(0), 2)
    store = one_home.again()
    store.shards.patience_s = 0.2
    with one_home.servers[0].client() as client:
        client.config_set("min-replicas-to-write", 1)
        try:
            with pytest.raises(StoreUnavailable, match="NOREPLICAS"):
                store.commit(0, 1, 3, 2, b"3")
        finally:
            client.config_set("min-replicas-to-write", 0)
    assert store.look(0).batch == 2
    store.commit(0, 1, 3, 2, b"3")

    assert store.look(0).batch == 3


def test_entries_that_no_server_takes(one_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry beyond the limit is refused here: a server would cut the connection, for ever."""
    from nextrade.service.store import redis

    monkeypatch.setattr(redis, "MOST_BYTES", 10)
    store: Any = one_home.new(0)
    epoch = store.acquire(0).epoch
    store.commit(0, epoch, 1, 0, bytes(10))
    with pytest.raises(ValueError, match="at most 10 bytes, this one 11"):
        store.commit(0, epoch, 2, 0, bytes(11))


def test_taken_over_while_reading(one_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is overtaken while it still reads is told so, not that data is damaged."""
    first: Any = one_home.new(0)
    epoch = filled(first, 6)
    first.keep(0, epoch, 2, b"two" * PART_BYTES)
    first.keep(0, epoch, 3, b"three" * PART_BYTES)
    slow, quick = one_home.again(), one_home.again()
    exchange = slow._exchange

    def overtaken(partition: int, command: bytes) -> Any:
        if b":s:3:1" in command and slow.look(0, earlier=True).epoch == 2:
            new = quick.acquire(0).epoch
            quick.keep(0, new, 4, b"four")
            quick.keep(0, new, 5, b"five")
        return exchange(partition, command)

    monkeypatch.setattr(slow, "_exchange", overtaken)
    with pytest.raises(StaleEpoch):
        slow.acquire(0)

    assert quick.look(0).epoch == 3


@pytest.mark.parametrize("any_home", NAMES[1:], indirect=True)
def test_lost_store(any_home: Home) -> None:
    """A store whose data is gone is neither read as empty nor begun again."""
    store: Any = any_home.new(0)
    epoch = filled(store, 2)
    with any_home.server_of(store, 0).client() as client:
        client.delete("nextrade:{p0}")
        for call in (
            lambda: store.commit(0, epoch, 3, 2, b"3"),
            lambda: store.clear(0, epoch, 2),
            lambda: store.keep(0, epoch, 1, b"x"),
            lambda: store.acquire(0),
            lambda: store.look(0),
        ):
            with pytest.raises(StoreError, match="never founded, or its data is gone"):
                call()
        assert not client.exists("nextrade:{p0}")


def test_library_is_checked(one_home: Home) -> None:
    """A server without this version's functions is refused."""
    store: Any = one_home.new(0)
    (server,) = one_home.servers
    with server.client() as client:
        client.function_flush()
        try:
            with pytest.raises(WrongLibrary):
                one_home.again()
            with pytest.raises(WrongLibrary):
                store.acquire(0)
        finally:
            store.shards.load_library()

    assert store.acquire(0).epoch == 1


@pytest.mark.parametrize("any_home", ["three", "cluster"], indirect=True)
def test_neighbours_are_on_different_servers(any_home: Home) -> None:
    """Partitions go round the named shards; in a cluster their slots decide."""
    store: Any = any_home.new(0, 1, 2, 3)
    for partition in range(4):
        filled(store, partition + 1, partition=partition)
        with any_home.server_of(store, partition).client() as client:
            assert client.exists(f"nextrade:{{p{partition}}}")
    names = [any_home.server_of(store, partition).address for partition in range(4)]

    assert [store.look(partition).batch for partition in range(4)] == [1, 2, 3, 4]
    if store.map.shards:
        assert len(set(names[:3])) == 3
        assert names[3] == names[0]
