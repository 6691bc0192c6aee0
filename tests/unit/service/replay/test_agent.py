"""Somebody who trades along in a replay, on small made-up recordings."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import nextrade
from nextrade import (
    AGENT_IDS,
    AGENT_OWNER,
    COMMAND_DTYPE,
    CommandKind,
    EventKind,
    OrderBook,
    Reason,
    Side,
    TimeInForce,
)

Answer = Callable[[nextrade.View], "np.ndarray | None"]


def recording(folder: Path, *lines: str) -> Path:
    """A LOBSTER message file: each line one second after the one before it, from 1 second on."""
    path = folder / "SMALL_message_1.csv"
    text = [f"{second}.000000000,{line}\n" for second, line in enumerate(lines, start=1)]
    path.write_text("".join(text))
    return path


def limit(number: int, side: Side, price_ticks: int, lots: int) -> np.ndarray:
    """A command that places a limit order of the agent."""
    command = np.zeros(1, dtype=COMMAND_DTYPE)
    command["kind"] = CommandKind.PLACE
    command["order_id"] = AGENT_IDS + number
    command["side"] = side
    command["price_ticks"] = price_ticks
    command["qty_lots"] = lots
    return command


def at_second(second: int, commands: np.ndarray) -> Answer:
    """An agent that sends some commands once, when it is shown that second."""
    return lambda view: commands if view.now_ns == second * 10**9 else None


def trades_of(path: Path, agent: Answer, **options: object) -> list[tuple[int, int, int, int]]:
    """Second, taker, maker and lots of all trades of a replay by single messages."""
    replay = nextrade.Replay(path, agent=agent, batch=1, **options)
    return [
        (int(trade["timestamp_ns"]) // 10**9, *(int(trade[name]) for name in names))
        for step in replay
        for trade in nextrade.trades(step.events)
        for names in [("taker_id", "maker_id", "qty_lots")]
    ]


@pytest.mark.parametrize("mode", ["match", "guided"])
def test_order_queues_between_those_before_and_after_it(tmp_path: Path, mode: str) -> None:
    """An agent's order stands behind the recorded orders that were there, ahead of later ones."""
    path = recording(
        tmp_path, "1,7,3,100,1", "1,8,9,200,-1", "1,9,4,100,1", "4,7,3,100,1", "4,9,1,100,1"
    )

    found = trades_of(path, at_second(2, limit(0, Side.BUY, 100, 1)), mode=mode)

    assert [(second, maker, lots) for second, _, maker, lots in found] == [
        (4, 7, 3),
        (5, AGENT_IDS, 1),
    ]


