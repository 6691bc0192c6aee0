"""The gateway on a real broker: confirmed, in order, once, whatever happens to the connection."""

import threading
import time
from typing import Any

import numpy as np
import pytest

from nextrade import COMMAND_DTYPE
from nextrade.domain.protocol.frames import TIER_DTYPE, FrameKind, decode
from nextrade.domain.protocol.ids import SCHEDULER, gateway_of
from nextrade.domain.refusals import Refusal
from nextrade.enums import CommandKind, TradingState
from nextrade.errors import BusLost, BusRefused
from nextrade.service.gateway import Gateway, Scheduler

from ...rabbit_here import Look, eventually, target_of


def orders(count: int, market: int = 0, first_id: int = 0) -> np.ndarray:
    """Orders that pass the door; without ids unless the first is given."""
    made = np.zeros(count, COMMAND_DTYPE)
    made["kind"], made["owner"], made["market"] = CommandKind.PLACE, 1, market
    made["price_ticks"], made["qty_lots"] = 10_000, 1000
    if first_id:
        made["order_id"] = np.arange(first_id, first_id + count)
    return made


def frames_in(look: Look, queue: str) -> list:
    """All frames of a queue, which is empty afterwards."""
    return [decode(body) for _, body in look.drain(queue)]


def test_commands_reach_their_partitions(bus: Any, look: Look) -> None:
    """Each frame has the commands of its tickets, with new ids, without times; what is refused
    stays here.
    """
    commands = np.concatenate([orders(3), orders(2, market=1), orders(1, market=99)])
    commands["timestamp_ns"] = 5
    with bus.gateway() as gateway:
        done = gateway.submit(commands)
        confirmed = [ticket.confirmed.result(10) for ticket in done.tickets]

    assert done.refusals.tolist() == [0] * 5 + [Refusal.UNKNOWN_MARKET]
    assert [ticket.rows.tolist() for ticket in done.tickets] == [[0, 1, 2], [3, 4]]
    for partition, rows, one in ((0, slice(0, 3), confirmed[0]), (1, slice(3, 5), confirmed[1])):
        (properties, body) = look.drain(bus.topology.orders(partition))[0]
        frame = decode(body)
        assert (frame.kind, frame.partition) == (FrameKind.COMMANDS, partition)
        assert frame.identity == one.frame == int(properties.message_id)
        assert properties.delivery_mode == 2
        assert frame.records["order_id"].tolist() == done.order_ids[rows].tolist()
        assert not frame.records["timestamp_ns"].any()
    assert len(set(done.order_ids[:5].tolist())) == 5
    assert all(gateway_of(order) == bus.number for order in done.order_ids[:5].tolist())


def test_a_frame_takes_so_many_and_no_more(bus: Any, look: Look) -> None:
    """A large call is cut into frames; all of it arrives in order."""
    with bus.gateway(most_commands=1000) as gateway:
        gateway.submit(orders(10_000, first_id=1))
    frames = frames_in(look, bus.topology.orders(0))

    assert max(len(frame.records) for frame in frames) <= 1000
    arrived = np.concatenate([frame.records["order_id"] for frame in frames])
    assert arrived.tolist() == list(range(1, 10_001))


