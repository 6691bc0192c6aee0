"""What B3 publishes of some instruments: a row for each thing that happened to an order.

A trade is two rows, one an order, behind the New or Update row of the aggressor. An order
without a price says 0 in its New row; one that is not to rest is canceled in the next row.
In a call auction the pairs stand alone and no row says who was the aggressor.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tests.oracle.codes import Side

from .market import Happening, Manners, Session
from .published import Published, published_by

TICK = 100
"""A centavo in units of 1e-4 BRL."""
MANNERS = Manners(markets=("PETR4F", "VALE5F"), unpriced=True, waiting=True, time_unit_ns=1_000)
HEADER = (
    "SessionDate,InstrumentSymbol,OrderSide,SequentialOrderNumber,SecondaryOrderID,ExecutionType,"
    "PriorityTime,PriorityIndicator,OrderPrice,TotalQuantity,TradedQuantity,OrderDatetime,"
    "OrderStatus,AgressorIndicator,Member"
)
_DAY_NS = 16_742 * 86_400 * 10**9
"""Midnight of 2015-11-03."""
_AGGRESSOR, _PASSIVE = 1, 2


@dataclass
class _Order:
    market: int
    side: int
    price: int
    total: int
    traded: int = 0


@dataclass
class Rows:
    """The rows of the file, and what the exchange knows of each order."""

    names: tuple[str, ...]
    published: list[Published]
    lines: list[str] = field(default_factory=list)
    of: list[int] = field(default_factory=list)
    """For each row which happening it tells of."""
    number: int = 0
    secondary: int = 5_000
    orders: dict[int, _Order] = field(default_factory=dict)

    def say(self, time_ns: int, kind: str, order_id: int, indicator: int = 0) -> None:
        """A row about what an order is now."""
        order = self.orders[order_id]
        self.secondary += 1
        side = "Buy" if order.side == Side.BUY else "Sell"
        whole, rest = divmod(order.price * TICK, 10_000)
        seconds, below = divmod(time_ns, 10**9)
        clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        self.lines.append(
            f"2015-11-03,{self.names[order.market]},{side},{order_id},{self.secondary},{kind},"
            f"{clock}.{below // 1_000:06d},0000000000,{whole}.{rest // 100:02d},{order.total},"
            f"{order.traded},2015-11-03 13:00:17,Any,{indicator},120"
        )
        self.of.append(self.number)

    def write(self, folder: Path, skip: int = 0) -> Path:
        """The file, without the first rows if the recording shall start inside the day."""
        path = folder / "orders.csv"
        path.write_text("\n".join([HEADER, *self.lines[skip:]]) + "\n")
        return path


def record(session: Session) -> Rows:
    """The rows that tell of a session."""
    rows = Rows(session.manners.markets, published_by(session))
    for at, standing in enumerate(session.standing_before):
        rows.published[at].start(standing)
        for side, order_id, price, lots in standing:
            rows.orders[order_id] = _Order(at, side, price, lots)
    for at, one in enumerate(session.happened):
        rows.number = at
        _tell(rows, one)
    for book, market in zip(rows.published, session.markets, strict=True):
        assert book.agrees_with(market)
    return rows


def _tell(rows: Rows, one: Happening) -> None:
    book = rows.published[one.market]
    if one.kind == "uncross":
        for pair in one.pairs:
            first, second = sorted((pair.bid_id, pair.ask_id), key=lambda order_id: order_id % 7)
            for order_id in (first, second):
                rows.orders[order_id].traded += pair.qty_lots
                book.shrink(order_id, pair.qty_lots)
                rows.say(one.time_ns, "Trade", order_id)
        return
    if one.kind in ("new", "wait"):
        rows.orders[one.order_id] = _Order(one.market, one.side, one.price_ticks, one.qty_lots)
        rows.say(one.time_ns, "New", one.order_id)
    order = rows.orders[one.order_id]
    if one.kind == "replace":
        order.price, order.total = one.price_ticks, order.traded + one.qty_lots
        rows.say(one.time_ns, "Update", one.order_id)
        book.shrink(one.order_id, one.old_lots)
    elif one.kind == "reduce":
        order.total -= one.qty_lots
        book.shrink(one.order_id, one.qty_lots)
        rows.say(one.time_ns, "Update", one.order_id)
    elif one.kind == "cancel":
        book.shrink(one.order_id, one.old_lots) if one.old_lots else None
        rows.say(one.time_ns, "Cancel", one.order_id)
    if one.kind not in ("new", "replace"):
        return
    if not order.price:
        order.price = one.rest_ticks or (one.fills[-1].price_ticks if one.fills else 0)
    for fill in one.fills:
        order.traded += fill.qty_lots
        maker = rows.orders[fill.maker_id]
        maker.traded += fill.qty_lots
        book.shrink(fill.maker_id, fill.qty_lots)
        both = [(one.order_id, _AGGRESSOR), (fill.maker_id, _PASSIVE)]
        for order_id, indicator in sorted(both, reverse=fill.maker_id % 2 == 0):
            rows.say(one.time_ns, "Trade", order_id, indicator)
    if one.cut_lots:
        rows.say(one.time_ns, "Cancel", one.order_id)
    if one.rest_lots:
        book.add(one.order_id, one.side, one.rest_ticks, one.rest_lots)


def since_1970(time_ns: int) -> int:
    """The time of a happening as the reader counts it."""
    return _DAY_NS + time_ns
