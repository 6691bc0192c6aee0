"""Frames that the exchange sends itself."""

import numpy as np

from nextrade import COMMAND_DTYPE, CommandKind, TimeInForce
from nextrade.domain.partition import Partition
from nextrade.domain.protocol.frames import decode
from nextrade.domain.protocol.ids import milliseconds_of
from nextrade.domain.protocol.schedule import EXPIRY_STEP_MS, Expiries, expiry_frame
from nextrade.service.listings_file import default_listings

NOW_MS = 1_800_000_000_040


def test_an_expiry_has_one_name_within_its_step() -> None:
    """Two workers that ask at about the same time ask for the same; later it is another."""
    frames = [expiry_frame(1, 5, 2, NOW_MS + after) for after in (0, 30, EXPIRY_STEP_MS)]

    assert frames[0] == frames[1]
    first, later = decode(frames[0]), decode(frames[2])
    assert first.identity < later.identity
    assert milliseconds_of(first.identity) == NOW_MS // EXPIRY_STEP_MS * EXPIRY_STEP_MS
    (command,) = first.records
    assert (first.partition, command["kind"], command["market"]) == (1, CommandKind.EXPIRE, 5)
    assert command["owner"] == 0


def test_markets_have_names_of_their_own() -> None:
    """Of two markets of a partition both expire."""
    one, other = (decode(expiry_frame(0, market, market, NOW_MS)) for market in (0, 1))
    assert one.identity != other.identity


class _Clock:
    def __init__(self) -> None:
        self.time_ns = NOW_MS * 1_000_000

    def now_ns(self) -> int:
        return self.time_ns

    def pause(self, seconds: float) -> None:
        self.time_ns += int(seconds * 1e9)


def test_what_has_expired_is_asked_for_once_and_again_if_it_got_lost() -> None:
    """Nothing before it is due, one frame then, the same once more after some seconds."""
    partition, clock, expiries = Partition(default_listings(), 0), _Clock(), Expiries()
    assert expiries.due(partition, clock) == []
    command = np.zeros(1, COMMAND_DTYPE)
    command["kind"], command["order_id"], command["owner"] = CommandKind.PLACE, 1, 1
    command["time_in_force"], command["expire_ns"] = TimeInForce.GTD, clock.time_ns + 10**9
    command["qty_lots"], command["price_ticks"], command["timestamp_ns"] = 1000, 6_000_000, 1
    amount = partition.reservations(command).amount
    partition.process(command, np.zeros(1, np.uint8), amount)

    assert expiries.due(partition, clock) == []
    clock.pause(1.0)
    asked = expiries.due(partition, clock)
    assert [decode(frame).records["kind"][0] for frame in asked] == [CommandKind.EXPIRE]
    clock.pause(0.2)
    assert expiries.due(partition, clock) == []
    clock.pause(6.0)
    assert len(expiries.due(partition, clock)) == 1

    end = decode(asked[0]).records.copy()
    end["timestamp_ns"] = clock.time_ns
    partition.process(end, np.zeros(1, np.uint8), np.zeros(1, np.int64))
    clock.pause(6.0)
    assert expiries.due(partition, clock) == []
