"""A partition: the books of some markets and the money of their orders, as one state machine.

No I/O, no clock, no randomness: times and ids come in with the commands, and the same batch on
the same state gives the same bytes. What an account *has* is not known here; the ledger grants
or refuses what ``reservations`` asks for, and is told by postings what became of it.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from .._book import OrderBook
from .._settle import Settlement
from .._snapshot import empty
from ..dtypes import LEVEL_DTYPE
from ..enums import Side
from ..errors import BatchPending, InvariantError, ListingsRefused, SnapshotError
from .listings import Listings
from .partition_snapshot import Contents, pack, units_of, unpack
from .postings import POSTING_DTYPE
from .relisting import check_change, new_units, rescaled_price, some_of
from .slices import check_slices

__all__ = [
    "EVENT_LIMIT",
    "ORDER_HOLD_DTYPE",
    "POSTING_LIMIT",
    "Outcome",
    "Partition",
    "Reservations",
]

POSTING_LIMIT: Final = 32_768
"""Accounts and assets that one slice of an outcome changes: some 1,400 in each of 24 buckets."""

EVENT_LIMIT: Final = 65_536
"""Events of one slice of an outcome, which are some 5 MB."""

ORDER_HOLD_DTYPE = np.dtype(
    [
        ("order_id", "<u8"),
        ("account", "<u4"),
        ("market", "<u4"),
        ("asset", "<u4"),
        ("side", "u1"),
        ("tier", "u1"),
        ("hold_price", "<i8"),
        ("held", "<i8"),
    ]
)
"""What one open order holds, 38 bytes.

