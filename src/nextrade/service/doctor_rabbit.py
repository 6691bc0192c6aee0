"""What the doctor looks at of RabbitMQ: program, login, version, queues, alarms, disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import TimeoutError as NotYet

from ..errors import BusLost, BusRefused, MissingExtra, NexTradeError
from ..platform import rabbit_program
from ..platform.rabbit_private import PRIVATE_NAME
from ..platform.rabbit_server import DISK_LIMIT_BYTES, RabbitServer
from ..platform.settings import Settings
from .finding import Finding

__all__ = ["examine_rabbit"]

_ANSWER_S = 5.0


def examine_rabbit(settings: Settings) -> Iterator[Finding]:
    """Look at the broker that the settings mean. Changes nothing."""
    if not settings.rabbit.addresses:
        lacking = rabbit_program.missing()
        if lacking:
            found, _, fix = lacking.partition("; ")
            yield Finding("rabbitmq-server", "note", found, fix)
            return
        server = RabbitServer(settings.stack.folder / PRIVATE_NAME)
        status = server.status()
        if status.state == "stopped":
            yield Finding("rabbit", "note", "does not run", "nextrade stack up")
            return
        if status.state == "silent":
            yield Finding("rabbit", "wrong", "runs and does not answer", f"see {server.log}")
            return
        free = shutil.disk_usage(server.home).free
        text = f"{free / 2**30:.1f} GiB free, {DISK_LIMIT_BYTES / 2**30:.1f} GiB needed"
        if free < DISK_LIMIT_BYTES:
            yield Finding("rabbit disk", "wrong", text, "make room: it takes no messages")
        else:
            yield Finding("rabbit disk", "ok", text)
    yield from _broker(settings)


def _broker(settings: Settings) -> Iterator[Finding]:
    try:
        from ..platform.rabbit.asking import Asking
        from ..platform.rabbit.target import target_of
        from .topology import Topology
    except MissingExtra:
        yield Finding("rabbit client", "note", "not installed", "pip install 'nextrade[rabbit]'")
        return
    partitions = sorted({market.get("partition", 0) for market in settings.markets.values()})
    try:
        target = target_of(settings)
        with Asking(target, "doctor") as broker:
            yield Finding("rabbit", "ok", f"RabbitMQ {broker.version}")
        differing = Topology(settings.rabbit.prefix).check(target, partitions)
    except NexTradeError as error:
        yield Finding("rabbit", "wrong", str(error), "start it, or change [rabbit]")
        return
    if differing:
        more = f" and {len(differing) - 1} more" if len(differing) > 1 else ""
        fix = "queues are made when the exchange is founded; delete one that differs"
        yield Finding("rabbit queues", "note", differing[0] + more, fix)
    else:
        yield Finding("rabbit queues", "ok", f"those of {len(partitions)} partitions")
    yield _alarm(settings)


def _alarm(settings: Settings) -> Finding:
    """Whether it takes messages: one without a queue comes back, unless it is short of room."""
    from ..platform.rabbit.connection import RabbitConnection
    from ..platform.rabbit.publisher import Publisher
    from ..platform.rabbit.target import target_of

    with RabbitConnection(target_of(settings), "doctor") as connection:
        publisher = Publisher(connection)
        try:
            publisher.wait_ready(_ANSWER_S)
            publisher.send(f"{settings.rabbit.prefix}.nowhere", b"", "doctor").result(_ANSWER_S)
        except BusRefused:
            return Finding("rabbit alarm", "ok", "it takes messages")
        except (NotYet, BusLost):
            fix = "give the broker memory or disk; rabbitmqctl status tells which"
            return Finding("rabbit alarm", "wrong", "it takes no messages", fix)
    return Finding("rabbit alarm", "ok", "it takes messages")
