"""Rows of a B3 order file to messages: trades found in pairs of rows, orders followed by id.

What a Trade row traded is the rise of its order's traded quantity. So the traded quantity
of each open order is kept from its last row, and whether it only waits for an auction. A
block of rows is sorted by order behind what is kept, and each row looks at the one before.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..messages import MESSAGE_DTYPE, UNKNOWN, Action, Flag, Messages
from .delimited import Rows

Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

KEPT_DAYS = 7
"""An order without a row for more days is no longer followed: day orders end without a row."""

_AGGRESSOR, _PASSIVE = 1, 2


class Execution(IntEnum):
    """What a row tells of its order."""

    NEW = 1
    UPDATE = 2
    CANCEL = 3
    TRADE = 4
    OTHER = 5
    """Known by name alone: which change it makes to a book is not documented."""

    @staticmethod
    def by_name() -> dict[str, int]:
        """The names that stand in the file."""
        return {
            "New": Execution.NEW,
            "Update": Execution.UPDATE,
            "Cancel": Execution.CANCEL,
            "Removed": Execution.CANCEL,
            "Expired": Execution.CANCEL,
            "Eliminated": Execution.CANCEL,
            "Trade": Execution.TRADE,
            "Reentry": Execution.OTHER,
            "New Stop Price": Execution.OTHER,
            "Rejected": Execution.OTHER,
            "Stop Price Triggered": Execution.OTHER,
        }


_ACTIONS = np.array(
    [Action.NOTE, Action.ADD, Action.REPLACE, Action.CANCEL, Action.FILL, Action.NOTE],
    dtype=np.uint8,
)

_KEPT_DTYPE = np.dtype(
    [
        ("order_id", "<u8"),
        ("traded_lots", "<i8"),
        ("day", "<i8"),
        ("market", "<u4"),
        ("waits", "?"),
    ]
)


class _Trades(NamedTuple):
    """What the rows around a row say about it; one entry for each row of the block."""

    partner: Integers
    """The other row of the same trade, -1 if there is none."""
    head: Integers
    """The New or Update row whose order trades on arrival in this trade, -1 if none does."""
    aggressive: Bools
    """A row of the order that ``head`` names."""


class _Before(NamedTuple):
    """What was known of each row's order before the row, and what becomes of it."""

    known: Bools
    rise_lots: Integers
    """What the order traded since its row before; 0 unless ``known``."""
    waited: Bools
    """It waited for an auction alone."""
    waits: Bools
    """It does so after this row."""


@dataclass(slots=True)
class _Counts:
    """What a user should know of."""

    auction_orders: int = 0
    auction_trades: int = 0
    unknown: int = 0
    lonely: int = 0
    unequal: int = 0
    others: int = 0


