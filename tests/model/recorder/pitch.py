"""What Cboe publishes of some stocks: PITCH, lines of fixed width with ids of base 36."""

from __future__ import annotations

from tests.oracle.codes import Side

from .market import Happening, Manners, Session
from .published import Published, published_by

TICK = 100
"""A cent in units of 1e-4 USD."""
MANNERS = Manners(markets=("ALC", "BOB", "CHAR"), new_id=True, hidden=True, time_unit_ns=1_000_000)
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def record(session: Session) -> list[str]:
    """The lines that tell of a session."""
    return [line for _, line in record_with_numbers(session)]


def record_with_numbers(session: Session) -> list[tuple[int, str]]:
    """The lines, each with the number of the happening that it tells of."""
    books = published_by(session)
    lines: list[tuple[int, str]] = []
    hidden = {at: one for at, one in enumerate(session.happened) if one.hidden_after >= 0}
    for at, one in enumerate(session.happened):
        if one.hidden_after < 0:
            name = session.manners.markets[one.market]
            said = _tell(one, books[one.market], name, hidden.get(at + 1))
            lines += [(at, f"S{one.time_ns // 1_000_000:08d}{line}") for line in said]
    for book, market in zip(books, session.markets, strict=True):
        assert book.agrees_with(market)
    return lines


def _tell(one: Happening, book: Published, name: str, hidden: Happening | None) -> list[str]:
    symbol = name.ljust(6)

    def off_book(trade: Happening) -> str:
        price = trade.price_ticks * TICK
        side = _side(trade.side)
        return f"P{_id(0)}{side}{trade.qty_lots:06d}{symbol}{price:010d}{_id(9)}"

    if one.kind == "hidden":
        return [off_book(one)]
    said = []
    if one.kind == "reduce":
        book.shrink(one.order_id, one.qty_lots)
        return [f"X{_id(one.order_id)}{one.qty_lots:06d}"]
    if one.kind in ("cancel", "replace"):
        book.shrink(one.old_id, one.old_lots)
        said.append(f"X{_id(one.old_id)}{one.old_lots:06d}")
        if one.kind == "cancel":
            return said
    for number, fill in enumerate(one.fills):
        if hidden is not None and hidden.hidden_after == number:
            said.append(off_book(hidden))
        book.shrink(fill.maker_id, fill.qty_lots)
        said.append(f"E{_id(fill.maker_id)}{fill.qty_lots:06d}{_id(7)}")
    if hidden is not None and hidden.hidden_after == len(one.fills):
        said.append(off_book(hidden))
    if one.rest_lots:
        book.add(one.order_id, one.side, one.rest_ticks, one.rest_lots)
        price = one.rest_ticks * TICK
        order, side = _id(one.order_id), _side(one.side)
        if one.order_id % 4:
            said.append(f"A{order}{side}{one.rest_lots:06d}{symbol}{price:010d}Y")
        else:
            said.append(f"d{order}{side}{one.rest_lots:06d}{name.ljust(8)}{price:010d}YMAKR")
    return said


def _id(number: int) -> str:
    text = ""
    for _ in range(12):
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text


def _side(side: int) -> str:
    return "B" if side == Side.BUY else "S"
