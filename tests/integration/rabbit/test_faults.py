"""The broker killed, short of memory, behind TLS: nothing is lost, and errors say why."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from nextrade.domain.protocol.frames import knock_frame
from nextrade.errors import BusLost, BusRefused

from ...rabbit_here import Look, eventually, need_rabbit, running, target_of
from ...tls_here import certificates

MANY = 1 << 20


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A broker that this test may hurt."""
    need_rabbit()
    with running(tmp_path_factory.mktemp("own") / "rabbit") as server:
        yield server


@pytest.mark.full
def test_a_killed_broker_loses_nothing_that_was_confirmed(own: Any) -> None:
    """After kill -9 and a new start: same port, login and messages; bus and publisher go on."""
    from nextrade.platform.rabbit.connection import RabbitConnection
    from nextrade.platform.rabbit.publisher import Publisher
    from nextrade.service.topology import Topology
    from nextrade.service.worker.bus import connect_bus

    topology, target = Topology("killed"), target_of(own)
    topology.declare(target, [0, 1])
    # RabbitMQ 3.10 does not find its streams again if it is killed soon after the very first
    # was declared: what coordinates them is on disk only after minutes, or an orderly stop.
    own.stop()
    own.start()
    address = own.address
    with (
        RabbitConnection(target, "test") as connection,
        connect_bus(target, topology, 0) as bus,
    ):
        publisher = Publisher(connection, window=200)
        publisher.wait_ready(10)
        eventually(lambda: bus.take(1, MANY, wait=True))
        sent = [publisher.send(topology.dead(1), b"%d" % n, str(n)) for n in range(20_000)]
        sent[1000].result(20)
        own.kill()
        outcomes = [one.exception(20) for one in sent]
        bus.publish("1/1", [b"a", b"b"])
        with pytest.raises(BusLost):
            bus.confirm()
        with pytest.raises(BusLost):
            publisher.send(topology.dead(1), b"", "x").result(20)

        own.start()
        eventually(lambda: publisher.is_ready, 60)
        eventually(lambda: bus._intake.channels == 2, 60)
        taken = eventually(lambda: bus.take(1, MANY, wait=True))

        def is_confirmed() -> bool:
            bus.publish("1/1", [b"a", b"b"])
            try:
                bus.confirm()
            except BusLost:  # the queues come back one after the other
                return False
            return True

        eventually(is_confirmed, 30)

    assert own.address == address
    assert taken[0].body == knock_frame(0)
    assert taken[0].redelivered
    assert {type(error) for error in outcomes} == {type(None), BusLost}
    with Look(target) as look:
        there = [int(body) for _, body in look.drain(topology.dead(1))]
    confirmed = [number for number, error in enumerate(outcomes) if error is None]
    assert there[: len(confirmed)] == confirmed
    assert there == sorted(there)


@pytest.mark.full
def test_a_broker_short_of_memory_is_waited_for(own: Any) -> None:
    """While it takes no messages frames still come and are acknowledged; then all goes on."""
    from nextrade.service.topology import Topology
    from nextrade.service.worker.bus import connect_bus

    topology, target = Topology("short"), target_of(own, heartbeat_s=2)
    topology.declare(target, [0])
    with connect_bus(target, topology, 0) as bus, Look(target_of(own)) as look:
        for number in range(30):
            look.channel.basic_publish("", topology.orders(0), b"%d" % number)
        eventually(lambda: len(bus._intake._deliveries) >= 1)
        own.control("set_vm_memory_high_watermark", "0.00001")
        bus.publish("1/1", [b"%d" % number for number in range(2000)])
        waiter = Thread(target=bus.confirm)
        waiter.start()
        eventually(lambda: bus._publisher.is_held)
        got: list[bytes] = []
        while len(got) < 31:
            taken = bus.take(5, MANY, wait=True)
            bus.acknowledge(taken)
            got += [one.body for one in taken]
        # Longer than two heartbeats: a connection that is held must not count as lost.
        waiter.join(6)
        assert waiter.is_alive()
        assert bus._publisher.is_held

        own.control("set_vm_memory_high_watermark", "0.4")
        waiter.join(30)
        assert not waiter.is_alive()
        bus.confirm()

        assert sorted(got) == sorted([knock_frame(0), *(b"%d" % n for n in range(30))])
        assert bus._intake.channels == 1
        assert eventually(lambda: look.count(topology.events(0))) == 2000
        assert look.count(topology.orders(0)) == 0


@pytest.mark.full
def test_tls_proves_the_broker(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """With its authority one connects; without, or without TLS at all, the error says why."""
    from nextrade.platform.rabbit.connection import RabbitConnection
    from nextrade.platform.server_folder import free_port

    need_rabbit()
    made = certificates(tmp_path / "certificates")
    port = free_port(None)
    lines = (
        f"listeners.ssl.1 = 127.0.0.1:{port}",
        f"ssl_options.cacertfile = {made.authority}",
        f"ssl_options.certfile = {made.certificate}",
        f"ssl_options.keyfile = {made.key}",
        "ssl_options.verify = verify_none",
    )
    with running(tmp_path_factory.mktemp("tls") / "rabbit", "\n".join(lines)) as server:
        address = f"127.0.0.1:{port}"
        known = target_of(server, addresses=(address,), tls=True, ca_file=made.authority)
        with RabbitConnection(known, "test") as connection:
            connection.wait_open(10)
            assert connection.is_open
        strange = target_of(server, addresses=(address,), tls=True)
        with (
            RabbitConnection(strange, "test") as connection,
            pytest.raises(BusRefused, match="no proof that 127"),
        ):
            connection.wait_open(10)
        plain = target_of(server, addresses=(address,))
        with RabbitConnection(plain, "test") as connection, pytest.raises(BusLost, match=address):
            connection.wait_open(1)
        wrong = target_of(server, tls=True, ca_file=made.authority)
        with RabbitConnection(wrong, "test") as connection, pytest.raises(BusLost, match="SSL"):
            connection.wait_open(1)
