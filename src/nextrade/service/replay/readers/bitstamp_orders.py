"""Bitstamp's order messages to what happened to each order, which their falls of amount tell.

The amount and price of each open order are kept from its last message. The messages of a
block are sorted by id behind what is kept, and each looks at the one before.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..messages import MESSAGE_DTYPE, Action, Flag, Messages
from .bitstamp_lines import Kind, Records

Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

KEPT_GONE = 1_000
"""Ids that left without having been open are remembered: so many at least, the latest. Their
creation comes some milliseconds later, if it does."""

_OPEN, _GONE = 6, 7

_KEPT_DTYPE = np.dtype(
    [
        ("order_id", "<u8"),
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("number", "<i8"),
        ("kind", "u1"),
    ]
)
"""``kind`` is _OPEN or _GONE; ``number`` counts the file's order messages."""


class _Known(NamedTuple):
    """For each order message: whether it counts, and the order before it."""

    counts: Bools
    was_open: Bools
    price_ticks: Integers
    qty_lots: Integers


class LiveOrders:
    """The open orders of a log that is read from the start."""

    def __init__(self) -> None:
        self._kept = np.zeros(0, dtype=_KEPT_DTYPE)
        self._first_created: int | None = None
        self._seen = 0
        self._late = 0
        self._passed = 0

    def messages(self, rows: Records) -> Messages:
        """What the next messages did to their orders."""
        if not len(rows):
            return np.zeros(0, dtype=MESSAGE_DTYPE)
        known = self._follow(rows, self._from_before(rows))
        late = ~known.counts & (rows["kind"] == Kind.CREATED)
        self._late += int(np.count_nonzero(late))
        self._passed += int(np.count_nonzero(~known.counts & ~late))
        taken = known.counts
        return _messages(
            rows[taken],
            known.was_open[taken],
            known.price_ticks[taken],
            known.qty_lots[taken],
        )

    def remarks(self) -> list[str]:
        """What a user should know, a sentence each."""
        said = (
            (self._late, "creations of orders that were open or gone already were passed over"),
            (self._passed, "changes and deletions of orders that were not open were passed over"),
        )
        return [f"{number:,} {what}" for number, what in said if number]

    def _from_before(self, rows: Records) -> Bools:
        """Which messages, not creations, may be of an order from before the file starts."""
        created = rows["kind"] == Kind.CREATED
        if self._first_created is not None:
            return ~created & (rows["order_id"] < np.uint64(self._first_created))
        if not created.any():
            return np.ones(len(rows), dtype=np.bool_)
        first = int(np.argmax(created))
        self._first_created = int(rows["order_id"][first])
        early = np.arange(len(rows)) < first
        return ~created & (early | (rows["order_id"] < rows["order_id"][first]))

    def _follow(self, rows: Records, from_before: Bools) -> _Known:
        """Look up what each row's order was before it; keep what the open orders are now."""
        count = len(self._kept)
        here = np.zeros(count + len(rows), dtype=_KEPT_DTYPE)
        here[:count] = self._kept
        for name in ("order_id", "price_ticks", "qty_lots", "kind"):
            here[name][count:] = rows[name]
        here["number"][count:] = np.arange(self._seen, self._seen + len(rows))
        self._seen += len(rows)
        before = np.zeros(len(here), dtype=np.bool_)
        before[count:] = from_before

        order = np.argsort(here["order_id"], kind="stable")
        here, before = here[order], before[order]
        ids, kinds = here["order_id"], here["kind"]
        at = np.arange(len(here))
        new_id = np.append(True, ids[1:] != ids[:-1])
        group = np.maximum.accumulate(np.where(new_id, at, 0))

        empties = (kinds == Kind.CHANGED) & (here["qty_lots"] == 0)
        closes = (kinds == Kind.DELETED) | empties
        opens = (kinds == Kind.CREATED) | (kinds == _OPEN) | before
        closed = _latest_before(closes, group)
        was_open = _latest_before(opens, group) > closed
        is_open = was_open | opens
        # Gone for good: a later creation is only late.
        lost = (kinds == _GONE) | (closes & (~is_open | before))
        is_lost = _latest_before(lost, group) >= 0
        counts = is_open & ~is_lost & ~(was_open & (kinds == Kind.CREATED))
        counts &= kinds != _GONE
        source = np.maximum.accumulate(np.where(counts, at, -1))
        source = np.append(-1, source[:-1])
        has_source = was_open & (source >= group)

        last = np.append(new_id[1:], True)
        gone = last & (is_lost | lost)
        stays = last & ~gone & is_open & ~closes
        # What the order is now: its latest message that counts.
        now = np.maximum.accumulate(np.where(counts, at, 0))[stays]
        kept = here[now]
        kept["kind"] = _OPEN
        forgotten = here[gone]
        forgotten["kind"] = _GONE
        latest = np.argsort(forgotten["number"], kind="stable")[-KEPT_GONE:]
        self._kept = np.concatenate([kept, forgotten[latest]])

        back = np.empty(len(order), dtype=np.int64)
        back[order] = at
        back = back[count:]
        return _Known(
            counts[back],
            has_source[back],
            np.where(has_source, here["price_ticks"][source], 0)[back],
            np.where(has_source, here["qty_lots"][source], 0)[back],
        )


def _latest_before(marks: Bools, group: Integers) -> Integers:
    """For each row the latest marked row of its group before it, -1 if there is none."""
    at = np.maximum.accumulate(np.where(marks, np.arange(len(marks)), -1))
    at = np.append(-1, at[:-1])
    return np.where(at >= group, at, -1)


def _messages(rows: Records, was_open: Bools, price: Integers, qty: Integers) -> Messages:
    kinds, left = rows["kind"], rows["qty_lots"]
    fall = np.where(was_open, np.maximum(qty - left, 0), 0)
    created, deleted = kinds == Kind.CREATED, kinds == Kind.DELETED
    cancelled = deleted & (left > 0)
    repriced = (kinds == Kind.CHANGED) & was_open & (left > 0)
    repriced &= (rows["price_ticks"] != price) | (left > qty)

    messages = np.zeros(len(rows), dtype=MESSAGE_DTYPE)
    messages["timestamp_ns"] = rows["time_ms"] * 1_000_000
    for name in ("order_id", "price_ticks", "side"):
        messages[name] = rows[name]
    messages["place"] = rows["line"]
    messages["qty_lots"] = np.where(created | cancelled | repriced, left, fall)
    messages["leaves_lots"] = np.where(cancelled, 0, left)
    messages["action"] = Action.FILL
    messages["action"][created] = Action.ADD
    messages["action"][cancelled] = Action.CANCEL
    messages["action"][repriced] = Action.REPLACE
    messages["flags"] = Flag.LAST

    # Cancelled with less than was left: the rest traded, and no message told of it.
    untold = np.flatnonzero(cancelled & (fall > 0))
    if not len(untold):
        return messages
    filled = messages[untold].copy()
    filled["action"] = Action.FILL
    filled["qty_lots"] = fall[untold]
    filled["leaves_lots"] = left[untold]
    filled["flags"] = 0
    return np.insert(messages, untold, filled)
