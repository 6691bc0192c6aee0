"""What Databento makes of a CME feed: mbo records that begin with a snapshot of the book.

All records of a transaction share ``ts_event``, the last carries F_LAST. First T rows, one for each
price, with the id of the aggressor, each followed by F rows of what it hit; if the
aggressor rested (it was replaced into a cross) also by an F row of its own. Then what is
left of it (A or M; C if an order that rested is used up), then C and M of the resting
orders, an M also for the next slice of an iceberg, and last what self-match prevention
took out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from tests.oracle.codes import Side

from .market import Fill, Happening, Manners, Session
from .published import Published

TICK = 250_000_000
"""A quarter of an index point in units of 1e-9."""
MANNERS = Manners(markets=("ESH4",), icebergs=True, prevents=True)
LAST, SNAPSHOT = 128, 32
HEADER = "ts_recv,ts_event,action,side,price,size,order_id,flags,sequence"


@dataclass
class Rows:
    """The rows of the file."""

    published: Published = field(default_factory=Published)
    lines: list[str] = field(default_factory=list)
    of: list[int] = field(default_factory=list)
    """For each row which happening it tells of; -1 for the snapshot."""
    number: int = -1
    sequence: int = 100
    _event: list[tuple[str, str, int, int, int]] = field(default_factory=list)

    def say(self, action: str, side: str, price: int, lots: int, order_id: int) -> None:
        """A record of the present transaction."""
        self._event.append((action, side, price, lots, order_id))

    def end(self, time_ns: int) -> None:
        """Write the records of the transaction, the last with F_LAST."""
        for at, (action, side, price, lots, order_id) in enumerate(self._event):
            flags = LAST if at == len(self._event) - 1 else 0
            self._write(time_ns, action, side, price, lots, order_id, flags)
        self._event.clear()
        self.sequence += 1

    def snapshot(self, session: Session) -> None:
        """The book before, level by level, each in the order of its queue."""
        standing = session.standing_before[0]
        for side, order_id, price, lots in standing:
            self.published.add(order_id, side, price, lots)
            # The times at which the orders came do not ascend.
            self._write(order_id % 977, "A", _side(side), price, lots, order_id, SNAPSHOT | 8)
        if standing:
            before, _, flags = self.lines[-1].rpartition(f",{SNAPSHOT | 8},")
            self.lines[-1] = f"{before},{SNAPSHOT | 8 | LAST},{flags}"

    def _write(
        self, time_ns: int, action: str, side: str, price: int, lots: int, order_id: int, flags: int
    ) -> None:
        received = self.sequence if flags & SNAPSHOT else time_ns + 100
        whole, rest = divmod(price * TICK, 10**9)
        self.lines.append(
            f"{received},{time_ns},{action},{side},{whole}.{rest:09d},{lots},{order_id},{flags},"
            f"{self.sequence}"
        )
        self.of.append(self.number)

    def write(self, folder: Path, skip: int = 0) -> Path:
        """The file, without its first records if it shall start inside the day."""
        path = folder / "ESH4.mbo.csv"
        path.write_text("\n".join([HEADER, *self.lines[skip:]]) + "\n")
        return path


def record(session: Session) -> Rows:
    """The rows that tell of a session of one market."""
    rows = Rows()
    rows.snapshot(session)
    for at, one in enumerate(session.happened):
        rows.number = at
        _tell(rows, one)
        rows.end(one.time_ns)
    assert rows.published.agrees_with(session.markets[0])
    return rows


def _tell(rows: Rows, one: Happening) -> None:
    book, own = rows.published, _side(one.side)
    if one.kind == "uncross":
        _auction(rows, one)
        return
    if one.kind == "cancel":
        book.shrink(one.order_id, one.old_lots)
        rows.say("C", own, one.old_ticks, one.old_lots, one.order_id)
        return
    if one.kind == "reduce":
        if one.order_id % 2:
            rows.say("C", own, one.old_ticks, one.qty_lots, one.order_id)
        else:
            rows.say("M", own, one.old_ticks, one.old_lots - one.qty_lots, one.order_id)
        book.shrink(one.order_id, one.qty_lots)
        return
    rested = one.kind == "replace"
    for price, fills in groupby(one.fills, key=lambda fill: fill.price_ticks):
        hit = list(fills)
        traded = sum(fill.qty_lots for fill in hit)
        rows.say("T", own, price, traded, one.order_id)
        if rested:
            rows.say("F", own, price, traded, one.order_id)
        for fill in hit:
            rows.say("F", _side(1 - one.side), price, fill.qty_lots, fill.maker_id)
    if rested and one.rest_lots:
        book.change(one.order_id, one.rest_ticks, one.rest_lots)
        rows.say("M", own, one.rest_ticks, one.rest_lots, one.order_id)
    elif rested:
        book.shrink(one.order_id, one.old_lots)
        rows.say("C", own, one.old_ticks, one.old_lots, one.order_id)
    elif one.rest_lots:
        book.add(one.order_id, one.side, one.rest_ticks, one.rest_lots)
        rows.say("A", own, one.rest_ticks, one.rest_lots, one.order_id)
    _restate(rows, one.fills, _side(1 - one.side))
    for gone in one.prevented:
        left = book.lots_of(gone.order_id)
        book.shrink(gone.order_id, left)
        rows.say("C", _side(gone.side), gone.price_ticks, left, gone.order_id)


def _restate(rows: Rows, fills: list[Fill], side: str) -> None:
    """What the fills left of the resting orders, the orders in the sequence of their fills."""
    last = {fill.maker_id: fill for fill in fills}
    for order_id, fill in last.items():
        shown = fill.left_lots or fill.next_lots
        traded = sum(one.qty_lots for one in fills if one.maker_id == order_id)
        if shown:
            rows.published.change(order_id, fill.price_ticks, shown)
            rows.say("M", side, fill.price_ticks, shown, order_id)
        else:
            left = rows.published.lots_of(order_id)
            rows.published.shrink(order_id, left)
            rows.say("C", side, fill.price_ticks, min(traded, left), order_id)


def _auction(rows: Rows, one: Happening) -> None:
    """One T without a side, F rows of both sides, then what is left of each order."""
    if not one.pairs:
        return
    book = rows.published
    price = one.pairs[0].price_ticks
    rows.say("T", "N", price, sum(pair.qty_lots for pair in one.pairs), 0)
    left: dict[int, int] = {}
    for pair in one.pairs:
        rows.say("F", "N", price, pair.qty_lots, pair.bid_id)
        rows.say("F", "N", price, pair.qty_lots, pair.ask_id)
        left[pair.bid_id], left[pair.ask_id] = pair.bid_left_lots, pair.ask_left_lots
    for order_id, lots in left.items():
        limit, side = book.price_of(order_id), _side(book.side_of(order_id))
        if lots:
            book.change(order_id, limit, lots)
            rows.say("M", side, limit, lots, order_id)
        else:
            had = book.lots_of(order_id)
            book.shrink(order_id, had)
            rows.say("C", side, limit, had, order_id)


def _side(side: int) -> str:
    return "B" if side == Side.BUY else "A"
