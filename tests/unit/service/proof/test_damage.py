"""Whatever is changed behind the exchange's back is found, and named."""

import struct
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import numpy as np
import pytest

from nextrade.domain.postings import POSTING_DTYPE
from nextrade.domain.protocol.entries import EntryKind, read_entry, write_entry
from nextrade.domain.protocol.messages import Message, read_message, write_messages
from nextrade.enums import EventKind

DOLLAR = 2


@pytest.fixture
def exchange(found: Callable) -> Any:
    """An exchange at rest, with snapshots of both partitions and some entries after them."""
    made = found(5, entries=15)
    for number in made.workers:
        made.work(number)
    assert made.prove().faults == ()
    return made


def field(letter: bytes, *numbers: int) -> bytes:
    """The name of a field of a bucket."""
    return letter + struct.pack(f"<{len(numbers)}I", *numbers)


def change(exchange: Any, bucket: int, name: bytes, layout: str, place: int, by: int) -> None:
    """Change one number of a field."""
    key = exchange.ledger.map.key(bucket)
    with exchange.at(bucket) as client:
        value = client.hget(key, name)
        numbers = list(struct.unpack_from(layout, value))
        numbers[place] += by
        client.hset(key, name, struct.pack(layout, *numbers) + value[struct.calcsize(layout) :])


def busy_bucket(exchange: Any, partition: int) -> int:
    """A bucket that the last batch of a partition settled."""
    from nextrade.service.ledger.redis.bucket_state import bucket_states
    from nextrade.service.proof.sides import mark_of

    states = bucket_states(exchange.ledger.shards)
    return max(range(len(states)), key=lambda bucket: mark_of(states[bucket], partition))


def test_a_balance(exchange: Any) -> None:
    """The walk sees the account, and the bucket whose balances do not add up to its totals."""
    account = 7
    bucket = exchange.ledger.map.of_account(account)
    change(exchange, bucket, struct.pack("<II", account, DOLLAR), "<qq", 1, 5)
    quick, full = exchange.prove(full=False), exchange.prove()

    assert quick.faults == ()
    assert len(full.faults) == 2
    assert full.faults[0].startswith(f"bucket {bucket}, DOLLAR: its balances add up to")
    assert full.faults[1].startswith("account 7, DOLLAR: ")
    assert "its orders, withdrawals, transfers and frames hold" in full.faults[1]


def test_a_balance_that_was_moved_within_its_bucket(exchange: Any) -> None:
    """Totals agree; what the orders of both accounts hold does not."""
    bucket = exchange.ledger.map.of_account(7)
    (other, *_) = [a for a in range(8, 25) if exchange.ledger.map.of_account(a) == bucket]
    for account, by in ((7, 9), (other, -9)):
        change(exchange, bucket, struct.pack("<II", account, DOLLAR), "<qq", 1, by)

    faults = exchange.prove().faults
    assert [fault.split(",")[0] for fault in faults if "its orders" in fault] == [
        "account 7",
        f"account {other}",
    ]


@pytest.mark.parametrize("by", [-1, 1])
def test_a_watermark(exchange: Any, by: int) -> None:
    """A batch that the bucket never settled, or that the store does not know."""
    bucket = busy_bucket(exchange, 1)
    change(exchange, bucket, field(b"W", 1), "<QQ", 1, by)

    faults = exchange.prove(full=False).faults
    assert faults
    assert all(f"bucket {bucket}" in fault and "partition 1" in fault for fault in faults)
    if by > 0:
        assert "one of the servers has lost time" in faults[0]


def test_a_watermark_before_the_snapshot(exchange: Any) -> None:
    """The shard came back from an old copy: named, with what it needs."""
    bucket = busy_bucket(exchange, 0)
    with exchange.at(bucket) as client:
        key, name = exchange.ledger.map.key(bucket), field(b"W", 0)
        value = client.hget(key, name)
        client.hset(key, name, value[:8] + struct.pack("<Q", 1) + value[16:])

    (fault,) = exchange.prove(full=False).faults
    assert fault.startswith(f"bucket {bucket} stands at batch 1 of partition 0, and the snapshot")
    assert fault.endswith("the bucket's server has lost time")


