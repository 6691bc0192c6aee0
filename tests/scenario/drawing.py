"""Scenario files: how they are cut into steps, and how a book is drawn.

A file holds scenarios. Each has a title, which states the behaviour, and steps::

    == A trade happens at the price of the resting order
    given
        |         | 101 | 3:5 4A:2+8 |
        | 1:7 2:1 |  99 |            |
    when
        buy 9 6 @ 101
    then
        accepted 9 buy 6 @ 101 left 6
        ...
    book
        ...

In a drawing, ``4A:2+8`` is order 4 of owner A with two visible and eight hidden lots, and the
first in priority stands first. Dormant orders stand below the ladder, in their order:
``rising 7:5>=105`` and ``falling 8:5<=95``. A ``given`` may mix drawings and commands;
drawn orders are placed as limit orders, best price first, at time 0. ``then`` lists the
events of the steps since the last ``then``, ``levels`` their level updates.
"""

import struct

from tests.oracle.codes import CommandKind, OrderType, Side, TradingState
from tests.oracle.records import Command, LevelUpdate
from tests.oracle.state import ORDER
from tests.scenario.wording import (
    STATES,
    id_and_owner,
    number,
    number_text,
    owner_text,
    read_command,
)

STEPS = ("given", "when", "then", "book", "levels")


def read_commands(lines: list[str]) -> list[Command]:
    """The commands of a step; a drawing becomes the commands that make it."""
    commands: list[Command] = []
    drawn: list[tuple[int, int, str]] = []
    for line in [*lines, ""]:
        if line.startswith("|"):
            buying, price, selling = (cell.strip() for cell in line.strip("|").split("|"))
            drawn += [(Side.BUY, number(price), text) for text in buying.split()]
            drawn += [(Side.SELL, number(price), text) for text in selling.split()]
            continue
        bids = [order for order in drawn if order[0] == Side.BUY]
        asks = [order for order in drawn if order[0] == Side.SELL]
        bids.sort(key=lambda order: -order[1])
        asks.sort(key=lambda order: order[1])
        commands += [drawn_order(*order) for order in bids + asks]
        drawn = []
        if line:
            commands.append(read_command(line))
    return commands


def drawn_order(side: int, price: int, text: str) -> Command:
    """The command that makes one order of a drawing."""
    who, lots = text.split(":")
    visible, _, hidden = lots.partition("+")
    order_id, owner = id_and_owner(who)
    return Command(
        kind=CommandKind.PLACE,
        order_type=OrderType.LIMIT,
        side=side,
        order_id=order_id,
        owner=owner,
        price_ticks=price,
        qty_lots=number(visible) + number(hidden or "0"),
        display_lots=number(visible) if hidden else 0,
    )


def draw_book(records: bytes, state: int) -> list[str]:
    """The drawing of a book, given its orders as ORDER_DTYPE bytes in canonical order."""
    levels: dict[int, tuple[list[str], list[str]]] = {}
    dormant: dict[str, list[str]] = {"rising": [], "falling": []}
    for record in struct.iter_unpack(ORDER, records):
        order_id, _, price, visible, hidden, _, trigger, _, owner, order_type, side = record[:11]
        is_dormant = record[14]
        who = f"{order_id}{owner_text(owner)}:{number_text(visible)}"
        if is_dormant:
            is_stop = order_type in (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)
            rises = is_stop == (side == Side.BUY)
            sign = ">=" if rises else "<="
            dormant["rising" if rises else "falling"].append(who + sign + number_text(trigger))
        else:
            who += f"+{number_text(hidden)}" if hidden else ""
            levels.setdefault(price, ([], []))[side].append(who)
    lines = []
    for price in sorted(levels, reverse=True):
        bids, asks = (" ".join(side) for side in levels[price])
        lines.append(" ".join(f"| {bids} | {number_text(price)} | {asks} |".split()))
    lines += [f"{name} {' '.join(orders)}" for name, orders in dormant.items() if orders]
    if state != TradingState.OPEN:
        lines.append("state " + {code: name for name, code in STATES.items()}[state])
    return lines or ["empty"]


def write_level(update: LevelUpdate) -> str:
    """One level update as a line."""
    side = "ask" if update.side else "bid"
    lots, price = number_text(update.qty_lots), number_text(update.price_ticks)
    return f"{side} {price} {lots} in {update.orders}"
