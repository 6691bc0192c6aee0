"""One partition in a thread of its own: its worker, its connections, and what ends it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from ...domain.listings import Listings
from ...domain.protocol.limits import Limits
from ...domain.protocol.ports import BatchLedger, BookStore, Bus
from ...domain.protocol.worker import Stopping, Worker
from ...errors import (
    BusLost,
    BusRefused,
    LedgerError,
    LedgerUnavailable,
    NexTradeError,
    PartitionStopped,
    StoreError,
    StoreUnavailable,
)

__all__ = ["Lane", "Ports", "SystemClock"]

_FIRST_REST_S: Final = 0.2
_LONGEST_REST_S: Final = 5.0


class SystemClock:
    """The clock of this machine. A pause ends early when the worker is to stop."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def now_ns(self) -> int:
        """Nanoseconds since 1970."""
        return time.time_ns()

    def pause(self, seconds: float) -> None:
        """Wait, unless told to stop."""
        self._stop.wait(seconds)


class Ports:
    """What one lane works with; whoever makes it says how it is closed."""

    def __init__(
        self,
        listings: Listings,
        bus: Bus,
        ledger: BatchLedger,
        store: BookStore,
        limits: Limits,
        close: Callable[[], None],
    ) -> None:
        self.listings, self.limits = listings, limits
        self.bus, self.ledger, self.store = bus, ledger, store
        self.close = close


class Lane:
    """Runs the worker of one partition until told to stop.

    What goes wrong with a batch is taken for a crash: everything in memory is dropped, the queue
    is given back and the partition taken over anew, so that a frame which does it every time is
    delivered too often and becomes a dead letter. A state that contradicts itself ends the lane
    instead, for no frame is to blame: ``failure`` says why.
    """

    def __init__(
        self,
        number: int,
        connect: Callable[[int], Ports],
        stop: threading.Event,
    ) -> None:
        self.number = number
        self.failure: NexTradeError | None = None
        self._connect = connect
        self._stop = stop
        self._log = logging.getLogger(f"nextrade.partition.{number}")
        self._thread = threading.Thread(target=self._run, name=f"partition-{number}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; False if it has not come."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def is_alive(self) -> bool:
        """Whether it still works."""
        return self._thread.is_alive()

    def _run(self) -> None:
        rest = _FIRST_REST_S
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                self.serve()
            except Stopping as error:
                self._log.warning("%s; what was begun is finished by whoever comes next", error)
            except (LedgerUnavailable, StoreUnavailable, BusLost, BusRefused) as error:
                self._log.warning("%s; trying again", error)
                self._stop.wait(_LONGEST_REST_S)
            except (PartitionStopped, StoreError, LedgerError) as error:
                self._log.critical("partition %d is stopped: %s", self.number, error)
                self.failure = error
                return
            except Exception:  # noqa: BLE001 - any defect of a batch is taken for a crash
                self._log.exception("a batch failed; taking the partition over anew")
                if time.monotonic() - begun > 10 * _LONGEST_REST_S:
                    rest = _FIRST_REST_S
                self._stop.wait(rest)
                rest = min(2 * rest, _LONGEST_REST_S)

    def serve(self) -> None:
        """Work until told to stop; raises whatever goes wrong."""
        ports = self._connect(self.number)
        try:
            worker = Worker(
                ports.listings,
                self.number,
                ports.bus,
                ports.ledger,
                ports.store,
                SystemClock(self._stop),
                limits=ports.limits,
                stopping=self._stop.is_set,
            )
            epoch = 0
            while not self._stop.is_set():
                worker.step()
                if worker.epoch != epoch:
                    epoch = worker.epoch
                    self._log.info(
                        "took over with epoch %d after batch %d",
                        epoch,
                        worker.replica.batch if worker.replica is not None else 0,
                    )
            worker.drain()
        finally:
            ports.close()