@pytest.mark.parametrize(("place", "what"), [(0, "have moved"), (1, "is held for orders")])
def test_a_sum(exchange: Any, place: int, what: str) -> None:
    """What a bucket counts of a partition is not what the books say; which, is said."""
    bucket = busy_bucket(exchange, 1)
    change(exchange, bucket, field(b"P", 1, DOLLAR), "<qq", place, 3)

    faults = exchange.prove(full=False).faults
    assert any(
        fault.startswith(f"bucket {bucket}, partition 1, DOLLAR, batch") and what in fault
        for fault in faults
    )


def test_two_sums_that_hide_each_other(exchange: Any) -> None:
    """Two buckets changed alike add up to what they did: each is named all the same."""
    change(exchange, 1, field(b"P", 0, DOLLAR), "<qq", 0, 8)
    change(exchange, 2, field(b"P", 0, DOLLAR), "<qq", 0, -8)

    told = " ".join(exchange.prove(full=False).faults)
    assert "bucket 1, partition 0, DOLLAR" in told
    assert "bucket 2, partition 0, DOLLAR" in told


@pytest.mark.parametrize("full", [True, False])
def test_a_missing_bucket(exchange: Any, full: bool) -> None:
    """It is named; all others are compared."""
    with exchange.at(3) as client:
        client.delete(exchange.ledger.map.key(3))

    faults = exchange.prove(full=full).faults
    assert faults == ("bucket 3 was never founded, or its data is gone",)


def entry_name(exchange: Any, number: int, batch: int) -> tuple[bytes, bytes]:
    """Key and field of an entry."""
    return exchange.store.map.key(number), b"b" + struct.pack("<Q", batch)


def last_run(exchange: Any, number: int) -> tuple[int, bytes]:
    """The last batch of commands, and its entry."""
    acquired = exchange.store.look(number)
    entries = list(enumerate(acquired.entries, acquired.snapshot_batch + 1))
    return next(
        (batch, text)
        for batch, text in reversed(entries)
        if read_entry(text)[0].kind == EntryKind.RUN and len(read_entry(text)[0].records)
    )


def test_a_byte_of_an_entry(exchange: Any) -> None:
    """Its checksum tells."""
    batch, text = last_run(exchange, 1)
    key, name = entry_name(exchange, 1, batch)
    with exchange.at_store(1) as client:
        client.hset(key, name, text[:-1] + bytes([text[-1] ^ 1]))

    faults = exchange.prove().faults
    assert f"the entry of batch {batch} is damaged" in faults[0]
    assert faults[0].startswith("partition 1 cannot be rebuilt from its book store")


def test_an_entry_that_was_written_anew(exchange: Any) -> None:
    """Its checksum is right, and its batch comes out otherwise than when it was committed."""
    batch, text = last_run(exchange, 1)
    entry, digest = read_entry(text)
    records = entry.records.copy()
    records["qty_lots"] += 1
    key, name = entry_name(exchange, 1, batch)
    with exchange.at_store(1) as client:
        client.hset(key, name, write_entry(entry._replace(records=records), digest))

    assert f"batch {batch} of partition 1 has another outcome now" in exchange.prove().faults[0]


def test_a_lost_entry_and_a_lost_store(exchange: Any) -> None:
    """Nothing whole is left to rebuild from; the other partition is proved."""
    batch, _ = last_run(exchange, 1)
    key, name = entry_name(exchange, 1, batch)
    with exchange.at_store(1) as client:
        client.hdel(key, name)
        lost_entry = exchange.prove().faults
        client.delete(key)
    lost_store = exchange.prove().faults

    assert [fault.split(":")[0] for fault in lost_entry] == [
        "the book store of partition 1 is damaged"
    ]
    assert lost_store == ("the book store of partition 1 was never founded, or its data is gone",)


