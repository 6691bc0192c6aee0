"""A whole exchange in one process: orders in, trades and balances out, durable if given a path."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from ..._book import OrderBook
from ...domain.listings import Listings
from ...domain.partition import Outcome
from ...domain.units import DecimalText
from ...dtypes import COMMAND_DTYPE, EVENT_DTYPE
from ...enums import CommandKind, OrderType, PostOnly, SelfTrade, Side, TimeInForce
from ...errors import ExchangeError
from ..ledger.memory import MemoryLedger
from ..ledger.protocol import Ledger
from ..listings_file import default_listings
from .core import Core
from .door import order_command
from .founding import check_same, listings_of_plain
from .placed import Placed
from .proof import Proof, prove
from .records import BATCH, MONEY, TIER, batch_record, plain
from .store import Store


class Balance(NamedTuple):
    """What an account has of one asset, as exact decimal text."""

    available: str
    held: str


class Batch(NamedTuple):
    """What a batch of commands did, over all partitions, in the order of the commands."""

    events: npt.NDArray[np.void]
    """EVENT_DTYPE; ``command`` is the position in the batch."""
    markets: npt.NDArray[np.uint32]
    """The market of each event, as a position in the listings."""


class Exchange:
    """Engine and ledger in one process, no server.

    >>> from nextrade import Exchange
    >>> exchange = Exchange()
    >>> exchange.deposit(1, "USDT", "1000"), exchange.deposit(2, "BTC", "1")
    (True, True)
    >>> exchange.place(1, "BTC-USDT", "buy", price="100", quantity="2").status
    'open'
    >>> exchange.place(2, "BTC-USDT", "sell", price="99", quantity="0.5").filled
    '0.5000'
    >>> exchange.balances(1)["BTC"].available
    '0.49950000'
    >>> exchange.verify().holds
    True

    Without ``listings`` it has those of the package's default settings. With a ``path`` it is
    durable: what was answered is in a journal on disk (``fsync`` for each call or batch), and
    opening the path again goes on from there; one process at a time. Market and limit rules are
    those of the listings, amounts are exact decimal text, accounts are numbers from 1 on.
    ``clock`` gives nanoseconds for orders placed one by one; a clock that steps back stands
    still. Raises ExchangeError if the path was founded with other listings or its state
    contradicts itself, JournalLocked, JournalDamaged and JournalError from its files.
    """

    def __init__(
        self,
        listings: Listings | None = None,
        path: str | Path | None = None,
        *,
        fsync: bool = True,
        ledger: Ledger | None = None,
        read_only: bool = False,
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
            self._open(listings, Path(path), fsync=fsync, read_only=read_only)
        self._references = 0

    def _open(self, listings: Listings | None, path: Path, *, fsync: bool, read_only: bool) -> None:
        store = Store(path, fsync=fsync, read_only=read_only)
        try:
            founded = store.founded()
            if founded is None:
                if read_only:
                    raise ExchangeError(f"{path}: no exchange was founded here")
                listings = default_listings() if listings is None else listings
                store.found(listings)
            else:
                own = listings_of_plain(founded["listings"])
                if listings is not None:
                    check_same(own, listings, str(path))
                listings = own
            self._core = store.recover(listings)
            proof = prove(self._core, full=True)
            if not proof.holds:
                raise ExchangeError(
                    f"{path}: the state contradicts itself and is not opened: {proof.faults[0]}"
                )
        except BaseException:
            store.close()
            raise
        self._store = store

    # --- life ------------------------------------------------------------------------------

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
        self._store.write_snapshot(self._core, self.listings)

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

    # --- money -----------------------------------------------------------------------------

    def deposit(
        self, account: int, asset: str, amount: DecimalText, reference: str | None = None
    ) -> bool:
        """Credit what came in from outside; False if the reference was credited before.

        Raises UnitError for an unknown asset or an amount that is not exact, ReferenceReused,
        AmountOverflow.
        """
        number = self.listings.asset(asset)
        units = self.listings.assets[number].base_units(amount)
        self._check_account(account)
        if reference is None:
            reference = self._new_reference("deposit")
        return self._money("credit", reference, account, number, units)

    def hold_withdrawal(
        self, account: int, asset: str, amount: DecimalText, reference: str
    ) -> bool:
        """Set aside what is to leave; then ``capture`` or ``refund`` it by its reference."""
        number = self.listings.asset(asset)
        units = self.listings.assets[number].base_units(amount)
        self._check_account(account)
        return self._money("hold", reference, account, number, units)

    def capture(self, reference: str) -> bool:
        """What was held for a withdrawal has been paid out."""
        return self._money("capture", reference)

    def refund(self, reference: str) -> bool:
        """What was held for a withdrawal comes back."""
        return self._money("refund", reference)

    def transfer(
        self,
        from_account: int,
        to_account: int,
        asset: str,
        amount: DecimalText,
        reference: str | None = None,
    ) -> bool:
        """Move an amount between accounts, once per reference."""
        number = self.listings.asset(asset)
        units = self.listings.assets[number].base_units(amount)
        self._check_account(to_account)
        if reference is None:
            reference = self._new_reference("transfer")
        return self._money("transfer", reference, from_account, to_account, number, units)

    def _money(self, name: str, *arguments: Any) -> bool:
        self._record(MONEY, plain([name, *arguments]))
        return self._core.money(name, *arguments)

    def _new_reference(self, what: str) -> str:
        """A reference that was never used: the place in the journal, or a count."""
        if self._store is not None:
            return f"{what} {self._store.journal.last + 1}"
        self._references += 1
        return f"{what} {self._references}"

    def set_tier(self, account: int, tier: int) -> None:
        """What this account's new orders pay from now on; open orders keep their fees."""
        self._check_account(account)
        most = max(len(listing.tiers) for listing in self.listings.listings)
        if not 0 <= tier < most:
            raise ExchangeError(f"there is no fee tier {tier}; there are 0 to {most - 1}")
        self._record(TIER, plain([account, tier]))
        self._core.tiers[account] = tier

    def balances(self, account: int) -> dict[str, Balance]:
        """What an account has, by asset; assets that it has nothing of are left out."""
        found = {}
        for row in self.ledger.balances(account):
            asset = self.listings.assets[int(row["asset"])]
            found[asset.name] = Balance(
                asset.text(int(row["available"])), asset.text(int(row["held"]))
            )
        return found

    # --- orders ----------------------------------------------------------------------------

    def place(
        self,
        account: int,
        market: str,
        side: str | Side,
        *,
        quantity: DecimalText | None = None,
        price: DecimalText | None = None,
        amount: DecimalText | None = None,
        worst_price: DecimalText | None = None,
        trigger: DecimalText | None = None,
        order_type: OrderType | str | None = None,
        time_in_force: TimeInForce | str = TimeInForce.GTC,
        post_only: PostOnly | str = PostOnly.NO,
        self_trade: SelfTrade | str = SelfTrade.CANCEL_NEWEST,
        display: DecimalText | None = None,
        expire_ns: int = 0,
    ) -> Placed:
        """Send one order and say what became of it.

        With a ``price`` it is a limit order, without one a market order for a ``quantity`` or an
        ``amount`` of quote currency; ``order_type`` chooses another. A market order that names
        no ``worst_price`` gets one from the market's collar around the best opposite price. An
        order that is refused is answered with the reason, not raised. Raises UnitError for
        text that is not exact in the market's steps.
        """
        number = self.listings.market(market)
        listing = self.listings.listings[number]
        command = order_command(
            listing,
            self.book(market),
            side=side,
            quantity=quantity,
            price=price,
            amount=amount,
            worst_price=worst_price,
            trigger=trigger,
            order_type=order_type,
            time_in_force=time_in_force,
            post_only=post_only,
            self_trade=self_trade,
            display=display,
        )
        command["owner"], command["market"] = account, number
        command["order_id"] = self._core.highest_order_id + 1
        command["timestamp_ns"] = self._now()
        command["expire_ns"] = expire_ns
        return Placed(self.submit(command), listing.market, int(command["order_id"][0]))

    def cancel(self, account: int, market: str, order_id: int) -> Placed:
        """Take an open order out."""
        return self._change(account, market, order_id, CommandKind.CANCEL, {})

    def reduce(self, account: int, market: str, order_id: int, quantity: DecimalText) -> Placed:
        """Take a quantity off an open order, which keeps its place."""
        units = self.listings.listings[self.listings.market(market)].market
        fields = {"qty_lots": units.qty_lots(quantity)}
        return self._change(account, market, order_id, CommandKind.REDUCE, fields)

    def replace(
        self, account: int, market: str, order_id: int, *, price: DecimalText, quantity: DecimalText
    ) -> Placed:
        """Give an open order another price and quantity left; only a smaller one keeps its place."""
        number = self.listings.market(market)
        units = self.listings.listings[number].market
        book = self.book(market)
        fields = {"price_ticks": units.price_ticks(price), "qty_lots": units.qty_lots(quantity)}
        if order_id in book:
            fields["side"] = int(book.order(order_id)["side"])
        return self._change(account, market, order_id, CommandKind.REPLACE, fields)

    def _change(
        self, account: int, market: str, order_id: int, kind: CommandKind, fields: dict[str, int]
    ) -> Placed:
        number = self.listings.market(market)
        command = np.zeros(1, dtype=COMMAND_DTYPE)
        command["kind"], command["owner"], command["market"] = kind, account, number
        command["order_id"], command["timestamp_ns"] = order_id, self._now()
        for name, value in fields.items():
            command[name] = value
        units = self.listings.listings[number].market
        return Placed(self.submit(command), units, order_id)

    def submit(self, commands: npt.NDArray[np.void]) -> Batch:
        """Run a batch of COMMAND_DTYPE, times and ids in it, and return everything that happened.

        Each partition's commands are one batch of its own: all of them are reserved for, then
        matched, then settled. With a path one write to the journal makes the whole of it
        durable beforehand. Refused commands are events of kind REJECTED with a Reason or
        Refusal. A REPLACE names the side of its order.

        Raises TypeError for an array of another dtype, JournalError if the disk is full or
        fails: then nothing of it has happened.
        """
        if not isinstance(commands, np.ndarray) or commands.dtype != COMMAND_DTYPE:
            raise TypeError("a batch is an array of nextrade.COMMAND_DTYPE")
        commands = np.ascontiguousarray(commands)
        parts = self._by_partition(commands)
        tiers = self._core.tiers_of(commands)
        if self._closed:
            raise ExchangeError("this exchange is closed")
        if self._store is not None:
            if self._store.read_only:
                raise ExchangeError("this exchange is open to read only")
            for number, rows in parts:
                self._store.journal.append(BATCH, batch_record(number, commands[rows], tiers[rows]))
            self._store.journal.commit()
        outcomes = [
            (self._core.run(number, commands[rows], tiers[rows]), rows) for number, rows in parts
        ]
        return _joined(outcomes)

    def _by_partition(
        self, commands: npt.NDArray[np.void]
    ) -> list[tuple[int, npt.NDArray[np.int64] | slice]]:
        """Which commands each partition gets; unknown markets go to the first, which refuses."""
        numbers = sorted(self._core.partitions)
        if len(numbers) == 1 or not len(commands):
            return [(numbers[0], slice(None))] if len(commands) else []
        markets = np.minimum(commands["market"], len(self._core.partition_of) - 1)
        owners = self._core.partition_of[markets]
        return [
            (number, rows) for number in numbers if len(rows := np.flatnonzero(owners == number))
        ]

    # --- looking ---------------------------------------------------------------------------

    def book(self, market: str) -> OrderBook:
        """The book of a market. Look at it only."""
        number = self.listings.market(market)
        return self._core.partitions[int(self._core.partition_of[number])].book(number)

    def open_orders(self) -> npt.NDArray[np.void]:
        """Every open order and what it holds (ORDER_HOLD_DTYPE), partition by partition."""
        return np.concatenate(
            [
                self._core.partitions[number].open_orders()
                for number in sorted(self._core.partitions)
            ]
        )

    def state_hash(self) -> int:
        """A digest of all books, holds and balances: equal exchanges have equal ones."""
        import hashlib

        digest = hashlib.blake2b(digest_size=8)
        for number in sorted(self._core.partitions):
            digest.update(self._core.partitions[number].state_hash().to_bytes(8, "little"))
        if isinstance(self.ledger, MemoryLedger):
            digest.update(self.ledger.state_hash().to_bytes(8, "little"))
        return int.from_bytes(digest.digest(), "little")

    def verify(self, *, full: bool = False) -> Proof:
        """Prove the money: by running totals, or by a walk over everything if ``full``.

        With a path, ``full`` also replays the journal from its first record, as far as it is
        still there, and compares the state that it gives.
        """
        proof = prove(self._core, full=full)
        if not full or self._store is None or self._store.journal.first != 1:
            return proof
        again = self._store.recover(self.listings, from_start=True)
        faults = [
            f"partition {number}: the journal gives another state than the books have"
            for number, partition in self._core.partitions.items()
            if again.partitions[number].state_hash() != partition.state_hash()
        ]
        assert isinstance(again.ledger, MemoryLedger)
        assert isinstance(self.ledger, MemoryLedger)
        if again.ledger.state_hash() != self.ledger.state_hash():
            faults.append("the journal gives other balances than the ledger has")
        return Proof(proof.assets, True, (*proof.faults, *faults))

    # --- what the door adds ----------------------------------------------------------------

    def _now(self) -> int:
        return max(self._clock(), self._core.clock_ns)

    def _check_account(self, account: int) -> None:
        if isinstance(account, bool) or not isinstance(account, int) or not 1 <= account < 2**32:
            raise ExchangeError(f"an account is a number from 1 to {2**32 - 1:,}, not {account!r}")


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
