"""What a replay does to every message, against the same rules told one message at a time."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from nextrade import generate
from nextrade._book import OrderBook
from nextrade._messages import (
    add_up,
    causes,
    commands_for,
    complete_records,
    event_ends,
    repeating_commands,
    requesting_kinds,
    times_fall,
    trades_of,
)
from nextrade.dtypes import COMMAND_DTYPE, EVENT_DTYPE
from nextrade.enums import CommandKind, EventKind
from nextrade.service.replay.messages import MESSAGE_DTYPE, Action, Flag
from nextrade.service.replay.rebuild import RECORDED_OWNER

Records = npt.NDArray[np.void]

SEEDS = range(5)


def random_messages(seed: int, count: int = 3000) -> Records:
    """Messages with every action (and numbers that are none) and every mixture of flags."""
    random = np.random.default_rng(seed)
    messages = np.zeros(count, dtype=MESSAGE_DTYPE)
    messages["timestamp_ns"] = random.integers(0, 1 << 60, count)
    messages["order_id"] = random.integers(0, 1 << 64, count, dtype=np.uint64)
    messages["price_ticks"] = random.integers(-1000, 1 << 40, count)
    messages["qty_lots"] = random.integers(0, 4, count)
    messages["leaves_lots"] = random.integers(-1, 3, count)
    messages["place"] = np.arange(count)
    messages["market"] = random.integers(0, 1 << 32, count)
    messages["action"] = random.integers(0, 12, count)
    messages["side"] = random.integers(0, 3, count)
    messages["flags"] = random.integers(0, 128, count) & random.integers(0, 128, count)
    return messages


REPEATS = {
    Action.ADD: CommandKind.PLACE,
    Action.REDUCE: CommandKind.REDUCE,
    Action.CANCEL: CommandKind.CANCEL,
    Action.REPLACE: CommandKind.REPLACE,
    Action.FILL: CommandKind.REDUCE,
    Action.CLEAR: CommandKind.MASS_CANCEL,
}


def repeating(message: np.void) -> int:
    """The kind of command that one message becomes when it is repeated, 0 if it becomes none."""
    action, flags = int(message["action"]), int(message["flags"])
    is_fill = action == Action.FILL
    if flags & Flag.RESTATES:
        # The next slice of an iceberg.
        return CommandKind.PLACE if action == Action.REPLACE else 0
    passed_over = (
        action not in REPEATS
        or (flags & Flag.AUCTION and not is_fill)
        or (is_fill and flags & Flag.REPORT and flags & Flag.AGGRESSOR)
        or (is_fill and message["qty_lots"] == 0 and message["leaves_lots"] == 0)
    )
    return 0 if passed_over else REPEATS[Action(action)]


def command(message: np.void, kind: int, *, by_id: bool) -> tuple[Any, ...]:
    """One command of a kind, with what the message says."""
    made = np.zeros(1, dtype=COMMAND_DTYPE)[0]
    for name in ("timestamp_ns", "order_id", "market"):
        made[name] = message[name]
    made["kind"] = kind
    if kind == CommandKind.PLACE:
        made["side"], made["owner"] = message["side"], RECORDED_OWNER
        if by_id:
            made["timestamp_ns"] = np.array(message["order_id"]).view(np.int64)
    if kind == CommandKind.MASS_CANCEL:
        made["owner"] = RECORDED_OWNER
    if kind in (CommandKind.PLACE, CommandKind.REPLACE):
        made["price_ticks"] = message["price_ticks"]
    if kind in (CommandKind.PLACE, CommandKind.REPLACE, CommandKind.REDUCE):
        made["qty_lots"] = message["qty_lots"]
    tells_rest = message["action"] == Action.FILL and message["qty_lots"] == 0
    if tells_rest and message["leaves_lots"] > 0:
        made["kind"] = CommandKind.REPLACE
        made["qty_lots"], made["price_ticks"] = message["leaves_lots"], message["price_ticks"]
    return made.item()


@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_messages_are_repeated_one_by_one(seed: int, by_id: bool) -> None:
    """All commands, and how many there are up to each message, are those of the rules."""
    messages = random_messages(seed)

    commands, reach = repeating_commands(messages, by_id)

    kinds = [repeating(message) for message in messages]
    wanted = [
        command(message, kind, by_id=by_id)
        for message, kind in zip(messages, kinds, strict=True)
        if kind
    ]
    assert commands.tolist() == wanted
    assert reach.tolist() == np.cumsum([kind != 0 for kind in kinds]).tolist()


@pytest.mark.parametrize("by_id", [False, True])
def test_commands_of_given_kinds(by_id: bool) -> None:
    """A message gets a command of the kind that is wanted for it, and none for 0."""
    messages = random_messages(7)
    kinds = np.random.default_rng(8).integers(0, 6, len(messages)).astype(np.uint8)

    commands, reach = commands_for(messages, kinds, by_id)

    wanted = [
        command(message, int(kind), by_id=by_id)
        for message, kind in zip(messages, kinds, strict=True)
        if kind
    ]
    assert commands.tolist() == wanted
    assert reach.tolist() == np.cumsum(kinds != 0).tolist()


def requesting(message: np.void, *, auctions_match: bool) -> int:
    """The command that somebody asked for with this message, 0 if none."""
    action, flags = int(message["action"]), int(message["flags"])
    if flags & Flag.AUCTION:
        taken = action == Action.FILL and not auctions_match
        return CommandKind.REDUCE if taken else 0
    if flags & (Flag.RESTATES | Flag.REPORT) or action == Action.FILL or action not in REPEATS:
        return 0
    return REPEATS[Action(action)]


@pytest.mark.parametrize("auctions_match", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_requests_are_found_one_by_one(seed: int, auctions_match: bool) -> None:
    """Kinds, rows of answers, what parts them, and rows without a price are those of the rules."""
    messages = random_messages(seed)

    kinds, fill_rows, breaks, unpriced = requesting_kinds(messages, auctions_match)

    assert kinds.tolist() == [requesting(m, auctions_match=auctions_match) for m in messages]
    rows, cuts, parted = [], [], 0
    for row, message in enumerate(messages):
        action, flags = int(message["action"]), int(message["flags"])
        passes = action in (Action.FILL, Action.TRADE, Action.HIDDEN, Action.NOTE)
        parted += not (passes or flags & (Flag.RESTATES | Flag.SNAPSHOT))
        if action == Action.FILL and not flags & (Flag.AUCTION | Flag.AGGRESSOR):
            rows.append(row)
            cuts.append(parted)
    assert fill_rows.tolist() == rows
    assert breaks.tolist() == cuts
    assert unpriced.tolist() == [r for r, m in enumerate(messages) if m["flags"] & Flag.UNPRICED]


def test_where_events_end() -> None:
    """An event ends behind the next message that is the last of one, or with the messages."""
    messages = np.zeros(7, dtype=MESSAGE_DTYPE)
    messages["flags"][[1, 2, 4]] = Flag.LAST

    ends = event_ends(messages, np.array([0, 1, 1, 2, 3, 5, 6]))

    assert ends.tolist() == [2, 2, 2, 3, 5, 7, 7]


def test_what_is_behind_each_command() -> None:
    """A message with two commands stands twice, one without never."""
    assert causes(np.array([1, 1, 3, 3, 4])).tolist() == [0, 2, 2, 4]
    assert causes(np.zeros(0, dtype=np.int64)).tolist() == []


RUN = [Action.ADD, Action.FILL, Action.FILL, Action.TRADE, Action.FILL]


@pytest.mark.parametrize(
    ("count", "times", "complete"),
    [
        (1, [5, 5, 5, 5, 5], 1),  # nothing follows an order that matters to it
        (3, [5, 5, 5, 5, 5], 1),  # the fills may go on
        (5, [5, 5, 6, 6, 6], 2),  # those of an earlier time may not
        (0, [5, 5, 5, 5, 5], 0),
    ],
)
def test_a_run_of_fills_may_go_on(count: int, times: list[int], complete: int) -> None:
    """Where aggressive orders are not shown, the last fills wait for what follows."""
    messages = np.zeros(5, dtype=MESSAGE_DTYPE)
    messages["action"], messages["timestamp_ns"] = RUN, times

    assert complete_records(messages[:count], False) == complete


def test_a_printed_event_is_read_as_a_whole() -> None:
    """Where they are shown, everything behind the last whole event waits."""
    messages = np.zeros(5, dtype=MESSAGE_DTYPE)
    messages["flags"] = [0, Flag.LAST, 0, 0, 0]

    assert complete_records(messages, True) == 2
    assert complete_records(messages[:1], True) == 0
    messages["flags"][3] = Flag.SNAPSHOT
    assert complete_records(messages, True) == 4


@pytest.mark.parametrize(
    ("times", "now", "falls"),
    [([], 5, False), ([5, 5, 6], 5, False), ([4, 6], 5, True), ([5, 7, 6], 0, True)],
)
def test_times_that_fall(times: list[int], now: int, falls: bool) -> None:
    """A time below the one before it, or the first below now, is noticed."""
    messages = np.zeros(len(times), dtype=MESSAGE_DTYPE)
    messages["timestamp_ns"] = times

    assert times_fall(messages, now) is falls


def test_sums_over_a_batch() -> None:
    """Kinds and reasons are counted onto what was there, and the trades come back in order."""
    commands = generate("calm", 20_000)
    events = OrderBook().process(commands)
    counts = [np.ones(256, dtype=np.int64) for _ in range(3)]

    trades = add_up(commands, events, *counts)

    refused = events["reason"][events["kind"] == EventKind.REJECTED]
    for count, codes in zip(counts, (commands["kind"], events["kind"], refused), strict=True):
        assert count.tolist() == (1 + np.bincount(codes, minlength=256)).tolist()
    made = events[events["kind"] == EventKind.TRADE]
    assert len(made)
    assert trades.tolist() == made.tolist() == trades_of(events).tolist()


def test_records_that_do_not_lie_side_by_side() -> None:
    """Every second record of an array gives what a copy of these gives."""
    messages = random_messages(9)

    spread, reach = repeating_commands(messages[::2], False)

    together, reach_together = repeating_commands(messages[::2].copy(), False)
    assert spread.tolist() == together.tolist()
    assert reach.tolist() == reach_together.tolist()


def test_nothing_of_nothing() -> None:
    """No messages and no events give empty arrays of the right kind."""
    none = np.zeros(0, dtype=MESSAGE_DTYPE)

    commands, reach = repeating_commands(none, False)
    assert (len(commands), commands.dtype, len(reach)) == (0, COMMAND_DTYPE, 0)
    assert [len(found) for found in requesting_kinds(none, True)] == [0, 0, 0, 0]
    assert trades_of(np.zeros(0, dtype=EVENT_DTYPE)).dtype == EVENT_DTYPE


def test_the_arrays_handed_in_are_checked() -> None:
    """Records of another kind, other shapes and counts that are too short are refused."""
    messages = random_messages(1, 10)
    counts = np.zeros(256, dtype=np.int64)
    with pytest.raises(TypeError, match="messages must be"):
        repeating_commands(np.zeros(3, dtype=COMMAND_DTYPE), False)
    with pytest.raises(TypeError, match="messages must be"):
        times_fall(messages.reshape(2, 5), 0)
    with pytest.raises(ValueError, match="one kind for each"):
        commands_for(messages, np.zeros(9, dtype=np.uint8), False)
    with pytest.raises(ValueError, match="256"):
        add_up(np.zeros(0, COMMAND_DTYPE), np.zeros(0, EVENT_DTYPE), counts, counts[:255], counts)
