"""Bitstamp live-order logs: what the exchange's order, trade and book channels sent.

A line is the local time of receipt in milliseconds since 1970, a kind, and JSON:

* ``order_created``: a new order with its whole amount, also one that trades at once.
* ``order_changed``: what is left of an order after it traded. With another price it is a
  market order on its way through the book: the exchange prices it anew at each step, and
  one that spends a fixed sum gets another amount. That is a REPLACE.
* ``order_deleted``: amount 0 says that the order is filled, more that it was cancelled with
  so much left.
* ``trade``: price and amount, but no order. Both are printed from floats, such as
  1.7885566900000001, and are rounded to the nearest tick and lot.
* ``order_book``: the best 20 levels of each side.

Messages of different orders come in another sequence than the exchange made them, and
some of one order do too. Order ids grow with time. So a message of an order that is not
open, whose id is above that of the first order created in the file, is a second deletion
or comes before its own creation: it is passed over, and so is a creation after a deletion.
An order with a lower id rested before the file starts.

Format as in the log of the R package obAnalytics (``inst/extdata``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ....enums import Side
from ..messages import MESSAGE_DTYPE, UNKNOWN, Action, Aggressors, DepthRows, Flag, Messages, Part
from . import unpacked
from .bitstamp_lines import NAMES, QTY_DECIMALS, LineParser, Records
from .bitstamp_orders import LiveOrders
from .source import BadRecords, Format

_FIRST_LINE = re.compile(rf"\d{{1,18}} ({'|'.join(NAMES)}) \{{".encode())
_PRICE = re.compile(rb'"(?:price": ?|bids": ?\[\[)"\d+\.(\d+)"')
_HEAD_BYTES = 1 << 16
_FEWEST_DECIMALS = 2


def recognises(head: bytes) -> bool:
    """A first line of a time, one of the five kinds, and the beginning of JSON."""
    return _FIRST_LINE.match(head) is not None


class Bitstamp:
    """A Bitstamp log as a recording."""

    format_name = "bitstamp"
    aggressors = Aggressors.UNLINKED
    starts_empty = False
    queued_by_id = False
    shows_auctions = False
    qty_decimals = QTY_DECIMALS

    def __init__(self, path: Path, bad: BadRecords) -> None:
        self.path = path
        self.length = path.stat().st_size
        self.markets = [path.name.split(".", 1)[0]]
        found = _PRICE.search(unpacked.first_bytes(path, _HEAD_BYTES))
        decimals = len(found[1]) if found else _FEWEST_DECIMALS
        self.price_decimals = min(max(decimals, _FEWEST_DECIMALS), QTY_DECIMALS)
        self._bad = bad
        self._orders = LiveOrders()

    def parts(self) -> Iterator[Part]:
        """Read from the start, as ``Recording.parts``."""
        self._bad.reset()
        self._orders = LiveOrders()
        parser = LineParser(self.path, self.price_decimals)
        latest_ns = 0
        held: Part | None = None
        for block in unpacked.blocks(self.path, unpacked.BLOCK_BYTES):
            lines = parser.read(block, self._bad)
            changes = self._orders.messages(lines.orders)
            together = np.concatenate([changes, _trade_messages(lines.trades)])
            messages = together[np.argsort(together["place"], kind="stable")]
            if len(messages):
                # The clock of whoever recorded may have been set back.
                times = np.maximum.accumulate(messages["timestamp_ns"])
                messages["timestamp_ns"] = np.maximum(times, latest_ns)
                latest_ns = int(messages["timestamp_ns"][-1])
            depth = None
            if len(lines.books):
                after = np.searchsorted(messages["place"], lines.book_lines)
                depth = DepthRows(after, lines.books, False)
            part = Part(messages, block.position, depth)
            if held is not None:
                held, part = _with_books_after(held, part)
                if len(part.messages):
                    yield held
                else:  # more books may follow
                    part = held
            held = part
        if held is not None:
            yield held

    def remarks(self) -> list[str]:
        """What was passed over, and what could not be read."""
        return self._orders.remarks() + self._bad.remarks()


def _with_books_after(held: Part, part: Part) -> tuple[Part, Part]:
    """Both parts; a book that stands before all messages of the second goes to the first, for
    it shows what the last message there did."""
    depth = part.depth
    count = len(held.messages)
    if depth is None or (not count and len(part.messages)):
        return held, part
    early = depth.after == 0
    now = DepthRows(depth.after[early] + count, depth.levels[early], False)
    later = DepthRows(depth.after[~early], depth.levels[~early], False)
    if held.depth is not None:
        now = DepthRows(
            np.concatenate([held.depth.after, now.after]),
            np.concatenate([held.depth.levels, now.levels]),
            False,
        )
    return held._replace(depth=now, position=part.position), part._replace(depth=later)


def _trade_messages(trades: Records) -> Messages:
    messages = np.zeros(len(trades), dtype=MESSAGE_DTYPE)
    messages["timestamp_ns"] = trades["time_ms"] * 1_000_000
    messages["price_ticks"] = trades["price_ticks"]
    messages["qty_lots"] = trades["qty_lots"]
    messages["leaves_lots"] = UNKNOWN
    messages["place"] = trades["line"]
    messages["action"] = Action.TRADE
    messages["side"] = Side.NONE
    messages["flags"] = Flag.LAST
    return messages


FORMAT = Format("bitstamp", "Bitstamp live-order log (time, kind, JSON)", recognises, Bitstamp)
