"""Streams of events read back: each fact once, holes named, frames and orders as they ended."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextrade import COMMAND_DTYPE, EVENT_DTYPE, LEVEL_DTYPE
from nextrade.domain.partition import Partition
from nextrade.domain.protocol.frames import Verdict
from nextrade.domain.protocol.messages import (
    FRAME_ENTRY_DTYPE,
    Message,
    read_message,
    write_messages,
)
from nextrade.enums import CommandKind, EventKind, OrderType, Side
from nextrade.errors import EventsMissing
from nextrade.service.gateway.follower import Follower
from nextrade.service.gateway.outcomes import Frames, Orders
from nextrade.service.listings_file import default_listings

NONE = np.zeros(0, np.uint32)
LISTINGS = default_listings()


def entries(*frames: tuple[int, int, int]) -> np.ndarray:
    """Frames by id, records and verdict."""
    rows = np.zeros(len(frames), FRAME_ENTRY_DTYPE)
    for row, (identity, records, verdict) in zip(rows, frames, strict=True):
        row["identity"], row["records"], row["verdict"] = identity, records, verdict
    return rows


def batch(number: int, events: int, levels: int = 0) -> list[Message]:
    """The messages of a batch of so many facts."""
    facts = np.zeros(events, EVENT_DTYPE)
    facts["timestamp_ns"] = np.arange(events)
    prices = np.zeros(levels, LEVEL_DTYPE)
    markets, of_levels = np.zeros(events, np.uint32), np.zeros(levels, np.uint32)
    messages = write_messages(0, number, 5, entries(), facts, markets, prices, of_levels)
    return [read_message(message) for message in messages]


def test_a_follower_takes_each_message_once() -> None:
    """What comes again is dropped, also half a batch; what follows is taken."""
    follower = Follower(0, 1)
    stream = [*batch(1, 0), *batch(2, 5000, 100), *batch(3, 1)]
    again = [stream[0], stream[1], stream[0], stream[1], stream[2], stream[1], *stream[1:]]
    accepted = [message for message in again if follower.accept(message)]

    assert accepted == stream
    assert follower.repeats == 5
    assert (follower.batch, follower.index) == (4, 0)


def test_a_follower_names_a_hole_and_can_go_on() -> None:
    """A later batch, or a later part of the batch, is refused until it is skipped to."""
    follower = Follower(0, 1)
    (_, second), (third,) = batch(1, 5000), batch(2, 1)
    with pytest.raises(EventsMissing, match="batch 1 from fact 0 on was not in the stream before"):
        follower.accept(second)
    with pytest.raises(EventsMissing, match="before batch 2, fact 0"):
        follower.accept(third)
    with pytest.raises(EventsMissing, match="partition 7 in the stream of 0"):
        follower.accept(third._replace(partition=7))
    follower.skip_to(third)

    assert follower.accept(third) is third


def test_a_follower_without_a_start_begins_with_a_batch() -> None:
    """The end of a batch that began before is left out."""
    follower = Follower(0)
    _, middle = batch(7, 5000)

    assert follower.accept(middle) is None
    assert [follower.accept(one) is one for one in batch(8, 1)] == [True]


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 120))
def test_a_message_that_overlaps_is_cut(events: int, levels: int, known: int) -> None:
    """If a batch was cut into messages otherwise, each fact still comes once."""
    (whole,) = batch(1, events, levels)
    follower = Follower(0, 1)
    follower.index = known
    taken = follower.accept(whole)

    left = max(events + levels - known, 0)
    assert (len(taken.events) + len(taken.levels) if taken else 0) == left
    if taken:
        assert taken.events["timestamp_ns"].tolist() == list(range(known, events))


def test_frames_get_the_events_of_their_commands() -> None:
    """The commands of a batch are those of its frames, one after the other, over messages."""
    events = np.zeros(6000, EVENT_DTYPE)
    events["command"] = np.sort(np.arange(6000) % 30)
    events["kind"] = np.where(events["command"] % 2, EventKind.REJECTED, EventKind.TRADE)
    frames = entries((11, 10, 0), (12, 0, Verdict.TOO_OLD), (13, 20, 0))
    markets = np.full(6000, 2, np.uint32)
    raw = write_messages(1, 9, 77, frames, events, markets, np.zeros(0, LEVEL_DTYPE), NONE)
    fold = Frames()
    first, second, third = (fold.fold(read_message(message)) for message in raw + raw[:1])

    assert (first, third) == ([], [])
    assert [(one.frame, one.verdict, one.records) for one in second] == [
        (11, Verdict.RUN, 10),
        (12, Verdict.TOO_OLD, 0),
        (13, Verdict.RUN, 20),
    ]
    assert [len(one.events) for one in second] == [2000, 0, 4000]
    assert second[2].events["command"].max() == 19
    assert len(second[2].of_command(3)) == 200
    assert len(second[0].rejected) == len(second[0].trades) == 1000
    assert (second[0].batch, second[0].time_ns) == (9, 77)


def test_what_goes_on_in_further_batches_belongs_to_its_frame() -> None:
    """Events of a batch without frames are those of commands of the last one with frames."""
    events = np.zeros(3, EVENT_DTYPE)
    events["command"] = 4, 4, 5
    frames = entries((11, 4, 0), (12, 2, 0))
    markets = np.zeros(3, np.uint32)
    fold, seen = Frames(), []
    for number, own in ((1, frames), (2, frames[:0]), (3, frames[:0])):
        some = slice(0, 3) if number < 3 else slice(0, 0)
        for raw in write_messages(
            1, number, 0, own, events[some], markets[some], np.zeros(0, LEVEL_DTYPE), NONE
        ):
            seen += fold.fold(read_message(raw))

    assert [(one.frame, one.batch, one.continued, len(one.events)) for one in seen] == [
        (11, 1, False, 0),
        (12, 1, False, 3),
        (12, 2, True, 3),
    ]
    assert seen[2].events["command"].tolist() == [0, 0, 1]


def test_a_frame_goes_on_until_a_batch_says_no_more() -> None:
    """All frames of a batch go on while it does; a partition that ends does not end another."""
    fold, nothing = Frames(), (np.zeros(0, EVENT_DTYPE), NONE, np.zeros(0, LEVEL_DTYPE), NONE)
    stream = [
        (1, 1, entries((11, 1, 0), (12, 1, 0)), True),
        (2, 1, entries((21, 1, 0)), False),
        (1, 2, entries(), True),
        (1, 3, entries(), False),
        (1, 4, entries((13, 1, 0)), True),
        (2, 2, entries((22, 1, 0)), True),
        (1, 5, entries(), False),
    ]
    going = []
    for partition, number, frames, goes_on in stream:
        (raw,) = write_messages(partition, number, 5, frames, *nothing, goes_on=goes_on)
        fold.fold(read_message(raw))
        going.append([frame for frame in (11, 12, 13, 21, 22) if fold.is_going_on(frame)])

    assert going == [[11, 12], [11, 12], [11, 12], [], [13], [13, 22], [22]]


def test_the_end_of_an_unknown_batch_is_left_out() -> None:
    """Who comes in the middle of a batch learns of its frames nothing, rather than half."""
    fold = Frames()
    _, end = batch(1, 5000)

    assert fold.fold(end) == []


def commands(*rows: tuple[CommandKind, int, int, Side, int, int]) -> np.ndarray:
    """Commands as kind, account, order id, side, price, quantity."""
    made = np.zeros(len(rows), COMMAND_DTYPE)
    for row, (kind, account, order, side, price, lots) in zip(made, rows, strict=True):
        row["kind"], row["owner"], row["order_id"], row["side"] = kind, account, order, side
        row["price_ticks"], row["qty_lots"] = price, lots
        row["order_type"] = OrderType.LIMIT
    return made


def test_orders_end_as_their_events_say() -> None:
    """States of a partition's own events: open, filled, canceled, rejected, by account."""
    place, cancel = CommandKind.PLACE, CommandKind.CANCEL
    buy, sell = Side.BUY, Side.SELL
    run = commands(
        (place, 1, 1, buy, 10_000, 5000),
        (place, 2, 2, sell, 10_000, 2000),
        (place, 1, 3, buy, 9_000, 1000),
        (cancel, 1, 3, buy, 0, 0),
        (place, 3, 4, sell, 20_000, 1000),
        (cancel, 1, 99, buy, 0, 0),
        (place, 3, 5, sell, 10**9, 1),
    )
    partition = Partition(LISTINGS, 0)
    asked = partition.reservations(run)
    granted = np.where(asked.refusal == 0, asked.amount, -1)
    granted[6] = -1
    outcome = partition.process(run, np.zeros(len(run), np.uint8), granted)
    orders = Orders()
    orders.fold(outcome.events, outcome.markets)
    states = {order: state for (_, order), state in orders.states.items()}

    assert {order: state.status for order, state in states.items()} == {
        1: "open",
        2: "filled",
        3: "canceled",
        4: "open",
        5: "rejected",
    }
    assert (states[1].leaves, states[1].filled_lots) == (3000, 2000)
    assert states[1].filled_amount == 2000 * 10_000
    assert (states[1].side, states[2].side) == (buy, sell)
    assert (states[3].reason, states[5].reason) == ("REQUESTED", "INSUFFICIENT_FUNDS")
    of_two = Orders(frozenset({2}))
    of_two.fold(outcome.events, outcome.markets)
    assert [state.order_id for state in of_two.states.values()] == [2]
