"""One connection to RabbitMQ on a thread of its own, which comes back by itself.

The thread does nothing but talk to the broker, so heartbeats are never missed, however long the
rest of the program computes. What lives on a connection (a publisher, a consumer) is its
tenant: told at each new connection, and when it is gone. Tenants and all channels are touched on
that thread only; ``call`` brings a function there.

A broker that runs short of memory or disk says ``connection.blocked`` and reads no more from
whoever publishes, acknowledgements included. So publish and consume on two connections.
"""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Protocol, Self

from ...errors import BusLost, BusRefused, MissingExtra
from .target import RabbitTarget

try:
    import pika
    import pika.exceptions
    from pika.adapters import select_connection
except ImportError as error:
    raise MissingExtra("RabbitMQ needs its client: pip install nextrade[rabbit]") from error

__all__ = ["RabbitConnection", "Tenant", "close_channel", "is_refusal", "said"]

_log = logging.getLogger("nextrade.rabbit")

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
CLOSE_S: Final = 10.0
LINGER_S: Final = 0.05

# It logs each failed attempt half a dozen times as errors; ours say it once.
logging.getLogger("pika").setLevel(logging.CRITICAL)

_REFUSALS = (pika.exceptions.ProbableAuthenticationError, pika.exceptions.ProbableAccessDeniedError)


class Tenant(Protocol):
    """What lives on a connection; every call comes on the connection's thread."""

    def connected(self, connection: Any) -> None:
        """There is a new connection: open channels on it."""
        ...

    def lost(self, error: BusLost) -> None:
        """It is gone, and all channels with it; there may have been none."""
        ...

    def eased(self) -> None:
        """The broker takes messages again."""
        ...


class RabbitConnection:
    """Connects until it is closed; after a loss again, with growing pauses up to five seconds."""

    def __init__(self, target: RabbitTarget, name: str) -> None:
        """``name`` is how the broker lists it; raises SettingsError for unreadable TLS files."""
        self.name = name
        self._parameters = target.parameters(name)
        self._username = target.username
        self._attempts = 0
        self._pause_s = FIRST_PAUSE_S
        self._tenants: list[Tenant] = []
        self._connection: Any = None
        self._planned: Any = None
        self._open = False
        self._blocked = False
        self._closing = False
        self._ended = False
        self._broke = False
        self._error: BusLost | BusRefused | None = None
        self._changed = threading.Condition()
        self._loop: Any = select_connection.IOLoop()
        self._thread = threading.Thread(target=self._run, name=f"rabbit {name}", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether there is a connection now."""
        return self._open

    @property
    def is_blocked(self) -> bool:
        """Whether the broker has said that it takes no messages at the moment."""
        return self._blocked

    def wait_open(self, timeout_s: float) -> None:
        """Wait for a connection.

        Raises BusRefused as soon as the broker refuses the login, and BusLost with the last
        failure if there is none in time. Attempts go on in both cases.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._open or self._ended or isinstance(self._error, BusRefused), timeout_s
            )
            if self._open:
                return
            error = self._error
        if error is not None:
            raise error
        raise BusLost(f"{self.name}: RabbitMQ gave no answer within {timeout_s:g} s")

    def call(self, function: Callable[[], None]) -> None:
        """Run a function on the connection's thread soon; once closed, never."""
        self._loop.add_callback_threadsafe(function)

    def add(self, tenant: Tenant) -> None:
        """Take a tenant in; it is told of the connection if there is one already."""
        self.call(lambda: self._add(tenant))

    def disconnect(self, why: str) -> None:
        """Give this connection up and make a new one."""
        self.call(lambda: self._hang_up(why))

    def close(self) -> None:
        """Close the connection for good; tenants are told that it is lost."""
        with self._changed:
            if not self._closing:
                self._closing = True
                self.call(lambda: self._hang_up("closed"))
        if threading.current_thread() is not self._thread:
            self._thread.join(CLOSE_S)

    # --- on the thread -----------------------------------------------------------------------

    def _run(self) -> None:
        self._connect()
        try:
            while not self._loop_ended():
                pass
        finally:
            self._ended = True
            self._end(BusLost(f"{self.name}: the connection is closed"))
            if self._broke:
                self._linger()
            self._loop.close()

    def _loop_ended(self) -> bool:
        """Run the loop; False if something in it failed, and it is to go on with a new connection.

        The client raises out of its loop when a stream breaks at a moment that it did not think
        of. Nobody else would ever connect again.
        """
        try:
            self._loop.start()
        except Exception as error:  # noqa: BLE001 - whatever it is, the connection cannot be trusted
            _log.warning("%s: the connection broke: %s", self.name, said(error))
            self._broke = True
            broken, self._connection = self._connection, None
            if broken is not None:
                with suppress(Exception):
                    broken._terminate_stream(pika.exceptions.StreamLostError(said(error)))
            self._plan(BusLost(f"{self.name}: {said(error)}"))
            return False
        return True

    def _linger(self) -> None:
        """Let the client close the sockets of what broke, which it does a little later."""
        with suppress(Exception):
            self._loop.call_later(LINGER_S, self._loop.stop)
            self._loop.start()

    def _connect(self) -> None:
        self._planned = None
        if self._closing:
            self._loop.stop()
            return
        parameters = self._parameters[self._attempts % len(self._parameters)]
        self._attempts += 1
        where = f"{parameters.host}:{parameters.port}"
        self._connection = pika.SelectConnection(
            parameters,
            on_open_callback=self._opened,
            on_open_error_callback=lambda which, error: self._failed(which, where, error),
            on_close_callback=lambda which, error: self._failed(which, where, error),
            custom_ioloop=self._loop,
        )

    def _opened(self, connection: Any) -> None:
        connection.add_on_connection_blocked_callback(lambda *_: self._hold())
        connection.add_on_connection_unblocked_callback(lambda *_: self._ease())
        if self._closing or connection is not self._connection:
            connection.close()
            return
        self._pause_s = FIRST_PAUSE_S
        with self._changed:
            self._open, self._blocked, self._error = True, False, None
            self._changed.notify_all()
        for tenant in tuple(self._tenants):
            tenant.connected(connection)

    def _failed(self, connection: Any, where: str, error: BaseException) -> None:
        """An attempt failed, or a connection ended; plan the next one."""
        if connection is not self._connection:
            return  # it broke before, and the next one is planned
        self._connection = None
        was_open = self._open
        text = f"{self.name}: RabbitMQ at {where}: {said(error)}"
        end: BusLost | BusRefused = BusLost(text)
        if not was_open and _is_among(error, ssl.SSLCertVerificationError):
            end = BusRefused(f"{self.name}: no proof that {where} is RabbitMQ: {said(error)}")
        elif not was_open and is_refusal(error):
            end = BusRefused(
                f"{self.name}: RabbitMQ at {where} refuses {self._username!r}: {said(error)}"
            )
        self._plan(end)

    def _plan(self, end: BusLost | BusRefused) -> None:
        """Tell everybody that there is no connection, and connect again in a while."""
        self._end(end)
        if self._closing:
            self._loop.stop()
            return
        if self._planned is not None:
            # An attempt failed, and then broke the loop as well: one new connection, not two.
            self._loop.remove_timeout(self._planned)
        self._planned = self._loop.call_later(self._pause_s, self._connect)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _end(self, error: BusLost | BusRefused) -> None:
        with self._changed:
            self._open = self._blocked = False
            self._error = error
            self._changed.notify_all()
        for tenant in tuple(self._tenants):
            tenant.lost(error if isinstance(error, BusLost) else BusLost(str(error)))

    def _add(self, tenant: Tenant) -> None:
        self._tenants.append(tenant)
        if self._open:
            tenant.connected(self._connection)

    def _hang_up(self, why: str) -> None:
        connection = self._connection
        if connection is None:
            if self._closing:
                self._loop.stop()
        elif connection.is_open:
            for channel in tuple(connection._channels.values()):
                _keep_order(channel)
            connection.close(reply_text=why)
            # A broker that reads nothing (it is blocked, or hangs) answers no farewell either.
            self._loop.call_later(1.0, lambda: self._abandon(connection))
        elif not connection.is_closing and not connection.is_closed:
            connection.close()

    def _abandon(self, connection: Any) -> None:
        if connection is self._connection and not connection.is_closed:
            connection._terminate_stream(pika.exceptions.StreamLostError("no farewell came"))

    def _hold(self) -> None:
        self._blocked = True

    def _ease(self) -> None:
        self._blocked = False
        for tenant in tuple(self._tenants):
            tenant.eased()


