"""What a replay must find: trades and books in the units of a recording."""

from __future__ import annotations

from typing import NamedTuple

from .market import Happening, Session


class Trade(NamedTuple):
    """One trade that an incoming order made."""

    time_ns: int
    side: int
    maker_id: int
    price_ticks: int
    qty_lots: int


def trades(
    session: Session, market: int, *, tick: int = 1, lot: int = 1, skip: int = 0
) -> list[Trade]:
    """All trades of aggressive orders in a market, in order."""
    return [
        Trade(one.time_ns, one.side, fill.maker_id, fill.price_ticks * tick, fill.qty_lots * lot)
        for one in session.happened[skip:]
        if one.market == market
        for fill in one.fills
    ]


def aggressive(session: Session, market: int | None = None) -> list[Happening]:
    """The requests that traded on arrival."""
    return [
        one for one in session.happened if one.fills and (market is None or one.market == market)
    ]


def told_apart(session: Session, market: int) -> int:
    """How many aggressive orders can be told apart where only what they hit is published.

    Two in a row with one time and side look like one, unless the second goes on with the
    order that the first one left off at.
    """
    count = 0
    before: Happening | None = None
    for one in session.of(market):
        if one.kind == "hidden" or (one.kind == "new" and not one.fills and not one.rest_lots):
            continue  # nothing that would part two runs of executions
        merged = (
            one.fills
            and before is not None
            and before.time_ns == one.time_ns
            and before.side == one.side
            and before.fills[-1].maker_id != one.fills[0].maker_id
        )
        if one.fills:
            count += not merged
        # What rests afterwards, or was canceled to be replaced, parts them.
        before = one if one.fills and not one.rest_lots else None
        if one.kind == "replace" and one.fills and merged:
            count += 1
    return count