class Orders:
    """The open orders of a file that is read from the start."""

    def __init__(self) -> None:
        self._kept = np.zeros(0, dtype=_KEPT_DTYPE)
        self._counts = _Counts()

    def messages(self, rows: Rows) -> Messages:
        """The messages of whole events, one for each row."""
        kinds = rows["ExecutionType"]
        price, total, traded = rows["OrderPrice"], rows["TotalQuantity"], rows["TradedQuantity"]
        is_trade = kinds == Execution.TRADE
        submits = (kinds == Execution.NEW) | (kinds == Execution.UPDATE)
        trades = _trades(rows)
        paired = trades.partner >= 0
        auction = is_trade & (trades.head < 0)

        # The passive order's price is the price of a trade.
        fill_price = np.where(trades.aggressive & paired, price[trades.partner], price)
        first_fill = np.full(len(rows), UNKNOWN, dtype=np.int64)
        of_head = np.flatnonzero(trades.aggressive)[::-1]
        first_fill[trades.head[of_head]] = fill_price[of_head]  # the first fill is written last

        unpriced = submits & (price == 0)
        before = self._follow(rows, unpriced & (first_fill < 0))
        rise = _rises(before, trades.partner, is_trade)

        messages = np.zeros(len(rows), dtype=MESSAGE_DTYPE)
        messages["timestamp_ns"] = rows["timestamp_ns"]
        messages["order_id"] = rows["SequentialOrderNumber"]
        messages["price_ticks"] = np.where(
            unpriced, np.maximum(first_fill, 0), np.where(is_trade, fill_price, price)
        )
        messages["qty_lots"] = np.where(is_trade, rise, total - traded)
        leaves = np.where(kinds == Execution.CANCEL, 0, total - traded)
        messages["leaves_lots"] = np.where(kinds == Execution.OTHER, UNKNOWN, leaves)
        messages["place"] = rows.lines
        messages["market"] = rows["InstrumentSymbol"]
        messages["side"] = rows["OrderSide"]
        messages["action"] = _ACTIONS[kinds]
        # A replacement may take an order out of the auction, or out of continuous trading.
        updates = kinds == Execution.UPDATE
        messages["action"][updates & before.waited & ~before.waits] = Action.ADD
        leaves_book = updates & before.waits & ~before.waited & before.known
        messages["action"][leaves_book] = Action.CANCEL
        messages["leaves_lots"][leaves_book] = 0

        set_flags = (
            (trades.aggressive, Flag.AGGRESSOR),
            (unpriced & ~leaves_book, Flag.UNPRICED),
            (auction | (before.waits & ~leaves_book), Flag.AUCTION),
            # No message ever put such an order into the book, so rebuilding changes nothing.
            (is_trade & before.waits, Flag.REPORT),
            (_ends(is_trade, auction, trades.partner), Flag.LAST),
        )
        for rows_with, flag in set_flags:
            messages["flags"] |= rows_with * np.uint16(flag)
        self._count(kinds, unpriced & before.waits & ~before.waited, auction, rise, trades.partner)
        return messages

    def _follow(self, rows: Rows, starts_waiting: Bools) -> _Before:
        """Look up what each row's order was before it; keep what the open orders are now."""
        kinds, total = rows["ExecutionType"], rows["TotalQuantity"]
        count = len(self._kept)
        here = np.zeros(count + len(rows), dtype=_KEPT_DTYPE)
        here[:count] = self._kept
        here["order_id"][count:] = rows["SequentialOrderNumber"]
        here["traded_lots"][count:] = rows["TradedQuantity"]
        here["market"][count:] = rows["InstrumentSymbol"]
        here["day"][count:] = rows["SessionDate"]
        here["waits"][count:] = starts_waiting
        closes = np.zeros(len(here), dtype=np.bool_)
        closes[count:] = (kinds == Execution.CANCEL) | (
            (kinds == Execution.TRADE) & (rows["TradedQuantity"] == total)
        )
        decides = np.ones(len(here), dtype=np.bool_)
        decides[count:] = (kinds == Execution.NEW) | (kinds == Execution.UPDATE)

        order = np.lexsort((here["order_id"], here["market"]))
        ids, market, day = here["order_id"][order], here["market"][order], here["day"][order]
        traded, waits = here["traded_lots"][order], here["waits"][order]
        same = np.zeros(len(here), dtype=np.bool_)
        same[1:] = (ids[1:] == ids[:-1]) & (market[1:] == market[:-1]) & ~closes[order][:-1]
        same[1:] &= day[1:] - day[:-1] <= KEPT_DAYS
        rise = np.where(same, traded - np.roll(traded, 1), 0)
        source = np.where(decides[order] | ~same, np.arange(len(here)), 0)
        waits = waits[np.maximum.accumulate(source)]
        waited = same & np.roll(waits, 1)

        last = np.append((ids[1:] != ids[:-1]) | (market[1:] != market[:-1]), True)
        kept = here[order[last]]
        kept["waits"] = waits[last]
        today = int(rows["SessionDate"].max(initial=0))
        self._kept = kept[~closes[order][last] & (today - kept["day"] <= KEPT_DAYS)]

        back = np.empty(len(here), dtype=np.int64)
        back[order] = np.arange(len(here))
        back = back[count:]
        return _Before(same[back], rise[back], waited[back], waits[back])

    def _count(
        self,
        kinds: npt.NDArray[np.uint8],
        waits: Bools,
        auction: Bools,
        rise: Integers,
        partner: Integers,
    ) -> None:
        counts = self._counts
        is_trade = kinds == Execution.TRADE
        lonely = is_trade & (partner < 0)
        first = is_trade & (partner > np.arange(len(kinds)))
        counts.auction_orders += int(np.count_nonzero(waits))
        counts.auction_trades += int(np.count_nonzero(auction & (first | lonely)))
        counts.unknown += int(np.count_nonzero(is_trade & (rise == 0)))
        counts.lonely += int(np.count_nonzero(lonely))
        counts.unequal += int(np.count_nonzero(first & (rise != rise[partner])))
        counts.others += int(np.count_nonzero(kinds == Execution.OTHER))

    def remarks(self) -> list[str]:
        """What a user should know, a sentence each."""
        counts = self._counts
        said = (
            (counts.auction_orders, "orders without a price did not trade and wait for an auction"),
            (counts.auction_trades, "trades were made by a call auction; their price is not told"),
            (counts.unknown, "Trade rows do not say how much they traded, nor does the other side"),
            (counts.lonely, "Trade rows have no row of the other side beside them"),
            (counts.unequal, "trades have another quantity bought than sold"),
            (counts.others, "rows are of a kind whose effect on the book is not documented"),
        )
        return [f"{number:,} {what}" for number, what in said if number]