def test_many_threads_make_few_frames(bus: Any, look: Look) -> None:
    """What comes while frames are on their way gathers; each thread's orders keep their order."""
    with bus.gateway() as gateway:

        def send(own: int) -> None:
            for number in range(200):
                gateway.submit(orders(1, first_id=own * 1000 + number))

        threads = [threading.Thread(target=send, args=(own,)) for own in range(1, 6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    frames = frames_in(look, bus.topology.orders(0))

    arrived = np.concatenate([frame.records["order_id"] for frame in frames])
    assert len(arrived) == 1000
    for own in range(1, 6):
        assert arrived[arrived // 1000 == own].tolist() == [own * 1000 + n for n in range(200)]
    assert len(frames) < 900


def test_a_broken_connection_costs_no_order_and_no_place(bus: Any, broker: Any, look: Look) -> None:
    """Frames that were not confirmed go again with their ids: first arrivals are in order."""
    from nextrade.platform.rabbit.connection import RabbitConnection
    from nextrade.platform.rabbit.publisher import Publisher

    sent, tickets = 0, []
    with RabbitConnection(target_of(broker), "cut") as connection:
        publisher = Publisher(connection)
        publisher.wait_ready(10)
        with Gateway(bus.listings, publisher, bus.ids, queue_of=bus.topology.orders) as gateway:
            for _ in range(3):
                end = time.monotonic() + 0.2
                while time.monotonic() < end:
                    tickets += gateway.submit(orders(5, first_id=sent + 1)).tickets
                    sent += 5
                connection.disconnect("a test")
            for ticket in tickets:
                ticket.confirmed.result(30)
            again = gateway.frames_sent
    frames = frames_in(look, bus.topology.orders(0))
    first = {frame.identity: frame for frame in reversed(frames)}
    once = [frame for place, frame in enumerate(frames) if frame is first[frame.identity]]

    assert again > len(first)
    arrived = np.concatenate([frame.records["order_id"] for frame in once])
    assert arrived.tolist() == list(range(1, sent + 1))


def test_what_nobody_takes_is_given_up(bus: Any, broker: Any) -> None:
    """Without a connection a ticket fails in time, and says whether it was sent; calls are
    refused once too much waits. An unknown queue is no matter of patience.
    """
    from nextrade.platform.rabbit.connection import RabbitConnection
    from nextrade.platform.rabbit.publisher import Publisher

    nowhere = target_of(broker, addresses=("127.0.0.1:1",))
    with RabbitConnection(nowhere, "nowhere") as connection:
        publisher = Publisher(connection)
        with Gateway(
            bus.listings,
            publisher,
            bus.ids,
            queue_of=bus.topology.orders,
            patience_s=0.5,
            window=1,
            most_commands=1,
            most_waiting=1,
        ) as gateway:
            first, second = gateway.submit(orders(2)).tickets
            eventually(lambda: first.frame)
            with pytest.raises(BusLost, match="nothing of this was sent"):
                gateway.submit(orders(1), wait_s=0)
            with pytest.raises(BusLost, match="may have been taken"):
                first.confirmed.result(10)
            with pytest.raises(BusLost, match="nothing has happened"):
                second.confirmed.result(10)
            assert second.frame == 0
    with bus.publisher() as publisher:
        with Gateway(bus.listings, publisher, bus.ids, queue_of=lambda _: "none") as gateway:
            (ticket,) = gateway.submit(orders(1)).tickets
            with pytest.raises(BusRefused, match="no queue none"):
                ticket.confirmed.result(10)
        with pytest.raises(BusLost, match="closed"):
            gateway.submit(orders(1))


def test_tiers_go_to_every_partition(bus: Any, look: Look) -> None:
    """A frame of fee tiers for each, in its place among the orders."""
    tiers = np.array([(7, 1), (8, 0)], TIER_DTYPE)
    with bus.gateway() as gateway:
        gateway.submit(orders(1))
        for ticket in gateway.set_tiers(tiers):
            ticket.confirmed.result(10)
        gateway.submit(orders(1))
    kinds = [frame.kind for frame in frames_in(look, bus.topology.orders(0))]

    assert kinds == [FrameKind.COMMANDS, FrameKind.TIERS, FrameKind.COMMANDS]
    (frame,) = frames_in(look, bus.topology.orders(1))
    assert frame.records.tolist() == tiers.tolist()


def test_two_schedulers_send_the_same_frames(bus: Any, look: Look) -> None:
    """Same id, same bytes: whichever comes second is dropped by its worker."""
    due_ms = 1_800_000_000_000
    for now_ms in (due_ms - 700, due_ms - 400):
        clock = iter([now_ms, due_ms + 5, due_ms + 5, due_ms + 900])
        with bus.gateway() as gateway:
            scheduler = Scheduler(gateway, clock_ms=clock.__next__)
            scheduler.plan(due_ms, "BTC-USDT", CommandKind.SET_STATE, state=TradingState.HALTED)
            early = scheduler.send_due()
            late = scheduler.send_due()
            assert scheduler.next_ms == due_ms + 1000
            assert scheduler.send_due() == []
            assert (len(early), len(late)) == (3, 4)
    bodies = [body for _, body in look.drain(bus.topology.orders(0))]

    by_id: dict[int, set[bytes]] = {}
    for body in bodies:
        by_id.setdefault(decode(body).identity, set()).add(body)
    assert len(bodies) == 6
    assert sorted(map(len, by_id.values())) == [1, 1, 1]
    assert {gateway_of(identity) for identity in by_id} == {SCHEDULER}
    (halt,) = (decode(body) for body in set(bodies) if decode(body).records["kind"][0] == 7)
    assert halt.records["state"].tolist() == [TradingState.HALTED]


def test_only_what_runs_can_be_scheduled(bus: Any) -> None:
    """A frame of the exchange itself that would be refused is a mistake of the caller."""
    with bus.gateway() as gateway:
        with pytest.raises(ValueError, match="refused"):
            gateway.send_as(0, 5, orders(1, market=99, first_id=1))
        with pytest.raises(ValueError, match="not one frame"):
            gateway.send_as(9, 5, orders(1, first_id=1))
        with pytest.raises(TypeError, match="fee tiers"):
            gateway.set_tiers(orders(1))
    with pytest.raises(ValueError, match="a frame takes"), bus.gateway(most_commands=0):
        pass


@pytest.mark.full
def test_a_broker_short_of_memory_is_waited_for(bus: Any, broker: Any, look: Look) -> None:
    """What it does not take gathers here, up to the bound; who would wait longer than it may is
    told. Then all that was kept arrives, once and in order.
    """
    from nextrade.platform.rabbit.asking import Asking

    with (
        Asking(target_of(broker), "test") as asking,
        bus.publisher() as publisher,
        Gateway(
            bus.listings,
            publisher,
            bus.ids,
            queue_of=bus.topology.orders,
            patience_s=60,
            most_waiting=100,
        ) as gateway,
    ):
        gateway.submit(orders(1, first_id=1)).tickets[0].confirmed.result(10)
        broker.control("set_vm_memory_high_watermark", "absolute", "1MB")
        try:
            eventually(lambda: not asking.takes_messages())
            tickets, sent, full = [], 1, None
            while full is None:
                try:
                    tickets += gateway.submit(orders(5, first_id=sent + 1), wait_s=0.2).tickets
                    sent += 5
                except BusLost as error:
                    full = error
            assert str(full).endswith("are waiting for RabbitMQ; nothing of this was sent")
            time.sleep(6)  # longer than a heartbeat: a connection that is held is not lost
            assert not any(ticket.confirmed.done() for ticket in tickets)
        finally:
            broker.control("set_vm_memory_high_watermark", "absolute", "1GB")
        for ticket in tickets:
            ticket.confirmed.result(30)
    frames = frames_in(look, bus.topology.orders(0))

    arrived = np.concatenate([frame.records["order_id"] for frame in frames])
    assert arrived.tolist() == list(range(1, sent + 1))
