"""What no customer sends: the expiry of orders at due times, and what an operator has planned.

A frame of a schedule has its id from what is due: market, kind and moment. So two schedulers
that run side by side send the same frames with the same ids, and each is run once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from threading import Event
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...domain.listings import Listings
from ...domain.protocol.ids import scheduled_id
from ...dtypes import COMMAND_DTYPE
from ...enums import CommandKind, TradingState
from .gateway import Gateway
from .ticket import Ticket

__all__ = ["Due", "Scheduler", "operator_command"]


class Due(NamedTuple):
    """One scheduled frame."""

    partition: int
    identity: int
    commands: npt.NDArray[np.void]


def operator_command(
    market: int,
    kind: CommandKind,
    *,
    state: TradingState = TradingState.OPEN,
    price_ticks: int = 0,
) -> npt.NDArray[np.void]:
    """A command of the exchange itself: EXPIRE, SET_STATE, UNCROSS; by account 0."""
    command = np.zeros(1, COMMAND_DTYPE)
    command["market"], command["kind"] = market, kind
    command["state"], command["price_ticks"] = state, price_ticks
    return command


class Scheduler:
    """Sends EXPIRE to every market at each multiple of a period, and planned commands in time.

    Moments that passed while nobody was there are not made up for: one EXPIRE ends all that
    has expired before it. A planned command is sent late rather than never.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        expire_every_ms: int = 1000,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        if expire_every_ms <= 0:
            raise ValueError(f"a period is longer than {expire_every_ms} ms")
        self._gateway = gateway
        self._every_ms = expire_every_ms
        self._clock_ms = clock_ms
        self._expired_ms = 0
        self._planned: list[tuple[int, Due]] = []

    def plan(
        self,
        due_ms: int,
        market: str,
        kind: CommandKind,
        *,
        state: TradingState = TradingState.OPEN,
        price_ticks: int = 0,
    ) -> None:
        """Send a command of the exchange itself to a market at a moment, in milliseconds.

        A market can have one command of a kind at a moment. Raises UnitError for an unknown
        market, ValueError for a moment outside of what ids can say.
        """
        number = self._gateway.listings.market(market)
        command = operator_command(number, kind, state=state, price_ticks=price_ticks)
        self._planned.append((due_ms, due_frame(self._gateway.listings, number, due_ms, command)))
        self._planned.sort(key=lambda plan: plan[0])

    def send_due(self) -> list[Ticket]:
        """Send what is due by now and was not sent by this scheduler."""
        now_ms = self._clock_ms()
        due = [plan[1] for plan in self._planned if plan[0] <= now_ms]
        self._planned = [plan for plan in self._planned if plan[0] > now_ms]
        moment_ms = now_ms // self._every_ms * self._every_ms
        if moment_ms > self._expired_ms:
            self._expired_ms = moment_ms
            due += expiries(self._gateway.listings, moment_ms)
        return [self._gateway.send_as(*one) for one in due]

    @property
    def next_ms(self) -> int:
        """When something is due next."""
        moment_ms = (self._clock_ms() // self._every_ms + 1) * self._every_ms
        return min([moment_ms, *(plan[0] for plan in self._planned)])

    def run(self, stop: Event) -> None:
        """Send what is due, again and again, until ``stop`` is set."""
        while not stop.is_set():
            self.send_due()
            stop.wait(max(self.next_ms - self._clock_ms(), 1) / 1000)


def expiries(listings: Listings, due_ms: int) -> Iterator[Due]:
    """The EXPIRE frames of all markets for one moment."""
    for market in range(len(listings.listings)):
        yield due_frame(listings, market, due_ms, operator_command(market, CommandKind.EXPIRE))


def due_frame(listings: Listings, market: int, due_ms: int, command: npt.NDArray[np.void]) -> Due:
    """One command of a market as a frame with the id of its moment."""
    partition = listings.listings[market].partition
    place = listings.in_partition(partition).index(market)
    return Due(partition, scheduled_id(due_ms, place, int(command["kind"][0])), command)
