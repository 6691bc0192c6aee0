"""The way of a partition's frames, step by step: filling, losing, sending again in order."""

from itertools import count

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nextrade import COMMAND_DTYPE
from nextrade.domain.protocol.frames import TIER_DTYPE, FrameKind, decode
from nextrade.service.gateway.lane import Fate, Lane, OutFrame, Parcel
from nextrade.service.gateway.ticket import Ticket


def parcel(*order_ids: int, since_ns: int = 0, identity: int = 0) -> Parcel:
    """Commands with these ids."""
    commands = np.zeros(len(order_ids), COMMAND_DTYPE)
    commands["order_id"] = order_ids
    return Parcel(Ticket(3, np.arange(len(order_ids)), since_ns), commands, identity=identity)


def ids_of(frame: OutFrame | None) -> list[int]:
    """The order ids in a frame."""
    assert frame is not None
    return decode(frame.body).records["order_id"].tolist()


def test_what_waits_goes_together_up_to_a_frame() -> None:
    """Whole parcels fill a frame in order; each ticket learns its frame and place."""
    lane, identities = Lane(3, window=2, most=4), count(100)
    parcels = [parcel(1), parcel(2, 3), parcel(4, 5), parcel(6)]
    for one in parcels:
        lane.add(one)
    first, second = (lane.next_frame(identities.__next__) for _ in range(2))

    assert ids_of(first) == [1, 2, 3]
    assert ids_of(second) == [4, 5, 6]
    assert first is not None
    assert first.firsts == [0, 1]
    assert [one.ticket.frame for one in parcels] == [100, 100, 101, 101]
    assert decode(first.body).partition == 3
    assert lane.records_waiting == 0


def test_the_window_bounds_what_is_unconfirmed() -> None:
    """A full window lets nothing go; a confirmation lets the next frame go."""
    lane, identities = Lane(3, window=1), count(1)
    lane.add(parcel(1))
    first = lane.next_frame(identities.__next__)
    lane.add(parcel(2))

    assert first is not None
    assert lane.next_frame(identities.__next__) is None
    lane.settle(first, Fate.CONFIRMED)
    assert ids_of(lane.next_frame(identities.__next__)) == [2]


def test_tiers_and_scheduled_frames_travel_alone() -> None:
    """They keep their place in the order, and a given id is the frame's."""
    lane, identities = Lane(3, window=9), count(1)
    tiers = Parcel(Ticket(3, np.arange(1), 0), np.zeros(1, TIER_DTYPE), tiers=True)
    for one in (parcel(1), tiers, parcel(2), parcel(3, identity=77), parcel(4)):
        lane.add(one)
    frames = [lane.next_frame(identities.__next__) for _ in range(5)]

    decoded = [decode(frame.body) for frame in frames if frame]
    assert [frame.kind for frame in decoded] == [1, FrameKind.TIERS, 1, 1, 1]
    assert [frame.identity for frame in decoded] == [1, 2, 3, 77, 4]


def test_lost_frames_go_again_in_order_before_anything_new() -> None:
    """Nothing is sent again until the fate of all is known; ids and bytes stay."""
    lane, identities = Lane(3, window=3), count(1)
    frames = []
    for order in (1, 2, 3):
        lane.add(parcel(order))
        frames.append(lane.next_frame(identities.__next__))
    a, b, c = (frame for frame in frames if frame)
    lane.settle(c, Fate.LOST)
    lane.settle(b, Fate.CONFIRMED)
    lane.add(parcel(4))

    assert lane.to_resend() == []  # a may be lost too, and would come first
    lane.settle(a, Fate.LOST)
    assert lane.next_frame(identities.__next__) is None
    assert lane.to_resend() == [a, c]
    assert (a.identity, c.identity) == (1, 3)
    assert ids_of(lane.next_frame(identities.__next__)) == [4]


def test_what_waits_too_long_is_given_up() -> None:
    """What was never sent is forgotten; what was sent is not sent again once it is lost."""
    lane, identities = Lane(3, window=2), count(1)
    for since in (5, 6, 7):
        lane.add(parcel(since, since_ns=since))
        sent = lane.next_frame(identities.__next__)
    assert sent is None
    parcels, frames = lane.overdue(6)
    assert (parcels, [frame.since_ns for frame in frames]) == ([], [5])
    parcels, (second,) = lane.overdue(100)
    assert [one.ticket.since_ns for one in parcels] == [7]
    assert lane.is_done
    assert not lane.idle
    lane.settle(frames[0], Fate.LOST)
    lane.settle(second, Fate.CONFIRMED)
    assert lane.to_resend() == []
    assert lane.idle


@given(st.lists(st.tuples(st.sampled_from(["add", "fill", "ok", "lose"]), st.integers(0, 7))))
def test_first_arrivals_are_in_order(steps: list[tuple[str, int]]) -> None:
    """However frames are lost and confirmed, each order reaches the queue, and the first
    arrivals are in the order of the calls, if what is sent after a loss is lost too.
    """
    lane, identities, orders = Lane(3, window=3, most=2), count(1), count(1)
    arrived: list[int] = []
    on_the_way: list[OutFrame] = []

    def send(frame: OutFrame) -> None:
        on_the_way.append(frame)

    def connection_breaks(kept: int) -> None:
        """The broker had so many of what was sent; the sender knows of none."""
        for place, frame in enumerate(on_the_way):
            if place < kept:
                arrived.extend(ids_of(frame))
            lane.settle(frame, Fate.LOST)
        on_the_way.clear()

    for step, number in [*steps, ("lose", 1), *[("fill", 0), ("ok", 0)] * (2 * len(steps) + 2)]:
        if step == "add":
            lane.add(parcel(*(next(orders) for _ in range(1 + number % 2))))
        elif step == "fill":
            for frame in lane.to_resend() or [lane.next_frame(identities.__next__)]:
                if frame:
                    send(frame)
        elif step == "ok" and on_the_way:
            frame = on_the_way.pop(0)
            arrived.extend(ids_of(frame))
            lane.settle(frame, Fate.CONFIRMED)
        elif step == "lose":
            connection_breaks(number)
    while on_the_way or not lane.idle:
        for frame in lane.to_resend() or [lane.next_frame(identities.__next__)]:
            if frame:
                send(frame)
        frame = on_the_way.pop(0)
        arrived.extend(ids_of(frame))
        lane.settle(frame, Fate.CONFIRMED)

    assert list(dict.fromkeys(arrived)) == list(range(1, next(orders)))


def test_a_frame_is_of_one_version_of_the_listings() -> None:
    """What was counted by others waits for the next frame, in order."""
    lane, identities = Lane(3, window=9), count(1)
    for version, order_id in ((1, 1), (1, 2), (2, 3), (1, 4)):
        lane.add(parcel(order_id)._replace(listings=version))
    frames = [lane.next_frame(identities.__next__) for _ in range(3)]

    assert [ids_of(frame) for frame in frames] == [[1, 2], [3], [4]]
    assert [decode(frame.body).listings for frame in frames if frame] == [1, 2, 1]
