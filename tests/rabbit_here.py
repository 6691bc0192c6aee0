"""RabbitMQ for the tests: one private broker a session, stopped by its process id in the end.

Where rabbitmq-server is not installed, what needs it is skipped; where the variable CI is set it
fails instead. Each test has queues of its own, told apart by a prefix.
"""

import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NUMBERS = itertools.count(1)


def need_rabbit() -> None:
    """Skip the test, or fail it in CI, where there is no broker or no client for it."""
    if sys.platform == "win32":
        pytest.skip("no private RabbitMQ on Windows")
    from nextrade.platform.rabbit_program import missing

    reason = missing()
    try:
        import pika  # noqa: F401
    except ImportError:
        reason = "pika is not installed: pip install nextrade[rabbit]"
    if not reason:
        return
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def running(home: Path, extra: str = "") -> Iterator[Any]:
    """Run a broker in a folder; stop it in the end."""
    need_rabbit()
    from nextrade.platform.rabbit_server import RabbitServer

    server = RabbitServer(home, extra)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def target_of(server: Any, **changes: Any) -> Any:
    """How to reach a private broker."""
    from nextrade.platform.rabbit.target import RabbitTarget

    known = {
        "addresses": (server.address,),
        "username": "nextrade",
        "password": server.password,
        "heartbeat_s": 5,
    }
    return RabbitTarget(**known | changes)


class Look:
    """A simple connection of the test's own, to see what the broker has."""

    def __init__(self, target: Any) -> None:
        import pika

        parameters = target.parameters("test")[0]
        parameters.heartbeat = 0  # while a test does something else nobody would answer them
        self.connection = pika.BlockingConnection(parameters)
        self.channel = self.connection.channel()

    def __enter__(self) -> "Look":
        return self

    def __exit__(self, *_: object) -> None:
        if self.connection.is_open:
            self.connection.close()

    def declare(self, queue: str, **arguments: Any) -> str:
        """Declare a queue; of the kind quorum unless said otherwise."""
        known = {"x-queue-type": "quorum"} | {
            name.replace("_", "-"): value for name, value in arguments.items()
        }
        self.channel.queue_declare(queue, durable=True, arguments=known)
        return queue

    def count(self, queue: str) -> int:
        """Messages that are ready in a queue."""
        answer = self.channel.queue_declare(queue, passive=True)
        return int(answer.method.message_count)

    def consumers(self, queue: str) -> int:
        """Consumers of a queue that would be given messages."""
        answer = self.channel.queue_declare(queue, passive=True)
        return int(answer.method.consumer_count)

    def drain(self, queue: str) -> list[tuple[Any, bytes]]:
        """Take everything that is ready out of a queue: properties and body."""
        found = []
        while True:
            method, properties, body = self.channel.basic_get(queue, auto_ack=True)
            if method is None:
                return found
            found.append((properties, body))


def eventually(what: Callable[[], Any], seconds: float = 15.0) -> Any:
    """Wait until something holds, and return it; fail if it does not in time."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"not within {seconds:g} s"
        time.sleep(0.02)
    return found