def close_channel(channel: Any) -> None:
    """Close a channel so that what is not acknowledged keeps its place in the queue."""
    if channel.is_open:
        _keep_order(channel)
        channel.close()


def _keep_order(channel: Any) -> None:
    """Keep the client from cancelling consumers before it closes their channel.

    Between the two the next consumer would be given what lies behind our unacknowledged
    messages, before these return. Consumers that count as cancelled are left alone, and what
    still arrives for them is passed over.
    """
    channel._cancelled.update(channel._consumers)


def is_refusal(error: BaseException) -> bool:
    """Whether the broker has understood, and does not let us in."""
    return _is_among(error, *_REFUSALS)


def _is_among(error: BaseException, *kinds: type[BaseException]) -> bool:
    """Whether an error is, or wraps, one of these."""
    return any(isinstance(one, kinds) for one in _causes(error))


def said(error: BaseException) -> str:
    """What an error of the client comes down to; many wrap others, or say nothing."""
    deepest = _causes(error)[-1]
    if isinstance(deepest, pika.exceptions.ConnectionClosed | pika.exceptions.ChannelClosed):
        return f"{deepest.reply_code} {deepest.reply_text}"
    if isinstance(deepest, OSError) and deepest.strerror:
        return deepest.strerror
    return str(deepest) or type(deepest).__name__


def _causes(error: BaseException) -> list[BaseException]:
    """An error, and those that it wraps."""
    found = [error]
    while len(found) < 10:
        last: Any = found[-1]
        inner = getattr(last, "exceptions", None) or getattr(last, "exception", None)
        if isinstance(inner, tuple | list):
            inner = inner[-1]
        elif inner is None and last.args and isinstance(last.args[0], BaseException):
            inner = last.args[0]
        if not isinstance(inner, BaseException) or inner in found:
            break
        found.append(inner)
    return found
