"""What the doctor looks at on RabbitMQ, and of the workers behind it: one check a function."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from importlib import metadata

from ..errors import MissingExtra, NexTradeError
from ..platform.rabbit_private import PRIVATE_NAME, PrivateBroker
from ..platform.rabbit_server import DISK_LIMIT_BYTES
from ..platform.settings import Settings
from .finding import Finding, State
from .listings_file import listings_of

OLDEST_RABBIT = (3, 10)
"""From this version on quorum queues dead-letter without a moment of loss."""
MUCH_BACKLOG = 10_000


def is_meant(settings: Settings) -> bool:
    """Whether the settings ask for a RabbitMQ at all."""
    return settings.stack.rabbit or bool(settings.rabbit.addresses)


def check_rabbit_program(lacking: str, *, needed: bool) -> Finding:
    """There is a rabbitmq-server for ``nextrade stack`` to start."""
    if lacking:
        found, _, fix = lacking.partition("; ")
        return Finding("rabbitmq-server", "wrong" if needed else "note", found, fix)
    return Finding("rabbitmq-server", "ok", "installed")


def check_rabbit_client(needed: bool) -> Finding:
    """The Python package that talks to RabbitMQ is there, if queues are meant."""
    try:
        version = metadata.version("pika")
    except metadata.PackageNotFoundError:
        fix = "pip install 'nextrade[rabbit]'"
        return Finding("rabbit client", "wrong" if needed else "note", "not installed", fix)
    return Finding("rabbit client", "ok", version)


def examine_rabbit(settings: Settings) -> Iterator[Finding]:
    """Look at the broker, its queues, and who works behind them."""
    grave: State = "wrong" if settings.ledger.home == "redis" else "note"
    if (
        not settings.rabbit.addresses
        and PrivateBroker(settings.stack.folder / PRIVATE_NAME).port is None
    ):
        return  # said by the check of the stack
    try:
        from ..platform.rabbit.asking import Asking
        from ..platform.rabbit.target import target_of
        from .topology import Topology
    except MissingExtra:  # said by the check of the client
        return
    topology = Topology(settings.rabbit.prefix)
    partitions = listings_of(settings).partitions
    try:
        target = target_of(settings)
        where = ", ".join(target.addresses)
        with Asking(target, "nextrade doctor") as broker:
            version, takes = broker.version, broker.takes_messages()
    except NexTradeError as error:
        fix = "nextrade stack up, or change [rabbit]; nextrade config show says what holds"
        yield Finding("rabbitmq", grave, str(error), fix)
        return
    yield check_version(where, version)
    if not settings.rabbit.addresses:
        yield check_disk(shutil.disk_usage(settings.stack.folder).free)
    yield check_alarm(takes)
    if not takes:
        return
    try:
        differences = topology.check(target, partitions)
        depths = topology.depths(target, partitions)
        with Asking(target, "nextrade doctor") as broker:
            consumers = {number: broker.consumers(topology.orders(number)) for number in partitions}
    except NexTradeError as error:
        yield Finding("queues", grave, str(error), "look at the log of RabbitMQ")
        return
    yield check_queues(differences, len(partitions), grave)
    if not differences:
        backlog = {number: depths[topology.orders(number)] or 0 for number in partitions}
        dead = {number: depths[topology.dead(number)] or 0 for number in partitions}
        yield check_consumers(consumers, grave)
        yield check_backlog(backlog)
        yield check_dead_letters(dead)


def workers_run(settings: Settings) -> bool:
    """Whether any partition has a worker; every worker relays too. False without a broker."""
    try:
        from ..platform.rabbit.asking import Asking
        from ..platform.rabbit.target import target_of
        from .topology import Topology

        topology = Topology(settings.rabbit.prefix)
        with Asking(target_of(settings), "nextrade doctor") as broker:
            partitions = listings_of(settings).partitions
            return any(broker.consumers(topology.orders(number)) for number in partitions)
    except NexTradeError:  # said by the check of the broker
        return False


def check_version(where: str, version: str) -> Finding:
    """The broker is new enough."""
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    found = f"{version or 'unknown'} at {where}"
    if numbers < OLDEST_RABBIT:
        fix = f"RabbitMQ {'.'.join(map(str, OLDEST_RABBIT))} or newer is needed"
        return Finding("rabbitmq", "wrong", found, fix)
    return Finding("rabbitmq", "ok", found)


def check_disk(free: int) -> Finding:
    """The private broker has the room without which it takes no messages."""
    found = f"{free / 2**30:.1f} GiB free, {DISK_LIMIT_BYTES / 2**30:.1f} GiB needed"
    if free < DISK_LIMIT_BYTES:
        return Finding("rabbitmq disk", "wrong", found, "make room: it takes no messages")
    return Finding("rabbitmq disk", "ok", found)


def check_alarm(takes: bool) -> Finding:
    """The broker takes messages: neither its memory nor its disk runs short."""
    if not takes:
        fix = "free memory or disk where it runs; rabbitmqctl status says which"
        return Finding("rabbitmq alarm", "wrong", "an alarm: it takes no messages", fix)
    return Finding("rabbitmq alarm", "ok", "none: it takes messages")


def check_queues(differences: list[str], partitions: int, grave: State) -> Finding:
    """Every queue of the exchange is there, as it is to be."""
    if not differences:
        return Finding("queues", "ok", f"of {partitions} partitions as they are to be")
    found = differences[0]
    if len(differences) > 1:
        found += f"; and {len(differences) - 1} more"
    if all(one.endswith("is not there") for one in differences):
        return Finding("queues", grave, found, "nextrade stack up, or nextrade worker --all")
    fix = "delete that queue when it is empty, or choose another prefix in [rabbit]"
    return Finding("queues", "wrong", found, fix)


def check_consumers(consumers: Mapping[int, int], grave: State) -> Finding:
    """Every partition has a worker that takes its frames."""
    idle = [number for number, count in consumers.items() if not count]
    if idle:
        named = f"partition{'s' if len(idle) > 1 else ''} {', '.join(map(str, idle))}"
        fix = "nextrade stack up, or nextrade worker --all; nextrade stack logs says what happened"
        return Finding("workers", grave, f"none for {named}", fix)
    return Finding("workers", "ok", f"each of {len(consumers)} partitions is served")


def check_backlog(backlog: Mapping[int, int]) -> Finding:
    """Frames do not pile up before the workers."""
    frames = sum(backlog.values())
    found = f"{frames} frames wait"
    if frames > MUCH_BACKLOG:
        worst = max(backlog, key=lambda number: backlog[number])
        fix = f"most for partition {worst}: see nextrade stack logs, or send less"
        return Finding("backlog", "note", found, fix)
    return Finding("backlog", "ok", found)


def check_dead_letters(dead: Mapping[int, int]) -> Finding:
    """No frame waits for a person."""
    if count := sum(dead.values()):
        return Finding("dead letters", "note", f"{count} wait", "nextrade dlq shows them")
    return Finding("dead letters", "ok", "none")