``held`` is in base units of ``asset``: of the quote asset for a buy, which holds every lot at
``hold_price`` ticks; of the base asset for a sale, whose ``hold_price`` is 0.
"""

Records = npt.NDArray[np.void]


class Reservations(NamedTuple):
    """What each command of a batch must get held before it may run; all arrays are as long.

    Where ``amount`` is 0 nothing is needed, and ``account`` and ``asset`` are 0. A command with
    a ``refusal`` is refused at the door: it needs nothing and is not run.
    """

    account: npt.NDArray[np.uint32]
    asset: npt.NDArray[np.uint32]
    amount: npt.NDArray[np.int64]
    refusal: npt.NDArray[np.uint8]


_NO_LEVELS = np.empty(0, LEVEL_DTYPE)
_NO_MARKETS = np.empty(0, np.uint32)
for _empty in (_NO_LEVELS, _NO_MARKETS):
    _empty.flags.writeable = False


class Outcome(NamedTuple):
    """What a batch did, or a slice of it.

    ``events`` are EVENT_DTYPE in the order of the commands, ``markets`` the market of each.
    ``postings`` are POSTING_DTYPE: what the ledger must change, one for each account and asset
    and ascending by both. Those of an asset add up to zero, available and held together.

    ``levels`` are LEVEL_DTYPE, ``level_markets`` the market of each: how the price levels of
    the books changed, in the order of the commands. They are empty unless they were asked for,
    and stand in the last slice of a batch.
    """

    events: Records
    markets: npt.NDArray[np.uint32]
    postings: Records
    levels: Records = _NO_LEVELS
    level_markets: npt.NDArray[np.uint32] = _NO_MARKETS


class Partition:
    """The books of a partition's markets, and what each open order holds.

    A batch is run in two steps: ``reservations`` says what must be held, then ``process`` runs
    it with what was granted. Between them nothing else may be processed that was not reserved.

    What one batch does can be more than a ledger should take at once: a market order through
    fifty thousand others, an auction's end. Then ``process`` gives the first slice of its
    outcome, and ``proceed`` one after the other of those that are ``pending``. A slice ends
    with the event by which ``posting_limit`` postings or ``event_limit`` events are reached;
    one for each asset in which fees were taken may come on top. The books themselves have run
    the whole batch: they and the holds of open orders are always those after the last slice.

    >>> from nextrade.domain.assets import Asset
    >>> from nextrade.domain.listings import Listing
    >>> from nextrade.domain.markets import Market
    >>> btc, usdt = Asset("BTC", 8), Asset("USDT", 6)
    >>> market = Market("BTC-USDT", btc, usdt, "0.01", "0.0001")
    >>> partition = Partition(Listings((btc, usdt), (Listing(market),)), 0)
    >>> partition.markets, len(partition.open_orders())
    ((0,), 0)

    It serves one thread at a time; a call while another thread is inside raises BookBusy.
    Raises ValueError if the partition has no markets, or for a limit less than 1.
    """

    def __init__(
        self,
        listings: Listings,
        number: int,
        *,
        posting_limit: int = POSTING_LIMIT,
        event_limit: int = EVENT_LIMIT,
    ) -> None:
        self.listings = listings
        self.number = number
        self.markets = listings.in_partition(number)
        """Positions of its markets in the listings, ascending."""
        if not self.markets:
            raise ValueError(f"no market is listed in partition {number}")
        self.posting_limit = posting_limit
        self.event_limit = event_limit
        self._start([OrderBook() for _ in self.markets])

    def _start(self, books: list[OrderBook]) -> None:
        self._books = books
        self._settlement = self._settlement_of(self.listings, books)

    def _settlement_of(self, listings: Listings, books: list[OrderBook]) -> Settlement:
        return Settlement(
            listings.table,
            listings.fees,
            listings.in_partition(self.number),
            books,
            self.posting_limit,
            self.event_limit,
        )

    def book(self, market: int) -> OrderBook:
        """The book of a market, to look at: whatever changes it from outside loses money.

        Raises KeyError for a market of another partition.
        """
        try:
            return self._books[self.markets.index(market)]
        except ValueError:
            raise KeyError(f"market {market} is not in partition {self.number}") from None

    # ---- running ----

    def reservations(self, commands: Records) -> Reservations:
        """What each command must get held before it may run, up to its worst case.

        A function of the command and the listings alone. Raises TypeError and ValueError for
        anything but a one-dimensional array of COMMAND_DTYPE.
        """
        return Reservations(*self._settlement.reservations(commands))

    def process(
        self,
        commands: Records,
        tiers: npt.NDArray[np.uint8],
        granted: npt.NDArray[np.int64],
        *,
        levels: bool = False,
    ) -> Outcome:
        """Run a batch for which ``granted[k]`` is now held for command k.

        That is the amount that ``reservations`` asked for, or -1 if it could not be had: then
        the command gives one REJECTED event and changes nothing; or a Refusal, or a Reason to
        refuse, as a negative number, for a command that is refused for that. ``tiers[k]`` is the
        fee tier of the account now; a new order keeps it. With ``levels`` the outcome says how
        price levels changed.

        Raises BatchPending while slices of an earlier batch are pending, for these go first;
        ValueError for a grant that was not asked for, BookBusy, and MemoryError; before
        anything is changed, or else the partition is stopped: every later call raises
        BookStopped, and ``restore`` is the way on.
        """
        return Outcome(*self._settlement.process(commands, tiers, granted, levels))

    @property
    def pending(self) -> int:
        """How many slices of the last batch wait for ``proceed``."""
        return len(self._settlement.pending)

    def proceed(self) -> Outcome:
        """The next slice of the last batch: ``command`` of its events is the position there.

        A command may have events in several slices. Those of one market are in order across
        all slices. Raises ValueError if nothing is pending.
        """
        return Outcome(*self._settlement.proceed())

    # ---- other listings ----

    def relist(self, listings: Listings) -> None:
        """Go on under the next listings; the books and what their orders hold stay as they are.

        Rates of fees hold for trades, limits for orders from now on. A market whose tick or lot
        changes begins with an empty book in its phase, with its last price if that is a whole
        number of the new ticks. Raises, before anything is changed, ListingsRefused if that may
        not be (``check_change``) or such a market has open orders; and BatchPending.
        """
        changed = self.check_relist(listings)
        books = [
            self._in_new_units(market, listings) if market in changed else book
            for market, book in zip(self.markets, self._books, strict=True)
        ]
        markets = listings.in_partition(self.number)
        books += [OrderBook() for _ in markets[len(books) :]]
        settlement = self._settlement_of(listings, books)
        settlement.load(self.open_orders())
        self.listings, self.markets = listings, markets
        self._books, self._settlement = books, settlement

    def check_relist(self, listings: Listings) -> set[int]:
        """Raise what ``relist`` would raise; else return its markets whose tick or lot changes."""
        check_change(self.listings, listings)
        self._settlement.check_running()
        if self.pending:
            raise BatchPending(f"{self.pending} slices of the last batch wait and go first")
        changed = {at for at in new_units(self.listings, listings) if at in self.markets}
        for market in sorted(changed):
            if owners := sorted(set(self.book(market).orders()["owner"].tolist())):
                raise ListingsRefused(
                    f"{self.listings.market_names[market]} has open orders, which are counted in"
                    f" its tick and lot: those of account {some_of(owners)}"
                )
        return changed

    def _in_new_units(self, market: int, listings: Listings) -> OrderBook:
        """An empty book in the phase and at the time of this one."""
        book = self.book(market)
        before, now = self.listings.listings[market], listings.listings[market]
        price = rescaled_price(book.last_price or 0, before, now)
        trades = book.trade_count if price else 0
        return OrderBook.from_snapshot(empty(book.state, book.clock_ns, price, trades))

    # ---- looking ----

    def open_orders(self) -> Records:
        """Every open order's hold as ORDER_HOLD_DTYPE, ascending by market and order id."""
        return self._settlement.holds()

    def held_totals(self) -> npt.NDArray[np.uint64]:
        """By asset: all that the open orders hold. A short way to compare with the ledger.

        The ledger holds as much for orders once nothing is pending; until then it holds
        ``pending_held`` more.
        """
        return self._settlement.totals

    def pending_postings(self) -> Records:
        """The postings (POSTING_DTYPE) of all slices that are pending, one after the other."""
        waiting = [postings for _, _, postings, *_ in self._settlement.pending]
        return np.concatenate(waiting) if waiting else np.empty(0, POSTING_DTYPE)

    def pending_held(self) -> npt.NDArray[np.uint64]:
        """By asset: what the ledger still holds and the open orders, as they are now, do not."""
        totals = np.zeros(len(self.held_totals()), np.int64)
        postings = self.pending_postings()
        np.subtract.at(totals, postings["asset"], postings["held"])
        return totals.astype(np.uint64)

    def check_invariants(self) -> None:
        """Walk all books and holds; raises InvariantError naming the first contradiction."""
        holds = self.open_orders()
        for market, book in zip(self.markets, self._books, strict=True):
            book.check_invariants()
            self._compare(market, book.orders(), holds[holds["market"] == market])
        totals = np.zeros(len(self.held_totals()), np.uint64)
        np.add.at(totals, holds["asset"], holds["held"].astype(np.uint64))
        if not np.array_equal(totals, self.held_totals()):
            raise InvariantError("the total that is held is not the sum of the holds")
        check_slices(self._settlement.pending, len(totals))

    def _compare(self, market: int, orders: Records, holds: Records) -> None:
        """Raise unless each open order holds exactly what it can still cost."""
        name = self.listings.market_names[market]
        orders = orders[np.argsort(orders["order_id"])]
        if not np.array_equal(orders["order_id"], holds["order_id"]):
            raise InvariantError(f"{name}: the open orders are not those that hold something")
        row = self.listings.table[market]
        buys = orders["side"] == Side.BUY
        lots = orders["visible_lots"] + orders["hidden_lots"]
        price = np.where(buys, orders["price_ticks"], 0)
        units = np.where(buys, price * row["quote_units_per_tick_lot"], row["base_units_per_lot"])
        expected = {
            "account": orders["owner"],
            "side": orders["side"],
            "asset": np.where(buys, row["quote"], row["base"]),
            "hold_price": price,
            "held": lots * units,
        }
        for field, values in expected.items():
            wrong = np.flatnonzero(holds[field] != values)
            if len(wrong):
                first = wrong[0]
                raise InvariantError(
                    f"{name}: {field} of order {holds['order_id'][first]} is"
                    f" {holds[field][first]}, and the book says {values[first]}"
                )

    # ---- state ----

    def state_hash(self) -> int:
        """64-bit hash of all that decides how the partition goes on."""
        digest = hashlib.blake2b(digest_size=8)
        digest.update(self.number.to_bytes(8, "little"))
        for market, book in zip(self.markets, self._books, strict=True):
            digest.update(market.to_bytes(8, "little") + book.state_hash().to_bytes(8, "little"))
        digest.update(self.open_orders().tobytes())
        for waiting in self._settlement.pending:
            for part in Outcome(*waiting):
                digest.update(len(part).to_bytes(8, "little") + part.tobytes())
        return int.from_bytes(digest.digest(), "little")

    def snapshot(self) -> bytes:
        """The whole state as bytes, versioned and checksummed; see ``partition_snapshot``.

        Raises BookStopped if the partition lost what a batch did.
        """
        self._settlement.check_running()
        holds = self.open_orders()
        units = [units_of(self.listings.table, market) for market in self.markets]
        books = [book.snapshot() for book in self._books]
        pending = self._settlement.pending
        return pack(Contents(self.number, units, books, holds, pending, self.listings.version))

    @classmethod
    def restore(
        cls,
        listings: Listings,
        number: int,
        snapshot: bytes,
        *,
        posting_limit: int = POSTING_LIMIT,
        event_limit: int = EVENT_LIMIT,
    ) -> Partition:
        """A partition that goes on exactly as the one that wrote the snapshot would.

        What was pending is so again, cut as it was; the limits are for the batches to come.
        Markets that were listed since begin empty. Raises SnapshotError if the bytes are
        damaged, contradict themselves, are of another partition, or if the listings no longer
        have a market of the snapshot with the same assets, tick and lot.
        """
        contents = unpack(snapshot, ORDER_HOLD_DTYPE)
        if contents.number != number:
            raise SnapshotError(
                f"this is a snapshot of partition {contents.number}, not of {number}"
            )
        if contents.version > listings.version:
            raise SnapshotError(
                f"the snapshot was made under version {contents.version} of the listings, and"
                f" version {listings.version} is given"
            )
        partition = cls(listings, number, posting_limit=posting_limit, event_limit=event_limit)
        kept = dict(zip(contents.units, contents.books, strict=True))
        for units in kept:
            if units.market not in partition.markets or units != units_of(
                listings.table, units.market
            ):
                raise SnapshotError(
                    f"market {units.market} of the snapshot is listed with other assets, tick,"
                    " lot or partition now, or no longer"
                )
        books = [
            OrderBook.from_snapshot(kept[units]) if units in kept else OrderBook()
            for units in (units_of(listings.table, market) for market in partition.markets)
        ]
        partition._start(books)
        try:
            partition._settlement.load(contents.holds)
            partition._settlement.wait_for(contents.pending)
            partition.check_invariants()
        except (ValueError, InvariantError) as error:
            raise SnapshotError(f"partition snapshot contradicts itself: {error}") from error
        return partition
