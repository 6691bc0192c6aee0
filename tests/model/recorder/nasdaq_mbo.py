"""What Databento makes of a Nasdaq feed: mbo records and the ten best levels beside them.

An execution is T (side of the aggressor, no id), F and C of the resting order, all with
one sequence number and each with F_LAST. A row of the levels shows the book after a record
that changed them; that of a T the book after the C, with the side of the resting order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tests.oracle.codes import Side

from .market import Happening, Manners, Session
from .published import Level, Published

TICK = 10**7
"""A cent in units of 1e-9 USD."""
MANNERS = Manners(markets=("ARL",), new_id=True, hidden=True)
LEVELS = 10
LAST = 130
HEADER = (
    "ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,price,size,channel_id,"
    "order_id,flags,ts_in_delta,sequence,symbol"
)
_DAY_NS = 1_752_710_400_000_000_000
"""Midnight of 2025-07-17."""


@dataclass
class Rows:
    """The rows of both files."""

    published: Published = field(default_factory=Published)
    mbo: list[str] = field(default_factory=list)
    mbp: list[str] = field(default_factory=list)
    of: list[int] = field(default_factory=list)
    """For each row of ``mbo`` which happening it tells of."""
    number: int = 0
    sequence: int = 100

    def say(
        self,
        time_ns: int,
        action: str,
        side: str,
        price: int,
        lots: int,
        order_id: int,
        flags: int = LAST,
    ) -> None:
        """A record of the mbo file."""
        at = _moment(time_ns)
        self.mbo.append(
            f"{at},{at},160,2,1108,{action},{side},{_price(price)},{lots},0,"
            f"{order_id},{flags},0,{self.sequence},ARL"
        )
        self.of.append(self.number)

    def show(self, time_ns: int, action: str, side: str, price: int, lots: int) -> None:
        """A row of the best levels, if the record was about one of them."""
        at, levels = _moment(time_ns), []
        bids, asks = self.published.levels(Side.BUY), self.published.levels(Side.SELL)
        for level in range(LEVELS):
            levels += [*_shown(bids, level), *_shown(asks, level)]
        fields = f"10,2,1108,{action},{side},0,{_price(price)},{lots},{LAST},0,{self.sequence}"
        self.mbp.append(f"{at},{at},{fields},{','.join(levels)},ARL")

    def write(self, folder: Path, skip: int = 0) -> Path:
        """Both files, the first without its first records if it shall start inside the day."""
        path = folder / "ARL_XNAS_mbo.csv"
        path.write_text("\n".join([HEADER, *self.mbo[skip:]]) + "\n")
        columns = [
            f"{side}_{what}_{level:02d}"
            for level in range(LEVELS)
            for side in ("bid", "ask")
            for what in ("px", "sz", "ct")
        ]
        head = (
            "ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,depth,price,size,"
            f"flags,ts_in_delta,sequence,{','.join(columns)},symbol"
        )
        (folder / "ARL_XNAS_mbp10.csv").write_text("\n".join([head, *self.mbp]) + "\n")
        return path


def record(session: Session) -> Rows:
    """The rows that tell of a session of one market, from an empty book on."""
    rows = Rows()
    rows.say(1, "R", "N", 0, 0, 0, 8)
    rows.show(1, "R", "N", 0, 0)
    hidden = {at: one for at, one in enumerate(session.happened) if one.hidden_after >= 0}
    for at, one in enumerate(session.happened):
        rows.number = at
        rows.sequence += 3
        if one.hidden_after < 0:
            _tell(rows, one, hidden.get(at + 1))
    assert rows.published.agrees_with(session.markets[0])
    return rows


def _tell(rows: Rows, one: Happening, hidden: Happening | None) -> None:
    book, own = rows.published, _side(one.side)
    if one.kind == "hidden":
        rows.say(one.time_ns, "T", "N", one.price_ticks, one.qty_lots, 0)
    elif one.kind in ("cancel", "reduce", "replace"):
        lots = one.qty_lots if one.kind == "reduce" else one.old_lots
        seen = _in_view(book.levels(one.side), one.old_ticks)
        book.shrink(one.old_id, lots)
        replaced = one.kind == "replace" and not one.fills
        flags = 2 if replaced else LAST
        rows.say(one.time_ns, "C", own, one.old_ticks, lots, one.old_id, flags)
        if seen:
            rows.show(one.time_ns, "C", own, one.old_ticks, lots)
    if one.kind not in ("new", "replace"):
        return
    for number, fill in enumerate(one.fills):
        if hidden is not None and hidden.hidden_after == number:
            rows.sequence += 1
            rows.say(one.time_ns, "T", "N", hidden.price_ticks, hidden.qty_lots, 0)
        rows.sequence += 1
        other = _side(1 - one.side)
        book.shrink(fill.maker_id, fill.qty_lots)
        rows.say(one.time_ns, "T", own, fill.price_ticks, fill.qty_lots, 0)
        rows.say(one.time_ns, "F", other, fill.price_ticks, fill.qty_lots, fill.maker_id)
        rows.say(one.time_ns, "C", other, fill.price_ticks, fill.qty_lots, fill.maker_id)
        rows.show(one.time_ns, "T", other, fill.price_ticks, fill.qty_lots)
    if hidden is not None and hidden.hidden_after == len(one.fills):
        rows.sequence += 1
        rows.say(one.time_ns, "T", "N", hidden.price_ticks, hidden.qty_lots, 0)
    if one.rest_lots:
        rows.sequence += bool(one.fills)
        book.add(one.order_id, one.side, one.rest_ticks, one.rest_lots)
        rows.say(one.time_ns, "A", own, one.rest_ticks, one.rest_lots, one.order_id)
        if _in_view(book.levels(one.side), one.rest_ticks):
            rows.show(one.time_ns, "A", own, one.rest_ticks, one.rest_lots)


def _in_view(levels: list[Level], price: int) -> bool:
    return any(level[0] == price for level in levels[:LEVELS])


def _shown(levels: list[Level], level: int) -> list[str]:
    if level >= len(levels):
        return ["", "0", "0"]
    price, lots, count = levels[level]
    return [_price(price), str(lots), str(count)]


def _price(ticks: int) -> str:
    """Dollars with nine decimals."""
    whole, rest = divmod(ticks * TICK, 10**9)
    return f"{whole}.{rest:09d}" if ticks else ""


def _side(side: int) -> str:
    return "B" if side == Side.BUY else "A"


def _moment(time_ns: int) -> str:
    seconds, rest = divmod(time_ns, 10**9)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"2025-07-17T{hour:02d}:{minute:02d}:{second:02d}.{rest:09d}Z"


def since_1970(time_ns: int) -> int:
    """The time of a happening as the reader counts it."""
    return _DAY_NS + time_ns
