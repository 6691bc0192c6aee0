"""What became of frames: a big command has its end with the last batch that it goes on in."""

import time
from collections.abc import Iterator

import numpy as np
import pytest

from nextrade import COMMAND_DTYPE, EVENT_DTYPE, LEVEL_DTYPE
from nextrade.domain.protocol.frames import commands_frame
from nextrade.domain.protocol.ids import Ids
from nextrade.domain.protocol.judging import judge
from nextrade.domain.protocol.limits import Limits
from nextrade.domain.protocol.messages import FRAME_ENTRY_DTYPE, read_message, write_messages
from nextrade.domain.protocol.ports import Delivery
from nextrade.domain.protocol.replica import Replica
from nextrade.enums import CommandKind, EventKind, OrderType, Side
from nextrade.service.gateway.awaiting import Awaiting
from nextrade.service.gateway.feed import News
from nextrade.service.gateway.sending import Sent
from nextrade.service.listings_file import default_listings

NONE = np.zeros(0, np.uint32)


class Told:
    """A feed that has what it is given, and then nothing more."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []

    def news(self, timeout_s: float) -> Iterator[News]:
        while self.waiting:
            yield News(0, read_message(self.waiting.pop(0)), "")
        time.sleep(timeout_s / 10)


def trades(number: int, frame: int, goes_on: bool) -> bytes:
    """A batch with one trade; of a frame if one is named."""
    events = np.zeros(1, EVENT_DTYPE)
    events["kind"] = EventKind.TRADE
    rows = [(frame, 0, 1, 0, 0)] if frame else []
    (raw,) = write_messages(
        0,
        number,
        5,
        np.array(rows, FRAME_ENTRY_DTYPE),
        events,
        np.zeros(1, np.uint32),
        np.zeros(0, LEVEL_DTYPE),
        NONE,
        goes_on=goes_on,
    )
    return raw


def test_the_rest_of_a_big_command_is_waited_for() -> None:
    """Its frame is not done while its batch goes on; then all its trades are counted."""
    frame = Ids(7, lambda: 1_700_000_000_000).one()
    sent, told = Sent(frames={frame: 1}), Told()
    with Awaiting(told, 7) as awaiting:  # type: ignore[arg-type]
        told.waiting += [trades(1, frame, True), trades(2, 0, True)]
        before: list[int] = []
        early = awaiting.wait(sent, 0.3, before.append)
        told.waiting += [trades(3, 0, False)]
        late = awaiting.wait(sent, 10.0)

    assert before == [0]
    assert (early.trades, late.trades, late.accepted, late.missing) == (2, 3, 1, 0)


@pytest.mark.parametrize("makers", [1, 40])
def test_a_replica_says_that_a_command_goes_on(makers: int) -> None:
    """The last batch of a big command, and that of a small one, say that nothing follows."""
    limits = Limits(posting_limit=16, event_limit=16)
    replica = Replica(default_listings(), 0, 4, limits=limits)
    commands = np.zeros(makers + 1, COMMAND_DTYPE)
    commands["kind"], commands["order_type"] = CommandKind.PLACE, OrderType.LIMIT
    commands["order_id"] = commands["owner"] = np.arange(1, makers + 2)
    commands["price_ticks"], commands["qty_lots"] = 10_000, 1000
    commands["side"] = [Side.SELL] * makers + [Side.BUY]
    commands["qty_lots"][-1] = 1000 * makers
    said = []
    for some in (commands[:makers], commands[makers:]):
        body = commands_frame(0, Ids(1, lambda: 1_700_000_000_000).one() + len(said), some)
        (group,) = judge(0, replica.remembered, [Delivery(1, 1, body, False)]).groups
        plan = replica.plan(group.table(), group.frames[0].records.copy(), 1)
        done = replica.run(plan, [[b"\x01" * len(plan.rows)]])
        said.append([read_message(raw).goes_on for raw in done.messages])
        while replica.partition.pending:
            said[-1] += [read_message(raw).goes_on for raw in replica.proceed().messages]

    assert said[1][-1] is False
    assert all(said[1][:-1])
    assert (len(said[1]) > 1) == (makers > 1)
