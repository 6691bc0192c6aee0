"""Streams read from any place, over broken connections, at the reader's own pace."""

import time
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from nextrade.errors import BusLost, BusRefused

from ...rabbit_here import Look, eventually, target_of


@pytest.fixture
def connection(broker: Any) -> Iterator[Any]:
    """A connection for readers."""
    from nextrade.platform.rabbit.connection import RabbitConnection

    with RabbitConnection(target_of(broker), "streams") as found:
        yield found


@pytest.fixture
def stream(look: Look, prefix: str) -> str:
    """A stream of the numbers 0 to 499."""
    name = look.declare(f"{prefix}.numbers", x_queue_type="stream")
    put(look, name, range(500))
    return name


def put(look: Look, stream: str, numbers: Any) -> None:
    """Add to a stream, confirmed."""
    look.channel.confirm_delivery()
    for number in numbers:
        look.channel.basic_publish("", stream, b"%d" % number)


def take(reader: Any, count: int) -> list[int]:
    """So many numbers; each must be at its own offset."""
    found: list[int] = []

    def enough() -> bool:
        for entry in reader.read(0.1):
            assert int(entry.body) == entry.offset
            found.append(entry.offset)
        return len(found) >= count

    eventually(enough)
    return found


def test_a_stream_is_read_from_any_place(connection: Any, stream: str, look: Look) -> None:
    """From its beginning, from a number, from now on; more than the prefetch allows at once."""
    from nextrade.platform.rabbit.stream import StreamReader

    with StreamReader(connection, stream, "first", prefetch=7) as reader:
        assert take(reader, 500) == list(range(500))
    with StreamReader(connection, stream, 321) as reader:
        assert take(reader, 179) == list(range(321, 500))
    with StreamReader(connection, stream, "next") as reader:
        assert reader.read(0.2) == []
        put(look, stream, [500])
        assert take(reader, 1) == [500]


def test_a_reader_goes_on_where_it_stood(connection: Any, stream: str, look: Look) -> None:
    """A lost connection costs no message and brings none twice, also before the first one."""
    from nextrade.platform.rabbit.stream import StreamReader

    with (
        StreamReader(connection, stream, "first", prefetch=50) as reader,
        StreamReader(connection, stream, "next") as new,
    ):
        found = take(reader, 100)
        connection.disconnect("a test")
        put(look, stream, [500, 501])
        of_new: list[int] = []
        eventually(lambda: of_new.extend(take(new, 1)) or of_new[-1] == 501)
        assert of_new == list(range(of_new[0], 502))
        assert found + take(reader, 502 - len(found)) == list(range(502))


def test_who_does_not_read_holds_the_stream_up(connection: Any, stream: str) -> None:
    """No more than the prefetch comes before something was taken."""
    from nextrade.platform.rabbit.stream import StreamReader

    with StreamReader(connection, stream, "first", prefetch=10) as reader:
        eventually(lambda: len(reader._entries) == 10)
        time.sleep(0.2)
        assert len(reader.read(0)) == 10


def test_what_cannot_be_read_is_said(connection: Any, broker: Any, look: Look, stream: str) -> None:
    """No such stream, no broker, and a stream that is deleted while it is read."""
    from nextrade.platform.rabbit.connection import RabbitConnection
    from nextrade.platform.rabbit.inbox import Inbox
    from nextrade.platform.rabbit.stream import StreamReader

    with pytest.raises(BusRefused, match="no queue 'none'"):
        StreamReader(connection, "none", "first")
    with (
        RabbitConnection(target_of(broker, addresses=("127.0.0.1:1",)), "nowhere") as nowhere,
        pytest.raises(BusLost, match="refused"),
    ):
        StreamReader(nowhere, stream, "first", patience_s=0.3)
    with StreamReader(connection, stream, "next") as reader:
        look.channel.queue_delete(stream)
        with pytest.raises(BusRefused, match="404"):
            eventually(lambda: reader.read(0.1))
    with (
        pytest.raises(BusRefused, match="no queue 'none'"),
        Inbox(target_of(broker), "none") as box,
    ):
        list(box.items(1, 1))
    with pytest.raises(BusRefused, match="ACCESS_REFUSED"):
        Inbox(target_of(broker, password="wrong"), stream)
    with pytest.raises(BusLost, match="refused"):
        Inbox(target_of(broker, addresses=("127.0.0.1:1",)), stream)


