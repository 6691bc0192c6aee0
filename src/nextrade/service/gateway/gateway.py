"""The gateway: commands in, confirmed frames in the queues of their partitions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from threading import Condition, Thread
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from ...domain.client_order_ids import ClientOrderIds, names_of, names_within
from ...domain.listings import Listings
from ...domain.protocol.frames import TIER_DTYPE
from ...domain.protocol.ids import Ids
from ...enums import CommandKind, Reason
from ...errors import BusLost
from .client_orders import ClientOrders, Lookup
from .door import Door, checked
from .lane import MOST_COMMANDS, Fate, Lane, OutFrame, Parcel
from .ticket import Confirmed, Submission, Ticket

__all__ = ["Gateway", "Publishes"]

_LOOK_NS = 250_000_000
"""How often the gateway looks for what nobody should wait for any longer."""

_FIRST_PAUSE_NS, _LONGEST_PAUSE_NS = 20_000_000, 1_000_000_000
"""How long what was lost waits before it is sent again: doubled each time, up to the longer."""


class Publishes(Protocol):
    """What the gateway needs of a publisher."""

    def send(
        self, queue: str, body: bytes, message_id: str, headers: Mapping[str, Any] | None = None
    ) -> Future[None]:
        """Publish; the future ends at the confirm, or fails with BusLost if none will come."""
        ...


class Gateway:
    """Takes commands from many threads and sends them on, as few frames as the load allows.

    A lone command is sent at once: no timer waits for company. While frames are on their way,
    what comes meanwhile gathers, so frames grow with the load. Frames of a partition arrive in
    the order in which they were filled, also after a lost connection: what was not confirmed is
    sent again, with the same id, so that it runs once.

    ``queue_of`` names the queue of a partition. ``window`` is how many frames of a partition may
    be unconfirmed, ``patience_s`` how long a command waits for its confirmation before its
    ticket fails, ``most_waiting`` how many commands may wait for a frame before calls block.
    ``client_orders`` reads from the ledger which orders client order ids stand for.
    """

    def __init__(
        self,
        listings: Listings,
        publisher: Publishes,
        ids: Ids,
        *,
        queue_of: Callable[[int], str],
        window: int = 8,
        patience_s: float = 30.0,
        most_commands: int = MOST_COMMANDS,
        most_waiting: int = 262_144,
        client_orders: Lookup | None = None,
    ) -> None:
        if not 1 <= most_commands <= MOST_COMMANDS:
            raise ValueError(f"a frame takes 1 to {MOST_COMMANDS:,} commands, not {most_commands}")
        self._publisher = publisher
        self._ids = ids
        self._queue_of = queue_of
        self._patience_s = patience_s
        self._most_commands = most_commands
        self._most_waiting = most_waiting
        self._door = Door(listings)
        self._client_orders = ClientOrders(client_orders)
        self._changed = Condition()
        self._lanes = {
            number: Lane(number, window=window, most=most_commands)
            for number in listings.partitions
        }
        self._pause_ns = _FIRST_PAUSE_NS
        self._resend_at_ns = 0
        self._look_at_ns = 0
        self._given_up: list[tuple[list[Ticket], BusLost]] = []
        self._closing = False
        self._frames_sent = 0
        self._thread = Thread(target=self._run, name="gateway", daemon=True)
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
    def listings(self) -> Listings:
        """The listings by which it judges what it is given."""
        return self._door.listings

    def relist(self, listings: Listings) -> None:
        """Go over to newer listings, which have the same partitions; older ones are ignored."""
        door = Door(listings)
        with self._changed:
            if listings.version > self._door.listings.version:
                self._door = door

    @property
    def frames_sent(self) -> int:
        """How many frames were given to the publisher, those sent again included."""
        return self._frames_sent

    # --- what is sent ------------------------------------------------------------------------

    def submit(
        self,
        commands: npt.NDArray[np.void],
        *,
        operator: bool = False,
        wait_s: float | None = None,
        version: int | None = None,
        client_order_ids: ClientOrderIds | None = None,
    ) -> Submission:
        """Send commands of COMMAND_DTYPE to the partitions of their markets.

        New orders without an id get one. What is refused whatever the books hold is answered
        here and not sent. Commands keep their order within a partition. Times are those of
        the worker, whatever stands in ``timestamp_ns``. Without ``operator`` nothing may come
        from account 0, the exchange itself.

        ``version`` is that of the listings by which prices and quantities were counted, if it is
        not that of ``listings`` now: the partition refuses what counts in ticks or lots that the
        market has no longer, with STALE_LISTINGS. Then read the listings again (``relist``).

        ``client_order_ids`` says of each command its client order id, None if it has none. A new
        order is refused by its partition if another of its account has the same; so what may or may
        not have been sent is sent again without harm, through any gateway. A CANCEL, REDUCE or
        REPLACE with such an id and no order id is about the order that has it, which the ledger
        tells; it is refused with UNKNOWN_ORDER where none has. DataError for an id that cannot be.

        Blocks while too much is waiting, at most ``wait_s`` (default: the patience), then
        raises BusLost and has sent nothing. Raises TypeError for another array.
        """
        own = checked(commands)
        names, unknown = names_of(own, client_order_ids), None
        self._give_order_ids(own)
        if names is not None:
            names, unknown = self._client_orders.resolve(own, names)
        door = self._door
        refusals = door.refusals(own, operator=operator)
        if unknown is not None:
            refusals[unknown[refusals[unknown] == 0]] = Reason.UNKNOWN_ORDER
        now_ns = time.monotonic_ns()
        parcels = []
        for partition, rows in door.by_partition(own, np.flatnonzero(refusals == 0)):
            for start in range(0, len(rows), self._most_commands):
                some = rows[start : start + self._most_commands]
                ticket = Ticket(partition, some, now_ns)
                made_by = door.listings.version if version is None else version
                inside = None if names is None else names_within(names, some)
                parcels.append(Parcel(ticket, own[some], listings=made_by, names=inside))
        self._post(parcels, wait_s)
        tickets = tuple(parcel.ticket for parcel in parcels)
        return Submission(own["order_id"].copy(), refusals, tickets)

    def set_tiers(self, tiers: npt.NDArray[np.void]) -> tuple[Ticket, ...]:
        """Tell every partition the fee tiers of some accounts, as TIER_DTYPE records."""
        if not isinstance(tiers, np.ndarray) or tiers.dtype != TIER_DTYPE or not len(tiers):
            raise TypeError("fee tiers are a not empty array of TIER_DTYPE")
        own, now_ns = np.array(tiers), time.monotonic_ns()
        parcels = []
        for partition in self._lanes:
            for start in range(0, len(own), self._most_commands):
                rows = np.arange(start, min(start + self._most_commands, len(own)))
                ticket = Ticket(partition, rows, now_ns)
                parcels.append(Parcel(ticket, own[rows], tiers=True))
        self._post(parcels, None)
        return tuple(parcel.ticket for parcel in parcels)

    def send_as(self, partition: int, identity: int, commands: npt.NDArray[np.void]) -> Ticket:
        """Send commands of the exchange itself as one frame with an id given beforehand.

        Whoever sends the same commands with the same id a second time changes nothing. Raises
        ValueError for a partition without markets, too many commands, or commands that would
        be refused.
        """
        own = checked(commands)
        if partition not in self._lanes or not 0 < len(own) <= self._most_commands:
            raise ValueError(f"{len(own)} commands for partition {partition} are not one frame")
        if self._door.refusals(own, operator=True).any():
            raise ValueError("these commands would be refused")
        ticket = Ticket(partition, np.arange(len(own)), time.monotonic_ns())
        self._post([Parcel(ticket, own, identity=identity)], None)
        return ticket

    def _give_order_ids(self, commands: npt.NDArray[np.void]) -> None:
        unnamed = (commands["kind"] == CommandKind.PLACE) & (commands["order_id"] == 0)
        count = int(np.count_nonzero(unnamed))
        if count:
            with self._changed:
                ids = self._ids.take(count)
            commands["order_id"][unnamed] = np.fromiter(ids, np.uint64, count)

    def _post(self, parcels: list[Parcel], wait_s: float | None) -> None:
        records = sum(len(parcel.records) for parcel in parcels)
        if not records:
            return
        patience_s = self._patience_s if wait_s is None else wait_s
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_room(records), patience_s):
                raise BusLost(
                    f"{self._waiting:,} commands are waiting for RabbitMQ; nothing of this was sent"
                )
            if self._closing:
                raise BusLost("this gateway is closed; nothing of this was sent")
            for parcel in parcels:
                self._lanes[parcel.ticket.partition].add(parcel)
            self._changed.notify_all()

    @property
    def _waiting(self) -> int:
        return sum(lane.records_waiting for lane in self._lanes.values())

    def _has_room(self, records: int) -> bool:
        """More than fits is taken if nothing else waits, so that one large call can be made."""
        waiting = self._waiting
        return self._closing or not waiting or waiting + records <= self._most_waiting

    # --- sending -----------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (work := self._next_work()) and not self._given_up:
                    if self._closing and all(lane.is_done for lane in self._lanes.values()):
                        return
                    self._changed.wait(self._until_next_look())
                self._changed.notify_all()  # there may be room for those who wait in submit
                given_up, self._given_up = self._given_up, []
            # Outside of the lock: who waits for a ticket may answer by a call of this gateway.
            for tickets, error in given_up:
                _fail(tickets, error)
            for lane, frame in work:
                self._send(lane, frame)

    def _next_work(self) -> list[tuple[Lane, OutFrame]]:
        """One new frame for each partition that may send one, and what must go again."""
        now_ns = time.monotonic_ns()
        if now_ns >= self._look_at_ns:
            self._look_at_ns = now_ns + _LOOK_NS
            self._give_up(now_ns)
        work = []
        for lane in self._lanes.values():
            if lane.broken:
                if now_ns >= self._resend_at_ns:
                    work += [(lane, frame) for frame in lane.to_resend()]
            elif frame := lane.next_frame(self._ids.one):
                work.append((lane, frame))
        return work

    def _until_next_look(self) -> float | None:
        if all(lane.idle for lane in self._lanes.values()):
            return None
        at_ns = self._look_at_ns
        if any(lane.broken for lane in self._lanes.values()):
            at_ns = min(at_ns, self._resend_at_ns)
        return max(at_ns - time.monotonic_ns(), 1_000_000) / 1e9

    def _send(self, lane: Lane, frame: OutFrame) -> None:
        self._frames_sent += 1
        try:
            future = self._publisher.send(
                self._queue_of(lane.partition), frame.body, str(frame.identity)
            )
        except BusLost as error:
            future = Future()
            future.set_exception(error)
        future.add_done_callback(lambda done: self._settled(lane, frame, done))

    def _settled(self, lane: Lane, frame: OutFrame, future: Future[None]) -> None:
        """What became of a frame; called by whatever thread knows it."""
        error = BusLost("given up") if future.cancelled() else future.exception()
        now_ns = time.monotonic_ns()
        with self._changed:
            if error is None:
                lane.settle(frame, Fate.CONFIRMED)
                self._pause_ns = _FIRST_PAUSE_NS
            elif isinstance(error, BusLost):
                if now_ns >= self._resend_at_ns:
                    self._resend_at_ns = now_ns + self._pause_ns
                    self._pause_ns = min(2 * self._pause_ns, _LONGEST_PAUSE_NS)
                lane.settle(frame, Fate.LOST)
            else:
                lane.forget(frame)
            self._changed.notify_all()
        if error is None:
            for ticket, first in zip(frame.tickets, frame.firsts, strict=True):
                if not ticket.confirmed.done():
                    waited_ns = now_ns - ticket.since_ns
                    ticket.confirmed.set_result(Confirmed(frame.identity, first, waited_ns))
        elif not isinstance(error, BusLost):
            _fail(frame.tickets, error)

    def _give_up(self, now_ns: int) -> None:
        before_ns = now_ns - int(self._patience_s * 1e9)
        for lane in self._lanes.values():
            parcels, frames = lane.overdue(before_ns)
            if parcels:
                never = BusLost(f"not sent within {self._patience_s:g} s; nothing has happened")
                self._given_up.append(([parcel.ticket for parcel in parcels], never))
            for frame in frames:
                unknown = BusLost(
                    f"frame {frame.identity} was not confirmed within {self._patience_s:g} s;"
                    " it may have been taken and may run"
                )
                self._given_up.append((frame.tickets, unknown))

    def close(self) -> None:
        """Send what is waiting, wait for its confirmations, at most the patience; then stop."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()


def _fail(tickets: list[Ticket], error: BaseException) -> None:
    for ticket in tickets:
        if not ticket.confirmed.done():
            ticket.confirmed.set_exception(error)
