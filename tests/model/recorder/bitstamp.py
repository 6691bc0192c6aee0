"""What Bitstamp's channels send of a market: orders, trades, and 20 levels now and then."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from tests.oracle.codes import Side

from .market import Happening, Manners, Session
from .published import Level, Published

LOT = 12_345_678
"""So much of 1e-8 BTC is one lot of the market: amounts that no float holds exactly."""
MANNERS = Manners(
    markets=("btcusd",),
    reduces=False,
    replaces=False,
    cuts_short=False,
    time_unit_ns=1_000_000,
)
LEVELS = 20
_FIRST_MS = 1_430_438_400_000
_EVERY = 9
"""Requests between two snapshots."""


@dataclass
class Lines:
    """The lines of the log."""

    published: Published = field(default_factory=Published)
    lines: list[str] = field(default_factory=list)
    of: list[int] = field(default_factory=list)
    """For each line which happening it tells of."""
    number: int = 0
    trades: int = 0
    books: int = 0

    def _line(self, time_ns: int, kind: str, said: str) -> None:
        self.lines.append(f"{_FIRST_MS + time_ns // 1_000_000} {kind} {said}")
        self.of.append(self.number)

    def order(
        self, time_ns: int, what: str, order_id: int, side: int, price: int, left: int
    ) -> None:
        """A message of the order channel."""
        said = {
            "price": _price(price),
            "amount": _amount(left),
            "datetime": str(_FIRST_MS // 1_000),
            "id": order_id,
            "order_type": side,
        }
        self._line(time_ns, f"order_{what}", json.dumps(said))

    def trade(self, time_ns: int, price: int, lots: int) -> None:
        """A message of the trade channel; its numbers went through floats."""
        self.trades += 1
        amount = 0.1 * lots * LOT / 10_000_000
        said = f'{{"price": {price / 100!r}, "amount": {amount!r}, "id": {self.trades}}}'
        self._line(time_ns, "trade", said)

    def book(self, time_ns: int) -> None:
        """The best levels of each side."""
        self.books += 1
        bids, asks = self.published.levels(Side.BUY), self.published.levels(Side.SELL)
        self._line(
            time_ns, "order_book", json.dumps({"bids": _levels(bids), "asks": _levels(asks)})
        )

    def write(self, folder: Path, skip: int = 0) -> Path:
        """The file, without the first lines if the log shall start inside the day."""
        path = folder / "btcusd.log"
        path.write_text("\n".join(self.lines[skip:]) + "\n")
        return path


def record(session: Session) -> Lines:
    """The lines that tell of a session of one market."""
    lines = Lines()
    lines.published.start(session.standing_before[0])
    for at, one in enumerate(session.happened):
        lines.number = at
        _tell(lines, one)
        if at % _EVERY == _EVERY - 1:
            lines.book(one.time_ns)
    assert lines.published.agrees_with(session.markets[0])
    return lines


def _tell(lines: Lines, one: Happening) -> None:
    book = lines.published
    if one.kind == "cancel":
        book.shrink(one.order_id, one.old_lots)
        lines.order(one.time_ns, "deleted", one.order_id, one.side, one.old_ticks, one.old_lots)
        return
    lines.order(one.time_ns, "created", one.order_id, one.side, one.price_ticks, one.qty_lots)
    left = one.qty_lots
    for fill in one.fills:
        left -= fill.qty_lots
        book.shrink(fill.maker_id, fill.qty_lots)
        both = [(one.order_id, one.side, one.price_ticks, left)]
        both.append((fill.maker_id, 1 - one.side, fill.price_ticks, fill.left_lots))
        for order in both if fill.maker_id % 2 else both[::-1]:
            lines.order(one.time_ns, "changed" if order[-1] else "deleted", *order)
        lines.trade(one.time_ns, fill.price_ticks, fill.qty_lots)
    if one.rest_lots:
        book.add(one.order_id, one.side, one.rest_ticks, one.rest_lots)


def _levels(levels: list[Level]) -> list[list[str]]:
    return [[_price(price), _amount(lots)] for price, lots, _ in levels[:LEVELS]]


def _price(ticks: int) -> str:
    return f"{ticks // 100}.{ticks % 100:02d}"


def _amount(lots: int) -> str:
    return f"{lots * LOT // 10**8}.{lots * LOT % 10**8:08d}"


def since_1970(time_ns: int) -> int:
    """The time of a happening as the reader counts it."""
    return _FIRST_MS * 1_000_000 + time_ns
