"""The bus of a partition for real: order, acknowledgement, take-over, poison, fallen frames."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import Any

import numpy as np
import pytest

from nextrade.domain.protocol.frames import (
    FrameKind,
    Verdict,
    commands_frame,
    decode,
    knock_frame,
    verdict_frame,
)
from nextrade.dtypes import COMMAND_DTYPE
from nextrade.errors import BusLost, BusRefused

from ...rabbit_here import Look, eventually, target_of

MANY = 1 << 20
KNOCK = knock_frame(0)

HOLDER = """
import sys, time
from nextrade.platform.rabbit.target import RabbitTarget
from nextrade.service.topology import Topology
from nextrade.service.worker.bus import connect_bus
address, password, prefix, keep = sys.argv[1:]
bus = connect_bus(RabbitTarget((address,), "nextrade", password), Topology(prefix), 0)
held = []
while len(held) < int(keep):
    for one in bus.take(100, 1 << 20, wait=True):
        if one.body.startswith(b"NXTF"):
            bus.acknowledge([one])
        else:
            held.append(one)
print(len(held), flush=True)
time.sleep(60)
"""


def open_bus(broker: Any, topology: Any, **options: Any) -> Any:
    """A bus of partition 0."""
    from nextrade.service.worker.bus import connect_bus

    return connect_bus(target_of(broker), topology, 0, **options)


def put(look: Look, topology: Any, *bodies: bytes) -> None:
    """Publish to the queue of orders."""
    for body in bodies:
        look.channel.basic_publish("", topology.orders(0), body)


def collect(bus: Any, count: int) -> list[Any]:
    """The next so many messages but for knocks, acknowledged."""
    got: list[Any] = []
    end = time.monotonic() + 20
    while len(got) < count:
        assert time.monotonic() < end, f"{len(got)} of {count} came"
        taken = bus.take(1, MANY, wait=True)
        bus.acknowledge(taken)
        got += [one for one in taken if one.body != KNOCK]
    return got


def drained(bus: Any, look: Look, topology: Any) -> list[Any]:
    """Acknowledge what comes until nothing is ready in the queue; what it was."""
    got: list[Any] = []

    def is_empty() -> bool:
        taken = bus.take(10, MANY, wait=True)
        bus.acknowledge(taken)
        got.extend(taken)
        return not taken and look.count(topology.orders(0)) == 0

    eventually(is_empty)
    return got


def test_messages_are_taken_in_order_within_bounds(broker: Any, topology: Any, look: Look) -> None:
    """A new channel knocks; then come at most so many messages and bytes, oldest first."""
    with open_bus(broker, topology) as bus:
        (knock,) = eventually(lambda: bus.take(10, MANY, wait=True))
        assert (knock.body, knock.channel, knock.redelivered) == (KNOCK, 1, False)
        bus.acknowledge([knock])
        put(look, topology, *(b"%d" % number for number in range(9)), b"x" * 1000)
        eventually(lambda: len(bus._intake._deliveries) == 10)
        taken = [bus.take(4, MANY, wait=False), bus.take(9, 3, wait=False)]
        rest = bus.take(9, 10, wait=False), bus.take(9, 10, wait=False)

        assert [[one.body for one in some] for some in taken] == [
            [b"0", b"1", b"2", b"3"],
            [b"4", b"5", b"6"],
        ]
        assert [[one.body for one in some] for some in rest] == [[b"7", b"8"], [b"x" * 1000]]
        assert bus.take(9, MANY, wait=False) == []
        bus.acknowledge([*taken[1], *rest[0], *rest[1]])
        bus.acknowledge(taken[0])
    assert look.count(topology.orders(0)) == 0


def test_what_is_not_acknowledged_comes_again_on_a_new_channel(
    broker: Any, topology: Any, look: Look
) -> None:
    """After drop_channel the same messages come in the same order, marked; old ones are nothing."""
    with open_bus(broker, topology) as bus:
        put(look, topology, b"a", b"b", b"c")
        first = collect(bus, 1)[0]
        held = eventually(lambda: bus.take(1, MANY, wait=True))
        bus.drop_channel()
        again = collect(bus, 2)
        bus.acknowledge(held)

        assert (first.body, held[0].body, held[0].channel) == (b"a", b"b", 1)
        assert [(one.body, one.channel) for one in again] == [(b"b", 2), (b"c", 2)]
        assert again[0].redelivered
        # Knocks may stand behind them, and the careful consumer is given one at a time.
        rest = drained(bus, look, topology)
        assert {one.body for one in rest} <= {KNOCK}


def test_a_standby_takes_over_in_order(broker: Any, topology: Any, look: Look) -> None:
    """When a worker's process is killed, the next one gets what it held, marked, and the rest."""
    bodies = [b"%d" % number for number in range(150)]
    command = [sys.executable, "-c", HOLDER, broker.address, broker.password, topology.prefix, "30"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        try:
            eventually(lambda: look.consumers(topology.orders(0)))
            with open_bus(broker, topology) as standby:
                put(look, topology, *bodies)
                assert holder.stdout is not None
                assert holder.stdout.readline().strip() >= b"30"
                assert standby.take(10, MANY, wait=True) == []
                os.kill(holder.pid, signal.SIGKILL)
                killed = time.monotonic()
                eventually(lambda: standby._intake._deliveries)
                silence = time.monotonic() - killed
                got = collect(standby, len(bodies))
        finally:
            holder.kill()

    assert [one.body for one in got] == bodies
    marks = [one.redelivered for one in got]
    assert marks == sorted(marks, reverse=True)
    assert 30 <= sum(marks) <= 66
    assert silence < 5


def test_the_full_consumer_of_the_same_channel_follows(
    broker: Any, topology: Any, look: Look
) -> None:
    """After the first acknowledged message many come at once, and none to the standby."""
    with open_bus(broker, topology, prefetch=20) as bus:
        knock = eventually(lambda: bus.take(1, MANY, wait=True))
        with open_bus(broker, topology, prefetch=20) as standby:
            put(look, topology, *(b"%d" % number for number in range(50)))
            bus.acknowledge(knock)
            eventually(lambda: len(bus._intake._deliveries) >= 20)
            got = collect(bus, 50)

            assert [one.body for one in got] == [b"%d" % number for number in range(50)]
            assert {one.channel for one in got} == {1}
            assert standby.take(10, MANY, wait=True) == []


def test_poison_falls_alone(broker: Any, topology: Any, look: Look) -> None:
    """A frame that costs the channel each time becomes a verdict; its neighbours hardly count.

    All neighbours come through in order, delivered at most twice, and the verdict comes with
    the fallen frame in it.
    """
    poison = commands_frame(0, 77, np.ones(1, COMMAND_DTYPE))
    before = [b"before %d" % number for number in range(5)]
    after = [b"after %d" % number for number in range(60)]
    from nextrade.platform.rabbit.connection import RabbitConnection
    from nextrade.platform.rabbit.publisher import Publisher
    from nextrade.service.worker.fallen import FallenRelay

    times: Counter[bytes] = Counter()
    done: list[bytes] = []
    with (
        RabbitConnection(target_of(broker), "relay in") as reading,
        RabbitConnection(target_of(broker), "relay out") as writing,
        open_bus(broker, topology) as bus,
    ):
        relay = FallenRelay(reading, Publisher(writing), topology, 0)
        put(look, topology, *before, poison, *after)
        end = time.monotonic() + 60
        while not done or not done[-1].startswith(b"NXTF"):
            assert time.monotonic() < end, f"{len(done)} done, poison {times[poison]} times"
            taken = bus.take(100, MANY, wait=True)
            times.update(one.body for one in taken)
            if any(one.body == poison for one in taken):
                bus.drop_channel()
                continue
            bus.acknowledge(taken)
            done += [one.body for one in taken if one.body != KNOCK]
        eventually(lambda: relay.passed_on == 1)
        relay.close()

    verdict = decode(done.pop())
    assert (verdict.kind, verdict.verdict) == (FrameKind.VERDICT, Verdict.DEAD_LETTERED)
    assert (verdict.about, verdict.identity) == (poison, 77)
    assert done == before + after
    assert times[poison] == 21
    assert max(times[body] for body in before + after) <= 2


def test_a_verdict_that_falls_becomes_a_dead_letter(broker: Any, topology: Any, look: Look) -> None:
    """The relay sends no verdict about a verdict; people get it, with a reason."""
    from nextrade.platform.rabbit.connection import RabbitConnection
    from nextrade.platform.rabbit.publisher import Publisher
    from nextrade.service.worker.fallen import FallenRelay

    verdict = verdict_frame(0, Verdict.DEAD_LETTERED, b"no frame")
    with (
        RabbitConnection(target_of(broker), "relay in") as reading,
        RabbitConnection(target_of(broker), "relay out") as writing,
    ):
        publisher = Publisher(writing)
        publisher.wait_ready(10)
        FallenRelay(reading, publisher, topology, 0)
        publisher.send(topology.fallen(0), verdict, "1").result(10)
        eventually(lambda: look.count(topology.dead(0)) == 1)

    ((properties, body),) = look.drain(topology.dead(0))
    assert body == verdict
    assert "delivered too often" in properties.headers["reason"]
    assert look.count(topology.orders(0)) == look.count(topology.fallen(0)) == 0


def test_events_and_dead_letters_are_confirmed(broker: Any, topology: Any, look: Look) -> None:
    """After confirm the stream has the events; after bury the dead letter lies there, with why."""
    with open_bus(broker, topology) as bus:
        bus.publish("0/1", [b"%d" % number for number in range(100)])
        bus.confirm()
        bus.publish("0/2", [])
        bus.confirm()
        bus.bury(b"bad", "it is no frame", 12)

        assert eventually(lambda: look.count(topology.events(0))) == 100
    ((properties, body),) = look.drain(topology.dead(0))
    assert (body, properties.message_id) == (b"bad", "12")
    assert properties.headers["reason"] == "it is no frame"
    assert properties.headers["frame"] == "12"
    assert abs(properties.headers["time_ns"] - time.time_ns()) < 60 * 10**9


def test_queues_that_are_not_there_are_named(broker: Any, prefix: str) -> None:
    """Without its queues a bus refuses by name, and works once they are made."""
    from nextrade.service.topology import Topology

    topology = Topology(prefix)
    with open_bus(broker, topology, patience_s=0.1) as bus:
        with pytest.raises(BusRefused, match=f"no queue '{prefix}.orders.0'"):
            eventually(lambda: bus.take(1, MANY, wait=True))
        bus.publish("0/1", [b"x"])
        with pytest.raises(BusLost, match=f"no queue {prefix}.events.0"):
            bus.confirm()
        topology.declare(target_of(broker), [0])
        eventually(lambda: bus._intake._error is None)
        assert eventually(lambda: bus.take(1, MANY, wait=True))


def test_a_busy_worker_keeps_its_connection(broker: Any, topology: Any) -> None:
    """Four seconds of computing under a heartbeat of one second cost neither channel nor frame."""
    from nextrade.service.worker.bus import connect_bus

    with connect_bus(target_of(broker, heartbeat_s=1), topology, 0) as bus:
        knock = eventually(lambda: bus.take(1, MANY, wait=True))
        end = time.monotonic() + 4
        total = 0
        while time.monotonic() < end:
            total += sum(range(1000))
        bus.acknowledge(knock)
        bus.publish("0/1", [b"x"])
        bus.confirm()

        assert bus._intake.channels == 1
