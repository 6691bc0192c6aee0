"""What LOBSTER makes of a Nasdaq day: a message file, and the book after each message."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tests.oracle.codes import Side

from .market import Happening, Manners, Session
from .published import Published

NEW, REDUCTION, DELETION, EXECUTION, HIDDEN = 1, 2, 3, 4, 5
NO_LEVEL = 9_999_999_999
TICK = 100
"""A cent in units of 1e-4 USD."""

MANNERS = Manners(markets=("AAPL",), new_id=True, hidden=True)


@dataclass
class Lines:
    """Both files, line by line."""

    levels: int
    published: Published = field(default_factory=Published)
    messages: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    of: list[int] = field(default_factory=list)
    """For each line which happening it tells of."""
    number: int = 0

    def say(self, time_ns: int, kind: int, order_id: int, lots: int, price: int, side: int) -> None:
        """A message, and the row of the book after it."""
        seconds, rest = divmod(time_ns, 10**9)
        direction = 1 if side == Side.BUY else -1
        self.messages.append(
            f"{seconds}.{rest:09d},{kind},{order_id},{lots},{price * TICK},{direction}"
        )
        self.rows.append(self.row())
        self.of.append(self.number)

    def row(self) -> str:
        """Ask price, ask size, bid price, bid size of each level."""
        fields: list[int] = []
        bids, asks = self.published.levels(Side.BUY), self.published.levels(Side.SELL)
        for level in range(self.levels):
            for side, none in ((asks, NO_LEVEL), (bids, -NO_LEVEL)):
                there = level < len(side)
                fields += [side[level][0] * TICK, side[level][1]] if there else [none, 0]
        return ",".join(map(str, fields))

    def is_whole(self, at: int) -> bool:
        """Whether no aggressive order is half-way after the message."""
        last = at + 1 == len(self.of) or self.of[at + 1] != self.of[at]
        fills_follow = any(
            message.split(",")[1] == str(EXECUTION)
            for message, of in zip(self.messages[at + 1 :], self.of[at + 1 :], strict=True)
            if of == self.of[at]
        )
        return last or not fills_follow

    def write(self, folder: Path, skip: int = 0) -> Path:
        """Both files, without the first lines if the recording shall start inside the day."""
        path = folder / f"AAPL_2020-01-02_34200000_57600000_message_{self.levels}.csv"
        path.write_text("".join(f"{line}\n" for line in self.messages[skip:]))
        beside = folder / path.name.replace("message", "orderbook")
        beside.write_text("".join(f"{row}\n" for row in self.rows[skip:]))
        return path


def record(session: Session, levels: int = 5) -> Lines:
    """The lines that tell of a session of one market."""
    lines = Lines(levels)
    lines.published.start(session.standing_before[0])
    hidden = {at: one for at, one in enumerate(session.happened) if one.hidden_after >= 0}
    for at, one in enumerate(session.happened):
        lines.number = at
        if one.hidden_after < 0:
            _tell(lines, one, hidden.get(at + 1))
    assert lines.published.agrees_with(session.markets[0])
    return lines


def _tell(lines: Lines, one: Happening, hidden: Happening | None) -> None:
    book = lines.published
    if one.kind == "hidden":
        lines.say(one.time_ns, HIDDEN, 0, one.qty_lots, one.price_ticks, one.side)
    elif one.kind == "reduce":
        book.shrink(one.order_id, one.qty_lots)
        lines.say(one.time_ns, REDUCTION, one.order_id, one.qty_lots, one.old_ticks, one.side)
    elif one.kind in ("cancel", "replace"):
        book.shrink(one.old_id, one.old_lots)
        lines.say(one.time_ns, DELETION, one.old_id, one.old_lots, one.old_ticks, one.side)
    if one.kind not in ("new", "replace"):
        return
    for number, fill in enumerate(one.fills):
        if hidden is not None and hidden.hidden_after == number:
            lines.say(one.time_ns, HIDDEN, 0, hidden.qty_lots, hidden.price_ticks, hidden.side)
        book.shrink(fill.maker_id, fill.qty_lots)
        lines.say(
            one.time_ns, EXECUTION, fill.maker_id, fill.qty_lots, fill.price_ticks, 1 - one.side
        )
    if hidden is not None and hidden.hidden_after == len(one.fills):
        lines.say(one.time_ns, HIDDEN, 0, hidden.qty_lots, hidden.price_ticks, hidden.side)
    if one.rest_lots:
        book.add(one.order_id, one.side, one.rest_ticks, one.rest_lots)
        lines.say(one.time_ns, NEW, one.order_id, one.rest_lots, one.rest_ticks, one.side)
