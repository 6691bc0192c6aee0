"""Recordings made of generated flow, so that readers and modes can be measured without data.

The flow of ``nextrade.generate`` goes through a book; what the book answers is written as
the exchange that ran this book would have published it, in NASDAQ's ITCH 5.0: A for what
rests, E for each fill of a resting order, X and D for what leaves. Aggressive orders are
not shown, as in the real feed, and nothing is random.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nextrade import OrderBook, generate
from nextrade.enums import EventKind, Side
from nextrade.service.replay.messages import MESSAGE_DTYPE, Action

__all__ = [
    "LENGTHS",
    "closed",
    "itch_bytes",
    "messages_of_flow",
    "repeated",
    "spread_over_markets",
    "write_itch",
]

Messages = npt.NDArray[np.void]

_LETTERS = {Action.ADD: "A", Action.FILL: "E", Action.REDUCE: "X", Action.CANCEL: "D"}
LENGTHS = {"A": 36, "E": 31, "X": 23, "D": 19}
"""Bytes of each message that is written, without the two of its length."""

_LAYOUTS = {
    "A": [("id", ">u8"), ("side", "S1"), ("lots", ">u4"), ("stock", "S8"), ("price", ">u4")],
    "E": [("id", ">u8"), ("lots", ">u4"), ("match", ">u8")],
    "X": [("id", ">u8"), ("lots", ">u4")],
    "D": [("id", ">u8")],
}
_HEADING = [
    ("length", ">u2"),
    ("type", "S1"),
    ("locate", ">u2"),
    ("tracking", ">u2"),
    ("time_high", ">u2"),
    ("time_low", ">u4"),
]
_CHUNK = 1 << 18
_DAY_NS = 86_400 * 10**9


def messages_of_flow(model: str, commands: int, seed: int = 1) -> Messages:
    """What a feed would tell of a generated flow, as records of the replay."""
    flow = generate(model, commands, seed=seed)
    # A feed of shown, continuous trading: what else the model sends is left out.
    plain = flow[(flow["kind"] <= 4) & (flow["order_type"] <= 1)].copy()
    plain["display_lots"] = 0
    events = OrderBook().process(plain)
    kinds = events["kind"]
    trades = kinds == EventKind.TRADE
    comes = (kinds == EventKind.ACCEPTED) | (kinds == EventKind.REPLACED)
    leaves = (kinds == EventKind.CANCELED) | (kinds == EventKind.REPLACED)
    # An order that comes rests with what its last trade left, if the book cancels none of it.
    last_of_command = np.append(events["command"][1:] != events["command"][:-1], True)
    rest = last_of_command & (comes | (trades & (events["leaves_lots"] > 0)))
    rested = np.unique(events["order_id"][rest])
    parts: list[Messages] = []
    for rows, action, name in (
        (leaves, Action.CANCEL, "order_id"),
        (trades, Action.FILL, "maker_id"),
        (kinds == EventKind.REDUCED, Action.REDUCE, "order_id"),
        (rest, Action.ADD, "order_id"),
    ):
        at = np.flatnonzero(rows)
        made = np.zeros(len(at), dtype=MESSAGE_DTYPE)
        made["action"] = action
        made["order_id"] = events[name][at]
        for field in ("timestamp_ns", "price_ticks"):
            made[field] = events[field][at]
        made["qty_lots"] = events["leaves_lots" if action == Action.ADD else "qty_lots"][at]
        made["side"] = events["side"][at]
        made["place"] = at * 4 + len(parts)
        if action == Action.CANCEL:
            # What never rested left unseen.
            made = made[np.isin(made["order_id"], rested)]
        parts.append(made)
    together = np.concatenate(parts)
    return _only_open(together[np.argsort(together["place"], kind="stable")])


def _only_open(messages: Messages) -> Messages:
    """Without what names an order that is not open in the feed: it came and left unseen."""
    order = np.argsort(messages["order_id"], kind="stable")
    ids, actions = messages["order_id"][order], messages["action"][order]
    starts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1]))
    group = np.cumsum(np.append(True, ids[1:] != ids[:-1])) - 1
    # An order is open from its ADD until its CANCEL; one that is added twice is replaced.
    is_add = (actions == Action.ADD).astype(np.int64)
    adds = np.cumsum(is_add)
    adds -= (adds[starts] - is_add[starts])[group]
    is_cancel = (actions == Action.CANCEL).astype(np.int64)
    cancels = np.cumsum(is_cancel) - is_cancel
    cancels -= cancels[starts][group]
    keep = (adds > cancels) | (is_add == 1)
    kept = np.zeros(len(messages), dtype=np.bool_)
    kept[order] = keep
    return messages[kept]


def spread_over_markets(messages: Messages, markets: int) -> Messages:
    """The same orders dealt out to many markets by their ids, a few busy and most quiet."""
    dealt = messages.copy()
    share = (dealt["order_id"] * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(40)) / (1 << 24)
    dealt["market"] = (share**2 * markets).astype(np.uint32)
    return dealt


def closed(messages: Messages) -> Messages:
    """The messages, and at the end a CANCEL of every order that they leave open."""
    order = np.argsort(messages["order_id"], kind="stable")
    named = messages[order]
    ids, first = np.unique(named["order_id"], return_index=True)
    takes = np.isin(named["action"], (Action.FILL, Action.REDUCE))
    signed = np.where(takes, -named["qty_lots"], 0)
    signed += np.where(named["action"] == Action.ADD, named["qty_lots"], 0)
    # What was canceled took all that was left with it.
    is_last = np.append(first[1:], len(named)) - 1
    left = np.add.reduceat(_since_last_add(named, signed, first), first)
    still = (named["action"][is_last] != Action.CANCEL) & (left > 0)
    ends = np.zeros(int(np.count_nonzero(still)), dtype=MESSAGE_DTYPE)
    ends["action"], ends["order_id"] = Action.CANCEL, ids[still]
    ends["timestamp_ns"] = messages["timestamp_ns"].max()
    ends["market"] = named["market"][is_last[still]]
    return np.concatenate([messages, ends])


def _since_last_add(
    named: Messages, signed: npt.NDArray[np.int64], first: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """``signed`` from the last ADD of each order on, zeros before."""
    rows = np.arange(len(named))
    adds = np.where(named["action"] == Action.ADD, rows, -1)
    last_add = np.maximum.reduceat(adds, first)
    group = np.cumsum(np.isin(rows, first)) - 1
    return np.where(rows >= last_add[group], signed, 0)


def repeated(messages: Messages, copies: int) -> Iterator[Messages]:
    """The messages again and again, each time with later times and new ids."""
    highest = int(messages["order_id"].max()) + 1
    # Times of a day are all that ITCH can say: the copies share one.
    start, span = int(messages["timestamp_ns"][0]), _DAY_NS // 2 // copies
    within = (
        (messages["timestamp_ns"] - start)
        * span
        // max(int(messages["timestamp_ns"].max()) - start + 1, span)
    )
    for copy in range(copies):
        again = messages.copy()
        again["order_id"] += np.uint64(copy * highest)
        again["timestamp_ns"] = start + copy * span + within
        yield again


def itch_bytes(messages: Messages, *, first_match: int = 1) -> bytes:
    """Messages in the wire format, each behind its length."""
    actions = messages["action"]
    sizes = np.zeros(len(messages), dtype=np.int64)
    for action, letter in _LETTERS.items():
        sizes[actions == action] = LENGTHS[letter] + 2
    ends = np.cumsum(sizes)
    out = np.zeros(int(ends[-1]) if len(ends) else 0, dtype=np.uint8)
    for action, letter in _LETTERS.items():
        rows = np.flatnonzero(actions == action)
        wire = _wire(messages[rows], letter, first_match)
        width = LENGTHS[letter] + 2
        where = (ends[rows] - width)[:, None] + np.arange(width)
        out[where] = wire.view(np.uint8).reshape(len(rows), width)
    return out.tobytes()


def _wire(messages: Messages, letter: str, first_match: int) -> npt.NDArray[np.void]:
    wire = np.zeros(len(messages), dtype=_HEADING + _LAYOUTS[letter])
    wire["length"], wire["type"] = LENGTHS[letter], letter.encode()
    wire["locate"] = messages["market"] + 1
    wire["time_high"] = messages["timestamp_ns"] >> 32
    wire["time_low"] = messages["timestamp_ns"] & 0xFFFFFFFF
    wire["id"] = messages["order_id"]
    if letter != "D":
        wire["lots"] = messages["qty_lots"]
    if letter == "A":
        wire["side"] = np.where(messages["side"] == Side.BUY, b"B", b"S")
        wire["price"] = messages["price_ticks"]
        wire["stock"] = np.char.mod(b"M%06d ", messages["market"].astype(np.int64))
    if letter == "E":
        wire["match"] = first_match + np.arange(len(messages))
    return wire


def write_itch(path: Path, copies: Iterable[Messages]) -> int:
    """A file of ITCH 5.0 messages; how many."""
    count = 0
    with path.open("wb") as file:
        for messages in copies:
            for at in range(0, len(messages), _CHUNK):
                file.write(itch_bytes(messages[at : at + _CHUNK], first_match=count + at + 1))
            count += len(messages)
    return count
