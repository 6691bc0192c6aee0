"""What a gateway refuses is what the partition would refuse, and the rest finds its partition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from nextrade import COMMAND_DTYPE
from nextrade.domain.partition import Partition
from nextrade.domain.refusals import Refusal
from nextrade.enums import CommandKind, EventKind, Reason
from nextrade.service.gateway.door import Door, checked
from nextrade.service.listings_file import default_listings

LISTINGS = default_listings()
DOOR = Door(LISTINGS)


@given(of_numpy.arrays(np.uint8, st.integers(1, 20).map(lambda n: n * 80)), st.data())
def test_refusals_are_those_of_the_partition(raw: np.ndarray, data: st.DataObject) -> None:
    """Whatever a command is, its partition refuses it for the same reason, or has a say."""
    commands = raw.view(COMMAND_DTYPE).copy()
    commands["market"] = data.draw(st.integers(0, 3))
    commands["kind"] %= 10
    commands["owner"] %= 3
    refusals = DOOR.refusals(commands, operator=True)
    market = int(commands["market"][0])
    number = LISTINGS.listings[market].partition if market < len(LISTINGS.listings) else 0
    partition = Partition(LISTINGS, number)
    asked = partition.reservations(commands)
    granted = np.where(asked.refusal == 0, asked.amount, -1)
    events = partition.process(commands, np.zeros(len(commands), np.uint8), granted).events
    refused = events[events["kind"] == EventKind.REJECTED]
    reasons = dict(zip(refused["command"].tolist(), refused["reason"].tolist(), strict=True))

    for position in np.flatnonzero(refusals).tolist():
        assert reasons[position] == refusals[position]


def test_what_depends_on_the_command_alone_is_refused() -> None:
    """Unknown markets and kinds, too large amounts, and the exchange's own account."""
    commands = np.zeros(6, COMMAND_DTYPE)
    commands["kind"] = CommandKind.PLACE
    commands["owner"], commands["order_id"] = 1, 1
    commands["price_ticks"], commands["qty_lots"] = 10_000, 1000
    commands["market"][1] = 9
    commands["kind"][2] = 99
    commands["price_ticks"][3] = commands["qty_lots"][3] = 2**40
    commands["kind"][4], commands["owner"][4] = CommandKind.CANCEL, 0
    commands["kind"][5] = CommandKind.SET_STATE

    assert DOOR.refusals(commands, operator=False).tolist() == [
        0,
        Refusal.UNKNOWN_MARKET,
        Reason.UNKNOWN_COMMAND,
        Refusal.ABOVE_MAX_QTY,
        Refusal.OPERATOR_ONLY,
        Refusal.OPERATOR_ONLY,
    ]
    assert DOOR.refusals(commands, operator=True)[4] == 0


def test_commands_go_to_the_partitions_of_their_markets() -> None:
    """Rows keep their order; each goes to one partition."""
    commands = np.zeros(5, COMMAND_DTYPE)
    commands["market"] = 2, 0, 1, 0, 1
    parts = DOOR.by_partition(commands, np.array([0, 1, 3, 4]))

    assert [(number, rows.tolist()) for number, rows in parts] == [(0, [1, 3]), (1, [0, 4])]
    assert DOOR.by_partition(commands, np.array([], int)) == []


def test_only_commands_come_in() -> None:
    """Another array is a mistake of the caller; times are wiped off a copy."""
    with pytest.raises(TypeError, match="COMMAND_DTYPE"):
        checked(np.zeros(3))
    commands = np.zeros(1, COMMAND_DTYPE)
    commands["timestamp_ns"] = 7

    assert checked(commands)["timestamp_ns"].tolist() == [0]
    assert commands["timestamp_ns"].tolist() == [7]