def test_a_partition_that_nobody_lists(exchange: Any) -> None:
    """The ledger has settled batches of it: its store is looked for."""
    moved = np.array([(0, DOLLAR, 1, 0), (5, DOLLAR, -1, 0)], POSTING_DTYPE)
    exchange.ledger.settle(7, 1, 1, moved, [])

    assert exchange.prove().faults == (
        "the book store of partition 7 was never founded, or its data is gone",
    )


# --- the stream ----------------------------------------------------------------------------------


def trade_at(stream: list[bytes]) -> int:
    """The position of a message with a trade, among the older ones."""
    return next(
        place
        for place, text in enumerate(stream)
        if (read_message(text).events["kind"] == EventKind.TRADE).any()
    )


def written(message: Message) -> bytes:
    """A message with a checksum that fits."""
    (text,) = write_messages(
        message.partition,
        message.batch,
        message.time_ns,
        message.frames,
        message.events,
        message.markets,
        message.levels,
        message.level_markets,
    )
    return text


def test_a_lost_message(exchange: Any) -> None:
    """The hole is named, with what comes behind it."""
    stream = exchange.buses[0].stream
    lost = read_message(stream.pop(10))

    (fault,) = exchange.prove(full=False).faults
    assert fault.startswith("stream of partition 0: at offset 10: ")
    assert f"batch {lost.batch} from fact 0 on was not in the stream" in fault


def test_lost_messages_at_the_end(exchange: Any) -> None:
    """They were confirmed, so they must be there; an empty stream is no excuse."""
    stream = exchange.buses[1].stream
    last = read_message(stream.pop()).batch
    (end,) = exchange.prove(full=False).faults
    stream.clear()
    (empty,) = exchange.prove(full=False).faults

    assert f"batch {last} was confirmed by the broker, and it ends with {last - 1}" in end
    assert empty.endswith("it has none")


def test_messages_that_come_twice(exchange: Any) -> None:
    """A worker that died sends again: this is no fault."""
    exchange.buses[0].stream[8:8] = exchange.buses[0].stream[5:8]
    proof = exchange.prove(full=False)

    assert proof.faults == ()
    assert proof.partitions[0].stream.repeats == 3


def test_a_byte_of_a_message(exchange: Any) -> None:
    """Its checksum tells; what follows is not believed."""
    stream = exchange.buses[0].stream
    stream[4] = stream[4][:-1] + bytes([stream[4][-1] ^ 1])

    (fault,) = exchange.prove(full=False).faults
    assert fault.startswith("stream of partition 0: at offset 4: a message of events whose")


@pytest.mark.parametrize("name", ["leaves_lots", "maker_leaves_lots", "qty_lots", "maker_owner"])
def test_an_old_message_that_was_written_anew(exchange: Any, name: str) -> None:
    """The store has no entry of it any more: the orders that its events name contradict it."""
    stream = exchange.buses[0].stream
    place = trade_at(stream)
    message = read_message(stream[place])
    events = message.events.copy()
    trade = int(np.flatnonzero(events["kind"] == EventKind.TRADE)[0])
    events[name][trade] += 1
    stream[place] = written(message._replace(events=events))
    assert message.batch <= exchange.store.look(0).snapshot_batch

    faults = exchange.prove(full=False).faults
    orders = {int(events["order_id"][trade]), int(events["maker_id"][trade])}
    assert any(
        f"batch {message.batch}: order {order}" in fault for fault in faults for order in orders
    )


