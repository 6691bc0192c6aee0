"""The private servers of one folder: Redis servers of the shards, their replicas, RabbitMQ.

folder/lock
folder/redis-1, redis-2, ...   see redis_stack.py
folder/rabbit                  see rabbit_server.py
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from ..errors import StackError
from . import rabbit_program, redis_program
from .install_line import install_line
from .rabbit_private import PRIVATE_NAME
from .rabbit_server import RabbitServer
from .redis_stack import RedisStack
from .server_folder import ServerStatus, alone, make_folder, written_since
from .settings import StackSettings

__all__ = ["Servers", "missing"]


class Servers:
    """What the settings ask to be started. Calls of several processes wait for each other.

    Raises StackError.
    """

    def __init__(self, wanted: StackSettings) -> None:
        self.redis = RedisStack(
            wanted.folder,
            wanted.shards,
            appendfsync=wanted.appendfsync,
            replicas=wanted.replicas,
            password=wanted.password.reveal(),
        )
        self.folder = self.redis.folder
        self.rabbit = RabbitServer(self.folder / PRIVATE_NAME)
        self.has_rabbit = wanted.rabbit

    def up(self, waiting: Callable[[float], None] = lambda _: None) -> list[ServerStatus]:
        """Start what does not run yet, wait until all answer, and tell how they are.

        RabbitMQ takes some seconds; ``waiting`` is called with how many, again and again.
        """
        if lacking := missing(with_rabbit=self.has_rabbit):
            raise StackError(lacking)
        self.redis.up()
        if self.has_rabbit:
            make_folder(self.folder, ignored=True)
            with alone(self.folder):
                self.rabbit.start(waiting)
        return self.status()

    def down(self) -> list[str]:
        """Stop every server of the folder in order; the names of those that ran."""
        ended = self.redis.down()
        if self.rabbit.home.is_dir():
            with alone(self.folder):
                if self.rabbit.stop():
                    ended.append(self.rabbit.name)
        return ended

    def status(self) -> list[ServerStatus]:
        """Every server of the folder, and those that are yet to be started; changes nothing."""
        found = self.redis.status()
        if self.has_rabbit or self.rabbit.home.is_dir():
            found.append(self.rabbit.status())
        return found

    def wanted(self, found: list[ServerStatus]) -> list[ServerStatus]:
        """Of these servers those that the settings ask for."""
        names = set(self.redis.names)
        if self.has_rabbit:
            names.add(self.rabbit.name)
        return [one for one in found if one.name in names]

    def all_run(self, found: list[ServerStatus]) -> bool:
        """Whether every server runs that the settings ask for."""
        return all(one.state == "running" for one in self.wanted(found))

    def logs(self, lines: int) -> list[tuple[str, str]]:
        """The last lines of each server's log, with its name."""
        found = []
        for server in self.redis.status():
            found += [(server.name, line) for line in self.redis.log(server.name, lines)]
        told = written_since(self.rabbit.log, 0).splitlines()
        return found + [(self.rabbit.name, line) for line in told[-lines:]]


def missing(*, with_rabbit: bool) -> str:
    """What is missing for servers to be started, with one line that mends all; empty if nothing."""
    lacking = redis_program.missing()
    if not with_rabbit or not (also := rabbit_program.missing()):
        return lacking
    if not lacking:
        return f"{also}; or set rabbit = false in [stack]"
    if sys.platform == "win32":
        return lacking
    programs = redis_program.PROGRAM, rabbit_program.PROGRAM
    return (
        f"{lacking.partition(';')[0]}; {also.partition(';')[0]}; install both with:"
        f" {install_line(*programs)}"
    )
