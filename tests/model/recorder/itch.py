"""What Nasdaq publishes of some stocks: TotalView-ITCH 5.0, messages behind their lengths."""

from __future__ import annotations

import struct

from tests.oracle.codes import Side

from .market import Happening, Manners, Session
from .published import Published, published_by

TICK = 100
"""A cent in units of 1e-4 USD."""
MANNERS = Manners(markets=("ALC", "BOB", "CHAR"), new_id=True, hidden=True)


def record(session: Session) -> list[tuple[int, bytes]]:
    """The messages, each with the number of the happening that it tells of."""
    books = published_by(session)
    said: list[tuple[int, bytes]] = [(-1, _heading("S", 0, 1) + b"O")]
    for at, name in enumerate(session.manners.markets):
        said.append((-1, _heading("R", at + 1, 2) + _stock(name) + b"N" * 20))
    hidden = {at: one for at, one in enumerate(session.happened) if one.hidden_after >= 0}
    for at, one in enumerate(session.happened):
        if one.hidden_after < 0:
            name = session.manners.markets[one.market]
            told = _tell(one, books[one.market], name, hidden.get(at + 1))
            said += [(at, message) for message in told]
    for book, market in zip(books, session.markets, strict=True):
        assert book.agrees_with(market)
    return said


def framed(messages: list[bytes], *, announced: bool = True) -> bytes:
    """Each message behind its length, or behind two zero bytes."""
    return b"".join(
        (len(message) if announced else 0).to_bytes(2, "big") + message for message in messages
    )


def _tell(one: Happening, book: Published, name: str, hidden: Happening | None) -> list[bytes]:
    def head(kind: str) -> bytes:
        return _heading(kind, one.market + 1, one.time_ns)

    def off_book(trade: Happening) -> bytes:
        body = struct.pack(
            ">QcI8sIQ",
            0,
            _side(trade.side),
            trade.qty_lots,
            _stock(name),
            trade.price_ticks * TICK,
            9,
        )
        return head("P") + body

    if one.kind == "hidden":
        return [off_book(one)]
    if one.kind == "reduce":
        book.shrink(one.order_id, one.qty_lots)
        return [head("X") + struct.pack(">QI", one.order_id, one.qty_lots)]
    if one.kind == "cancel":
        book.shrink(one.order_id, one.old_lots)
        return [head("D") + struct.pack(">Q", one.order_id)]
    said = []
    if one.kind == "replace":
        book.shrink(one.old_id, one.old_lots)
        if not one.fills:
            book.add(one.order_id, one.side, one.rest_ticks, one.rest_lots)
            price = one.rest_ticks * TICK
            return [
                head("U") + struct.pack(">QQII", one.old_id, one.order_id, one.rest_lots, price)
            ]
        said.append(head("D") + struct.pack(">Q", one.old_id))
    for number, fill in enumerate(one.fills):
        if hidden is not None and hidden.hidden_after == number:
            said.append(off_book(hidden))
        book.shrink(fill.maker_id, fill.qty_lots)
        if fill.maker_id % 3:
            said.append(head("E") + struct.pack(">QIQ", fill.maker_id, fill.qty_lots, 7))
        else:
            body = (fill.maker_id, fill.qty_lots, 7, b"Y", fill.price_ticks * TICK)
            said.append(head("C") + struct.pack(">QIQcI", *body))
    if hidden is not None and hidden.hidden_after == len(one.fills):
        said.append(off_book(hidden))
    if one.rest_lots:
        book.add(one.order_id, one.side, one.rest_ticks, one.rest_lots)
        body = struct.pack(
            ">QcI8sI",
            one.order_id,
            _side(one.side),
            one.rest_lots,
            _stock(name),
            one.rest_ticks * TICK,
        )
        named = one.order_id % 5 == 0
        said.append(head("F" if named else "A") + body + (b"MAKR" if named else b""))
    return said


def _heading(kind: str, locate: int, time_ns: int) -> bytes:
    return struct.pack(">cHH", kind.encode(), locate, 0) + time_ns.to_bytes(6, "big")


def _side(side: int) -> bytes:
    return b"B" if side == Side.BUY else b"S"


def _stock(name: str) -> bytes:
    return name.encode().ljust(8)