def test_a_new_message_that_was_written_anew(exchange: Any) -> None:
    """The store still has its entry, so even a price that changes no order is found."""
    stream = exchange.buses[1].stream
    message = read_message(stream[-1])
    levels = message.levels.copy()
    levels["orders"] += 1
    stream[-1] = written(message._replace(levels=levels, time_ns=message.time_ns + 1))

    (fault,) = exchange.prove(full=False).faults
    assert f"batch {message.batch} from fact 0 on tells something else" in fault


def test_orders_that_differ_are_named(exchange: Any) -> None:
    """An order whose price was changed where nothing else speaks of it."""
    stream, store = exchange.buses[0].stream, exchange.store.look(0)
    for place, text in enumerate(stream):
        message = read_message(text)
        events = message.events.copy()
        taken = np.flatnonzero(events["kind"] == EventKind.ACCEPTED)
        resting = [at for at in taken if not _named_again(stream, place, events["order_id"][at])]
        if resting and message.batch <= store.snapshot_batch:
            events["price_ticks"][resting[0]] += 1
            stream[place] = written(message._replace(events=events))
            break

    (fault,) = exchange.prove(full=False).faults
    order = int(events["order_id"][resting[0]])
    assert f"stream of partition 0: order {order} of market" in fault
    assert "by its events, and account" in fault


def _named_again(stream: list[bytes], place: int, order_id: int) -> bool:
    named = 0
    for text in stream[place:]:
        events = read_message(text).events
        named += int(((events["order_id"] == order_id) | (events["maker_id"] == order_id)).sum())
    return named != 1


def test_a_frame_that_ends_twice(exchange: Any) -> None:
    """Each frame has one outcome: another one under its id is named."""
    stream = exchange.buses[0].stream
    first, later = read_message(stream[0]), read_message(stream[6])
    frames = later.frames.copy()
    frames["identity"][0] = first.frames["identity"][0]
    stream[6] = written(later._replace(frames=frames))

    (fault,) = exchange.prove(full=False).faults
    assert fault.endswith(
        f"frame {int(frames['identity'][0])} ends in batch {first.batch} and in {later.batch}"
    )


def test_a_stream_without_its_beginning(exchange: Any) -> None:
    """From the snapshot on it is compared; where that is not possible either, this is said."""
    stream = exchange.buses[0].stream
    base = exchange.store.look(0).snapshot_batch
    del stream[: base - 2]
    enough = exchange.prove(full=False)
    del stream[:5]
    too_little = exchange.prove(full=False)

    assert (enough.faults, too_little.faults) == ((), ())
    assert f"followed from the snapshot of batch {base} on" in enough.remarks[0]
    assert enough.partitions[0].stream.orders_hash
    assert "open orders were not compared with it" in too_little.remarks[0]
    assert not too_little.partitions[0].stream.orders_hash


def test_books_that_contradict_themselves(exchange: Any) -> None:
    """A snapshot whose sums are not what its own open orders hold."""
    from nextrade.domain.protocol.replica_snapshot import restore_replica, snapshot_replica

    from .driver import BUCKETS, LISTINGS

    acquired = exchange.store.look(1)
    replica = restore_replica(LISTINGS, 1, BUCKETS, acquired.snapshot, exchange.limits)
    replica.sums.held[2, DOLLAR] += 5
    replica.sums.settled[2, DOLLAR] += 7
    with exchange.at_store(1) as client:
        changed = snapshot_replica(replica)
        key = exchange.store.map.key(1)
        (part,) = client.keys(key + b":s:%d:*" % acquired.snapshot_batch)
        client.set(part, changed)
        # What stands of the snapshot beside it fits, so that it is taken for whole.
        kept = client.hget(key, "K")
        digest = blake2b(changed, digest_size=16).digest()
        client.hset(key, "K", kept[:20] + digest + kept[36:])
    told = " ".join(exchange.prove(full=False).faults)

    assert "partition 1, bucket 2, DOLLAR: open orders hold" in told
    assert "partition 1, DOLLAR: what its batches posted adds up to 7" in told
    assert "bucket 2, partition 1, DOLLAR, batch" in told