def test_an_inbox_gives_back_what_was_not_removed(broker: Any, look: Look, prefix: str) -> None:
    """What it holds nobody else gets; what it removed is gone; the rest keeps its order."""
    from nextrade.platform.rabbit.inbox import Inbox

    queue = look.declare(f"{prefix}.letters")
    put(look, queue, range(6))
    with Inbox(target_of(broker), queue) as box:
        items = list(box.items(4, 1 << 20))
        assert len(box) == 2
        box.remove(items[2].tag)
    eventually(lambda: look.count(queue) == 5)
    with Inbox(target_of(broker), queue) as box:
        assert sorted(int(item.body) for item in box.items(9, 1 << 20)) == [0, 1, 3, 4, 5]
    with Inbox(target_of(broker), queue) as box:
        assert len(list(box.items(9, 2))) == 2


def test_a_batch_is_found_in_a_stream_that_lost_its_beginning(
    bus: Any, look: Look, prefix: str
) -> None:
    """The feed from a batch on reads from near there; from one that is gone, what is left."""
    import numpy as np

    from nextrade import EVENT_DTYPE, LEVEL_DTYPE
    from nextrade.domain.protocol.messages import FRAME_ENTRY_DTYPE, write_messages

    name = f"{prefix}.events.0"
    look.channel.queue_delete(name)
    look.declare(
        name,
        x_queue_type="stream",
        x_max_length_bytes=1_000_000,
        x_stream_max_segment_size_bytes=200_000,
    )
    none, no_levels = np.zeros(0, np.uint32), np.zeros(0, LEVEL_DTYPE)
    frames, events = np.zeros(50, FRAME_ENTRY_DTYPE), np.zeros(0, EVENT_DTYPE)
    for number in range(1, 3001):  # 3 MB
        (told,) = write_messages(0, number, 5, frames, events, none, no_levels, none)
        look.channel.basic_publish("", name, told)
    eventually(lambda: last_of(bus) == 3000)

    read = {batch: read_from(bus, batch) for batch in (1, 2900, 3000)}
    first = read[1][0]
    assert 1 < first < 2900
    assert read[1] == list(range(first, 3001))
    assert read[2900] == list(range(2900, 3001))
    assert read[3000] == [3000]
    place = int(str(bus.place(0, 2900)))
    assert 2900 - 512 <= place + 1 <= 2900
    assert bus.place(0, 1) == "first"
    assert last_of(bus, 5000) == 0


def last_of(bus: Any, batch: int = 3000) -> int:
    """The last batch that a feed from one on gives; 0 for none."""
    return (read_from(bus, batch) or [0])[-1]


def read_from(bus: Any, batch: int) -> list[int]:
    """The batches that a feed gives from one on."""
    with bus.feed((0,), "first", batch) as feed:
        return [one.message.batch for one in feed.news(1.0) if one.message is not None]


def test_an_inbox_with_a_sign_is_for_one_visitor(broker: Any, look: Look, prefix: str) -> None:
    """The next waits, is refused in the end, and comes in when the first has left or has died."""
    from nextrade.platform.rabbit.inbox import Inbox

    target, sign = target_of(broker), f"{prefix}.sign"
    queue = look.declare(f"{prefix}.letters")
    with Inbox(target, queue, sign=sign), pytest.raises(BusRefused, match="somebody else is"):
        Inbox(target, queue, sign=sign, wait_s=0.3)
    first = Inbox(target, queue, sign=sign)
    leaving = Thread(target=lambda: (time.sleep(0.3), first.close()))
    leaving.start()
    with Inbox(target, queue, sign=sign) as box:
        assert len(box) == 0
    leaving.join()
