"""The exchange for machines: arrays of commands in, arrays of events out, a journal beside it."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from ...domain.client_order_ids import ClientOrderIds, checked_text, names_of, names_within
from ...domain.listings import Listings
from ...domain.listings_text import pack_listings
from ...domain.partition import Outcome
from ...dtypes import COMMAND_DTYPE, EVENT_DTYPE
from ...errors import ExchangeError, ReferenceReused
from ..ledger.memory import MemoryLedger
from ..ledger.protocol import Ledger, check_call
from ..listings_file import default_listings
from .core import Core
from .founding import check_given
from .naming import resolve
from .proof import Proof, prove
from .records import BATCH, LISTINGS, MONEY, NAMED_BATCH, batch_record, named_batch_record, plain
from .store import Store

_OWN = re.compile(r"(deposit|transfer) [0-9]+")


def check_own_reference(reference: str) -> None:
    """Raise ValueError for a reference of the form that is kept for those given here."""
    if _OWN.fullmatch(reference):
        raise ValueError(
            f"reference {reference!r} has the form of those that the exchange gives by itself:"
            " choose another one, or none"
        )


class Batch(NamedTuple):
    """What a batch of commands did, over all partitions, in the order of the commands."""

    events: npt.NDArray[np.void]
    """EVENT_DTYPE; ``command`` is the position in the batch."""
    markets: npt.NDArray[np.uint32]
    """The market of each event, as a position in the listings."""


class Machine:
    """What ``Exchange`` is made of, without its words for people."""

    def __init__(
        self,
        listings: Listings | None = None,
        path: str | Path | None = None,
        *,
        fsync: bool = True,
        ledger: Ledger | None = None,
        read_only: bool = False,
        check: bool = True,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._clock = clock
        self._store: Store | None = None
        self._closed = False
        if path is None:
            home = MemoryLedger() if ledger is None else ledger
            self._core = Core(default_listings() if listings is None else listings, home)
        elif ledger is not None:
            raise ExchangeError(
                "a ledger of its own cannot be kept in a path: give one or the other"
            )
        else:
            self._open(listings, Path(path), fsync=fsync, read_only=read_only, check=check)
        self._references = 0

    def _open(
        self, listings: Listings | None, path: Path, *, fsync: bool, read_only: bool, check: bool
    ) -> None:
        store = Store(path, fsync=fsync, read_only=read_only)
        try:
            is_new = store.is_new
            if is_new:
                if read_only:
                    raise ExchangeError(f"{path}: no exchange was founded here")
                store.found(default_listings() if listings is None else listings)
            self._core = store.recover()
            if listings is not None and not is_new:
                check_given(self._core.founded, self._core.listings, listings, str(path))
            proof = prove(self._core, full=True)
            if check and not proof.holds:
                raise ExchangeError(
                    f"{path}: the state contradicts itself and is not opened: {proof.faults[0]}"
                )
        except BaseException:
            store.close()
            raise
        self._store = store

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the path. Everything answered is on disk already."""
        if self._store is not None and not self._closed:
            self._store.close()
        self._closed = True

    def snapshot(self) -> None:
        """Write the state beside the journal, so that opening need not replay all of it.

        Raises ExchangeError without a path, JournalError if the disk is full or fails.
        """
        if self._store is None:
            raise ExchangeError("an exchange without a path has nowhere to keep a snapshot")
        self._store.write_snapshot(self._core)

    @property
    def remarks(self) -> list[str]:
        """What opening the path found and mended, such as a record cut short by a power loss."""
        return [] if self._store is None else self._store.remarks

    @property
    def listings(self) -> Listings:
        """The assets and markets, with their limits and fees."""
        return self._core.listings

    @property
    def ledger(self) -> Ledger:
        """The balances. Look at them only."""
        return self._core.ledger

    def relist(self, listings: Listings) -> None:
        """Go on under the next version of the listings; those that hold already change nothing.

        The version is one more, assets and markets keep their places and new ones go to the end,
        in partitions that are there. Fees hold for trades, limits for orders from now on; a
        market whose tick or lot changes has no open order, begins with an empty book in its
        phase, and its ``units_version`` is the new version. Raises ListingsRefused for what may
        not be: then nothing has changed.
        """
        self._core.check_relist(listings)
        if listings != self.listings:
            self._record(LISTINGS, pack_listings(listings))
            self._core.relist(listings)

    def _record(self, kind: int, payload: bytes) -> None:
        """Write down what is about to happen; if that fails it does not happen."""
        if self._closed:
            raise ExchangeError("this exchange is closed")
        if self._store is None:
            return
        if self._store.read_only:
            raise ExchangeError("this exchange is open to read only")
        self._store.journal.append(kind, payload)
        self._store.journal.commit()

    def _money(self, name: str, *arguments: Any) -> bool:
        # What raises here would raise again at every start, if it were in the journal.
        check_call(name, *arguments)
        self._record(MONEY, plain([name, *arguments]))
        return self._core.money(name, *arguments)

    def _money_once(self, what: str, name: str, *arguments: Any) -> bool:
        """Change a balance under a reference that nobody has used, and nobody will again."""
        while True:
            # A ledger that was used before, or an old journal, may have it from a caller.
            with suppress(ReferenceReused):
                if self._money(name, self._new_reference(what), *arguments):
                    return True

    def _new_reference(self, what: str) -> str:
        """The next reference of our own: the place in the journal, or a count.

        No caller can have taken it: ``check_own_reference`` keeps its form for this.
        """
        if self._store is not None:
            return f"{what} {self._store.journal.last + 1}"
        self._references += 1
        return f"{what} {self._references}"

    def submit(
        self,
        commands: npt.NDArray[np.void],
        *,
        client_order_ids: ClientOrderIds | None = None,
    ) -> Batch:
        """Run a batch of COMMAND_DTYPE, times and ids in it, and return everything that happened.

        Each partition's commands are one batch of its own: all of them are reserved for, then
        matched, then settled. With a path one write to the journal makes the whole of it
        durable beforehand. Refused commands are events of kind REJECTED with a Reason or
        Refusal. A REPLACE names the side of its order.

        ``client_order_ids`` says of each command its client order id, None if it has none. A new
        order is refused if another of its account has the same: one that is open, or was sent
        within 24 hours by the times of the commands. A CANCEL, REDUCE or REPLACE with such an id
        and no order id is about the order that has it; it is refused with UNKNOWN_ORDER where
        none has.

        Raises TypeError for an array of another dtype, DataError for a client order id that
        cannot be, JournalError if the disk is full or fails: then nothing of it has happened.
        """
        if not isinstance(commands, np.ndarray) or commands.dtype != COMMAND_DTYPE:
            raise TypeError("a batch is an array of nextrade.COMMAND_DTYPE")
        commands = np.ascontiguousarray(commands)
        names = None if client_order_ids is None else names_of(commands, client_order_ids)
        if names is not None:
            commands, names = resolve(commands, names, self._core.kept_ids, self._core.clock_ns)
        parts = self._by_partition(commands)
        tiers = self._core.tiers_of(commands)
        if self._closed:
            raise ExchangeError("this exchange is closed")
        if self._store is not None:
            if self._store.read_only:
                raise ExchangeError("this exchange is open to read only")
            for number, rows in parts:
                own = None if names is None else _of_rows(names, rows)
                if own is None:
                    kind, record = BATCH, batch_record(number, commands[rows], tiers[rows])
                else:
                    kind = NAMED_BATCH
                    record = named_batch_record(number, commands[rows], tiers[rows], own)
                self._store.journal.append(kind, record)
            self._store.journal.commit()
        run = self._core.run
        if names is None:
            outcomes = [(run(number, commands[rows], tiers[rows]), rows) for number, rows in parts]
        else:
            outcomes = [
                (run(number, commands[rows], tiers[rows], _of_rows(names, rows)), rows)
                for number, rows in parts
            ]
        return _joined(outcomes)

    def client_order(self, account: int, client_order_id: str | bytes) -> int:
        """The id of the order that an account's client order id stands for; 0 if it is free.

        Raises DataError for an id that cannot be.
        """
        kept = self._core.kept_ids.find((account, checked_text(client_order_id)), self._now())
        return 0 if kept is None else kept.order_id

    def _by_partition(
        self, commands: npt.NDArray[np.void]
    ) -> list[tuple[int, npt.NDArray[np.int64] | slice]]:
        """Which commands each partition gets; one of them refuses unknown markets."""
        numbers = sorted(self._core.partitions)
        if not len(commands):
            return []
        if len(numbers) == 1:
            return [(numbers[0], slice(None))]
        markets = np.minimum(commands["market"], len(self._core.partition_of) - 1)
        owners = self._core.partition_of[markets]
        first = int(owners[0])
        if len(owners) == 1 or (owners == first).all():
            return [(first, slice(None))]
        return [
            (number, rows) for number in numbers if len(rows := np.flatnonzero(owners == number))
        ]

    def open_orders(self) -> npt.NDArray[np.void]:
        """Every open order and what it holds (ORDER_HOLD_DTYPE), partition by partition."""
        return np.concatenate(
            [
                self._core.partitions[number].open_orders()
                for number in sorted(self._core.partitions)
            ]
        )

    def state_hash(self) -> int:
        """A digest of books, holds, balances and client order ids: the same of equal exchanges."""

        digest = hashlib.blake2b(digest_size=8)
        for number in sorted(self._core.partitions):
            digest.update(self._core.partitions[number].state_hash().to_bytes(8, "little"))
        if isinstance(self.ledger, MemoryLedger):
            digest.update(self.ledger.state_hash().to_bytes(8, "little"))
        if self.listings.version > 1:
            digest.update(pack_listings(self.listings))
        if len(self._core.kept_ids):
            digest.update(self._core.kept_ids.snapshot())
        return int.from_bytes(digest.digest(), "little")

    def verify(self, *, full: bool = False) -> Proof:
        """Prove the money: by running totals, or by a walk over everything if ``full``.

        With a path, ``full`` also replays the journal from its first record, as far as it is
        still there, and compares the state that it gives.
        """
        proof = prove(self._core, full=full)
        if not full or self._store is None or self._store.journal.first != 1:
            return proof
        again = self._store.recover(from_start=True)
        faults = [
            f"partition {number}: the journal gives another state than the books have"
            for number, partition in self._core.partitions.items()
            if again.partitions[number].state_hash() != partition.state_hash()
        ]
        assert isinstance(again.ledger, MemoryLedger)
        assert isinstance(self.ledger, MemoryLedger)
        if again.ledger.state_hash() != self.ledger.state_hash():
            faults.append("the journal gives other balances than the ledger has")
        if again.listings != self.listings:
            faults.append("the journal gives other listings than hold")
        if again.kept_ids.snapshot() != self._core.kept_ids.snapshot():
            faults.append("the journal gives other client order ids than are kept")
        return Proof(proof.assets, True, (*proof.faults, *faults))

    def _now(self) -> int:
        return max(self._clock(), self._core.clock_ns)


def _of_rows(
    names: npt.NDArray[np.void], rows: npt.NDArray[np.int64] | slice
) -> npt.NDArray[np.void] | None:
    """The names of a partition's rows, None if none has one; a slice is all of them."""
    return names if isinstance(rows, slice) else names_within(names, rows)


def _joined(outcomes: list[tuple[Outcome, npt.NDArray[np.int64] | slice]]) -> Batch:
    """The outcomes of several partitions in the order of the commands."""
    if not outcomes:
        return Batch(np.zeros(0, dtype=EVENT_DTYPE), np.zeros(0, dtype=np.uint32))
    if len(outcomes) == 1 and isinstance(outcomes[0][1], slice):
        return Batch(outcomes[0][0].events, outcomes[0][0].markets)
    events, markets = [], []
    for outcome, rows in outcomes:
        own = outcome.events.copy()
        own["command"] = np.asarray(rows)[own["command"]]
        events.append(own)
        markets.append(outcome.markets)
    joined = np.concatenate(events)
    order = np.argsort(joined["command"], kind="stable")
    return Batch(joined[order], np.concatenate(markets)[order])