def _rises(before: _Before, partner: Integers, is_trade: Bools) -> Integers:
    """What each Trade row traded: by its own order, or else by the other one of the trade."""
    own = np.where(before.known & is_trade & (before.rise_lots > 0), before.rise_lots, 0)
    return np.where((own == 0) & (partner >= 0), own[partner], own)


def _trades(rows: Rows) -> _Trades:
    kinds, side = rows["ExecutionType"], rows["OrderSide"]
    ids, market = rows["SequentialOrderNumber"], rows["InstrumentSymbol"]
    count = len(rows)
    at = np.arange(count)
    is_trade = kinds == Execution.TRADE
    follows = np.zeros(count, dtype=np.bool_)  # the row before is of the same market
    follows[1:] = market[1:] == market[:-1]
    starts = is_trade.copy()
    starts[1:] &= ~(is_trade[:-1] & follows[1:])
    run = np.maximum.accumulate(np.where(starts, at, 0))

    odd = ((at - run) & 1).astype(np.bool_)
    runs_on = np.zeros(count, dtype=np.bool_)
    runs_on[:-1] = is_trade[1:] & ~starts[1:]
    is_first = is_trade & ~odd & runs_on
    partner = np.full(count, -1, dtype=np.int64)
    partner[is_first] = at[is_first] + 1
    partner[at[is_first] + 1] = at[is_first]
    # A trade has two sides. Where it has not, a row is missing: pair what goes together.
    wrong = is_trade & ((partner < 0) | (side == side[partner]))
    for start in np.unique(run[wrong]).tolist():
        _pair_again(partner, side, start, runs_on)

    before_run = run - 1
    submits = (kinds == Execution.NEW) | (kinds == Execution.UPDATE)
    headed = is_trade & (before_run >= 0) & follows[run] & submits[before_run]
    aggressive = headed & (rows["AgressorIndicator"] == _AGGRESSOR)
    aggressive &= ids == ids[before_run]
    # A row whose other side is missing is taken for passive only if it says so.
    paired = partner >= 0
    says_passive = rows["AgressorIndicator"] == _PASSIVE
    passive = headed & ~aggressive & np.where(paired, aggressive[partner], says_passive)
    aggressive &= ~(paired & aggressive[partner])
    continuous = aggressive | passive
    head = np.where(continuous, before_run, -1)
    return _Trades(partner, head, aggressive)


def _pair_again(partner: Integers, side: npt.NDArray[np.uint8], start: int, runs_on: Bools) -> None:
    """Pair the rows of one run of trades, passing over rows without their other side."""
    end = start
    while runs_on[end]:
        end += 1
    partner[start : end + 1] = -1
    row = start
    while row < end:
        if side[row] == side[row + 1]:
            row += 1
            continue
        partner[row], partner[row + 1] = row + 1, row
        row += 2


def _ends(is_trade: Bools, auction: Bools, partner: Integers) -> Bools:
    """Which rows end an event: those that no trade of a New or Update before them follows."""
    ends = np.ones(len(is_trade), dtype=np.bool_)
    ends[:-1] = ~(is_trade & ~auction)[1:]
    first = auction & (partner > np.arange(len(is_trade)))
    ends[first] = False
    return ends
