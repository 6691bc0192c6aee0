"""A book as a ladder of prices: asks above, bids below, each level with a bar for its quantity."""

from __future__ import annotations

import os
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.text import Text

from ..enums import Side
from ..service.replay.book_view import MOST_ORDERS, BookView
from ..service.replay.clock import time_text
from .amounts import Amounts

PLAIN_WIDTH = 80
"""How wide a ladder is where no terminal says how wide it could be."""

_WIDEST = 120
_EIGHTHS = " ▏▎▍▌▋▊▉"
_STYLES = {Side.SELL: "red", Side.BUY: "green"}
_HEADINGS = ("    price", "quantity", "orders", "cumulative")

_Records = npt.NDArray[np.void]


class LadderStyle:
    """What the place where ladders go can show."""

    def __init__(self, console: Console) -> None:
        self.width = min(console.width, _WIDEST) if console.is_terminal else PLAIN_WIDTH
        self.plain = (
            not console.is_terminal
            or "NO_COLOR" in os.environ
            or not console.encoding.lower().startswith("utf")
        )
        """Whether only ASCII is drawn."""


def ladder(view: BookView, style: LadderStyle, note: str = "") -> Text:
    """The ladder, ready to print; ``note`` stands in a line below the heading."""
    amounts = _amounts(view)
    rows = [_row(amounts, level, below) for level, below in _with_sums(view.asks)][::-1]
    split = len(rows)
    rows += [_row(amounts, level, below) for level, below in _with_sums(view.bids)]
    widths = [
        max([len(heading), *(len(row[at]) for row in rows)]) for at, heading in enumerate(_HEADINGS)
    ]
    lines = _heading(view, amounts, style.width)
    if note:
        lines.append(Text(note, style="yellow"))
    lines.append(Text())
    lines.append(Text(_columns(_HEADINGS, widths), style="dim"))
    room = style.width - len(_columns(_HEADINGS, widths)) - 2
    longest = int(max(view.bids["qty_lots"].max(initial=1), view.asks["qty_lots"].max(initial=1)))
    quantities = [*view.asks["qty_lots"].tolist()[::-1], *view.bids["qty_lots"].tolist()]
    for at, (row, lots) in enumerate(zip(rows, quantities, strict=True)):
        if at == split:
            lines.append(_middle(view, amounts, style))
        side = Side.SELL if at < split else Side.BUY
        bar = _bar(lots, longest, room, plain=style.plain)
        line = Text(_columns(row, widths) + "  ")
        lines.append(line.append(bar, style=_STYLES[side]))
    if split == len(rows):
        lines.append(_middle(view, amounts, style))
    if view.orders is not None:
        lines += [Text(), *_order_lines(view, amounts, style)]
    return Text("\n").join(_cut(line, style.width) for line in lines)


def _amounts(view: BookView) -> Amounts:
    prices = [*view.bids["price_ticks"].tolist(), *view.asks["price_ticks"].tolist()]
    sizes = [*view.bids["qty_lots"].tolist(), *view.asks["qty_lots"].tolist()]
    if view.last_trade is not None:
        prices.append(view.last_trade.price_ticks)
        sizes.append(view.last_trade.qty_lots)
    return Amounts(prices, sizes, view.price_decimals, view.qty_decimals)


def _row(amounts: Amounts, level: np.void, sum_lots: int) -> tuple[str, ...]:
    """The text of one level."""
    return (
        amounts.price(int(level["price_ticks"])),
        amounts.quantity(int(level["qty_lots"])),
        f"{int(level['orders']):,}",
        amounts.quantity(sum_lots),
    )


def _with_sums(levels: _Records) -> list[tuple[np.void, int]]:
    """Each level with the quantity up to and with it. Python integers: they cannot overflow."""
    total, found = 0, []
    for level in levels:
        total += int(level["qty_lots"])
        found.append((level, total))
    return found


def _heading(view: BookView, amounts: Amounts, width: int) -> list[Text]:
    moment = "no time yet" if view.time_ns is None else time_text(view.time_ns).replace("T", " ")
    if view.time_ns is None and view.records:
        moment = "the starting book"
    moment += f"  after {view.records:,} records"
    if view.ended:
        moment += " (all)"
    name = f"market {view.market}" if view.market.isdigit() else view.market or "no market"
    room = max(width - len(moment) - 2, 12)
    title = Text(name if len(name) <= room else f"{name[: room - 3]}...", style="bold")
    title.append(f"  {moment}", style="not bold")
    levels = f"{view.bid_levels:,} bid and {view.ask_levels:,} ask levels"
    second = f"{view.open_orders:,} open orders, {levels}"
    if view.last_trade is not None:
        trade = view.last_trade
        second += f", last {amounts.price(trade.price_ticks)} x {amounts.quantity(trade.qty_lots)}"
    return [title, Text(second)]


def _columns(cells: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))


def _middle(view: BookView, amounts: Amounts, style: LadderStyle) -> Text:
    dash = "-" if style.plain else "─"
    spread, mid = view.spread_ticks, view.mid_ticks
    if not len(view.asks) and not len(view.bids):
        said = " no orders "
    elif spread is None or mid is None:
        said = " no bids " if len(view.asks) else " no asks "
    else:
        crossed = ", crossed" if spread < 0 else ""
        said = f" spread {amounts.mid(Fraction(spread))}, mid {amounts.mid(mid)}{crossed} "
    return Text(f"{dash * 2}{said}".ljust(style.width, dash), style="cyan")


def _bar(lots: int, longest: int, room: int, *, plain: bool) -> str:
    """A bar that is ``room`` characters long for the longest; each quantity shows."""
    if plain:
        return "#" * max(lots * room // longest, 1)
    whole, eighths = divmod(max(lots * room * 8 // longest, 1), 8)
    return "█" * whole + _EIGHTHS[eighths].strip()


def _order_lines(view: BookView, amounts: Amounts, style: LadderStyle) -> list[Text]:
    """The first orders of each side, each level a line or more: quantity and id, best first."""
    assert view.orders is not None
    lines = [Text(f"the first {MOST_ORDERS} orders of each side, as they queue", style="dim")]
    for side, name in ((Side.SELL, "ask"), (Side.BUY, "bid")):
        orders = view.orders[view.orders["side"] == side]
        for price in dict.fromkeys(orders["price_ticks"].tolist()):
            start = f"{name} {amounts.price(price)}: "
            line = start
            for order in orders[orders["price_ticks"] == price]:
                said = f"{amounts.quantity(int(order['visible_lots']))} (#{order['order_id']})"
                if len(line) + len(said) + 2 > style.width and line.strip():
                    lines.append(Text(line.rstrip(), style=_STYLES[side]))
                    line = " " * len(start)
                line += said + "  "
            lines.append(Text(line.rstrip(), style=_STYLES[side]))
    return lines


def _cut(line: Text, width: int) -> Text:
    line.truncate(width, overflow="crop")
    line.rstrip()
    return line
