"""Things done once on a channel of their own: declaring queues, asking for their length."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from typing import Any

from ...errors import BusLost, BusRefused
from .connection import RabbitConnection, said

__all__ = ["Operation", "errand"]

Operation = Callable[[Any, Callable[[Any], None]], None]
"""Given a channel and what to call with the broker's answer."""


class _Errand:
    """A tenant that stays until its operations are done, or failed."""

    def __init__(self, name: str, operations: Sequence[Operation]) -> None:
        self.result: Future[list[Any]] = Future()
        self._name = name
        self._operations: Iterator[Operation] = iter(operations)
        self._answers: list[Any] = []

    def connected(self, connection: Any) -> None:
        """Begin, unless it is over."""
        if not self.result.done():
            connection.channel(on_open_callback=self._opened)

    def lost(self, error: BusLost) -> None:
        """The connection is gone; what was done may be done again."""
        if not self.result.done():
            self.result.set_exception(error)

    def eased(self) -> None:
        """Nothing here is published."""

    def _opened(self, channel: Any) -> None:
        channel.add_on_close_callback(self._closed)
        self._next(channel)

    def _closed(self, _channel: Any, error: Exception) -> None:
        if not self.result.done():
            self.result.set_exception(BusRefused(f"{self._name}: {said(error)}"))

    def _next(self, channel: Any) -> None:
        operation = next(self._operations, None)
        if operation is None:
            self.result.set_result(self._answers)
            channel.close()
            return

        def answered(answer: Any) -> None:
            self._answers.append(answer)
            self._next(channel)

        operation(channel, answered)


def errand(
    connection: RabbitConnection, operations: Sequence[Operation], timeout_s: float = 30.0
) -> list[Any]:
    """Do these one after the other; the broker's answers.

    Raises BusRefused for what the broker does not do, BusLost if it does not answer.
    """
    connection.wait_open(timeout_s)
    tenant = _Errand(connection.name, operations)
    connection.add(tenant)
    try:
        return tenant.result.result(timeout_s)
    except TooLate as error:
        raise BusLost(f"{connection.name}: no answer within {timeout_s:g} s") from error
    finally:
        connection.remove(tenant)