def test_replaced_order_goes_behind_those_before_it(tmp_path: Path) -> None:
    """An agent's order that was made larger loses its place, but not to orders that come later."""
    larger = limit(0, Side.BUY, 100, 2)
    larger["kind"] = CommandKind.REPLACE
    answers = {1: limit(0, Side.BUY, 100, 1), 2: larger}
    path = recording(
        tmp_path, "1,1,9,200,-1", "1,2,3,100,1", "1,3,4,100,1", "4,2,3,100,1", "4,3,2,100,1"
    )

    found = trades_of(path, lambda view: answers.get(view.now_ns // 10**9))

    assert [maker for _, _, maker, _ in found] == [2, AGENT_IDS]


def test_events_of_the_agent_tell_the_time_of_arrival(tmp_path: Path) -> None:
    """Where a market queues by id, what happens to an agent's order still has its time."""
    path = recording(tmp_path, "1,5,3,100,1", "1,6,9,200,-1", "3,5,3,100,1")
    replay = nextrade.Replay(
        path,
        agent=at_second(1, limit(0, Side.BUY, 100, 1)),
        agent_latency_ns=500,
        batch=1,
    )

    (accepted,) = [
        event
        for step in replay
        for event in step.events
        if event["owner"] == AGENT_OWNER and event["kind"] == EventKind.ACCEPTED
    ]

    assert accepted["timestamp_ns"] == 10**9 + 500


@pytest.mark.parametrize(("latency_ns", "taker_second"), [(0, 1), (10**9, 2), (10**9 + 1, 2)])
def test_order_arrives_after_its_latency(
    tmp_path: Path, latency_ns: int, taker_second: int
) -> None:
    """An order goes in before the first record that is not earlier than its arrival."""
    path = recording(tmp_path, "1,5,3,100,1", "1,6,9,200,-1", "1,7,9,300,-1", "1,8,9,300,-1")
    order = limit(0, Side.SELL, 100, 2)

    ((second, taker, maker, lots),) = trades_of(
        path, at_second(1, order), agent_latency_ns=latency_ns
    )

    assert (second, taker, maker, lots) == (taker_second, AGENT_IDS, 5, 2)


def test_agent_sees_its_fills_as_maker_and_as_taker(tmp_path: Path) -> None:
    """``View.fills`` holds the trades of the agent, on either side, once each."""
    seen: list[tuple[int, int]] = []
    resting, taking = limit(0, Side.BUY, 100, 1), limit(1, Side.SELL, 90, 2)
    taking["time_in_force"] = TimeInForce.IOC

    def agent(view: nextrade.View) -> np.ndarray | None:
        seen.extend((int(fill["order_id"]), int(fill["maker_id"])) for fill in view.fills)
        return {1: resting, 4: taking}.get(view.now_ns // 10**9)

    path = recording(
        tmp_path,
        "1,1,9,200,-1",
        "1,2,3,90,1",
        "4,2,1,90,1",  # somebody sells one at 90 or better: the agent's bid of 100 is better
        "1,3,5,80,1",
        "1,4,5,80,1",
        "1,5,5,80,1",
    )
    nextrade.Replay(path, agent=agent, batch=1).run()

    assert [maker for taker, maker in seen if taker != AGENT_IDS + 1] == [AGENT_IDS]
    assert [maker for taker, maker in seen if taker == AGENT_IDS + 1] == [2]


def test_agent_cannot_cancel_what_was_recorded(tmp_path: Path) -> None:
    """A cancel of a recorded order is refused, since it belongs to somebody else."""
    command = np.zeros(1, dtype=COMMAND_DTYPE)
    command["kind"] = CommandKind.CANCEL
    command["order_id"] = 1
    path = recording(tmp_path, "1,1,9,100,1", "1,2,9,200,-1", "1,3,9,300,-1")
    replay = nextrade.Replay(path, agent=at_second(1, command), batch=1)

    report = replay.run()

    assert report.rejected_by_reason == {Reason.NOT_OWNER.name: 1}
    assert report.best_bid == 100


@pytest.mark.parametrize("answer", [[1], np.zeros(1, dtype=np.int64)])
def test_answer_of_another_kind_is_refused(tmp_path: Path, answer: object) -> None:
    """What is no array of COMMAND_DTYPE raises TypeError."""
    path = recording(tmp_path, "1,1,9,100,1")

    with pytest.raises(TypeError, match="COMMAND_DTYPE"):
        nextrade.Replay(path, agent=lambda _view: answer, batch=1).run()


def test_exception_of_an_agent_reaches_the_caller(tmp_path: Path) -> None:
    """An agent's exception comes out as it is; what happened before it can be reported."""

    def agent(view: nextrade.View) -> None:
        if view.now_ns == 3 * 10**9:
            raise ZeroDivisionError("the agent's own")

    path = recording(tmp_path, "1,1,9,100,1", "1,2,9,200,-1", "1,3,9,300,-1", "1,4,9,300,-1")
    replay = nextrade.Replay(path, agent=agent, batch=1)

    with pytest.raises(ZeroDivisionError, match="the agent's own"):
        replay.run()
    assert replay.report().commands == 2


def test_walk_may_be_left_early(tmp_path: Path) -> None:
    """After a break the report tells of what was walked, and says where it stopped."""
    path = recording(tmp_path, "1,1,9,100,1", "1,2,9,200,-1", "1,3,9,300,-1")
    replay = nextrade.Replay(path, batch=1)
    for step in replay:
        if len(step.messages) and step.messages["order_id"][-1] == 2:
            break

    report = replay.report()

    assert report.commands == report.messages == 2
    assert report.stopped_at is not None
    assert len(replay.books["SMALL"]) == 2


@pytest.mark.parametrize("mode", ["rebuild", "match", "guided"])
def test_replay_starts_from_a_given_book(tmp_path: Path, mode: str) -> None:
    """Orders of a book that is handed in rest from the start, in every mode."""
    earlier = OrderBook()
    earlier.limit(1, Side.BUY, 100, 5, owner=1)
    earlier.limit(2, Side.SELL, 200, 5, owner=1)
    path = recording(tmp_path, "1,3,4,100,1", "4,1,5,100,1", "4,3,1,100,1")
    replay = nextrade.Replay(
        path, mode=mode, book=OrderBook.from_snapshot(earlier.snapshot()), hindsight=False
    )

    report = replay.run()

    orders = replay.books["SMALL"].orders()
    assert dict(zip(orders["order_id"].tolist(), orders["visible_lots"].tolist(), strict=True)) == {
        2: 5,
        3: 3,
    }
    assert sum(check.wrong for check in report.checks) == 0


def test_replay_is_walked_once(tmp_path: Path) -> None:
    """A second walk, also after one that was left early, is refused: the books have moved on."""
    replay = nextrade.Replay(recording(tmp_path, "1,1,9,100,1", "1,2,9,200,-1"), batch=1)
    next(iter(replay))

    with pytest.raises(RuntimeError, match="once"):
        replay.run()


@pytest.mark.parametrize(
    "wrong", [{"batch": 0}, {"levels": 0}, {"agent_latency_ns": -1}, {"sample_every": "soon"}]
)
def test_senseless_number_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    """A batch or levels below 1, a negative latency and an unknown sampling raise ValueError."""
    path = recording(tmp_path, "1,1,9,100,1")

    with pytest.raises(ValueError, match=r"at least 1|negative|neither"):
        nextrade.Replay(path, **wrong)


def test_samples_may_be_asked_for_by_a_number(tmp_path: Path) -> None:
    """``sample_every`` takes a number of records as a number and as text."""
    lines = [f"1,{number},9,{100 + number},1" for number in range(1, 10)]
    path = recording(tmp_path, *lines)

    for every in (3, "3"):
        steps = list(nextrade.Replay(path, sample_every=every))
        assert sum(len(step.samples.timestamp_ns) for step in steps) == 3
