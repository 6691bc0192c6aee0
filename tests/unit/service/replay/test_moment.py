"""Walking to a moment: what is in at it, whatever the parts, events and times of a recording."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nextrade.service.replay import MESSAGE_DTYPE, Aggressors, Part
from nextrade.service.replay import MessageAction as Action
from nextrade.service.replay import MessageFlag as Flag
from nextrade.service.replay.moment import MomentWalk

Row = tuple[int, int]
"""Time and flags of one new order; its id is its place, counted from 1."""


class Made:
    """A recording of new orders, in the given parts."""

    path = Path("made")
    format_name = "made"
    length = 1
    aggressors = Aggressors.PRINTED
    starts_empty = True
    queued_by_id = False
    shows_auctions = False
    price_decimals = 0
    qty_decimals = 0

    def __init__(self, *parts: list[Row], market: int = 0) -> None:
        self.markets = ["first", "second"]
        self._parts = parts
        self._market = market
        self.read = 0

    def parts(self) -> Iterator[Part]:
        """Each part of new orders to buy one lot at 5."""
        count = 0
        for rows in self._parts:
            messages = np.zeros(len(rows), dtype=MESSAGE_DTYPE)
            messages["timestamp_ns"] = [time_ns for time_ns, _ in rows]
            messages["flags"] = [flags for _, flags in rows]
            messages["order_id"] = np.arange(count, count + len(rows)) + 1
            messages["price_ticks"], messages["qty_lots"] = 5, 1
            messages["action"], messages["market"] = Action.ADD, self._market
            count += len(rows)
            self.read += 1
            yield Part(messages, 1)

    def remarks(self) -> list[str]:
        """Nothing."""
        return []


def orders_in(walk: MomentWalk) -> int:
    """How many orders are in the book of the first market."""
    return len(walk.markets["first"]) if "first" in walk.markets else 0


LAST, INNER, SNAPSHOT = int(Flag.LAST), 0, int(Flag.SNAPSHOT)


def test_an_event_is_in_once_all_of_it_is() -> None:
    """Of an event of two records neither is in before the time of the second."""
    walk = MomentWalk(Made([(10, LAST), (20, INNER), (30, LAST)], [(40, LAST)]))
    seen = []
    for time_ns in (9, 10, 20, 29, 30, 39, 40):
        walk.to_time(time_ns)
        seen.append((walk.records, orders_in(walk), walk.now_ns))

    assert seen == [
        (0, 0, None),
        (1, 1, 10),
        (1, 1, 10),
        (1, 1, 10),
        (3, 3, 30),
        (3, 3, 30),
        (4, 4, 40),
    ]
    assert walk.ended


def test_records_are_counted_over_parts() -> None:
    """After N records: the events complete by then, in whichever part they are."""
    walk = MomentWalk(Made([(1, LAST), (2, LAST)], [(3, INNER), (4, LAST)], [(5, LAST)]))
    seen = []
    for count in (0, 1, 2, 3, 4, 99):
        walk.to_records(count)
        seen.append(orders_in(walk))

    assert seen == [0, 1, 2, 2, 4, 5]


def test_a_time_that_steps_back_counts_as_the_latest_before_it() -> None:
    """The order of the file stands: what follows a later record is not in before that one."""
    walk = MomentWalk(Made([(10, LAST), (30, LAST)], [(20, LAST), (40, LAST)]))
    seen = []
    for time_ns in (10, 20, 30, 40):
        walk.to_time(time_ns)
        seen.append(orders_in(walk))

    assert seen == [1, 1, 3, 4]


@pytest.mark.parametrize("parts", [1, 2])
def test_the_starting_book_is_in_from_the_start(parts: int) -> None:
    """Its records have times of their own, which say nothing of when the recording begins."""
    rows = [(900, SNAPSHOT), (700, SNAPSHOT), (100, INNER), (200, LAST)]
    walk = MomentWalk(Made(rows) if parts == 1 else Made(rows[:2], rows[2:]))

    assert walk.first_ns() == 100
    walk.to_time(50)
    assert (orders_in(walk), walk.now_ns, walk.first_ns()) == (2, None, 100)
    walk.to_time(150)
    assert (orders_in(walk), walk.next_ns()) == (2, 200)
    walk.to_time(200)
    assert (orders_in(walk), walk.next_ns()) == (4, None)


def test_no_more_is_read_than_the_moment_needs() -> None:
    """A moment in the first of many parts does not read the last."""
    made = Made(*[[(time_ns, LAST)] for time_ns in range(100)])
    walk = MomentWalk(made)
    walk.to_time(3)

    assert orders_in(walk) == 4
    assert made.read == 5


def test_other_markets_are_left_out_but_counted() -> None:
    """With a market the records of others are read, and make no book."""
    walk = MomentWalk(Made([(1, LAST), (2, LAST)], market=1), market="first")
    walk.to_end()

    assert walk.records == 2
    assert walk.markets == {}
    walk.find_market()  # it is listed, though it has no record
