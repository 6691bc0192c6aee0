"""A short way for the most frequent small step: one message that only changes a queue.

An agent that is asked after each record makes a step of each record. Of ten records nine are a
new order, a change or a cancel; for those the engine and the recorded book get the same one
command, and there is nothing to group, to part or to look for.
"""

from __future__ import annotations

import numpy as np

from ..._book import OrderBook
from ...enums import EventKind, Side
from .engine import Engine
from .incoming import Chunk
from .lanes import LaneSettings, Step, depth_points, samples_of
from .messages import Action, Flag, Messages
from .rebuild import rebuild_commands

_ACTIONS = frozenset(map(int, (Action.ADD, Action.REDUCE, Action.CANCEL, Action.REPLACE)))
_COMES = (int(Action.ADD), int(Action.REPLACE))
_FLAGS = frozenset((int(Flag.LAST), int(Flag.LAST | Flag.SNAPSHOT)))
_TRADE = int(EventKind.TRADE)


def is_plain(chunk: Chunk) -> bool:
    """Whether the chunk is one whole event of one message that executes nothing."""
    messages = chunk.messages
    return (
        len(messages) == 1
        and int(messages["action"][0]) in _ACTIONS
        and int(messages["flags"][0]) in _FLAGS
        and not len(chunk.rows.after)
    )


def may_cross(messages: Messages, recorded: OrderBook) -> bool:
    """Whether the order of a plain message could cross the recorded book: then it may begin a
    call auction, or ``recorded`` is crossed already."""
    if messages["action"][0] not in _COMES:
        return False
    top, price_ticks = recorded.top(), int(messages["price_ticks"][0])
    if messages["side"][0] == Side.BUY:
        return top.ask_ticks is not None and price_ticks >= top.ask_ticks
    return top.bid_ticks is not None and price_ticks <= top.bid_ticks


def run_plain(
    chunk: Chunk, engine: Engine, recorded: OrderBook, settings: LaneSettings, *, by_id: bool
) -> tuple[Step, int]:
    """Put a plain chunk through both books; the step, and how many trades the engine made."""
    messages = chunk.messages
    commands, _ = rebuild_commands(messages, by_id=by_id)
    recorded.process(commands)
    points, levels = depth_points(chunk, settings.levels)
    events, depth = engine.run(commands, points, levels)
    if by_id:
        events["timestamp_ns"] = messages["timestamp_ns"][0]
    step = Step(
        settings.market,
        messages,
        commands,
        events,
        messages["place"],
        samples_of(chunk, points, depth, settings.levels),
    )
    return step, int(np.count_nonzero(events["kind"] == _TRADE))
